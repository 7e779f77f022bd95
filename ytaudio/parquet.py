"""Outcomes and their clip files to the dataset's Parquet files."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Audio, ClassLabel, Features, Value

from ytaudio.clips import SAMPLING_RATE
from ytaudio.errors import UserError
from ytaudio.ledger import ClipRecord, Outcome
from ytaudio.visits import clip_path

SHARD_BYTES = 400 << 20
ROWS_A_GROUP = 100  # what a viewer or a streaming reader fetches at once: about 20 MB

FEATURES = {
    "audio": Audio(sampling_rate=SAMPLING_RATE),
    "label": ClassLabel(names=[]),  # the categories, sorted, are filled in by features()
    "video_id": Value("string"),
    "clip": Value("int32"),  # index of the clip in its video
    "start_s": Value("float32"),  # seconds from the beginning of the video
    "title": Value("string"),
    "channel_id": Value("string"),
    "url": Value("string"),
}


def features(labels: Sequence[str]) -> Features:
    """The dataset's columns, with these class names."""
    return Features({**FEATURES, "label": ClassLabel(names=list(labels))})


def _clip(folder: Path, video_id: str, clip: ClipRecord) -> bytes:
    path = clip_path(folder, video_id, clip.index)
    try:
        flac = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path} is missing: give the same command again, and its video is read anew.") from None
    if hashlib.sha256(flac).hexdigest() != clip.sha256:
        raise UserError(
            f"{path} is not the clip that the ledger speaks of: remove that file and give the same command again, and "
            "its video is read anew."
        )
    return flac


def _rows(outcomes: Iterable[Outcome], folder: Path, labels: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Dataset rows, mixed by a hash of video and clip so that a stream of them is mixed too."""
    pairs = [(outcome, clip) for outcome in outcomes for clip in outcome.clips]
    pairs.sort(key=lambda pair: hashlib.sha256(f"{pair[0].video_id}/{pair[1].index}".encode()).digest())
    for outcome, clip in pairs:
        yield {
            "audio": {"bytes": _clip(folder, outcome.video_id, clip), "path": f"{outcome.video_id}_{clip.index}.flac"},
            "label": labels.index(outcome.category),
            "video_id": outcome.video_id,
            "clip": clip.index,
            "start_s": clip.start_s,
            "title": outcome.title,
            "channel_id": outcome.channel_id,
            "url": outcome.url,
        }


def write_split(outcomes: Iterable[Outcome], folder: Path, labels: Sequence[str], target: Path, split: str) -> None:
    """One split to Parquet shards of about SHARD_BYTES, a row group in memory at a time.

    Args:
        outcomes: good videos of the split.
        folder: what their clips were collected into.
        labels: the class names, in order.
        target: where `SPLIT-00000-of-00001.parquet` and so on are written.
        split: its name.

    Raises:
        UserError: a clip file is missing or is not the one the ledger speaks of.
    """
    schema = features(labels).arrow_schema
    shards: list[Path] = []
    writer: pq.ParquetWriter | None = None
    written = 0
    for group in _groups(_rows(outcomes, folder, labels)):
        if writer is None or written > SHARD_BYTES:
            if writer:
                writer.close()
            shards.append(target / f"{split}-{len(shards):05d}.part")
            writer, written = pq.ParquetWriter(shards[-1], schema), 0
        writer.write_table(pa.Table.from_pylist(group, schema=schema))
        written += sum(len(row["audio"]["bytes"]) for row in group)
    if writer:
        writer.close()
    for n, shard in enumerate(shards):
        shard.rename(target / f"{split}-{n:05d}-of-{len(shards):05d}.parquet")


def _groups(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    for row in rows:
        group.append(row)
        if len(group) == ROWS_A_GROUP:
            yield group
            group = []
    if group:
        yield group
