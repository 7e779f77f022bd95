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

from ytaudio.clips import MINIMUM_S, SAMPLING_RATE, decode, frames, repeat_to, resample
from ytaudio.errors import UserError
from ytaudio.hub_errors import hub_errors, is_local


class DatasetError(UserError):
    """A dataset that cannot be used; the message is one sentence that names the mend."""


def _check_columns(name: str, dataset: DatasetDict) -> list[str]:
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
    name = str(name)
    if not is_local(name) and (name.startswith((".", "/", "~")) or name.count("/") > 1):
        raise DatasetError(f"There is no folder {name}: give a dataset's folder, or its name on the Hub as USER/NAME.")
    with hub_errors(f"dataset {name}", DatasetError):
        sha = "" if is_local(name) else HfApi().dataset_info(name, revision=revision).sha or ""
        try:
            dataset = load_dataset(name, revision=sha or None)
        except FileNotFoundError as error:  # as datasets' own errors are, for an empty repository or folder
            raise DatasetError(f"{name} holds no data that datasets can read: publish Parquet files in it.") from error
        except (DatasetGenerationError, pyarrow.ArrowInvalid) as error:
            said = " ".join(str(error.__cause__ or error).split())
            raise DatasetError(f"The data of {name} cannot be read ({said[:160]}): publish it again.") from error
    if isinstance(dataset, IterableDatasetDict) or not isinstance(dataset, DatasetDict):
        raise DatasetError(f"{name} has no splits: publish it with train, validation and test.")
    labels = _check_columns(name, dataset)
    return dataset.cast_column("audio", Audio(sampling_rate=SAMPLING_RATE, decode=False)), sha, labels


def _bytes_of(audio: dict[str, Any]) -> bytes:
    return audio["bytes"] if audio["bytes"] is not None else Path(audio["path"]).read_bytes()


class ClipCollator:
    """Rows of a dataset to a batch of crops of one length, each read without decoding the rest of its clip.

    A clip shorter than the crop is repeated up to it; a crop is never shorter than clips.MINIMUM_S. Crops are centred,
    or, with `random`, begin where `seed`, the epoch and the clip itself say: the same however many workers read, and
    the same after a resume, other in each epoch once `set_epoch` tells it (ClipTrainer does).
    """

    def __init__(
        self,
        extractor: Any,  # a SequenceFeatureExtractor, whose call and model_input_names its type does not declare
        crop_seconds: float,
        random: bool = False,
        seed: int = 0,
    ) -> None:
        self.extractor, self.random, self.seed = extractor, random, seed
        self.samples = round(max(crop_seconds, MINIMUM_S) * SAMPLING_RATE)
        self.name: str = extractor.model_input_names[0]
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # seen by workers that are already running

    def set_epoch(self, epoch: int) -> None:
        """Random crops begin elsewhere from now on."""
        self._epoch.fill_(epoch)

    def start(self, flac: bytes) -> int:
        """Where the crop of a clip begins, in samples at 16 kHz."""
        spare = frames(flac) - self.samples
        if spare <= 0:
            return 0
        if not self.random:
            return spare // 2
        words = np.random.SeedSequence([self.seed, int(self._epoch), zlib.crc32(flac)]).generate_state(1)
        generator = torch.Generator().manual_seed(int(words[0]))
        return int(torch.randint(0, spare + 1, (), generator=generator))

    def crop(self, audio: dict[str, Any]) -> np.ndarray:
        """The crop of one encoded clip: float32 (samples,) at 16 kHz."""
        flac = _bytes_of(audio)
        return repeat_to(decode(flac, self.start(flac), self.samples), self.samples)[: self.samples]

    def features(self, waveform: np.ndarray) -> torch.Tensor:
        """What the model is fed of one waveform at 16 kHz: (samples,), or (frames, bins) as the extractor has it."""
        rate = self.extractor.sampling_rate
        out = self.extractor(resample(waveform, SAMPLING_RATE, rate), sampling_rate=rate, return_tensors="np")
        return torch.from_numpy(np.asarray(out[self.name][0], dtype=np.float32))

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Rows with audio {"bytes", "path"} and label to {input name: (batch, ...), labels: (batch,)}."""
        # clip by clip: on a ragged list the extractor would normalise over the padding
        inputs = torch.stack([self.features(self.crop(row["audio"])) for row in rows])
        return {self.name: inputs, "labels": torch.tensor([row["label"] for row in rows])}
