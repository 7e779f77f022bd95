"""A clip or two of each class to listen to on a dataset's card, taken from its Parquet files."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from datasets import Features

from ytaudio.clips import SAMPLING_RATE, decode, encode, frames

FOLDER = "examples/"  # in the repository
LONGEST_S = 8.0  # of an example: the middle of its clip; at most 256 KB, and about 150 KB of most sounds
MOST = 24  # examples: two a class where there are at most twelve, else one
BATCH = 1000  # rows in memory at a time while looking for them; their sound comes later
_DEVICES = re.compile(r"con|prn|aux|nul|com\d|lpt\d")  # what no file may be called on Windows
_COLUMNS = ("label", "video_id", "channel_id", "url", "title", "start_s")


@dataclass(frozen=True, slots=True)
class Example:
    """A piece of a clip, and where it comes from."""

    label: str
    path: str  # in the repository
    url: str
    title: str
    start_s: float  # seconds from the beginning of the video
    seconds: float  # length
    flac: bytes


def examples_of(shards: Sequence[Path]) -> tuple[Example, ...]:
    """Examples of a split, by label: of each class the first clips in the files, each from another channel.

    The files are mixed by a hash, so these are a sample that nobody has chosen by ear; the same files always give the
    same one. A class whose clips are all of one channel has one example.

    Args:
        shards: the split's Parquet files, with audio. Training's do: who listens learns nothing of the test.
    """
    labels = Features.from_arrow_schema(pq.read_schema(shards[0]))["label"].names
    wanted = 2 if 2 * len(labels) <= MOST else 1
    found: dict[int, dict[str, tuple[Path, int, dict[str, Any]]]] = defaultdict(dict)
    missing = dict.fromkeys(range(min(len(labels), MOST)), wanted)
    for path, number, row in _rows(shards):
        label, channel = row["label"], row["channel_id"] or row["video_id"]
        if label in missing and channel not in found[label]:
            found[label][channel] = path, number, row
            missing[label] -= 1
            if not missing[label]:
                del missing[label]
        if not missing:
            break
    made: dict[str, Example] = {}
    for label in sorted(found):
        for path, number, row in found[label].values():
            name = _name(labels[label], made)
            made[name] = _example(name, labels[label], path, number, row)
    return tuple(made.values())


def file_stem(label: str) -> str:
    """A label as a file's name on any system: a-z, 0-9 and _, with - for all else. Two labels may have the same one."""
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9_]+", "-", plain).strip("-")[:40].rstrip("-") or "sound"
    return f"{stem}-sound" if _DEVICES.fullmatch(stem) else stem


def _name(label: str, taken: Container[str]) -> str:
    """The first path for an example of a label that no other has: food.flac, food-2.flac, and so on."""
    stem = file_stem(label)
    paths = (f"{FOLDER}{stem}{f'-{n}' if n > 1 else ''}.flac" for n in count(1))
    return next(path for path in paths if path not in taken)


def _rows(shards: Sequence[Path]) -> Iterator[tuple[Path, int, dict[str, Any]]]:
    """File, number in it and all but the sound of every row, in order."""
    for path in shards:
        number = 0
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH, columns=list(_COLUMNS)):
                for row in batch.to_pylist():
                    yield path, number, row
                    number += 1


def _example(name: str, label: str, path: Path, number: int, row: dict[str, Any]) -> Example:
    """The middle of one clip."""
    flac = _sound(path, number)
    samples = round(LONGEST_S * SAMPLING_RATE)
    start = max(0, (frames(flac) - samples) // 2)
    waveform = decode(flac, start, samples)
    return Example(
        label=label,
        path=name,
        url=row["url"] or "",
        title=row["title"] or "",
        start_s=row["start_s"] + start / SAMPLING_RATE,
        seconds=waveform.size / SAMPLING_RATE,
        flac=encode(waveform),
    )


def _sound(path: Path, number: int) -> bytes:
    """A row's FLAC file, with one row group in memory."""
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if number < rows:
                return file.read_row_group(group, columns=["audio"])["audio"][number]["bytes"].as_py()
            number -= rows
    raise IndexError(f"{path} has fewer rows than it had a moment ago")
