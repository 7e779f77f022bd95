"""Datasets larger than memory or disk: clips read from the Hub, or from a folder, while training goes on.

Parquet keeps columns apart: labels, video ids and the sizes of row groups are read first, and of the audio nothing. So
epochs, class weights and scores over videos are what they are without streaming, and the order of an epoch is known
before a clip is read. A stream is therefore a dataset with a length and a sampler, `StreamOrder`, rather than an
iterator with a buffer, and the following holds, which datasets' own streaming cannot give:

- A clip is given once in an epoch. Row groups are dealt out to the workers of all processes, each of which reads its
  own; only for the last batches, when some have run out, is a row group of another read again.
- A resume in mid-epoch is exact, and costs no more than reading the row groups that were open. (datasets' state_dict
  forgets what is in its shuffle buffer, and Trainer would read an epoch again up to the point it was cut.)
- What is mixed at once are the rows of as many row groups as hold `buffer` rows; these are what a worker keeps in
  memory, and what it waits for when they are used up.
- Validation is read in order, and by every worker: with many of them, on many machines, let it be small.
- The disk holds nothing of it. Each epoch downloads the split again: what fits the disk trains faster from there.
"""

import heapq
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import load_dataset_builder
from fsspec import url_to_fs
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import Sampler

from ytaudio.training.data import DatasetError, open_splits

KNOWN = ("label", "video_id", "channel_id", "url")  # columns that are read beforehand
BUFFER = 400  # rows that are mixed at once: four row groups of `ytaudio build`, 80 MB of clips of 10 s
_READERS = 8  # files whose columns are read at once


@dataclass(frozen=True, slots=True)
class ParquetPart:
    """One Parquet file of a split."""

    file: str  # path, or hf:// address that holds the commit
    metadata: pq.FileMetaData
    columns: dict[str, list[Any]]  # of KNOWN, those that the file has: (rows,) each

    @property
    def groups(self) -> list[int]:
        """Rows of each row group."""
        return [self.metadata.row_group(number).num_rows for number in range(self.metadata.num_row_groups)]


class ClipStream(TorchDataset):
    """A split whose clips are fetched by row groups when they are asked for; it reads as datasets.Dataset does.

    A row is {"audio": {"bytes", "path"}, "label"}; the columns of KNOWN are there from the beginning. As many row
    groups as hold `buffer` rows, at least one, stay in memory, in each worker.
    """

    def __init__(self, parts: list[ParquetPart], *, seed: int = 0, buffer: int = BUFFER) -> None:
        self.parts, self.seed, self.buffer, self.epoch = parts, seed, buffer, 0
        self.groups = np.asarray([rows for part in parts for rows in part.groups])
        self.ends = self.groups.cumsum()
        self._places = [(part, number) for part in parts for number in range(len(part.groups))]
        self._kept: OrderedDict[int, pa.Table] = OrderedDict()

    def __len__(self) -> int:
        """How many rows there are."""
        return int(self.ends[-1])

    def __getitem__(self, place: Any) -> Any:
        """A row by its number, or a column of KNOWN by its name, as a list."""
        if isinstance(place, str):
            return [value for part in self.parts for value in part.columns[place]]
        number = range(len(self))[place]
        group = int(self.ends.searchsorted(number, side="right"))
        table = self._group(group)
        return table.slice(number - int(self.ends[group]) + table.num_rows, 1).to_pylist()[0]

    @property
    def column_names(self) -> list[str]:
        """Columns that a row or the stream has."""
        return ["audio", *(name for name in KNOWN if all(name in part.columns for part in self.parts))]

    def order(self, batch: int, readers: int) -> "StreamOrder":
        """The sampler of an epoch for batches of so many rows, read by so many workers of all processes together."""
        return StreamOrder(self, batch, readers)

    def set_epoch(self, epoch: int) -> None:
        """Another order from now on; accelerate calls it."""
        self.epoch = epoch

    def _group(self, group: int) -> pa.Table:
        """A row group, out of memory or fetched; those used longest ago make room for it."""
        if group not in self._kept:
            part, number = self._places[group]
            with opened(part.file) as source:
                parquet = pq.ParquetFile(source, metadata=part.metadata, pre_buffer=True)
                table = parquet.read_row_group(number, columns=["audio", "label"])
            while self._kept and sum(kept.num_rows for kept in self._kept.values()) >= self.buffer:
                self._kept.popitem(last=False)
            self._kept[group] = table
        self._kept.move_to_end(group)
        return self._kept[group]


class StreamOrder(Sampler[int]):
    """Rows of a stream in an order that lets every worker read row groups of its own.

    torch hands batches to workers in turn, accelerate to processes: batch b is worker b modulo all of them's. So row
    groups are dealt out to as many lanes, the rows of a lane are mixed, and every lane gives a batch in turn. What is
    over where lanes are of unequal length comes last.
    """

    def __init__(self, stream: ClipStream, batch: int, readers: int) -> None:
        self.stream, self.batch, self.readers = stream, batch, readers

    def __len__(self) -> int:
        """Rows of an epoch."""
        return len(self.stream)

    def __iter__(self) -> Iterator[int]:
        """The rows' numbers."""
        draw = np.random.default_rng([self.stream.seed, self.stream.epoch])
        lanes = [self._mixed(lane, draw) for lane in self._dealt(draw)]
        whole = min(len(lane) // self.batch for lane in lanes) * self.batch
        turns = np.stack([lane[:whole].reshape(-1, self.batch) for lane in lanes], axis=1)
        yield from turns.flatten().tolist()
        yield from np.concatenate([lane[whole:] for lane in lanes]).tolist()

    def _dealt(self, draw: np.random.Generator) -> list[list[int]]:
        """Row groups in a drawn order, each to the lane that has the fewest rows."""
        lanes: list[list[int]] = [[] for _ in range(self.readers)]
        fullness = [(0, lane) for lane in range(self.readers)]
        for group in draw.permutation(len(self.stream.groups)).tolist():
            rows, lane = heapq.heappop(fullness)
            lanes[lane].append(group)
            heapq.heappush(fullness, (rows + int(self.stream.groups[group]), lane))
        return lanes

    def _mixed(self, lane: list[int], draw: np.random.Generator) -> np.ndarray:
        """The rows of a lane, mixed among as many row groups at a time as hold `buffer` rows: int64 (rows,)."""
        groups, ends = self.stream.groups, self.stream.ends
        mixed, window, held = [np.zeros(0, np.int64)], [], 0
        for group in lane:
            window.append(np.arange(ends[group] - groups[group], ends[group]))
            held += int(groups[group])
            if held >= self.stream.buffer or group == lane[-1]:
                mixed.append(draw.permutation(np.concatenate(window)))
                window, held = [], 0
        return np.concatenate(mixed)


@dataclass(frozen=True, slots=True)
class Streamed:
    """A dataset to be read while training goes on: its streams by split, and what is known of it beforehand."""

    splits: dict[str, ClipStream]
    labels: tuple[str, ...]
    commit: str  # of the Hub; "" for a folder

    @property
    def rows(self) -> dict[str, int]:
        """How many clips each split has."""
        return {split: len(stream) for split, stream in self.splits.items()}


def open_stream(name: str | Path, revision: str | None = None, *, seed: int = 0, buffer: int = BUFFER) -> Streamed:
    """A dataset of the Hub, or of a folder, whose audio is read when it is asked for, and not before.

    Args:
        name: a folder, or a repository of the Hub.
        revision: branch, tag or commit; None for the newest. What is read is that very commit throughout.
        seed: of the order.
        buffer: rows that are mixed at once, and are kept in the memory of each worker; rounded up to row groups.

    Raises:
        DatasetError: what `open_dataset` refuses, rows without a label, or files that are no Parquet.
    """
    _, commit, labels = open_splits(name, revision, streaming=True)
    splits = {}
    for split, files in data_files(str(name), commit).items():
        with ThreadPoolExecutor(_READERS) as pool:
            parts = list(pool.map(read_part, files))
        stream = ClipStream(parts, seed=seed, buffer=buffer)
        if min((-1 if label is None else label for label in stream["label"]), default=-1) < 0:
            raise DatasetError(f"The {split} split of {name} is empty or lacks labels: publish one with a label a row.")
        splits[split] = stream
    return Streamed(splits, tuple(labels), commit)


def data_files(name: str, commit: str) -> dict[str, tuple[str, ...]]:
    """The Parquet files of each split, as paths or hf:// addresses that hold the commit, in the order of their rows.

    Raises:
        DatasetError: the dataset is of another format.
    """
    builder = load_dataset_builder(name, revision=commit or None)
    found = {str(split): tuple(map(str, files)) for split, files in (builder.config.data_files or {}).items()}
    if not found or not all(file.endswith(".parquet") for files in found.values() for file in files):
        raise DatasetError(f"{name} is not in Parquet, which streaming needs: push it with datasets' push_to_hub.")
    return found


def read_part(file: str) -> ParquetPart:
    """The columns of KNOWN of a Parquet file; nothing else of it is fetched but its footer."""
    with opened(file) as source:
        parquet = pq.ParquetFile(source, pre_buffer=True)
        table = parquet.read(columns=[column for column in KNOWN if column in parquet.schema_arrow.names])
    return ParquetPart(file, parquet.metadata, table.to_pydict())


def opened(file: str) -> Any:
    """A file of the Hub or of the disk, of which exactly the ranges that are asked for are read."""
    if "://" not in file:
        return Path(file).open("rb")
    filesystem, path = url_to_fs(file)
    return filesystem.open(path, cache_type="none")
