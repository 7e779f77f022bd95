"""Windows of one file read by ranges, or on this machine, with little more of it than they hold."""

from collections.abc import Iterator
from typing import BinaryIO

import av
import numpy as np

from .blocks import find_blocks
from .fragments import Fragments, Index, find_fragments
from .kinds import Media
from .mp3 import COUNTED_BYTES, Pace, find_pace
from .ranges import RangeFile, take
from .reader import OneFile
from .sound import WARM_UP_S, AudioPacket, Sound

_UNMEASURED = ("mp3", "aac")  # formats that, without a table in front, have their length guessed from the bit rate
_MANY_ENTRIES = 50_000  # an index of every sample; the stream's bit rate plans as well
_UNPACKED = (b"WAVE", b"riff", b".snd", b"FORM")  # how WAV, Wave64, AU and AIFF begin, WAV after its size
_GLANCE = {"analyzeduration": "100000", "probesize": "65536"}  # microseconds, bytes: their headers say all


class FileReader(OneFile):
    """Windows of one file by its index, or by its bit rate where it has none."""

    def __init__(self, media: Media, source: RangeFile | BinaryIO) -> None:
        super().__init__(media, source)
        self._fragments = find_fragments(self._ranges) if self._ranges else Fragments()
        self._pace: Pace | None = None
        self._blocks = find_blocks(source)
        self._open()
        self._fresh = True
        self._duration_s = self._measure()
        self._index = self._read_index() if self._ranges else None
        if self._sound.format in ("mp3", "ac3"):
            self._fresh, self._pace = False, find_pace(self._sound.container, self._sound.stream, self._source)
            if self._ranges and self._counted:
                self._ranges.keep_all = True
        if self._ranges and self._ranges.failure:
            self.close()
            raise self._ranges.failure

    def _open(self) -> None:
        """Open the file at its beginning; the header's bytes are fetched the first time only."""
        head = take(self._source, 0, 12)
        self._source.seek(0)
        # without "fastseek" an MP3 is read from its beginning to each window
        options = {} if self._counted else {"fflags": "fastseek"}
        if self._fragments.tracks:
            options["use_mfra_for"] = "pts"
        if head[:4] in _UNPACKED or head[8:] in _UNPACKED:
            options |= _GLANCE
        self._sound = Sound(self._source, options)

    @property
    def _counted(self) -> bool:
        """Whether packets are counted from the beginning: an MP3 of varying rate, if it is small or on this machine."""
        varying = self._pace is not None and not self._pace.steady
        return varying and (not self._ranges or (self._ranges.size or COUNTED_BYTES) <= COUNTED_BYTES)

    @property
    def duration_s(self) -> float | None:
        """The length in seconds by the file's header or its last fragment."""
        return self._duration_s

    def _hear(self, begin_s: float, end_s: float) -> tuple[int, np.ndarray]:
        if not self._fresh:
            # a new demuxer and decoder for every window (milliseconds): what was read before leaves no trace in it
            self._sound.close()
            self._open()
        self._fresh = False
        self._seek(max(0.0, begin_s - WARM_UP_S), end_s)
        return self._sound.hear(begin_s, end_s, self._packets())

    def _packets(self) -> Iterator[AudioPacket]:
        for packet in self._sound.packets():
            if corrector := self._blocks or self._pace:
                corrector.correct(packet)
            yield packet

    def _seek(self, first_s: float, last_s: float) -> None:
        planned = self._index.range(first_s, last_s) if self._index else None
        if self._ranges and planned:
            self._ranges.expect(*planned)
        bit_rate = self._sound.stream.codec_context.bit_rate or 0
        self._sound.seek(self._blocks.asked_s(first_s, bit_rate) if self._blocks else first_s)
        length_s = self.duration_s or self._media.duration_s
        if self._ranges and not planned and self._ranges.size and length_s:
            place = self._ranges.tell()
            self._ranges.expect(place, place + int(1.1 * (last_s - first_s) * self._ranges.size / length_s) + 32_768)

    def _measure(self) -> float | None:
        """The length in seconds from the header, or from the last fragment where the header knows only the first."""
        container, tick_s = self._sound.container, self._sound.tick_s
        told_s = container.duration / av.time_base if container.duration else None
        if told_s and container.start_time is not None:  # sound may begin after pictures do, and is counted from there
            told_s -= max(0.0, self._sound.origin_s - max(0, container.start_time) / av.time_base)
        if self._sound.format in _UNMEASURED and not len(self._sound.stream.index_entries):
            return self._media.duration_s or told_s
        if not (entries := self._entries()):
            return self._count() if told_s is None and not self._ranges else told_s
        self._fresh = False
        last_s = entries[-1][0]
        container.seek(int(last_s / tick_s), stream=self._sound.stream)
        ends = [p.pts + (p.duration or 0) for p in self._sound.packets() if p.pts is not None]
        return max([last_s, *(ticks * tick_s for ticks in ends)]) - self._sound.origin_s

    def _count(self) -> float | None:
        """The length of a file on this machine that does not tell it, as of what was piped: that of all its packets."""
        self._fresh = False
        tick_s, last = self._sound.tick_s, 0
        for packet in self._sound.packets():
            last = max(last, (packet.pts or 0) + (packet.duration or 0))
        return last * tick_s - self._sound.origin_s if last else None

    def _entries(self) -> list[tuple[float, int]]:
        """Seconds and place of each fragment, by the table of this stream or, without one, of another."""
        for stream in (self._sound.stream, *self._sound.container.streams):
            if stream.time_base and (table := self._fragments.tracks.get(stream.id)):
                return [(ticks * float(stream.time_base), place) for ticks, place in table]
        return []

    def _read_index(self) -> Index | None:
        assert self._ranges is not None
        length_s, size = self.duration_s, self._ranges.size
        if self._fragments.index or not length_s or not size:
            return self._fragments.index
        marks = self._sound.stream.index_entries
        if entries := self._entries():
            known = [(place, time_s) for time_s, place in entries]
        elif 2 <= len(marks) <= _MANY_ENTRIES:
            known = sorted({e.pos: e.timestamp * self._sound.tick_s for e in marks}.items())
        else:
            return None
        times = [time_s - self._sound.origin_s for _, time_s in known]
        return Index([*times, max(length_s, times[-1])], [*(place for place, _ in known), size])
