"""The record of a training and what may go on from it: checkpoints, settings, hardware, versions."""

import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import datasets
import torch
from huggingface_hub.utils import disable_progress_bars as disable_hub_progress_bars
from transformers.utils import logging as transformers_logging

from ytaudio.errors import writing_to
from ytaudio.training.arguments import SettingsError
from ytaudio.training.runs import (
    RUN_FILE,
    TrainingRun,
)

BEGUN_FILE = "begun.json"
_PIECES = ("per_device_train_batch_size", "gradient_accumulation_steps")
PACKAGES = ("ytaudio", "transformers", "torch", "datasets", "accelerate", "huggingface_hub", "librosa")


def already_done(folder: str | Path, settings: dict[str, Any], dataset_revision: str) -> bool:
    """Whether a folder holds the end of the very training that these settings would begin."""
    if not (Path(folder) / RUN_FILE).is_file():
        return False
    run = TrainingRun.load(folder)
    return (run.settings, run.dataset_revision) == (settings, dataset_revision)


def begin(
    folder: str | Path, settings: dict[str, Any], dataset_revision: str, *, resume: str | None, overwrite: bool
) -> None:
    """Note in begun.json what is being trained in a folder, and keep it from going on with another training's weights.

    Weights of another dataset, or of this one at another commit, may have met its test videos.

    Raises:
        SettingsError: the folder's checkpoints are of another training; it names what changed.
        UserError: the folder cannot be written.
    """
    folder = Path(folder)
    now = {**settings, "dataset_revision": dataset_revision}
    if overwrite:
        remove_checkpoints(folder)
    elif resume == "auto" and last_checkpoint(folder) and (folder / BEGUN_FILE).is_file():
        before = json.loads((folder / BEGUN_FILE).read_text())
        names = {*before, *now} - {"num_train_epochs", "max_steps"}  # a training may go on for longer
        if _crops_a_step(before) == _crops_a_step(now):  # and in smaller pieces, where memory was too little
            names -= set(_PIECES)
        changed = [name for name in sorted(names) if before.get(name) != now.get(name)]
        if changed:
            changes = ", ".join(f"{name} was {before.get(name)} and is now {now.get(name)}" for name in changed)
            raise SettingsError(
                f"{folder} holds the checkpoints of another training ({changes}): give a new --output_dir, "
                "or --overwrite true to begin anew."
            )
    with writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name in (RUN_FILE, "scores.json"):  # of an earlier training: they must not vouch for this one
            (folder / name).unlink(missing_ok=True)
        (folder / BEGUN_FILE).write_text(json.dumps(now, indent=1, sort_keys=True) + "\n")


def _crops_a_step(settings: dict[str, Any]) -> int:
    """How many crops of each process make a step; the defaults are TrainingArguments' own."""
    return settings.get(_PIECES[0], 8) * settings.get(_PIECES[1], 1)


def progress_bars() -> bool:
    """Show progress bars on a terminal, and none of any library elsewhere: whether they show."""
    if sys.stdout.isatty():
        return True
    datasets.disable_progress_bars()
    transformers_logging.disable_progress_bar()
    disable_hub_progress_bars()
    return False


def versions() -> dict[str, str]:
    """The packages a training depends on, to their versions."""
    return {package: version(package) for package in PACKAGES}


def hardware() -> str:
    """What this process computes on, in words."""
    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    return f"CPU, {len(os.sched_getaffinity(0))} cores ({platform.machine()})"


def _checkpoints(folder: Path) -> Iterator[Path]:
    """Trainer's checkpoints in a folder, the newest first."""
    found = [path for path in folder.glob("checkpoint-*") if path.name.split("-")[-1].isdigit()]
    yield from sorted(found, key=lambda path: -int(path.name.split("-")[-1]))


def last_checkpoint(folder: str | Path) -> str | None:
    """The newest checkpoint from which training can go on, or None.

    Trainer writes trainer_state.json last: a checkpoint without a readable one was cut short, and the one before
    it counts.
    """
    for checkpoint in _checkpoints(Path(folder)):
        try:
            json.loads((checkpoint / "trainer_state.json").read_text())
        except (OSError, ValueError):
            continue
        return str(checkpoint)
    return None


def resume_point(wanted: str | None, folder: str | Path) -> str | None:
    """The checkpoint to go on from: "auto" is the last one of a folder if any, "none" (or None) is none.

    Raises:
        SettingsError: another word that is no checkpoint's folder.
    """
    if wanted == "auto":
        return last_checkpoint(folder)
    if wanted in (None, "none"):
        return None
    if not (Path(str(wanted)) / "trainer_state.json").is_file():
        raise SettingsError(f"There is no checkpoint at {wanted}: give a checkpoint's folder, auto or none.")
    return wanted


def remove_checkpoints(folder: str | Path) -> None:
    """Forget an earlier training in a folder."""
    for checkpoint in _checkpoints(Path(folder)):
        shutil.rmtree(checkpoint)
