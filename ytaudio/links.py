"""A dataset without its audio: which windows of which videos it is made of, written and read again."""

import math
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from datasets import ClassLabel, Features, Value

from ytaudio.catalog import LONGEST_LABEL, Catalog, Rejected, Video, normalize_category, parse_link
from ytaudio.clips import MINIMUM_S, SAMPLING_RATE, Window
from ytaudio.errors import UserError
from ytaudio.ledger import Outcome, Settings, read_ledger
from ytaudio.splits import PROTOCOLS

LINKS_ONLY = "links_only"  # the key of report.json that says so
BATCH = 1000  # rows in memory at a time
MOST_CLIPS = 100_000  # a video
LONGEST_S = 600.0  # of a clip, as `ytaudio build` lets it be
LATEST_S = 1e6  # where a window may begin: the longest videos have some hundred thousand seconds
MOST_REFUSED = 100_000  # rows; ours has none, and a file of some kilobytes can hold a milliard
LONGEST_TEXT = 8192  # bytes of one cell
_SHARD = re.compile(r"(?P<split>train|validation|test)-\d{5}-of-\d{5}\.parquet")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FINGERPRINT_CHARACTERS = 2000
_FROM_DATASET = ("video_id", "url", "label", "clip", "start_s", "channel_id")

FEATURES = {
    "video_id": Value("string"),
    "url": Value("string"),
    "label": ClassLabel(names=[]),  # filled in by link_features()
    "clip": Value("int32"),  # index of the clip in its video
    "start_s": Value("float64"),  # seconds from the beginning of the video; exact, for it decides the clip's bytes
    "seconds": Value("float64"),  # length; a whole number of samples at 16 kHz
    "sha256": Value("string"),  # of the clip's FLAC file
    "fingerprint": Value("string"),  # of its sound, as ytaudio.fingerprints writes it
    "channel_id": Value("string"),
}


_TEXTS = [name for name, kind in FEATURES.items() if kind == Value("string")]


@dataclass(frozen=True, slots=True)
class PublishedClip:
    """One clip as its publication names it."""

    index: int  # of the clip in its video
    window: Window
    sha256: str  # of the FLAC file
    fingerprint: str  # of the sound, as ytaudio.fingerprints writes it; "" where none was published


@dataclass(frozen=True, slots=True)
class Published:
    """What a links-only dataset says at one commit."""

    name: str  # USER/NAME
    commit: str  # 40 hexadecimal digits
    clips: Mapping[str, tuple[PublishedClip, ...]]  # video id to its clips, by index
    sides: Mapping[str, str]  # video id to split
    settings: Settings  # the ones it was built with, windows_of being NAME@COMMIT
    protocol: str  # the name of the one it was split by

    @property
    def windows(self) -> dict[str, list[Window]]:
        """Video id to the windows to read again, by index."""
        return {video_id: [clip.window for clip in clips] for video_id, clips in self.clips.items()}


def link_features(labels: Sequence[str]) -> Features:
    """The columns of a links-only dataset, with these class names."""
    return Features({**FEATURES, "label": ClassLabel(names=list(labels))})


def write_links(folder: Path, shards: Sequence[Path], place: Path) -> list[Path]:
    """Write a links-only twin of each Parquet file of a built dataset, a thousand rows in memory at a time.

    Titles and descriptions stay at home: they are other people's words, and a rebuild reads them from the site.

    Args:
        folder: what `ytaudio build` wrote, with its ledger.
        shards: the files of its dataset/data.
        place: an empty folder for the twins, which bear the names of their originals.

    Raises:
        UserError: the ledger is missing, or does not belong to the dataset.
    """
    _, outcomes = read_ledger(folder)
    written = []
    for shard in shards:
        source = pq.ParquetFile(shard)
        labels = Features.from_arrow_schema(source.schema_arrow)["label"].names
        schema = link_features(labels).arrow_schema
        written.append(place / shard.name)
        with pq.ParquetWriter(written[-1], schema) as writer:
            for batch in source.iter_batches(BATCH, columns=list(_FROM_DATASET)):
                rows = [_link(row, outcomes, folder) for row in batch.to_pylist()]
                writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    return written


def _link(row: dict[str, Any], outcomes: Mapping[str, Outcome], folder: Path) -> dict[str, Any]:
    outcome = outcomes.get(row["video_id"])
    clip = next((clip for clip in outcome.clips if clip.index == row["clip"]), None) if outcome else None
    if clip is None or abs(clip.start_s - row["start_s"]) > 1e-6 * max(1.0, clip.start_s):  # the dataset's is a float32
        raise UserError(
            f"The ledger of {folder} does not know clip {row['clip']} of {row['video_id']} as the dataset has it: "
            "give the same build command again, then push."
        )
    seconds = clip.samples / SAMPLING_RATE  # the record's own is rounded
    kept = {name: row[name] for name in ("video_id", "url", "label", "clip", "channel_id")}
    return {**kept, "start_s": clip.start_s, "seconds": seconds, "sha256": clip.sha256, "fingerprint": clip.fingerprint}


def read_links(shards: Sequence[Path], name: str, commit: str, report: Mapping[str, Any]) -> tuple[Catalog, Published]:
    """Read a links-only dataset that anybody may have written: every row is checked, and a bad one refused.

    A refused row is a Rejected whose line counts the rows of all files from 1, and whose reason is "bad_link",
    "bad_label", "bad_window", "bad_hash", "duplicate" or "conflict" (another url, label or split than the video's
    first row).

    Raises:
        UserError: a file is not of a links-only dataset, the report lacks its settings, or no row is usable.
    """
    what = f"hub:{name} at {commit[:12]}"
    settings, protocol = _settings(report, what, f"{name}@{commit}")
    videos: dict[str, Video] = {}
    sides: dict[str, str] = {}
    clips: dict[str, dict[int, PublishedClip]] = {}
    rejected: list[Rejected] = []
    for line, (split, row) in enumerate(_rows(shards, what), 1):
        reason = _fault(row, settings)
        video_id, index = row["video_id"], row["clip"]
        video = None if reason else Video(video_id, row["url"], "", "", row["label"])
        if video and (videos.get(video_id, video), sides.get(video_id, split)) != (video, split):
            reason = "conflict"
        elif video and index in clips.get(video_id, {}):
            reason = "duplicate"
        if reason or video is None:
            rejected.append(Rejected(line, reason, f"{video_id} clip {index}"[:80]))
            if len(rejected) > MOST_REFUSED:
                raise UserError(f"{what} has too many rows that cannot be used: ask its author to push it again.")
            continue
        videos[video_id], sides[video_id] = video, split
        window = Window(row["start_s"], row["seconds"])
        clip = PublishedClip(index, window, row["sha256"], row["fingerprint"])
        clips.setdefault(video_id, {})[index] = clip
    if not videos:
        raise UserError(f"{what} has no usable row ({len(rejected)} refused): ask its author to push it again.")
    ordered = {video_id: tuple(known[index] for index in sorted(known)) for video_id, known in clips.items()}
    return (
        Catalog(tuple(videos.values()), tuple(rejected)),
        Published(name, commit, ordered, sides, settings, protocol),
    )


def _settings(report: Mapping[str, Any], what: str, windows_of: str) -> tuple[Settings, str]:
    count, seconds, seed = (report.get(name) for name in ("clips_per_video", "clip_seconds", "seed"))
    protocol = report.get("protocol")
    if (
        (type(count) is int and 1 <= count <= MOST_CLIPS)
        and (isinstance(seconds, int | float) and MINIMUM_S <= seconds <= LONGEST_S)
        and (type(seed) is int and abs(seed) < 2**63)
        and protocol in tuple(PROTOCOLS)
    ):
        return Settings(count, float(seconds), seed, windows_of), str(protocol)
    raise UserError(f"The report.json of {what} lacks the settings of a build: ask its author to push it again.")


def _rows(shards: Sequence[Path], what: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The split and the row, its label as a name, of every row of all files."""
    for shard in shards:
        with _readable(shard.name, what):
            labels = _labels(pq.read_schema(shard))
        named = _SHARD.fullmatch(shard.name)
        if not named or labels is None:
            raise UserError(
                f"{shard.name} of {what} is not a file of a links-only dataset: ask its author to push it again."
            )
        with _readable(shard.name, what):  # as a dictionary, one long text in all rows is in memory once
            batches = pq.ParquetFile(shard, read_dictionary=_TEXTS).iter_batches(BATCH, columns=list(FEATURES))
        while True:
            with _readable(shard.name, what):
                batch = next(batches, None)
                rows = _short(batch).to_pylist() if batch is not None else []
            if batch is None:
                break
            for row in rows:
                number = row["label"]
                known = number is not None and 0 <= number < len(labels)
                yield named["split"], {**row, "label": labels[number] if known else ""}


def _short(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with its texts as plain ones.

    Raises:
        ValueError: a text is longer than LONGEST_TEXT.
    """
    columns = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        coded = isinstance(column, pa.DictionaryArray)
        texts = column.dictionary if coded else column
        if name in _TEXTS and (pc.max(pc.binary_length(texts)).as_py() or 0) > LONGEST_TEXT:
            raise ValueError(f"a {name} is too long")
        columns.append(column.dictionary_decode() if coded else column)
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _labels(schema: pa.Schema) -> list[str] | None:
    """The class names of a links-only file, or None where its columns are others."""
    found = Features.from_arrow_schema(schema)
    label = found.get("label")
    same = all(found.get(name) == feature for name, feature in FEATURES.items() if name != "label")
    return label.names if same and isinstance(label, ClassLabel) else None


@contextmanager
def _readable(name: str, what: str) -> Iterator[None]:
    """What pyarrow and datasets raise over a broken or forged file, as one sentence."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{name} of {what} cannot be read as Parquet ({type(error).__name__}): ask its author to push it again."
        ) from None


def _fault(row: Mapping[str, Any], settings: Settings) -> str:
    """Why a row is refused, or ""."""
    try:
        linked = parse_link(row["url"] or "")
    except ValueError:
        return "bad_link"
    if linked != (row["video_id"], row["url"]):
        return "bad_link"
    if not 0 < len(row["label"]) <= LONGEST_LABEL or normalize_category(row["label"]) != row["label"]:
        return "bad_label"
    numbers = row["clip"], row["start_s"], row["seconds"]
    if any(number is None or not math.isfinite(number) for number in numbers):
        return "bad_window"
    longest_s = settings.clip_seconds + 1 / SAMPLING_RATE
    if not (0 <= row["clip"] < settings.clips_per_video and 0 <= row["start_s"] <= LATEST_S):
        return "bad_window"
    if not MINIMUM_S <= row["seconds"] <= longest_s:
        return "bad_window"
    if not _SHA256.fullmatch(row["sha256"] or "") or not _is_fingerprint(row["fingerprint"]):
        return "bad_hash"
    return ""


def _is_fingerprint(text: str | None) -> bool:
    """Whether it can be compared: base64 of words of 16 bits, as ytaudio.fingerprints writes them; "" is one too."""
    try:
        return text is not None and len(text) <= _FINGERPRINT_CHARACTERS and not len(b64decode(text, validate=True)) % 2
    except ValueError:
        return False
