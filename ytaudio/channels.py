"""How many channels the videos of each class come from, and how unevenly, read from a dataset's Parquet files."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pyarrow.parquet as pq
from datasets import Features

BATCH = 10_000  # rows in memory at a time
LARGEST = 5  # channels that are named
NAMED_FROM = 3  # videos
_YOUTUBE = re.compile(r"UC[\w-]{22}", re.ASCII)
_COLUMNS = ("label", "video_id", "channel_id")


@dataclass(frozen=True, slots=True)
class Channel:
    """One of the largest channels of a dataset."""

    channel_id: str
    videos: int
    labels: tuple[str, ...]  # of its videos
    split: str

    @property
    def page(self) -> str:
        """Its address on YouTube, "" for a channel of another site."""
        return f"https://www.youtube.com/channel/{self.channel_id}" if _YOUTUBE.fullmatch(self.channel_id) else ""


@dataclass(frozen=True, slots=True)
class Spread:
    """How the videos of a class, or of all, are spread over channels; one without a known channel is its own."""

    sizes: tuple[int, ...]  # videos of each channel, the largest first

    @property
    def videos(self) -> int:
        """All of them."""
        return sum(self.sizes)

    @property
    def typical(self) -> float:
        """The median number of videos of a channel."""
        return median(self.sizes)

    def share(self, channels: int) -> float:
        """What share of the videos the largest `channels` channels hold, from 0 to 1."""
        return sum(self.sizes[:channels]) / self.videos


@dataclass(frozen=True, slots=True)
class Channels:
    """The channels of a dataset."""

    all: Spread
    by_label: dict[str, Spread]  # of the labels that have videos
    by_split: dict[str, int]  # number of channels
    largest: tuple[Channel, ...]  # of three videos or more, the largest first
    unnamed: int  # videos whose site named no channel


def channels_of(shards: Mapping[str, Sequence[Path]]) -> Channels:
    """Count the channels of a dataset, built with its audio or without; memory grows with the videos alone.

    Args:
        shards: split to its Parquet files, which hold at least one row.
    """
    seen: set[str] = set()
    labels: dict[str, Counter[str]] = defaultdict(Counter)  # channel to label to videos
    splits: dict[str, str] = {}
    unnamed = 0
    for split, paths in shards.items():
        for label, video_id, channel_id in _rows(paths):
            if video_id in seen:
                continue
            seen.add(video_id)
            unnamed += not channel_id
            key = channel_id or f"video {video_id}"
            labels[key][label] += 1
            splits.setdefault(key, split)
    sizes = {channel: known.total() for channel, known in labels.items()}
    named = [channel for channel, size in sizes.items() if size >= NAMED_FROM]
    by_label: dict[str, list[int]] = defaultdict(list)
    for known in labels.values():
        for label, videos in known.items():
            by_label[label].append(videos)
    return Channels(
        _spread(sizes.values()),
        {label: _spread(found) for label, found in by_label.items()},
        dict(Counter(splits.values())),
        tuple(
            Channel(channel, sizes[channel], tuple(sorted(labels[channel])), splits[channel])
            for channel in sorted(named, key=lambda channel: (-sizes[channel], channel))[:LARGEST]
        ),
        unnamed,
    )


def _spread(sizes: Iterable[int]) -> Spread:
    return Spread(tuple(sorted(sizes, reverse=True)))


def _rows(paths: Sequence[Path]) -> Iterable[tuple[str, str, str]]:
    """Label, video and channel of every row."""
    for path in paths:
        with pq.ParquetFile(path) as file:
            names = Features.from_arrow_schema(file.schema_arrow)["label"].names
            for batch in file.iter_batches(BATCH, columns=list(_COLUMNS)):
                for row in batch.to_pylist():
                    yield names[row["label"]], row["video_id"], row["channel_id"] or ""
