"""Ledger and clips to a balanced, leak-free dataset of Parquet files, and a report."""

import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ytaudio.catalog import Catalog, Video
from ytaudio.clips import SAMPLING_RATE
from ytaudio.durable import sync
from ytaudio.errors import UserError
from ytaudio.fingerprints import Pair, near_duplicates
from ytaudio.ledger import Outcome, Settings
from ytaudio.parquet import write_split
from ytaudio.splits import Protocol, Subject, join, lost, shortfalls, split_by_group
from ytaudio.turns import visiting_order

DATASET, REPORT = "dataset", "report.json"
LISTED = 100  # refused lines, and pairs of near-duplicates, that the report names
PACKAGES = ("ytaudio", "yt-dlp", "av", "soxr", "soundfile", "datasets", "numpy")


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
    attempts: dict[str, dict[str, int]] = field(default_factory=dict)  # category to videos visited, good, failed
    duplicates: list[dict[str, Any]] = field(default_factory=list)  # a, b, similarity, labels of the first pairs
    duplicate_pairs: int = 0  # pairs of used videos that share a sound, all of them
    rebuilt: dict[str, Any] = field(default_factory=dict)  # what became of a publication that was built again
    left: list[str] = field(default_factory=list)  # what was said to videos that alone met a wall, for another day
    per_category: int | None = None  # good videos of a class that were to be used at most; None: all


def _chosen(catalog: Catalog, outcomes: dict[str, Outcome], settings: Settings, limit: int | None) -> list[Outcome]:
    """The good videos of each category, the first `limit` of its visiting order."""
    chosen = []
    for queue in visiting_order(catalog.videos, settings.seed).values():
        good = [video for video in queue if video.id in outcomes and outcomes[video.id].clips]
        # The catalogue has the last word on a label: it may have been mended since the clips were read.
        chosen += [_labelled(outcomes[video.id], video) for video in good[:limit]]
    return chosen


def _labelled(outcome: Outcome, video: Video) -> Outcome:
    if (outcome.category, outcome.url) == (video.category, video.url):
        return outcome
    return replace(outcome, category=video.category, url=video.url)


def _group(outcome: Outcome) -> str:
    """A video's channel, or itself where the site names none."""
    return outcome.channel_id or f"video {outcome.video_id}"


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


@dataclass(frozen=True, slots=True)
class Placement:
    """Which videos a dataset is made of, and where they are."""

    splits: dict[str, list[Outcome]]
    pairs: list[Pair]  # of used videos that share a sound
    missing: list[str]  # a sentence for every class that a split is short of


def place(
    catalog: Catalog,
    outcomes: dict[str, Outcome],
    settings: Settings,
    protocol: Protocol,
    per_category: int | None = None,
    sides: Mapping[str, str] | None = None,
) -> Placement:
    """The good videos that are used, and their splits: no channel, and no sound, is on two sides.

    Arguments as for `assemble`. Near-linear in the videos.

    Raises:
        UserError: no video gave a clip.
    """
    chosen = _chosen(catalog, outcomes, settings, per_category)
    if sides is not None:
        chosen = [outcome for outcome in chosen if outcome.video_id in sides]
    if not chosen:
        raise UserError(_nothing_collected(outcomes.values()))
    pairs = near_duplicates({o.video_id: [clip.fingerprint for clip in o.clips] for o in chosen})
    if sides is None:
        channels = {o.video_id: _group(o) for o in chosen}
        groups = join(channels, [(pair.a, pair.b) for pair in pairs])
        subjects = [Subject(o.video_id, o.category, groups[o.video_id]) for o in chosen]
        where = split_by_group(subjects, protocol, settings.seed)
        missing = shortfalls(subjects, where, protocol, catalog.categories, channels)
    else:
        where = {o.video_id: sides[o.video_id] for o in chosen}
        missing = lost(sides, {video.id: video.category for video in catalog.videos}, where)
    order = list(protocol.counts or protocol.shares)
    names = order if sides is None else sorted(set(sides.values()), key=lambda s: ([*order, s].index(s), s))
    splits: dict[str, list[Outcome]] = {name: [] for name in names}
    for outcome in chosen:
        if outcome.video_id in where:  # exact counts leave some out
            splits[where[outcome.video_id]].append(outcome)
    used = {outcome.video_id for members in splits.values() for outcome in members}
    return Placement(splits, [pair for pair in pairs if {pair.a, pair.b} <= used], missing)


def assemble(
    folder: str | Path,
    catalog: Catalog,
    outcomes: dict[str, Outcome],
    settings: Settings,
    *,
    protocol: Protocol,
    per_category: int | None = None,
    source: str = "",
    sides: Mapping[str, str] | None = None,
    rebuilt: Mapping[str, Any] | None = None,
    left: Sequence[str] = (),
) -> BuildReport:
    """Write FOLDER/dataset (data/*.parquet and report.json) from a ledger's outcomes and their clip files.

    The same ledger gives the same Parquet files, byte for byte. The new dataset takes the old one's place whole.

    Args:
        folder: what the clips were collected into.
        catalog: says which videos there are, and has the last word on their labels.
        outcomes: the ledger's, by video id.
        settings: the ledger's.
        protocol: how many videos of a class each split is to have.
        per_category: good videos of a class that are used; None uses all.
        source: the catalogue's name, for the report.
        sides: video id to split, in place of splitting; a video it does not name is left out.
        rebuilt: what became of a publication that was built again, for the report.
        left: what was said to videos that alone met a wall, for the report.

    Raises:
        UserError: no video gave a clip, or a clip file is missing or is not the one the ledger speaks of.
    """
    folder = Path(folder)
    placement = place(catalog, outcomes, settings, protocol, per_category, sides)
    _write(folder, placement.splits, catalog.categories)
    report = _report(catalog, outcomes, settings, protocol, placement, source, dict(rebuilt or {}))
    report = replace(report, left=list(left), per_category=per_category)
    _publish(folder, report)
    return report


def _write(folder: Path, splits: Mapping[str, list[Outcome]], labels: Sequence[str]) -> None:
    unfinished = folder / f"{DATASET}.part"
    shutil.rmtree(unfinished, ignore_errors=True)
    (unfinished / "data").mkdir(parents=True)
    try:
        for split, members in splits.items():
            write_split(members, folder, labels, unfinished / "data", split)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _publish(folder: Path, report: BuildReport) -> None:
    """The report beside the data, and both in the old dataset's place."""
    unfinished = folder / f"{DATASET}.part"
    (unfinished / REPORT).write_text(json.dumps(asdict(report), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for path in [*unfinished.rglob("*"), unfinished]:
        sync(path)
    replaced = folder / f"{DATASET}.old"
    shutil.rmtree(replaced, ignore_errors=True)
    if (folder / DATASET).exists():
        (folder / DATASET).rename(replaced)  # in one step: no kill leaves half of it
    unfinished.rename(folder / DATASET)
    shutil.rmtree(replaced, ignore_errors=True)


def _nothing_collected(outcomes: Iterable[Outcome]) -> str:
    failed = [(outcome, outcome.failure) for outcome in outcomes if outcome.failure]
    reasons = Counter(failure.reason.value for _, failure in failed)
    why = ", ".join(f"{reason} {n}" for reason, n in reasons.most_common()) or "none was visited"
    example = next((f" Of {_named(outcome)}: {failure.detail[:200].rstrip('.')}." for outcome, failure in failed), "")
    return f"No video gave a clip ({why}).{example} OUT/ledger.jsonl has what was said of each."


def _named(outcome: Outcome) -> str:
    """A video as its user knows it: by its id on YouTube, elsewhere by its link."""
    return outcome.video_id if len(outcome.video_id) == 11 else outcome.url


def _report(
    catalog: Catalog,
    outcomes: dict[str, Outcome],
    settings: Settings,
    protocol: Protocol,
    placement: Placement,
    source: str,
    rebuilt: dict[str, Any],
) -> BuildReport:
    asked = {video.id for video in catalog.videos}
    visited = [outcome for video_id, outcome in outcomes.items() if video_id in asked]
    failures = [outcome.failure for outcome in visited if outcome.failure]
    examples: dict[str, list[str]] = defaultdict(list)
    for failure in failures:
        if len(examples[failure.reason.value]) < 3:
            examples[failure.reason.value].append(f"{_named(outcomes[failure.video_id])}: {failure.detail}"[:300])
    kept = [clip for members in placement.splits.values() for outcome in members for clip in outcome.clips]
    return BuildReport(
        source=source,
        requested=len(catalog.videos) + len(catalog.rejected),
        rejected=dict(Counter(line.reason for line in catalog.rejected)),
        rejected_lines=[asdict(line) for line in catalog.rejected[:LISTED]],
        attempted=len(visited),
        collected=sum(1 for outcome in visited if outcome.clips),
        used=sum(len(members) for members in placement.splits.values()),
        failed=dict(Counter(failure.reason.value for failure in failures)),
        failed_examples=dict(examples),
        unvisited=len(asked) - len(visited),
        clips=len(kept),
        hours=round(sum(clip.samples for clip in kept) / SAMPLING_RATE / 3600, 4),
        bytes_read=sum(outcome.bytes_read for outcome in visited),
        labels=list(catalog.categories),
        splits=_count(placement.splits),
        missing=placement.missing,
        protocol=protocol.name,
        seed=settings.seed,
        clip_seconds=settings.clip_seconds,
        clips_per_video=settings.clips_per_video,
        versions={name: version(name) for name in PACKAGES},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        attempts=_attempts(catalog, outcomes),
        duplicates=_told(placement),
        duplicate_pairs=len(placement.pairs),
        rebuilt=rebuilt,
    )


def _told(placement: Placement) -> list[dict[str, Any]]:
    """The pairs that share a sound, with labels; those with two labels first, since one of the two may be wrong."""
    labels = {outcome.video_id: outcome.category for members in placement.splits.values() for outcome in members}
    told = [{**asdict(pair), "labels": [labels[pair.a], labels[pair.b]]} for pair in placement.pairs]
    return sorted(told, key=lambda pair: len(set(pair["labels"])), reverse=True)[:LISTED]


def _attempts(catalog: Catalog, outcomes: Mapping[str, Outcome]) -> dict[str, dict[str, int]]:
    """Category to how many of its videos were visited, and how many of those gave clips and did not."""
    visited: Counter[str] = Counter()
    good: Counter[str] = Counter()
    for video in catalog.videos:
        if outcome := outcomes.get(video.id):
            visited[video.category] += 1
            good[video.category] += bool(outcome.clips)
    return {
        label: {"visited": visited[label], "good": good[label], "failed": visited[label] - good[label]}
        for label in catalog.categories
    }
