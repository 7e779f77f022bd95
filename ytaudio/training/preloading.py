"""A split decoded once into memory, so that the loader only copies crops: for datasets that fit.

A crop out of memory costs a fraction of one out of FLAC. What is held is int16, two bytes a sample: clips are FLAC of
16 bits, so nothing is lost, and a crop is bit for bit the one that `ClipCollator` would have decoded (of a clip at
another rate than 16 kHz, which is held as float32, it may lie a sample beside). 10,000 clips of 30 s are 9.6 GB.
Workers that are forked read the same memory; processes that are launched hold a copy each.
"""

import io
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import soundfile
import torch
from datasets import Dataset, Features
from torch.utils.data import Dataset as TorchDataset

from ytaudio.clips import SAMPLING_RATE, decode
from ytaudio.errors import UserError
from ytaudio.training.data import crc_of
from ytaudio.training.memory import available

SPARE = 0.1  # of the memory available that is left alone
_BATCH = 64  # clips looked at together


class Preloaded(TorchDataset):
    """Rows of a split whose sound is decoded, in memory; it reads as datasets.Dataset does where training needs it.

    A row is {"audio": {"waveform": samples (samples,), "crc": its `crc_of`}} and its other columns.
    """

    def __init__(self, samples: np.ndarray, ends: np.ndarray, crcs: np.ndarray, rest: Dataset) -> None:
        self.samples = samples  # int16 (all samples,) at 16 kHz, clip after clip; float32 where a clip is no 16 bit
        self.ends = ends  # int64 (clips,): where in `samples` each clip ends
        self.crcs = crcs  # uint32 (clips,)
        self.rest = rest  # the columns beside audio

    def __len__(self) -> int:
        """How many clips there are."""
        return len(self.ends)

    def __getitem__(self, place: Any) -> Any:
        """A row by its number, or a column by its name, as a list."""
        if isinstance(place, str):
            return self.rest[place]
        number = range(len(self))[place]
        begin = int(self.ends[number - 1]) if number else 0
        audio = {"waveform": self.samples[begin : int(self.ends[number])], "crc": int(self.crcs[number])}
        return {"audio": audio, **self.rest[number]}

    @property
    def column_names(self) -> list[str]:
        """Audio, and the other columns."""
        return ["audio", *self.rest.column_names]

    @property
    def features(self) -> Features:
        """Of the columns beside audio."""
        return self.rest.features

    def select_columns(self, names: Sequence[str]) -> "Preloaded":
        """The same clips with fewer columns; nothing is copied."""
        kept = [name for name in names if name != "audio"]
        return Preloaded(self.samples, self.ends, self.crcs, self.rest.select_columns(kept))


def _encoded(split: Dataset) -> Iterator[Any]:
    """Every row's encoded clip, as a buffer of the dataset's own memory where it holds the clip."""
    for table in split.select_columns("audio").with_format("arrow").iter(_BATCH):
        audio = pa.concat_arrays(table["audio"].chunks)
        for flac, path in zip(audio.field("bytes"), audio.field("path"), strict=True):
            yield memoryview(flac.as_buffer()) if flac.is_valid else Path(path.as_py()).read_bytes()


def _measure(flac: Any) -> tuple[int, bool]:
    """How many samples at 16 kHz a clip can have at the most, and whether int16 holds them as they are."""
    with soundfile.SoundFile(io.BytesIO(flac)) as file:
        plain = (file.samplerate, file.channels, file.subtype) == (SAMPLING_RATE, 1, "PCM_16")
        return file.frames if plain else -(-file.frames * SAMPLING_RATE // file.samplerate) + 1, plain


def bytes_needed(split: Dataset) -> tuple[int, type]:
    """How many bytes a split takes decoded, and as which type of sample: only the clips' headers are read."""
    measured = [_measure(flac) for flac in _encoded(split)]
    kind = np.int16 if all(plain for _, plain in measured) else np.float32
    return sum(length for length, _ in measured) * np.dtype(kind).itemsize, kind


def preload(split: Dataset, *, limit_bytes: int | None = None, name: str = "the clips") -> Preloaded:
    """Decode every clip of a split into memory, with a bar where there is a terminal.

    Args:
        split: columns audio (encoded) and others, as `open_dataset` gives it.
        limit_bytes: how much this process may take; None for its share, among the processes that torchrun started on
            this machine, of nine tenths of what is available.
        name: of what is decoded, for the bar and the refusal.

    Raises:
        UserError: the clips need more than that; told before anything is decoded.
    """
    from rich.console import Console  # a start without --preload does not wait for it
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    needed, kind = bytes_needed(split)
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if limit_bytes is None:
        free = available(torch.device("cpu"))
        limit_bytes = needed if free is None else int(free * (1 - SPARE)) // processes
    if needed > limit_bytes:
        each = f" in each of {processes} processes" if processes > 1 else ""
        raise UserError(
            f"Decoded, {name} take {_size(needed)} of memory{each}, and {_size(limit_bytes)} may be taken: leave out "
            "--preload to read crops from disk instead, or take a machine with more memory."
        )
    samples: np.ndarray = np.empty(needed // np.dtype(kind).itemsize, kind)
    ends, crcs, end = np.zeros(len(split), np.int64), np.zeros(len(split), np.uint32), 0
    console, columns = Console(stderr=True), (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"decoding {name}", total=len(split))
        for number, (crc, waveform) in enumerate(_decoded(split, kind)):
            samples[end : end + waveform.size] = waveform
            end += waveform.size
            ends[number], crcs[number] = end, crc
            progress.advance(task)
    return Preloaded(samples[:end], ends, crcs, split.remove_columns("audio"))


def _decoded(split: Dataset, kind: type) -> Iterator[tuple[int, np.ndarray]]:
    """`crc_of` and samples of every clip, in order, decoded by as many threads as there are cores."""

    def one(flac: Any) -> tuple[int, np.ndarray]:
        if kind is np.float32:
            return crc_of(flac), decode(bytes(flac))
        return crc_of(flac), soundfile.read(io.BytesIO(flac), dtype="int16")[0]

    clips = _encoded(split)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        while batch := [flac for _, flac in zip(range(_BATCH), clips, strict=False)]:
            yield from pool.map(one, batch)


def _size(count: int) -> str:
    """Bytes in words: 9.6 GB."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
