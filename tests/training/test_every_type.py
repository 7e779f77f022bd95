"""Each type that transformers classifies audio with, and ours: loaded from anywhere, trained a step, reloaded."""

import pytest
import torch
from huggingface_hub import HfApi
from making import LABELS, dataset_folder
from transformers import AutoConfig, TrainingArguments

import ytaudio.models  # noqa: F401 (registers our own)
from ytaudio.testing.models import TINY, tiny
from ytaudio.training.checkpoints import (
    load_classifier,
    load_for_inference,
    longest_crop_seconds,
    natural_crop_seconds,
    revision_of,
)
from ytaudio.training.data import ClipCollator, open_dataset
from ytaudio.training.freezing import freeze, head_parameter_names
from ytaudio.training.trainer import ClipTrainer

KINDS = sorted(TINY)
INPUTS = dict.fromkeys(KINDS, ("input_values", (16_000,))) | {
    "audio-spectrogram-transformer": ("input_values", (100, 128)),
    "wav2vec2-bert": ("input_features", (49, 160)),
    "whisper": ("input_features", (16, 100)),
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return open_dataset(dataset_folder(tmp_path_factory.mktemp("data"), {"train": 3}) / "dataset")[0]["train"]


def trained(model, extractor, dataset, folder, steps=2):
    arguments = {"max_steps": steps, "learning_rate": 1e-2, "per_device_train_batch_size": 6, "logging_steps": 1}
    quiet = {"report_to": "none", "disable_tqdm": True, "save_strategy": "no", "dataloader_pin_memory": False}
    collator = ClipCollator(extractor, natural_crop_seconds(extractor) if longest_crop_seconds(extractor) else 1.0)
    trainer = ClipTrainer(
        model=model,
        args=TrainingArguments(str(folder), **arguments, **quiet, remove_unused_columns=False, use_cpu=True),
        processing_class=extractor,
        train_dataset=dataset,
        data_collator=collator,
        eval_collator=collator,
    )
    trainer.train()
    trainer.save_model(str(folder))
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


@pytest.mark.parametrize("kind", KINDS)
def test_from_the_hub_at_a_revision_through_a_training_to_the_same_logits(kind, hub, dataset, tmp_path):
    api = HfApi()
    repo = api.create_repo(f"tester/tiny-{kind}", exist_ok=True).repo_id
    revisions = []
    for seed in (1, 2):
        tiny(kind, tmp_path / str(seed), ["other", "labels"], seed=seed)
        revisions.append(api.upload_folder(repo_id=repo, folder_path=tmp_path / str(seed)).oid)
    model, extractor = load_classifier(repo, LABELS, revision=revisions[0])
    found = {
        "folder": load_classifier(tmp_path / "1", LABELS)[0],
        "revision": model,
        "newest": load_classifier(repo, LABELS)[0],
    }
    assert [revision_of(model) for model in found.values()] == ["", *revisions]
    body = [name for name in found["folder"].state_dict() if name not in head_parameter_names(found["folder"])]
    states = {name: model.state_dict() for name, model in found.items()}
    assert all(torch.equal(states["folder"][name], states["revision"][name]) for name in body)
    assert any(not torch.equal(states["folder"][name], states["newest"][name]) for name in body)

    before = {name: value.clone() for name, value in model.state_dict().items()}
    losses = trained(model, extractor, dataset, tmp_path / "out")
    assert len(losses) == 2 and all(torch.tensor(losses).isfinite())
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved & head_parameter_names(model) and moved - head_parameter_names(model)

    again, extractor = load_for_inference(tmp_path / "out")
    assert list(again.config.id2label.values()) == list(LABELS) and revision_of(again) == ""
    collator = ClipCollator(extractor, 1.0)
    batch = collator([dataset[place] for place in range(2)])
    name, shape = INPUTS[kind]
    assert set(batch) == {name, "labels"} and batch[name].shape == (2, *shape)
    with torch.no_grad():
        assert torch.equal(again(**{name: batch[name]}).logits, model.eval()(**{name: batch[name]}).logits)


@pytest.mark.parametrize("kind", KINDS)
def test_a_frozen_backbone_is_bit_for_bit_the_same_after_training(kind, dataset, tmp_path):
    model, extractor = tiny(kind, None, LABELS)
    freeze(model, "backbone")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trained(model, extractor, dataset, tmp_path)
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved and moved <= head_parameter_names(model)


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_model_of_the_type_has_the_extractor_that_published_ones_have(kind):
    shape, heard = TINY[kind]
    model, extractor = load_classifier(kind, LABELS, config=shape)
    _, published = tiny(kind)
    assert type(extractor) is type(published) and extractor.model_input_names[0] == model.main_input_name
    usual = {"whisper": 30.0, "audio-spectrogram-transformer": 10.24}
    assert natural_crop_seconds(extractor) == pytest.approx(usual.get(kind, 5.0))
    assert longest_crop_seconds(extractor) == pytest.approx(usual[kind]) if kind in usual else True
    assert (longest_crop_seconds(extractor) is None) is (kind not in usual)
    assert natural_crop_seconds(published) == pytest.approx(1.0 if heard else 5.0)


def test_the_tiny_ones_are_of_the_types_they_are_called_by():
    for kind in KINDS:
        model, _ = tiny(kind)
        assert type(model.config) is type(AutoConfig.for_model(kind))
        assert sum(p.numel() for p in model.parameters()) < 20_000
