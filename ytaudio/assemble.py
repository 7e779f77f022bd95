"""Ledger and clips to a balanced, leak-free dataset of Parquet files, and a report."""

import hashlib
import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Audio, ClassLabel, Features, Value

from ytaudio.catalog import Catalog
from ytaudio.clips import SAMPLING_RATE
from ytaudio.collect import clip_path, visiting_order
from ytaudio.errors import UserError
from ytaudio.ledger import Outcome, Settings
from ytaudio.splits import Protocol, Subject, shortfalls, split_by_group

DATASET, REPORT = "dataset", "report.json"
SHARD_BYTES = 400 << 20
ROWS_A_GROUP = 100  # what a viewer or a streaming reader fetches at once: about 20 MB
PACKAGES = ("ytaudio", "yt-dlp", "av", "soxr", "soundfile", "datasets", "numpy")

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


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What was asked for, what became of it, and what the dataset holds; saved as report.json."""

    source: str  # the catalogue's name
    requested: int  # lines of the catalogue
    rejected: dict[str, int]  # reason to lines refused
    rejected_lines: list[dict[str, Any]]  # line, reason, value of the first ones
    attempted: int  # videos visited
    collected: int  # videos that gave clips
    used: int  # of those, the videos in the dataset; a limit or a protocol may need fewer
    failed: dict[str, int]  # reason to videos
    failed_examples: dict[str, list[str]]  # reason to "id: what the site said"
    unvisited: int  # videos not needed, or not reached
    clips: int
    hours: float
    bytes_read: int  # from the network, by the visits whose outcomes count
    labels: list[str]
    splits: dict[str, dict[str, dict[str, int]]]  # split to label to videos, clips, channels
    missing: list[str]  # a sentence for every class that a split is short of
    protocol: str
    seed: int
    clip_seconds: float
    clips_per_video: int
    versions: dict[str, str]
    created: str  # UTC, ISO 8601


def _chosen(catalog: Catalog, outcomes: dict[str, Outcome], settings: Settings, limit: int | None) -> list[Outcome]:
    """The good videos of each category, the first `limit` of its visiting order."""
    chosen = []
    for queue in visiting_order(catalog.videos, settings.seed).values():
        good = [video for video in queue if video.id in outcomes and outcomes[video.id].clips]
        # The catalogue has the last word on a label: it may have been mended since the clips were read.
        chosen += [replace(outcomes[video.id], category=video.category, url=video.url) for video in good[:limit]]
    return chosen


def _group(outcome: Outcome) -> str:
    """A video's channel, or itself where the site names none."""
    return outcome.channel_id or f"video {outcome.video_id}"


def _rows(outcomes: Iterable[Outcome], folder: Path, labels: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Dataset rows, mixed by a hash of video and clip so that a stream of them is mixed too."""
    pairs = [(outcome, clip) for outcome in outcomes for clip in outcome.clips]
    pairs.sort(key=lambda pair: hashlib.sha256(f"{pair[0].video_id}/{pair[1].index}".encode()).digest())
    for outcome, clip in pairs:
        flac = clip_path(folder, outcome.video_id, clip.index).read_bytes()
        yield {
            "audio": {"bytes": flac, "path": f"{outcome.video_id}_{clip.index}.flac"},
            "label": labels.index(outcome.category),
            "video_id": outcome.video_id,
            "clip": clip.index,
            "start_s": clip.start_s,
            "title": outcome.title,
            "channel_id": outcome.channel_id,
            "url": outcome.url,
        }


def _write_split(rows: Iterator[dict[str, Any]], folder: Path, split: str, schema: pa.Schema) -> None:
    """Rows to Parquet shards of about SHARD_BYTES, a row group in memory at a time."""
    shards: list[Path] = []
    writer: pq.ParquetWriter | None = None
    written = 0
    for group in _groups(rows):
        if writer is None or written > SHARD_BYTES:
            if writer:
                writer.close()
            shards.append(folder / f"{split}-{len(shards):05d}.part")
            writer, written = pq.ParquetWriter(shards[-1], schema), 0
        writer.write_table(pa.Table.from_pylist(group, schema=schema))
        written += sum(len(row["audio"]["bytes"]) for row in group)
    if writer:
        writer.close()
    for n, shard in enumerate(shards):
        shard.rename(folder / f"{split}-{n:05d}-of-{len(shards):05d}.parquet")


def _groups(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    for row in rows:
        group.append(row)
        if len(group) == ROWS_A_GROUP:
            yield group
            group = []
    if group:
        yield group


def _count(placed: dict[str, list[Outcome]]) -> dict[str, dict[str, dict[str, int]]]:
    counted: dict[str, dict[str, dict[str, int]]] = {}
    for split, outcomes in placed.items():
        channels: dict[str, set[str]] = defaultdict(set)
        videos: Counter[str] = Counter()
        clips: Counter[str] = Counter()
        for outcome in outcomes:
            channels[outcome.category].add(_group(outcome))
            videos[outcome.category] += 1
            clips[outcome.category] += len(outcome.clips)
        counted[split] = {
            label: {"videos": videos[label], "clips": clips[label], "channels": len(channels[label])}
            for label in sorted(videos)
        }
    return counted


def assemble(
    folder: str | Path,
    catalog: Catalog,
    outcomes: dict[str, Outcome],
    settings: Settings,
    *,
    protocol: Protocol,
    per_category: int | None = None,
    source: str = "",
) -> BuildReport:
    """Write FOLDER/dataset (data/*.parquet and report.json) from a ledger's outcomes and their clip files.

    The same ledger gives the same Parquet files, byte for byte. The new dataset takes the old one's place whole.

    Raises:
        UserError: no video gave a clip.
    """
    folder = Path(folder)
    chosen = _chosen(catalog, outcomes, settings, per_category)
    if not chosen:
        raise UserError(_nothing_collected(outcomes.values()))
    subjects = [Subject(outcome.video_id, outcome.category, _group(outcome)) for outcome in chosen]
    where = split_by_group(subjects, protocol, settings.seed)
    splits = protocol.counts or protocol.shares
    placed = {split: [o for o in chosen if where.get(o.video_id) == split] for split in splits}
    labels = catalog.categories
    unfinished = folder / f"{DATASET}.part"
    shutil.rmtree(unfinished, ignore_errors=True)
    (unfinished / "data").mkdir(parents=True)
    for split, members in placed.items():
        _write_split(_rows(members, folder, labels), unfinished / "data", split, features(labels).arrow_schema)
    missing = shortfalls(subjects, where, protocol, labels)
    report = _report(catalog, outcomes, settings, protocol, placed, source, missing)
    (unfinished / REPORT).write_text(json.dumps(asdict(report), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    shutil.rmtree(folder / DATASET, ignore_errors=True)
    unfinished.rename(folder / DATASET)
    return report


def _nothing_collected(outcomes: Iterable[Outcome]) -> str:
    reasons = Counter(outcome.failure.reason.value for outcome in outcomes if outcome.failure)
    why = ", ".join(f"{reason} {n}" for reason, n in reasons.most_common()) or "none was visited"
    return (
        f"No video gave a clip ({why}): ledger.jsonl has what the site said of each; run again for temporary failures."
    )


def _report(
    catalog: Catalog,
    outcomes: dict[str, Outcome],
    settings: Settings,
    protocol: Protocol,
    placed: dict[str, list[Outcome]],
    source: str,
    missing: list[str],
) -> BuildReport:
    asked = {video.id for video in catalog.videos}
    visited = [outcome for video_id, outcome in outcomes.items() if video_id in asked]
    failures = [outcome.failure for outcome in visited if outcome.failure]
    examples: dict[str, list[str]] = defaultdict(list)
    for failure in failures:
        if len(examples[failure.reason.value]) < 3:
            examples[failure.reason.value].append(f"{failure.video_id}: {failure.detail}"[:300])
    kept = [clip for members in placed.values() for outcome in members for clip in outcome.clips]
    return BuildReport(
        source=source,
        requested=len(catalog.videos) + len(catalog.rejected),
        rejected=dict(Counter(line.reason for line in catalog.rejected)),
        rejected_lines=[asdict(line) for line in catalog.rejected[:100]],
        attempted=len(visited),
        collected=sum(1 for outcome in visited if outcome.clips),
        used=sum(len(members) for members in placed.values()),
        failed=dict(Counter(failure.reason.value for failure in failures)),
        failed_examples=dict(examples),
        unvisited=len(asked) - len(visited),
        clips=len(kept),
        hours=round(sum(clip.samples for clip in kept) / SAMPLING_RATE / 3600, 4),
        bytes_read=sum(outcome.bytes_read for outcome in visited),
        labels=list(catalog.categories),
        splits=_count(placed),
        missing=missing,
        protocol=protocol.name,
        seed=settings.seed,
        clip_seconds=settings.clip_seconds,
        clips_per_video=settings.clips_per_video,
        versions={name: version(name) for name in PACKAGES},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
