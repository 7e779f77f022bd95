import pytest
import torch
from making import LABELS
from transformers import MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING, PreTrainedConfig, PreTrainedModel

import ytaudio.models  # noqa: F401 (registers our own)
from ytaudio.errors import ModelError
from ytaudio.testing.models import TINY, tiny
from ytaudio.training.checkpoints import load_classifier
from ytaudio.training.freezing import anatomy, freeze, head_parameter_names

KINDS = sorted(TINY)
HEAD = {"projector", "classifier", "layer_weights", "frame_weights"}


def made(kind, **settings):
    return tiny(kind, None, LABELS, **settings)[0]


def frozen(model) -> set[str]:
    return {name for name, parameter in model.named_parameters() if not parameter.requires_grad}


def under(model, parts) -> set[str]:
    return {name for name, _ in model.named_parameters() if any(name.startswith(f"{part}.") for part in parts)}


@pytest.mark.parametrize(
    "kind, how, parts",
    [
        ("spectrogram_cnn", "none", set()),
        ("spectrogram_cnn", "backbone", {"input_norm", "blocks"}),
        ("spectrogram_cnn", "lower:1", {"input_norm", "blocks.0"}),
        ("wav2vec2", "none", set()),
        ("wav2vec2", "feature_encoder", {"wav2vec2.feature_extractor"}),
        ("wav2vec2", "backbone", {"wav2vec2"}),
        ("audio-spectrogram-transformer", "backbone", {"audio_spectrogram_transformer"}),
        (
            "audio-spectrogram-transformer",
            "lower:1",
            {"audio_spectrogram_transformer.embeddings", "audio_spectrogram_transformer.layers.0"},
        ),
        ("whisper", "backbone", {"encoder"}),
        ("whisper", "feature_encoder", {"encoder.conv1", "encoder.conv2", "encoder.embed_positions"}),
        ("whisper", "lower:2", {f"encoder.{n}" for n in ("conv1", "conv2", "embed_positions", "layers")}),
        ("wav2vec2-bert", "lower:1", {"wav2vec2_bert.feature_projection", "wav2vec2_bert.encoder.layers.0"}),
    ],
)
def test_freezing_holds_exactly_the_part_named(kind, how, parts):
    model = made(kind)
    still = frozen(model)
    freeze(model, how)
    expected = under(model, parts) | {n for n, _ in model.named_parameters() if "masked_spec" in n and "lower" in how}
    assert frozen(model) == expected | still


@pytest.mark.parametrize("stable", [False, True], ids=["norm first", "norm last"])
def test_the_norm_of_wav2vec2s_encoder_lies_where_it_is_computed(stable):
    model = made("wav2vec2", do_stable_layer_norm=stable)
    freeze(model, "lower:2")
    assert ("wav2vec2.encoder.layer_norm.weight" in frozen(model)) is not stable
    assert "wav2vec2.encoder.layers.1.attention.k_proj.weight" in frozen(model)


@pytest.mark.parametrize("kind", KINDS)
def test_head_and_backbone_of_every_type(kind):
    model = made(kind)
    head, parts = head_parameter_names(model), anatomy(model)
    assert head and {name.split(".")[0] for name in head} <= HEAD
    assert len(parts.layers) == 2 and all(parts.layers)
    everything = [*head, *parts.front, *parts.top, *(name for layer in parts.layers for name in layer)]
    assert sorted(everything) == sorted(name for name, _ in model.named_parameters())
    freeze(model, "backbone")
    assert frozen(model) == {name for name, _ in model.named_parameters()} - head


@pytest.mark.parametrize("kind", KINDS)
def test_lower_layers_stand_still_while_the_upper_learn(kind):
    model, extractor = tiny(kind, None, LABELS, seed=1)
    freeze(model, "lower:1")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    sound = extractor([torch.randn(16_000).numpy()] * 4, sampling_rate=16_000, return_tensors="pt")
    name = extractor.model_input_names[0]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    model.train()
    torch.manual_seed(0)
    for _ in range(3):  # LayerDrop may leave a layer out of one of them
        model(**{name: sound[name]}, labels=torch.tensor([0, 1, 2, 0])).loss.backward()
    optimizer.step()
    parts = anatomy(model)
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert not moved & (parts.front | parts.layers[0])
    assert moved & head_parameter_names(model)
    assert moved & parts.layers[1]


@pytest.mark.parametrize(
    "how, says",
    [
        ("feature_encoder", "has no feature encoder"),
        ("head", "choose one of"),
        ("lower:x", "choose one of"),
        ("lower:-1", "choose one of"),
        ("lower:3", "has 2 layers, and freeze is lower:3"),
    ],
)
def test_freezing_what_is_not_there(how, says):
    model = made("spectrogram_cnn")
    with pytest.raises(ModelError, match=says):
        freeze(model, how)
    assert not frozen(model)


def test_a_model_that_keeps_no_backbone_apart():
    class Plain(PreTrainedModel):
        config_class = PreTrainedConfig

        def __init__(self, config):
            super().__init__(config)
            self.all = torch.nn.Linear(2, 2)

    model = Plain(PreTrainedConfig())
    assert head_parameter_names(model) == {"all.weight", "all.bias"}
    freeze(model, "none")
    with pytest.raises(ModelError, match="does not say what of it is pretrained"):
        freeze(model, "backbone")


@pytest.mark.parametrize("kind", ["spectrogram_cnn", "wav2vec2-conformer"])
def test_batch_norms_of_a_frozen_part_do_not_follow_the_batches(kind):
    model, norms = made(kind), (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)
    freeze(model, "lower:1")
    model.train()
    statistics = {
        name: module.running_mean.clone() for name, module in model.named_modules() if isinstance(module, norms)
    }
    model(torch.randn(4, 16_000), labels=torch.tensor([0, 1, 2, 0]))
    held = anatomy(model).front | anatomy(model).layers[0]
    assert any(f"{name}.weight" in held for name in statistics)
    for name, before in statistics.items():
        after = model.get_submodule(name).running_mean
        assert torch.equal(after, before) is (f"{name}.weight" in held), name
    for parameter in model.parameters():  # a backbone that is set free again follows again
        parameter.requires_grad = True
    model.train()
    assert all(module.training for module in model.modules())


def test_frozen_batch_norms_are_saved_as_ever(tmp_path):
    model = made("spectrogram_cnn")
    freeze(model, "backbone")
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path).eval()
    sound = torch.randn(2, 16_000)
    with torch.no_grad():
        torch.testing.assert_close(again(sound).logits, model.eval()(sound).logits, rtol=1e-4, atol=1e-5)


def test_a_pooling_head_is_a_head(tmp_path):
    tiny("wav2vec2", tmp_path, LABELS)
    model, _ = load_classifier(tmp_path, LABELS, pooling="attention", layer_weights=True)
    assert {name.split(".")[0] for name in head_parameter_names(model)} == HEAD
    freeze(model, "feature_encoder")
    assert frozen(model) == under(model, {"backbone.feature_extractor"})
    with pytest.raises(ModelError, match="has 2 layers"):
        freeze(model, "lower:3")


def test_every_audio_classifier_of_transformers_is_among_the_tiny_ones():
    every = [
        config for config in MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING if config.__module__.startswith("transformers.")
    ]
    assert len(every) >= 12 and {config.model_type for config in every} <= set(TINY)
