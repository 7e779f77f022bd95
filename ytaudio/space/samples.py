"""Example clips for a demo: one a class, read from a dataset's Parquet files by the row groups that hold them."""

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
from datasets import ClassLabel, Features
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem
from huggingface_hub import HfApi, HfFileSystem, constants

from ytaudio.clips import SAMPLING_RATE, decode, encode
from ytaudio.errors import UserError
from ytaudio.hub_errors import hub_errors, is_local

from .settings import Example

SPLITS = ("test", "validation")  # clips that training has not heard
MOST = 8  # examples: what a row of buttons holds
LONGEST_S = 30.0  # of an example; what is longer is cut
_LONGEST = round(LONGEST_S * SAMPLING_RATE)  # samples
_MOST_SHARDS = 8  # looked into: a class that has no clip there has no example
_LARGEST_GROUP = 256 << 20  # bytes of a row group: ours have about 20 MB
_UNREADABLE = (pa.ArrowException, OSError, KeyError, ValueError, TypeError, soundfile.SoundFileError)
_LINK = re.compile(r"https?://[^\s<>()\[\]\"'`\\]{1,500}")
Clips = dict[str, bytes]  # file name to FLAC


def examples_of(dataset: str, revision: str, labels: Collection[str]) -> tuple[tuple[Example, ...], Clips, str]:
    """A clip of each class from the test split, else from validation, and a sentence on them, or on why there are none.

    Args:
        dataset: USER/NAME, or a folder; "" where it is not known.
        revision: its commit, or "".
        labels: the classes of which a clip is of use.
    """
    if not dataset:
        return (), {}, "There are no example clips: the first model names no dataset of a Hub that it was trained on."
    if not revision and not is_local(dataset):
        return (), {}, "There are no example clips: the first model's dataset is a folder that is not here."
    try:
        with hub_errors(f"dataset {dataset}"):
            split, rows = _rows(dataset, revision, labels)
        made = {label: encode(decode(rows[label]["audio"]["bytes"], 0, _LONGEST)) for label in sorted(rows)}
    except UserError as error:
        return (), {}, f"There are no example clips. {error}"
    except _UNREADABLE as error:
        said = " ".join(str(error).split())[:120].rstrip(".")
        return (), {}, f"There are no example clips: {_known_as(dataset)} cannot be read ({said})."
    if not made:
        return (), {}, f"There are no example clips: {_known_as(dataset)} has no test clips of these categories."
    clips = {f"{number}.flac": flac for number, flac in enumerate(made.values())}
    examples = [
        Example(file, label, _address(rows[label].get("url")), float(rows[label].get("start_s") or 0.0))
        for file, label in zip(clips, made, strict=True)
    ]
    return tuple(examples), clips, f"Clips of {_known_as(dataset)} that training has not heard (split {split})."


def _address(url: object) -> str:
    """The address of a clip's video, "" where it is none that a page or a card can hold."""
    return str(url) if _LINK.fullmatch(str(url)) else ""


def _known_as(dataset: str) -> str:
    """A dataset's name where anyone can look it up; a folder's path is nobody's business."""
    return "the dataset of its training, a folder," if is_local(dataset) else dataset


def _rows(dataset: str, revision: str, labels: Collection[str]) -> tuple[str, dict[str, dict[str, Any]]]:
    """The split, and of each class found in it the first row."""
    split, files, shards = _shards(dataset, revision)
    found: dict[str, dict[str, Any]] = {}
    for shard in shards[:_MOST_SHARDS]:
        with files.open(shard) as opened, pq.ParquetFile(opened) as parquet:
            for label, row in _first_rows(parquet, set(labels) - set(found), dataset):
                found[label] = row
        if len(found) == min(len(set(labels)), MOST):
            break
    return split, {label: found[label] for label in sorted(found)[:MOST]}


def _shards(dataset: str, revision: str) -> tuple[str, AbstractFileSystem, Sequence[str]]:
    """The first of SPLITS that a dataset has, and its Parquet files."""
    if is_local(dataset):
        files, base = LocalFileSystem(), str(Path(dataset).resolve())
    else:
        files = HfFileSystem(endpoint=constants.ENDPOINT)
        HfApi().dataset_info(dataset, revision=revision or None)  # the file system tries a dead Hub again and again
        base = f"datasets/{dataset}" + (f"@{revision}" if revision else "")
    paths = sorted(str(path) for path in files.glob(f"{base}/**/*.parquet"))
    for split in SPLITS:  # data/test-00000-of-00002.parquet, or test/0000.parquet
        shards = [path for path in paths if split in "/".join(PurePosixPath(path).parts[-2:])]
        if shards:
            return split, files, shards
    return SPLITS[0], files, ()


def _first_rows(parquet: pq.ParquetFile, wanted: Collection[str], dataset: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The first row of each class wanted; only row groups that hold one are read."""
    features, columns = Features.from_arrow_schema(parquet.schema_arrow), set(parquet.schema_arrow.names)
    if "audio" not in columns or not isinstance(features.get("label"), ClassLabel):
        raise UserError(f"{_known_as(dataset)} holds no sound with labels, perhaps links only.")
    missing = set(wanted)
    for group in range(parquet.num_row_groups):
        if parquet.metadata.row_group(group).total_byte_size > _LARGEST_GROUP:
            continue
        numbers = parquet.read_row_group(group, columns=["label"])["label"].to_pylist()
        places = {features["label"].names[number]: place for place, number in reversed(list(enumerate(numbers)))}
        here = sorted(missing & set(places))
        if here:
            table = parquet.read_row_group(group, columns=sorted(columns & {"audio", "url", "start_s"}))
            yield from ((label, table.slice(places[label], 1).to_pylist()[0]) for label in here)
        missing -= set(here)
        if not missing:
            return
