"""Windows of a file that has no index: a few looks into it find the place where a time is.

PyAV is then given a view of the file in which all between its header and that place is one stretch to pass over.
"""

from typing import BinaryIO

import numpy as np

from .kinds import Media, Reason
from .landmarks import Landmark, Layout
from .ranges import TOP_UP_BYTES, RangeFile, StreamError, take
from .reader import OneFile
from .sound import WARM_UP_S, Sound

_LOOK_BYTES = 32 << 10  # read at a place to see what time it is
_LONGEST_LOOK = 4 << 20  # bytes without a landmark, then it is given up; a cluster may hold pictures
_MOST_LOOKS = 12
_CLOSE_BYTES = 96 << 10  # from a landmark to where its time should be: read rather than looked for
_INTERLEAVED_S = 1.0  # sound may be stored that much before the pictures of its time


class UnindexedReader(OneFile):
    """Windows of a file with landmarks and no index, read by ranges or on this machine."""

    def __init__(self, media: Media, source: RangeFile | BinaryIO, layout: Layout) -> None:
        super().__init__(media, source)
        self._layout = layout
        self._sound = self._view(layout.begin)
        self._clocks = {s.id: float(s.time_base) for s in self._sound.container.streams if s.time_base}
        self._lead_s = _INTERLEAVED_S if len(self._clocks) > 1 else 0.0
        self._origin_s, self._size = self._sound.origin_s, self._source.seek(0, 2)
        self._spacing = 0  # bytes between landmarks, on average
        try:
            self._last = self._find_last()
            self._duration_s = self._measure()
            self._check()
        except BaseException:
            self.close()
            raise

    @property
    def duration_s(self) -> float | None:
        """The length in seconds by the packets after the last landmark."""
        return self._duration_s

    def _hear(self, begin_s: float, end_s: float) -> tuple[int, np.ndarray]:
        mark, rate = self._find(max(0.0, begin_s - WARM_UP_S))
        stop = mark.place + int(1.1 * (end_s + self._origin_s - mark.time_s) * rate) + 32_768
        self._expect(mark.place, stop)
        self._sound.close()
        self._sound = self._view(mark.place)
        self._sound.begin_at(self._origin_s)
        return self._sound.hear(begin_s, end_s, self._sound.packets())

    def _expect(self, start: int, stop: int) -> None:
        if self._ranges:
            self._ranges.expect(start, min(stop, self._size))

    def _view(self, place: int) -> Sound:
        """The file's sound from a landmark on, by the clock of its beginning."""
        return Sound(_View(self._source, self._layout, place), {"fflags": "+ignidx"})

    @property
    def _rate(self) -> float:
        """Bytes a second, on average."""
        return (self._size - self._layout.begin) / max(self._duration_s, 1e-3)

    def _look(self, start: int, stop: int) -> list[Landmark]:
        """The landmarks at a place, the first of which begins before `stop`; what is read for that grows."""
        data, wanted = b"", min(max(_LOOK_BYTES, self._spacing * 5 // 4), _LONGEST_LOOK // 4)
        while len(data) < _LONGEST_LOOK:
            self._expect(start + len(data), start + wanted)
            more = take(self._source, start + len(data), wanted - len(data))
            data += more
            marks = list(self._layout.find(data, start, self._clocks, self._sound.stream.id))
            if marks or not more or start + len(data) >= stop:
                return marks
            wanted *= 2
        return []

    def _find_last(self) -> Landmark:
        """The last landmark of the file.

        Raises:
            StreamError: UNSUPPORTED where there is none near its end.
        """
        data, length = b"", TOP_UP_BYTES
        while True:
            start = max(self._layout.begin, self._size - length)
            self._expect(start, self._size - len(data))
            data = take(self._source, start, self._size - len(data) - start) + data
            self._check()
            if marks := list(self._layout.find(data, start, self._clocks, self._sound.stream.id)):
                apart = (marks[-1].place - marks[0].place) // max(1, len(marks) - 1)
                self._spacing = apart or max(TOP_UP_BYTES, self._size - marks[0].place)
                return marks[-1]
            if start == self._layout.begin or length >= _LONGEST_LOOK:
                raise StreamError(Reason.UNSUPPORTED, "a file without an index, and no time is told near its end")
            length *= 4

    def _measure(self) -> float:
        with_end = self._view(self._last.place)
        ends = [p.pts + (p.duration or 0) for p in with_end.packets() if p.pts is not None]
        with_end.close()
        return max([self._last.time_s, *(ticks * with_end.tick_s for ticks in ends)]) - self._origin_s

    def _find(self, time_s: float) -> tuple[Landmark, float]:
        """A landmark a little before a time that is told in seconds from the origin, and the bytes a second near it.

        What was looked at for other windows is not used, so that a window is the same whatever was read before it.

        Raises:
            StreamError: UNSUPPORTED where a dozen looks do not find it.
        """
        wanted_s = time_s + self._origin_s - self._lead_s
        if wanted_s >= self._last.time_s:
            return self._last, self._rate
        low, high = Landmark(self._layout.begin, self._origin_s), self._last
        known, lead = [low, high], self._spacing + _LOOK_BYTES // 2
        for _ in range(_MOST_LOOKS):
            guess = _straight(wanted_s, known) - lead
            if (guess <= low.place + _CLOSE_BYTES and known[0] is low) or high.place - low.place <= _CLOSE_BYTES:
                return low, self._near(known)
            if not low.place < guess < high.place:
                guess = (low.place + high.place) // 2
            marks = self._look(guess, high.place)
            self._check()
            known = sorted({*known, *marks}, key=lambda mark: abs(mark.time_s - wanted_s))
            if early := [mark for mark in marks if mark.time_s <= wanted_s]:
                low = early[-1]
            if early and len(early) < len(marks):
                return low, self._near(known)
            if not early:  # what holds the time begins before this place
                high, lead = Landmark(guess, marks[0].time_s if marks else high.time_s), lead * 2
        raise StreamError(Reason.UNSUPPORTED, f"a file without an index, in which {time_s:.0f} s could not be found")

    def _near(self, known: list[Landmark]) -> float:
        """Bytes a second between the first two landmarks, as far as that can be."""
        one, two = known[:2]
        slope = (two.place - one.place) / (two.time_s - one.time_s or 1.0)
        return min(max(slope, self._rate / 4), self._rate * 4)


def _straight(time_s: float, known: list[Landmark]) -> int:
    """The place of a time on the line through the first two of these landmarks."""
    one, two = known[:2]
    slope = (two.place - one.place) / (two.time_s - one.time_s) if two.time_s != one.time_s else 0.0
    return one.place + int((time_s - one.time_s) * max(0.0, slope))


class _View:
    """A file in which what lies between its header and a place is passed over."""

    def __init__(self, source: RangeFile | BinaryIO, layout: Layout, place: int) -> None:
        self._source, self._begin = source, layout.begin
        gap = place - layout.begin
        self._patches = [*layout.patches, (layout.begin, layout.gap(gap))] if gap else layout.patches
        self._place, self._position = place, 0

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes from the position."""
        start = self._position
        if self._begin <= start < self._place:  # a gap has a head, and then nothing that matters
            length = self._place - start
            data = bytes(min(length, size if size >= 0 else length, 1 << 16))
        else:
            if start < self._begin:
                size = self._begin - start if size < 0 else min(size, self._begin - start)
            self._source.seek(start)
            data = self._source.read(size)
        for place, patch in self._patches:
            first, last = max(place, start), min(place + len(patch), start + len(data))
            if first < last:
                data = data[: first - start] + patch[first - place : last - place] + data[last - start :]
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move the position."""
        self._position = self._source.seek(0, 2) + offset if whence == 2 else offset + (0, self._position)[whence]
        return self._position

    def tell(self) -> int:
        """The position in bytes."""
        return self._position
