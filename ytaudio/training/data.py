"""A published dataset as training reads it, and its rows as batches of crops."""

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import torch
from datasets import Audio, ClassLabel, DatasetDict, IterableDatasetDict, load_dataset
from datasets.exceptions import DatasetGenerationError
from huggingface_hub import HfApi
from torch.utils.data import Dataset as TorchDataset

from ytaudio.clips import SAMPLING_RATE, crop_starts, decode_from, repeat_to
from ytaudio.errors import UserError
from ytaudio.hub_errors import hub_errors, is_local
from ytaudio.training.augmentations import Augmentation
from ytaudio.training.features import crop_samples, features


class DatasetError(UserError):
    """A dataset that cannot be used; the message is one sentence that names the mend."""


def _check_columns(name: str, dataset: DatasetDict | IterableDatasetDict) -> list[str]:
    """The labels of a dataset that has what training needs."""
    for split, rows in dataset.items():
        columns = ", ".join(rows.column_names)
        if not isinstance(rows.features.get("audio"), Audio):
            raise DatasetError(
                f"The {split} split of {name} has no audio column named audio (columns found: {columns}): "
                "publish one made by `ytaudio build`, or rename and cast its column to Audio."
            )
        if not isinstance(rows.features.get("label"), ClassLabel):
            raise DatasetError(
                f"The {split} split of {name} has no column label with class names (columns found: {columns}): "
                "publish one made by `ytaudio build`, or cast its column to ClassLabel."
            )
    return list(next(iter(dataset.values())).features["label"].names)


def open_dataset(name: str | Path, revision: str | None = None) -> tuple[DatasetDict, str, list[str]]:
    """A dataset of the Hub, or of a folder, as (its splits, the commit read, its label names).

    The audio column stays encoded, {"bytes", "path"}: decoding is `ClipCollator`'s, crop by crop. The commit is that
    of `revision` when the dataset was asked for, and what is read is that very commit; a folder has none: "".

    Raises:
        DatasetError: no such dataset or revision, the Hub does not answer or refuses the token, or the columns `audio`
            (Audio) and `label` (ClassLabel) are not there.
    """
    return open_splits(name, revision)


def open_splits(
    name: str | Path, revision: str | None = None, *, streaming: bool = False
) -> tuple[Any, str, list[str]]:
    """As `open_dataset`; with `streaming` nothing is downloaded yet and the splits are datasets.IterableDataset."""
    name = str(name)
    if not is_local(name) and (name.startswith((".", "/", "~")) or name.count("/") > 1):
        raise DatasetError(f"There is no folder {name}: give a dataset's folder, or its name on the Hub as USER/NAME.")
    with hub_errors(f"dataset {name}", DatasetError):
        sha = "" if is_local(name) else HfApi().dataset_info(name, revision=revision).sha or ""
        try:
            dataset = load_dataset(name, revision=sha or None, streaming=streaming)
        except FileNotFoundError as error:  # as datasets' own errors are, for an empty repository or folder
            raise DatasetError(f"{name} holds no data that datasets can read: publish Parquet files in it.") from error
        except (DatasetGenerationError, pyarrow.ArrowInvalid) as error:
            said = " ".join(str(error.__cause__ or error).split())
            raise DatasetError(f"The data of {name} cannot be read ({said[:160]}): publish it again.") from error
    if not isinstance(dataset, IterableDatasetDict if streaming else DatasetDict):
        raise DatasetError(f"{name} has no splits: publish it with train, validation and test.")
    labels = _check_columns(name, dataset)
    return dataset.cast_column("audio", Audio(sampling_rate=SAMPLING_RATE, decode=False)), sha, labels


class ClipCollator:
    """Rows of a dataset to a batch of crops of one length, each read without decoding the rest of its clip.

    A clip shorter than the crop is repeated up to it; a crop is never shorter than clips.MINIMUM_S. Crops are centred,
    or, with `random`, begin where `seed`, the epoch and the clip itself say: the same however many workers read, and
    the same after a resume, other in each epoch once `set_epoch` tells it (ClipTrainer does). A row that `CropsOf`
    made has the crop that its number says.

    Args:
        extractor: a SequenceFeatureExtractor.
        crop_seconds: length of the crops.
        random: another crop in each epoch, changed as `augmentation` says.
        seed: of the random crops.
        augmentation: how far random crops may be changed.
    """

    def __init__(
        self,
        extractor: Any,  # whose call and model_input_names its type does not declare
        crop_seconds: float,
        random: bool = False,
        seed: int = 0,
        augmentation: Augmentation | None = None,
    ) -> None:
        self.extractor, self.random, self.seed = extractor, random, seed
        self.augmentation = augmentation or Augmentation()
        self.samples = crop_samples(crop_seconds)
        self.name: str = extractor.model_input_names[0]
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # seen by workers that are already running

    def set_epoch(self, epoch: int) -> None:
        """Random crops begin elsewhere from now on."""
        self._epoch.fill_(epoch)

    def generator(self, crc: int, copy: int = 0) -> np.random.Generator:
        """What draws all that is random of one clip in this epoch; `crc` is crc_of the encoded clip, `copy` its number.

        The first copy of a row draws what it would draw without others.
        """
        words = [self.seed, int(self._epoch), crc, *([copy] if copy else [])]
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))

    def start(self, length: int, row: dict[str, Any], generator: np.random.Generator) -> int:
        """Where the crop of a clip of `length` samples begins, in samples at 16 kHz."""
        spare = length - self.samples
        if spare <= 0:
            return 0
        if "part" in row:
            number, of = row["part"]
            starts = crop_starts(length, self.samples, of)
            return starts[number % len(starts)]
        return int(generator.integers(0, spare + 1)) if self.random else spare // 2

    def crop(self, row: dict[str, Any]) -> tuple[np.ndarray, float]:
        """The crop of one row, float32 (samples,) at 16 kHz, and the gain it is to have in the end."""
        audio = row["audio"]
        held = audio.get("waveform")  # decoded before, by `preloading`: int16 or float32 (samples,)
        flac = b"" if held is not None else encoded(audio)
        generator = self.generator(audio["crc"] if held is not None else crc_of(flac), row.get("copy", 0))

        def where(length: int) -> int:
            return self.start(length, row, generator)

        if held is None:
            waveform = decode_from(flac, where, self.samples)
        else:
            start = where(len(held))
            waveform = held[start : start + self.samples].astype(np.float32)
            if held.dtype == np.int16:
                waveform /= 32768  # as soundfile scales it
        waveform = repeat_to(waveform, self.samples)[: self.samples]
        if not self.random:
            return waveform, 1.0
        waveform = self.augmentation.record(self.augmentation.shift(waveform, generator), generator)
        return waveform, self.augmentation.gain(generator)

    def features(self, waveforms: Sequence[np.ndarray]) -> torch.Tensor:
        """What the model is fed of waveforms of one length at 16 kHz: (batch, samples), or (batch, frames, bins)."""
        return features(self.extractor, waveforms)

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Rows with audio {"bytes", "path"} and label to {input name: (batch, ...), labels: (batch,)}."""
        waveforms, gains = zip(*(self.crop(row) for row in rows), strict=True)
        inputs = self.features(waveforms)
        # of a waveform, which the extractor may have normalised, the level is changed after it; where none is, torch's
        # threads are left alone: beside a model that computes, waiting for them takes longer than decoding
        if inputs.dim() == 2 and set(gains) != {1.0}:
            inputs *= torch.tensor(gains, dtype=torch.float32)[:, None]
        return {self.name: inputs, "labels": torch.tensor([row["label"] for row in rows])}


class Oversampled(TorchDataset):
    """The rows of a split, those of rare classes several times, so that all its classes have as many.

    Each copy of a row is another random crop in an epoch. Source: Buda et al., "A systematic study of the class
    imbalance problem in convolutional neural networks", Neural Networks 106, 2018, where it did best.

    Args:
        split: rows with a label.
        labels: of all its rows.
    """

    def __init__(self, split: Any, labels: Sequence[int]) -> None:
        self.split = split
        by_label: dict[int, list[int]] = {}
        for place, label in enumerate(labels):
            by_label.setdefault(label, []).append(place)
        most = max(map(len, by_label.values()), default=0)
        self.places = [
            (rows[k % len(rows)], k // len(rows)) for _, rows in sorted(by_label.items()) for k in range(most)
        ]

    def __len__(self) -> int:
        """The classes there are, times the rows of the commonest."""
        return len(self.places)

    def __getitem__(self, place: int) -> dict[str, Any]:
        """The row, with `copy`: how many of it came before."""
        row, copy = self.places[place]
        return {**self.split[row], "copy": copy}


class CropsOf(TorchDataset):
    """The rows of a split, each `crops` times: a row for every crop that is spread evenly over its clip."""

    def __init__(self, split: Any, crops: int) -> None:
        self.split, self.crops = split, crops

    def __len__(self) -> int:
        """Rows times crops."""
        return len(self.split) * self.crops

    def __getitem__(self, place: int) -> dict[str, Any]:
        """The row, with `part`: the crop's number and how many there are."""
        return {**self.split[place // self.crops], "part": (place % self.crops, self.crops)}


def encoded(audio: dict[str, Any]) -> bytes:
    """The encoded sound of a row, whether the dataset holds it or points to a file."""
    return audio["bytes"] if audio["bytes"] is not None else Path(audio["path"]).read_bytes()


def crc_of(flac: Any) -> int:
    """What tells an encoded clip from others: CRC-32 of its beginning, where FLAC keeps the MD5 of the whole sound."""
    return zlib.crc32(flac[:4096])
