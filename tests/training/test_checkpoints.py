from functools import partial

import pytest
import torch
from huggingface_hub import HfApi
from making import LABELS, tone
from transformers import BertConfig, SeamlessM4TFeatureExtractor, Wav2Vec2FeatureExtractor

from ytaudio.clips import encode
from ytaudio.models import SpectrogramCNNForAudioClassification
from ytaudio.testing.models import TINY as TINY_MODELS
from ytaudio.testing.models import tiny
from ytaudio.training.checkpoints import (
    ModelError,
    load_classifier,
    load_for_inference,
    revision_of,
)
from ytaudio.training.data import ClipCollator

TINY_CNN = {"width": 4, "hidden_size": 8}
TINY_WAV2VEC2 = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "conv_dim": [16] * 7,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
    "classifier_proj_size": 8,
}
TINY = [("spectrogram_cnn", TINY_CNN), ("wav2vec2", TINY_WAV2VEC2)]


def saved(folder, kind="spectrogram_cnn", config=None, labels=LABELS):
    model, extractor = load_classifier(kind, labels, config=config or dict(TINY)[kind])
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    return model


@pytest.mark.parametrize("kind, config", TINY)
def test_a_model_type_is_built_anew_with_labels_and_extractor(kind, config):
    model, extractor = load_classifier(kind, LABELS, config=config)
    assert model.config.id2label == dict(enumerate(LABELS))
    assert model.config.label2id == {label: k for k, label in enumerate(LABELS)}
    assert all(getattr(model.config, key) == value for key, value in config.items())
    assert type(extractor) is Wav2Vec2FeatureExtractor and extractor.sampling_rate == 16_000
    assert model.accepts_loss_kwargs is False
    assert model(torch.randn(2, 16_000)).logits.shape == (2, len(LABELS))


@pytest.mark.parametrize("kind, config", TINY)
def test_a_checkpoint_keeps_its_body_and_gets_a_head_for_other_labels(tmp_path, kind, config):
    old = saved(tmp_path, kind, config, labels=["a", "b", "c", "d", "e"])
    new, extractor = load_classifier(tmp_path, LABELS)
    assert new.config.id2label == dict(enumerate(LABELS)) and new.config.num_labels == len(LABELS)
    assert new.classifier.out_features == len(LABELS)
    for name, weight in new.state_dict().items():
        if not name.startswith("classifier"):
            assert torch.equal(weight, old.state_dict()[name]), name
    assert extractor.sampling_rate == 16_000 and revision_of(new) == ""


def test_settings_of_the_checkpoints_config_can_be_changed(tmp_path):
    saved(tmp_path, "wav2vec2")
    model, _ = load_classifier(tmp_path, LABELS, config={"mask_time_prob": 0.0}, attn_implementation="eager")
    assert model.config.mask_time_prob == 0.0 and model.config._attn_implementation == "eager"


def test_gradient_checkpointing_left_on_in_an_old_config_is_switched_off(tmp_path):
    model = saved(tmp_path, "wav2vec2")
    model.config.gradient_checkpointing = True
    model.config.save_pretrained(tmp_path)
    assert not load_classifier(tmp_path, LABELS)[0].is_gradient_checkpointing


def test_for_inference_the_labels_are_the_checkpoints(tmp_path):
    old = saved(tmp_path, labels=["b", "a"]).eval()
    model, _ = load_for_inference(tmp_path)
    sound = torch.randn(1, 16_000)
    assert model.config.id2label == {0: "b", 1: "a"} and not model.training
    with torch.no_grad():
        torch.testing.assert_close(model(sound).logits, old(sound).logits, rtol=1e-4, atol=1e-5)


def test_a_model_of_the_hub_at_a_revision(hub, tmp_path):
    saved(tmp_path, labels=["one", "two"])
    api = HfApi()
    repo = api.create_repo("tester/checkpoints", exist_ok=True).repo_id
    first = api.upload_folder(repo_id=repo, folder_path=tmp_path).oid
    saved(tmp_path, labels=["three", "four"])
    second = api.upload_folder(repo_id=repo, folder_path=tmp_path).oid
    model, _ = load_for_inference(repo, revision=first)
    assert list(model.config.id2label.values()) == ["one", "two"]
    trained, _ = load_classifier(repo, LABELS)
    assert type(trained) is SpectrogramCNNForAudioClassification and revision_of(trained) == second


def test_what_is_not_an_audio_classifier_is_refused_in_a_sentence(hub, tmp_path):
    BertConfig().save_pretrained(tmp_path / "bert")
    (tmp_path / "empty").mkdir()
    model = saved(tmp_path / "bare")
    (tmp_path / "bare" / "preprocessor_config.json").unlink()
    saved(tmp_path / "weightless")
    (tmp_path / "weightless" / "model.safetensors").unlink()
    saved(tmp_path / "broken")
    (tmp_path / "broken" / "config.json").write_text("{")
    assert model.config.model_type == "spectrogram_cnn"
    for name, says in [
        (tmp_path / "bert", "is not an audio classifier"),
        (tmp_path / "empty", "is not an audio classifier"),
        (tmp_path / "broken", "is not an audio classifier"),
        (tmp_path / "bare", "has no feature extractor"),
        (tmp_path / "weightless", "cannot be loaded"),
        (tmp_path / "nothing", "There is no folder"),
        ("tester/no-such-model", "is not on"),
        ("tester/no such model", "USER/NAME"),
    ]:
        for load in (lambda name: load_classifier(name, LABELS), load_for_inference):
            with pytest.raises(ModelError, match=says) as caught:
                load(name)
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize("config", [{"widht": 8}, {"width": "wide"}, {"depth": 9}])
def test_settings_that_a_model_type_does_not_take(config):
    with pytest.raises(ModelError, match="model_config"):
        load_classifier("spectrogram_cnn", LABELS, config=config)


def test_a_setting_that_a_checkpoint_does_not_have(tmp_path):
    saved(tmp_path)
    with pytest.raises(ModelError, match="has no setting widht"):
        load_classifier(tmp_path, LABELS, config={"widht": 8})


def test_a_model_type_that_classifies_no_audio():
    with pytest.raises(ModelError, match="is not an audio classifier"):
        load_classifier("bert", LABELS)


def rows_of_tones():
    return [{"audio": {"bytes": encode(tone(k, 0)), "path": "a.flac"}, "label": k} for k in range(len(LABELS))]


def test_a_checkpoint_whose_extractor_makes_features_and_masks(tmp_path):
    tiny("wav2vec2-bert", tmp_path)
    model, extractor = load_classifier(tmp_path, LABELS)
    batch = ClipCollator(extractor, 1.0)(rows_of_tones())
    assert set(batch) == {"input_features", "labels"} and model(**batch).loss.isfinite()


@pytest.mark.parametrize("pooling", ["mean", "statistics"])
@pytest.mark.parametrize(
    "kind, attention, says",
    [
        ("wavlm", "sdpa", "has no sdpa: set attn_implementation to eager"),
        ("wavlm", "flash_attention_2", "has no flash_attention_2: set attn_implementation to eager"),
        ("wav2vec2-bert", "flash_attention_2", "set attn_implementation to sdpa or eager"),
        ("wav2vec2", "flash_attention_2", "needs a GPU and the package flash-attn"),
        ("wav2vec2", "fast", "choose one of eager, sdpa, flash_attention_2"),
    ],
)
def test_attention_that_model_or_machine_lacks_is_refused(kind, attention, says, pooling, tmp_path):
    tiny(kind, tmp_path, LABELS)
    with pytest.raises(ModelError, match=says):
        load_classifier(tmp_path, LABELS, attn_implementation=attention, pooling=pooling)
    with pytest.raises(ModelError, match=says):
        load_classifier(kind, LABELS, config=TINY_MODELS[kind][0], attn_implementation=attention, pooling=pooling)


@pytest.mark.parametrize("pooling", ["mean", "statistics"])
@pytest.mark.parametrize(
    "kind, asked, got",
    [("wavlm", None, "eager"), ("wavlm", "eager", "eager"), ("hubert", None, "sdpa"), ("hubert", "eager", "eager")],
)
def test_attention_is_computed_as_asked_or_as_the_model_can(kind, asked, got, pooling, tmp_path):
    _, extractor = tiny(kind, tmp_path, LABELS)
    model, _ = load_classifier(tmp_path, LABELS, attn_implementation=asked, pooling=pooling)
    assert model.config._attn_implementation == model.base_model.config._attn_implementation == got
    model.save_pretrained(tmp_path / "again")
    extractor.save_pretrained(tmp_path / "again")
    again, _ = load_classifier(tmp_path / "again", LABELS, attn_implementation=asked)
    assert again.base_model.config._attn_implementation == got


def test_an_extractor_that_does_not_fit_the_model_is_refused(tmp_path):
    saved(tmp_path)
    SeamlessM4TFeatureExtractor().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="takes no input_features"):
        load_classifier(tmp_path, LABELS)


def test_code_of_a_repository_runs_only_when_allowed_and_travels_on(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    old = saved(first)
    for name in ("config.json", "spectrogram_cnn.py"):  # a model type that is not ours any more
        text = (first / name).read_text().replace('"spectrogram_cnn"', '"a_strangers_cnn"')
        (first / name).write_text(text)
    for load in (partial(load_classifier, first, LABELS), partial(load_for_inference, first)):
        with pytest.raises(ModelError, match=r"brings its own code: .* --trust-remote-code"):
            load()
        model, extractor = load(trust_remote_code=True)
        assert type(model).__module__.startswith("transformers_modules")
    model.save_pretrained(second)
    extractor.save_pretrained(second)
    again, _ = load_for_inference(second, trust_remote_code=True)
    sound = torch.randn(1, 16_000)
    with torch.no_grad():
        torch.testing.assert_close(again(sound).logits, old.eval()(sound).logits, rtol=1e-4, atol=1e-5)
