from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from making import LABELS, dataset_folder
from rich.console import Console
from transformers import TrainingArguments

from ytaudio.errors import UserError
from ytaudio.training.checkpoints import load_classifier
from ytaudio.training.choices import AccuracyArguments
from ytaudio.training.data import ClipCollator
from ytaudio.training.fitting import clip_trainer
from ytaudio.training.freezing import freeze
from ytaudio.training.plans import (
    Plan,
    in_words,
    look_ahead,
    plan_of,
    plan_text,
    price_of,
    size,
    split_plan,
    steps_per_epoch,
)
from ytaudio.training.supplies import Supply, open_supply

CNN = {"width": 4, "hidden_size": 8}


@pytest.fixture(scope="module")
def supply(tmp_path_factory) -> Supply:
    return open_supply(dataset_folder(tmp_path_factory.mktemp("data"), {"train": 7, "validation": 2}) / "dataset")


def run_of(**changes) -> SimpleNamespace:
    told = {"dataset_name": "USER/DATA", "model_name_or_path": "spectrogram_cnn", "freeze": "none"}
    return SimpleNamespace(**{**told, "probe": False, "dry_run": True, "overwrite": False, **changes})


def arguments(folder, **changes) -> TrainingArguments:
    args = TrainingArguments(str(folder), use_cpu=True, disable_tqdm=True, save_strategy="no", **changes)
    args.resume_from_checkpoint = "auto"
    return args


def planned(supply, folder, run=None, how="none", choices=None, **changes) -> Plan:
    model, extractor = load_classifier("spectrogram_cnn", LABELS, config=CNN)
    freeze(model, how)
    args, choices = arguments(folder, **changes), choices or AccuracyArguments()
    return plan_of(run or run_of(), args, choices, supply, model, ClipCollator(extractor, 1.0), checkpoint=None)


@pytest.mark.parametrize("oversample", [False, True])
@pytest.mark.parametrize("batch, accumulation, changes", [(4, 3, {}), (5, 2, {}), (4, 2, {"max_steps": 3})])
def test_steps_are_those_the_trainer_takes(supply, tmp_path, batch, accumulation, changes, oversample):
    choices = AccuracyArguments(oversample=oversample)
    sizes = {"per_device_train_batch_size": batch, "gradient_accumulation_steps": accumulation}
    plan = planned(supply, tmp_path, choices=choices, num_train_epochs=2, **sizes, **changes)
    model, extractor = load_classifier("spectrogram_cnn", LABELS, config=CNN)
    args = arguments(tmp_path, num_train_epochs=2, **sizes, **changes)
    trainer = clip_trainer(model, extractor, args, choices, supply.train, None, crop_seconds=1.0)
    trainer.train()
    assert plan.steps == trainer.state.global_step == trainer.state.max_steps
    assert plan.crops_a_step == batch * accumulation


def test_every_process_takes_as_many_batches():
    assert steps_per_epoch(100, 8, 1, 1) == 13 and steps_per_epoch(100, 8, 1, 1, drop_last=True) == 12
    assert steps_per_epoch(100, 8, 1, 2) == 7 and steps_per_epoch(100, 8, 4, 2) == 2
    assert steps_per_epoch(3, 8, 4, 8) == 1


def test_splits_are_counted_by_video_and_a_class_may_be_absent(supply):
    train, validation = (split_plan(name, supply.splits[name], supply.labels) for name in ("train", "validation"))
    assert (train.clips, train.videos) == (14, 7) and sum(train.videos_by_label.values()) == 7
    assert validation.videos_by_label == {"art_music": 1, "food": 1, "travel": 0}


def test_parameters_are_told_by_part(supply, tmp_path):
    model, _ = load_classifier("spectrogram_cnn", LABELS, config=CNN)
    whole = planned(supply, tmp_path)
    assert whole.backbone[0] + whole.head[0] == model.num_parameters()
    assert (whole.backbone[0], whole.head[0]) == (whole.backbone[1], whole.head[1])
    frozen = planned(supply, tmp_path, how="backbone", run=run_of(freeze="backbone"))
    assert frozen.backbone[1] == 0 < frozen.backbone[0] and frozen.head[1] == frozen.head[0]
    assert frozen.memory.gradients == 4 * frozen.head[0]


def printed(plan: Plan) -> str:
    console = Console(width=160, force_terminal=False)
    with console.capture() as caught:
        console.print(plan_text(plan))
    return caught.get()


def test_the_text_tells_it(supply, tmp_path):
    plan = planned(supply, tmp_path / "out", num_train_epochs=3, per_device_train_batch_size=4)
    said = printed(replace(plan, checkpoint="out/checkpoint-4", memory_available=2_000_000_000, processes=2))
    for words in (
        "dataset        USER/DATA",
        "freeze none",
        "1 s, one of a clip in training, 1 in validation",
        "12, 4 an epoch, each of 8 crops: 4 at once x 1 accumulated x 2 in parallel",
        "5e-05, linear",
        "cpu, float32",
        "going on from out/checkpoint-4",
        "2.00 GB available",
        "videos of art_music",
        "nothing was trained or written",
    ):
        assert words in said, words
    assert [line.split() for line in said.splitlines() if "validation │" in line] == [
        ["│", "validation", "│", "4", "│", "2", "│", "1", "│", "1", "│", "0", "│"]
    ]
    assert not (tmp_path / "out").exists()
    probe = printed(planned(supply, tmp_path, run=run_of(probe=True)))
    assert "18 clips are embedded once" in probe and "0.001" in probe


def test_a_warning_is_all_that_is_said_before_a_training_that_is_no_dry_run(supply, tmp_path, capsys, monkeypatch):
    model, extractor = load_classifier("spectrogram_cnn", LABELS, config=CNN)
    args = arguments(tmp_path)
    look_ahead(run_of(dry_run=False), AccuracyArguments(), args, supply, model, extractor, 1.0)
    assert capsys.readouterr().out == ""
    monkeypatch.setattr("ytaudio.training.memory.available", lambda device: 1000)
    look_ahead(run_of(dry_run=False), AccuracyArguments(), args, supply, model, extractor, 1.0)
    assert "may need about" in capsys.readouterr().out and torch.is_grad_enabled()


def test_prices_times_and_sizes_in_words():
    assert price_of("2.00 EUR", 720) == "0.40 EUR at 2.00 an hour" and price_of("", 720) == ""
    with pytest.raises(UserError, match="a number and a currency"):
        price_of("cheap", 1)
    assert [in_words(s) for s in (2.34, 50, 120, 7200)] == ["2.3 s", "50 s", "2 min", "2.0 h"]
    assert [size(n) for n in (1_500_000_000, 2_000_000)] == ["1.50 GB", "2.0 MB"]
