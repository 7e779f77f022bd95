import io
import re

import pytest
from making import dataset_folder
from rich.console import Console
from transformers import PrinterCallback, TrainingArguments

from ytaudio.errors import UserError
from ytaudio.training.checkpoints import load_classifier
from ytaudio.training.choices import AccuracyArguments
from ytaudio.training.epochs import EpochLines, check_trackers
from ytaudio.training.fitting import clip_trainer
from ytaudio.training.supplies import open_supply


@pytest.fixture(scope="module")
def supply(tmp_path_factory):
    return open_supply(dataset_folder(tmp_path_factory.mktemp("data"), {"train": 4, "validation": 3}) / "dataset")


def said(supply, folder, terminal: bool = False, resume: str | None = None, **changes) -> list[str]:
    """What a training of the smallest CNN says, in lines."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=100, soft_wrap=True, no_color=True, highlight=False)
    model, extractor = load_classifier("spectrogram_cnn", supply.labels, config={"width": 4, "hidden_size": 8})
    args = {"eval_strategy": "epoch", "save_strategy": "epoch", "logging_strategy": "epoch", "num_train_epochs": 2}
    args |= {"load_best_model_at_end": True, "metric_for_best_model": "macro_f1", "learning_rate": 0.0, **changes}
    trainer = clip_trainer(
        model,
        extractor,
        TrainingArguments(str(folder), use_cpu=True, disable_tqdm=True, per_device_train_batch_size=4, **args),
        AccuracyArguments(),
        supply.train,
        supply.validation if args["eval_strategy"] != "no" else None,
        crop_seconds=1.0,
        callbacks=[EpochLines(console)],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=resume)
    return out.getvalue().splitlines()


def test_a_log_has_one_line_an_epoch_and_a_resume_knows_the_best(supply, tmp_path, capsys):
    lines = said(supply, tmp_path)
    assert len(lines) == 2 and capsys.readouterr().out == ""
    assert re.match(r"epoch 1/2 · loss \d\.\d+ · ", lines[0])
    assert " (best so far) · " in lines[0] and lines[0].endswith(" s")
    score = lines[0].split("validation macro-F1 ")[1].split()[0]
    assert f"validation macro-F1 {score} (best {score} in epoch 1)" in lines[1]
    lines = said(supply, tmp_path, resume=str(tmp_path / "checkpoint-4"), num_train_epochs=3)
    assert lines[0] == "going on from step 4 of 6" and len(lines) == 2
    assert lines[1].startswith("epoch 3/3") and f"(best {score} in epoch 1)" in lines[1]


def test_steps_and_another_metric_are_told_too(supply, tmp_path):
    (line,) = said(supply, tmp_path, max_steps=2, metric_for_best_model="loss", greater_is_better=False)
    assert line.startswith("epoch 1, step 2/2 steps") and re.search(r"\(loss \d\.", line)


def test_without_validation_the_loss_alone_is_told(supply, tmp_path):
    lines = said(supply, tmp_path, eval_strategy="no", save_strategy="no", load_best_model_at_end=False)
    assert len(lines) == 2 and "loss" in lines[1] and "validation" not in lines[1]


def test_a_terminal_has_a_bar_that_goes_away(supply, tmp_path, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")  # a dumb one has none
    text = "\n".join(said(supply, tmp_path, terminal=True))
    assert "training" in text and "4/4" in text and text.count("best so far") == 1
    assert text.rstrip().endswith("\x1b[2K"), "the bar is wiped"


def test_a_tracker_that_is_not_installed_is_one_sentence():
    check_trackers([])
    check_trackers("none")
    with pytest.raises(UserError, match="--report_to swanlab needs a package that is not here: pip install swanlab"):
        check_trackers(["swanlab"])
