"""The splits a training is supplied with: from the disk, decoded in memory, or as a stream."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ytaudio.training.data import DatasetError, open_dataset
from ytaudio.training.preloading import preload
from ytaudio.training.streaming import open_stream


@dataclass(frozen=True, slots=True)
class Supply:
    """A dataset for a training: splits that have a length, rows by number, and columns by name."""

    splits: dict[str, Any]  # datasets.Dataset, Preloaded or ClipStream
    labels: tuple[str, ...]
    revision: str  # the commit of the Hub; "" for a folder

    @property
    def train(self) -> Any:
        """The rows to learn from."""
        return self.splits["train"]

    @property
    def validation(self) -> Any:
        """The rows to choose by."""
        return self.splits["validation"]

    @property
    def scored(self) -> str:
        """The split that the finished model is scored on."""
        return "test" if len(self.splits.get("test", ())) else "validation"


def open_supply(name: str | Path, revision: str | None = None, *, streaming: bool = False, seed: int = 0) -> Supply:
    """A dataset of the Hub, or of a folder, whose audio is read clip by clip.

    Raises:
        DatasetError: what `open_dataset` and `open_stream` refuse, no train or validation split, or one class only.
    """
    if streaming:
        stream = open_stream(name, revision, seed=seed)
        supply = Supply(dict(stream.splits), stream.labels, stream.commit)
    else:
        dataset, commit, labels = open_dataset(name, revision)
        supply = Supply({str(split): rows for split, rows in dataset.items()}, tuple(labels), commit)
    for split in ("train", "validation"):
        if split not in supply.splits or not len(supply.splits[split]):
            raise DatasetError(f"{name} has no {split} split: publish one with train and validation.")
    if len(supply.labels) < 2:
        raise DatasetError(f"{name} has one class only, {supply.labels[0]}: there is nothing to tell apart.")
    return supply


def in_memory(supply: Supply) -> Supply:
    """The same with every clip of train and validation decoded in memory.

    Raises:
        UserError: there is not enough of it.
    """
    held = {split: preload(supply.splits[split], name=split) for split in ("train", "validation")}
    return replace(supply, splits={**supply.splits, **held})
