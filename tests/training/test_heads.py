import logging

import pytest
import torch
from making import LABELS

from ytaudio.errors import ModelError
from ytaudio.models import PooledAudioForAudioClassification
from ytaudio.models.pooled_audio import POOLINGS
from ytaudio.testing.models import TINY, tiny
from ytaudio.training.checkpoints import load_classifier
from ytaudio.training.choices import POOLINGS as CHOICES
from ytaudio.training.heads import match_labels

WEIGHED = [kind for kind in TINY if kind != "spectrogram_cnn"]


@pytest.mark.parametrize("kind", ["wav2vec2", "audio-spectrogram-transformer", "spectrogram_cnn", "whisper"])
def test_the_same_labels_keep_their_outputs_in_whatever_order(kind, tmp_path):
    old, _ = tiny(kind, tmp_path, ["food", "art_music", "travel"])
    kept, _ = load_classifier(tmp_path, ["Food", "Art Music", "travel"])
    assert all(torch.equal(value, kept.state_dict()[name]) for name, value in old.state_dict().items())
    moved, _ = load_classifier(tmp_path, ["travel", "food", "art music"])
    assert moved.config.id2label == {0: "travel", 1: "food", 2: "art music"}
    shape = {"whisper": (16, 100), "audio-spectrogram-transformer": (100, 128)}.get(kind, (16_000,))
    sound = torch.randn(2, *shape)
    with torch.no_grad():
        before = old(**{old.main_input_name: sound}).logits
        after = moved.eval()(**{old.main_input_name: sound}).logits
    torch.testing.assert_close(after, before[:, [2, 0, 1]], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(before[:, 0], before[:, 1])


@pytest.mark.parametrize("kind", ["wav2vec2", "audio-spectrogram-transformer", "spectrogram_cnn"])
def test_as_many_other_labels_get_an_output_layer_of_their_own(kind, tmp_path):
    old, _ = tiny(kind, tmp_path, ["food", "art_music", "travel"])
    torch.manual_seed(0)
    new, _ = load_classifier(tmp_path, ["food", "art_music", "history"])
    changed = {name for name, value in new.state_dict().items() if not torch.equal(value, old.state_dict()[name])}
    assert changed and all(name.startswith("classifier.") for name in changed)
    if kind == "audio-spectrogram-transformer":
        assert changed == {"classifier.dense.weight"}  # its norm knows no labels
    weight = next(new.state_dict()[name] for name in changed if name.endswith("weight"))
    assert 0 < weight.std() < 1 and weight.isfinite().all()


def test_labels_named_twice_are_not_taken_for_a_reordering(tmp_path):
    model, _ = tiny("wav2vec2", None, ["a", "a"])
    assert match_labels("x", model, {0: "a", 1: "b"}, ["b", "a"]) == "reordered"
    assert match_labels("x", model, {0: "a", 1: "A"}, ["a", "a"]) == "kept"
    assert match_labels("x", model, {0: "a", 1: "b"}, ["a", "a"]) == "made anew"


def test_a_head_that_nobody_can_tell_apart_is_not_kept_silently():
    model, _ = tiny("wav2vec2", None, ["a", "b"])
    model.classifier = torch.nn.Conv1d(8, 2, 1)
    with pytest.raises(ModelError, match="trained on other labels"):
        match_labels("x", model, {0: "a", 1: "c"}, ["a", "b"])


@pytest.mark.parametrize("kind", WEIGHED)
def test_layer_weights_begin_even_and_learn_though_layers_would_be_dropped(kind, tmp_path):
    drop = {"encoder_layerdrop": 0.9} if kind == "whisper" else {"layerdrop": 0.9}
    tiny(kind, tmp_path, ["a", "b"], **({} if kind == "audio-spectrogram-transformer" else drop))
    model, _ = load_classifier(tmp_path, LABELS, layer_weights=True)
    even = model.layer_weights.detach().softmax(-1)
    torch.testing.assert_close(even, torch.full((3,), 1 / 3))
    stock = kind != "audio-spectrogram-transformer"  # then pipeline needs no remote code
    assert isinstance(model, PooledAudioForAudioClassification) is not stock
    assert type(model).__module__.startswith("transformers.models") is stock
    shape = {
        "whisper": (16, 100),
        "audio-spectrogram-transformer": (100, 128),
        "wav2vec2-bert": (49, 160),
    }.get(kind, (16_000,))
    model.train()
    for _ in range(3):
        model(**{model.main_input_name: torch.randn(2, *shape)}, labels=torch.tensor([0, 2])).loss.backward()
    assert model.layer_weights.grad.abs().min() > 0


@pytest.mark.parametrize("kind", ["wav2vec2", "whisper"])
def test_a_pooling_head_that_weighs_layers_drops_none(kind, tmp_path):
    drop = "encoder_layerdrop" if kind == "whisper" else "layerdrop"
    tiny(kind, tmp_path, ["a", "b"], **{drop: 0.9})
    model, _ = load_classifier(tmp_path, LABELS, layer_weights=True, pooling="statistics")
    sound = torch.randn(2, *((16, 100) if kind == "whisper" else (16_000,)))
    for _ in range(4):  # a dropped layer would leave too few to weigh
        model.train()(**{model.main_input_name: sound})
    kept, _ = load_classifier(tmp_path, LABELS, pooling="statistics")
    assert getattr(kept.backbone.config, drop) == 0.9


@pytest.mark.parametrize("kind", ["sew-d", "wav2vec2", "hubert"])
def test_what_masks_frames_is_there_though_the_checkpoint_lacks_it(kind, tmp_path):
    old, _ = tiny(kind, tmp_path, LABELS, mask_time_prob=0.0, mask_feature_prob=0.0)
    assert not any("masked_spec_embed" in name for name in old.state_dict())
    model, _ = load_classifier(tmp_path, LABELS, config={"mask_time_prob": 0.05})
    mask = model.base_model.masked_spec_embed
    assert mask.min() >= 0 and 0.2 < mask.max() <= 1 and mask.unique().numel() == mask.numel()


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("settings", [{}, {"pooling": "statistics"}], ids=["stock", "pooled"])
def test_spec_augment_is_switched_where_the_model_has_it(wanted, settings, tmp_path):
    tiny("wav2vec2", tmp_path, LABELS, apply_spec_augment=not wanted)
    model, _ = load_classifier(tmp_path, LABELS, spec_augment=wanted, **settings)
    assert model.base_model.config.apply_spec_augment is wanted
    model.save_pretrained(tmp_path / "again")
    _.save_pretrained(tmp_path / "again")
    back, _ = load_classifier(tmp_path / "again", LABELS)
    assert back.base_model.config.apply_spec_augment is wanted
    back, _ = load_classifier(tmp_path / "again", LABELS, spec_augment=not wanted)
    assert back.base_model.config.apply_spec_augment is not wanted


@pytest.mark.parametrize("kind", ["audio-spectrogram-transformer", "whisper"])
def test_spec_augment_that_would_do_nothing_is_refused(kind, tmp_path):
    tiny(kind, tmp_path, LABELS)
    load_classifier(tmp_path, LABELS, spec_augment=False)
    with pytest.raises(ModelError, match="has no SpecAugment"):
        load_classifier(tmp_path, LABELS, spec_augment=True)


def test_heads_that_cannot_be_had(tmp_path):
    model, extractor = load_classifier("wav2vec2", LABELS, config=TINY["wav2vec2"][0], pooling="statistics")
    model.save_pretrained(tmp_path / "pooled")
    extractor.save_pretrained(tmp_path / "pooled")
    tiny("wav2vec2-bert", tmp_path / "adapted", LABELS)
    adapted = {"add_adapter": True}
    for name, settings, says in [
        ("spectrogram_cnn", {"pooling": "statistics"}, "pools in its own way"),
        ("spectrogram_cnn", {"layer_weights": True}, "pools in its own way"),
        (tmp_path / "pooled", {"pooling": "attention"}, "has a head with pooling statistics"),
        (tmp_path / "pooled", {"layer_weights": True}, "has a head with pooling statistics"),
        (tmp_path / "adapted", {"pooling": "statistics", "config": adapted}, "has an adapter"),
        ("wav2vec2", {"pooling": "maximum"}, "pooling is 'maximum'"),
    ]:
        with pytest.raises(ModelError, match=says):
            load_classifier(name, LABELS, **settings)
    assert POOLINGS == CHOICES
    again, _ = load_classifier(tmp_path / "pooled", LABELS)
    assert again.config.pooling == "statistics"


def test_a_head_that_is_left_behind_is_no_warning_and_anything_else_is(tmp_path):
    told = []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())
    logger = logging.getLogger("transformers.modeling_utils")
    logger.addHandler(handler)
    try:
        tiny("wav2vec2", tmp_path, LABELS)
        load_classifier(tmp_path, LABELS, pooling="attention")
        assert told == [] and not logger.filters
        load_classifier(tmp_path, LABELS, pooling="attention", config={"num_hidden_layers": 5})
    finally:
        logger.removeHandler(handler)
    (report,) = told
    assert "MISSING" in report and "UNEXPECTED" in report and not logger.filters
