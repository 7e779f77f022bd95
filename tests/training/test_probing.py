import numpy as np
import pytest
import torch
from making import LABELS, dataset_folder
from transformers import TrainingArguments

import ytaudio.models  # noqa: F401 (registers our own)
from ytaudio.errors import ModelError, UserError
from ytaudio.testing.models import tiny
from ytaudio.training import probing
from ytaudio.training.checkpoints import load_classifier, load_for_inference
from ytaudio.training.choices import AccuracyArguments
from ytaudio.training.data import ClipCollator, open_dataset
from ytaudio.training.freezing import head_parameter_names
from ytaudio.training.losses import ClipLoss, balanced_weights
from ytaudio.training.probing import (
    CACHE,
    EPOCHS,
    fit_head,
    fit_on_embeddings,
)
from ytaudio.training.trainer import VideoMetrics


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return open_dataset(dataset_folder(tmp_path_factory.mktemp("data"), {"train": 9, "validation": 6}) / "dataset")[0]


def different(dataset):
    """How many clips are unlike all others: equal ones are embedded once."""
    return len({row["audio"]["bytes"] for split in dataset.values() for row in split})


def probed(kind, dataset, validation=True, seed=0, **settings):
    model, extractor = tiny(kind, None, LABELS)
    settings = {"crop_seconds": 1.0, "epochs": 40, "learning_rate": 1e-2} | settings
    judge = dataset["validation"] if validation else None
    return model, extractor, fit_on_embeddings(model, extractor, dataset["train"], judge, seed=seed, **settings)


@pytest.mark.parametrize("kind", ["wav2vec2", "spectrogram_cnn", "audio-spectrogram-transformer"])
def test_a_probe_learns_and_leaves_the_backbone_alone(kind, dataset):
    before = tiny(kind, None, LABELS)[0].state_dict()
    model, _, probe = probed(kind, dataset)
    head = head_parameter_names(model)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed <= head and any("classifier" in name for name in changed)
    assert probe.history[-1]["loss"] < 0.9 * probe.history[0]["loss"]
    assert probe.best_macro_f1 == max(entry["eval_macro_f1"] for entry in probe.history) > 0.5
    assert probe.history[probe.best_epoch - 1]["eval_macro_f1"] == probe.best_macro_f1
    assert [entry["epoch"] for entry in probe.history] == [float(epoch) for epoch in range(1, 41)]
    assert set(probe.history[0]) == {"epoch", "loss", "eval_loss", "eval_macro_f1", "eval_accuracy"}
    assert probe.crops == len(dataset["train"]) + len(dataset["validation"])
    assert probe.embedded == different(dataset)


def test_the_head_that_is_left_is_the_best_epochs_and_saved_as_an_ordinary_checkpoint(dataset, tmp_path):
    model, extractor, probe = probed("wav2vec2", dataset, learning_rate=0.1, validation_crops=2)
    assert probe.best_epoch < len(probe.history)
    model.save_pretrained(tmp_path)
    extractor.save_pretrained(tmp_path)
    again, _ = load_for_inference(tmp_path)
    split, collator = dataset["validation"], ClipCollator(extractor, 1.0)
    rows = [{**split[n], "part": (part, 2)} for n in range(len(split)) for part in range(2)]
    with torch.no_grad():
        logits = again(input_values=collator(rows)["input_values"]).logits.numpy()
    metrics = VideoMetrics(np.repeat(split["video_id"], 2).tolist())
    labels = np.repeat(split["label"], 2)
    found = metrics(type("Prediction", (), {"predictions": logits, "label_ids": labels})())
    assert found["macro_f1"] == pytest.approx(probe.best_macro_f1)
    last, _, _ = probed("wav2vec2", dataset, validation=False, learning_rate=0.1, epochs=probe.best_epoch)
    for name, value in last.state_dict().items():  # what was left is what training up to then had made
        torch.testing.assert_close(again.state_dict()[name], value, msg=name)


def test_it_equals_training_the_head_on_the_frozen_backbone(dataset):
    """One epoch of one batch by hand, by way of the whole model, gives the same head."""
    model, extractor = tiny("hubert", None, LABELS, seed=3, use_weighted_layer_sum=True)
    other, _ = tiny("hubert", None, LABELS, seed=3, use_weighted_layer_sum=True)
    split = dataset["train"]
    batch = ClipCollator(extractor, 1.0)([split[n] for n in range(len(split))])
    for parameter in other.hubert.parameters():
        parameter.requires_grad = False
    head = [(name, p) for name, p in other.named_parameters() if p.requires_grad]
    still = [p for name, p in head if p.dim() < 2]
    decayed = [p for name, p in head if p.dim() >= 2]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.01}, {"params": still, "weight_decay": 0.0}])
    for group in optimizer.param_groups:
        group["lr"] = 1e-2
    for _ in range(3):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(other.eval()(batch["input_values"]).logits, batch["labels"]).backward()
        optimizer.step()
    fit_on_embeddings(model, extractor, split, crop_seconds=1.0, epochs=3, learning_rate=1e-2)
    assert model.layer_weights.std() > 0
    for name, value in other.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, rtol=1e-3, atol=1e-4, msg=name)


def test_the_same_seed_gives_the_same_head_and_leaves_the_callers_randomness_alone(dataset):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second = (probed("spectrogram_cnn", dataset, epochs=3)[0] for _ in range(2))
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())


def test_without_validation_the_last_head_stays_and_several_crops_are_heard(dataset):
    model, _, probe = probed("wav2vec2", dataset, validation=False, crops=2, epochs=5)
    assert probe.best_epoch == 5 and probe.best_macro_f1 is None
    assert probe.crops == probe.embedded == 2 * len(dataset["train"])
    assert set(probe.history[0]) == {"epoch", "loss"} and not model.training


def test_the_loss_is_the_one_given(dataset):
    rare = ClipLoss(torch.tensor([0.0, 0.0, 1.0]))
    model, extractor, _ = probed("wav2vec2", dataset, validation=False, loss=rare)
    batch = ClipCollator(extractor, 1.0)([dataset["train"][n] for n in range(6)])
    with torch.no_grad():
        assert model(batch["input_values"]).logits.argmax(-1).tolist() == [2] * 6


def test_a_recipes_settings_and_a_second_run_that_embeds_nothing(dataset, tmp_path):
    args = TrainingArguments(
        str(tmp_path), per_device_eval_batch_size=4, report_to="none", disable_tqdm=True, use_cpu=True
    )
    for embedded in (different(dataset), 0):
        model, extractor = tiny("wav2vec2", None, LABELS)
        probe = fit_head(model, extractor, dataset["train"], dataset["validation"], args, AccuracyArguments(), 1.0)
        assert (len(probe.history), probe.embedded) == (EPOCHS, embedded)
        assert probe.epoch_seconds < 1
    assert list((tmp_path / CACHE).rglob("*.safetensors"))


def test_what_cannot_be_probed_is_said_in_a_sentence(dataset, tmp_path):
    tiny("wav2vec2", tmp_path, LABELS)
    model, extractor = load_classifier(tmp_path, LABELS, pooling="attention")
    with pytest.raises(ModelError, match="there is no embedding to keep"):
        fit_on_embeddings(model, extractor, dataset["train"], crop_seconds=1.0)
    model, extractor = tiny("wav2vec2", None, LABELS)
    with pytest.raises(UserError, match="leave out --streaming"):
        fit_on_embeddings(model, extractor, dataset["train"].to_iterable_dataset(), crop_seconds=1.0)


def test_weights_of_the_head_decay_and_neither_biases_nor_layer_weights(dataset, monkeypatch):
    def fitted(decay: float) -> dict[str, torch.Tensor]:
        """What one step makes of a head whose loss knows no clip: only decay moves it."""
        monkeypatch.setattr(probing, "WEIGHT_DECAY", decay)
        model, extractor = tiny("hubert", None, LABELS, use_weighted_layer_sum=True)
        with torch.no_grad():
            for name in head_parameter_names(model):
                model.get_parameter(name).fill_(1.0)
        none = ClipLoss(torch.tensor([1.0, 0.0, 0.0]) * 1e-30)
        settings = {"crop_seconds": 1.0, "epochs": 1, "learning_rate": 0.1, "loss": none}
        fit_on_embeddings(model, extractor, dataset["train"], **settings)
        return {name: model.get_parameter(name).detach() for name in head_parameter_names(model)}

    with_decay, without = fitted(0.5), fitted(0.0)
    moved = {name for name in without if not torch.equal(with_decay[name], without[name])}
    assert moved == {"projector.weight", "classifier.weight"}
    assert {"projector.bias", "classifier.bias", "layer_weights"} == without.keys() - moved


def test_class_weights_and_smoothing_of_the_settings_are_the_heads(dataset, tmp_path):
    few = dataset["train"].select([n for n, label in enumerate(dataset["train"]["label"]) if label != 2 or n < 6])
    assert len(set(np.bincount(few["label"]).tolist())) > 1, "one class is rarer"

    def fitted(smoothing: float, weights: str) -> list[float]:
        quiet = {"report_to": "none", "disable_tqdm": True, "use_cpu": True}
        args = TrainingArguments(str(tmp_path), label_smoothing_factor=smoothing, **quiet)
        model, extractor = tiny("wav2vec2", None, LABELS)
        probe = fit_head(model, extractor, few, None, args, AccuracyArguments(class_weights=weights), 1.0, epochs=2)
        return [entry["loss"] for entry in probe.history]

    def by_hand(smoothing: float, balanced: bool) -> list[float]:
        model, extractor = tiny("wav2vec2", None, LABELS)
        loss = ClipLoss(balanced_weights(few["label"], 3) if balanced else None, smoothing)
        probe = fit_on_embeddings(model, extractor, few, crop_seconds=1.0, epochs=2, loss=loss, seed=42)
        return [entry["loss"] for entry in probe.history]

    plain = fitted(0.0, "none")
    for smoothing, weights in ((0.3, "none"), (0.0, "balanced"), (0.3, "balanced")):
        found = fitted(smoothing, weights)
        assert found == by_hand(smoothing, weights == "balanced") and found != plain
