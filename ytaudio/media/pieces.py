"""What a stream in pieces is made of: segments of some seconds, each a resource, or a stretch of one, of its own."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes to fetch."""

    url: str
    start: int = 0  # the first byte
    size: int | None = None  # bytes; None is all that follow
    key_url: str = ""  # of the key of AES-128 in CBC mode that they are encrypted with; "" where they are not
    iv: bytes = b""  # 16 bytes, the initialization vector

    @property
    def stop(self) -> int:
        """The byte after the last one, where the size is told."""
        return self.start + (self.size or 0)


@dataclass(frozen=True, slots=True)
class Segment:
    """Some seconds of a stream."""

    part: Part
    begins_s: float  # the seconds of all segments before it
    seconds: float
    group: int  # segments of one group share one clock; a discontinuity begins another
    init: Part | None = None  # a header that its bytes need in front
    missing: bool = False  # known to be absent (EXT-X-GAP)


def at(segments: Sequence[Segment], time_s: float) -> int:
    """The index of the segment that holds a time, or of the first or last one where none does."""
    return min(max(0, bisect_right(segments, time_s, key=lambda s: s.begins_s) - 1), len(segments) - 1)


def slack_s(segments: Sequence[Segment], index: int) -> float:
    """How far a segment may begin, by the stream's own clock, from where the told lengths of those before put it.

    Old playlists round every length to whole seconds, so what they tell is wrong by up to half a second a segment.
    """
    rounded = all(s.seconds == round(s.seconds) for s in segments[: index + 1])
    return 1.5 + (0.55 if rounded else 0.02) * index
