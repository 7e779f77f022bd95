"""Windows of a stream in pieces (HLS, DASH): only the segments they overlap are read, as one file in memory.

Where a segment lies in time is told by its own clock, the time stamp of its first packet, against that of the first
segment of its group, of which only the beginning is read for it. A clock of 33 bits (MPEG-TS) that runs over is put
right by the lengths that the playlist tells. Those lengths alone say where a group begins after a discontinuity, and
where each segment lies if the clock contradicts them by far, as it does where it starts anew with every segment.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import av
import numpy as np

from .fetching import TOO_MUCH, Fetcher
from .kinds import Failure, Media, Reason
from .packed import strip_tags
from .pieces import Part, Segment, at, slack_s
from .ranges import CAP_BYTES, LONGEST_BYTES, StreamError
from .reader import Reader, failure_of
from .sound import SAMPLING_RATE, WARM_UP_S, AudioPacket, Sound, WindowLike, cut, span_of

_PERIOD_S = 2**33 / 90_000  # after which the clock of MPEG-TS begins anew: 26.5 h
_FIRST_BYTES = 8 << 10  # of a segment, in which its first packet of sound is looked for
_PACKED = ("aac", "mp3", "ac3", "eac3")  # sound without a container: its packets carry no time
_BEFORE_ZERO_S = 0.1  # what begins so little before zero is a codec's delay, and is not heard
_MOST_TURNS = 8  # of looking for the segments of a window, where lengths are told wrongly
_JUMP_S = 10.0  # by which packets may leave the time that their segments are said to take


@dataclass(slots=True)
class _Run:
    """Segments of one group, one after the other, open as one file."""

    sound: Sound
    packets: list[AudioPacket]
    begins_s: float  # from the beginning of the stream
    ends_s: float


class SegmentReader(Reader):
    """Windows of a stream in pieces; the playlist and the first segment's beginning are read for all of them."""

    def __init__(self, media: Media, fetcher: Fetcher, segments: Sequence[Segment]) -> None:
        self._media, self._fetcher, self._segments = media, fetcher, segments
        self._data: dict[int, bytes] = {}  # of the last window's segments
        self._inits: dict[Part, bytes] = {}
        self._origins: dict[int, float] = {}  # what a group's clock shows at the beginning of the stream, in seconds
        self._origin(next(s.group for s in segments if s.seconds and not s.missing))

    @property
    def bytes_read(self) -> int:
        """Bytes of bodies fetched so far, headers and keys included, the playlist too."""
        return self._fetcher.bytes_read

    @property
    def requests(self) -> int:
        """Requests made so far, that for the playlist included."""
        return self._fetcher.requests

    @property
    def duration_s(self) -> float | None:
        """The length in seconds by the lengths of all segments; the page's word goes first where those are rounded."""
        last = self._segments[-1]
        told_s = last.begins_s + last.seconds
        rounded = all(segment.seconds == round(segment.seconds) for segment in self._segments)
        return self._media.duration_s or told_s if rounded else told_s

    def window(self, window: WindowLike) -> np.ndarray | Failure:
        """A window's waveform at 16 kHz mono: float32 (samples,); what a playlist says is missing is silence."""
        self._fetcher.begin()
        begin_s, end_s = span_of(window)
        heard = np.zeros(round(window.seconds * SAMPLING_RATE), dtype=np.float32)
        filled = 0
        runs: list[_Run] = []
        try:
            runs = self._cover(begin_s, end_s)
            for run in runs:
                rate, waveform = run.sound.hear(begin_s, end_s, run.packets)
                part = cut(window, rate, waveform)
                first = max(0, round((run.begins_s - window.start_s) * SAMPLING_RATE))
                heard[first : part.size] = part[first:]
                filled = max(filled, part.size)
        except (StreamError, av.FFmpegError) as error:
            return failure_of(self._media, error)
        finally:
            for run in runs:
                run.sound.close()
        return heard[:filled]

    def close(self) -> None:
        """Let go of what was fetched."""
        self._data.clear()

    def _cover(self, begin_s: float, end_s: float) -> list[_Run]:
        """Runs of segments whose sound holds a stretch, as far as the stream does.

        The lengths in the playlist say where to begin looking; what is found there says whether to look elsewhere.
        """
        from_s = max(0.0, begin_s - WARM_UP_S)
        first, last = self._at(from_s), self._at(end_s)
        runs: list[_Run] = []
        for turn in range(_MOST_TURNS):
            for run in runs:
                run.sound.close()
            self._load(first, last)
            runs = [self._open(indices) for indices in self._runs(first, last)]
            if not runs:
                raise StreamError(Reason.UNSUPPORTED, "the segments of this window are missing from the stream")
            early = first > 0 and bool(self._data.get(first)) and runs[0].begins_s > begin_s
            late = last + 1 < len(self._segments) and bool(self._data.get(last)) and runs[-1].ends_s < end_s
            if not (early or late):
                break
            drift_s = runs[0].begins_s - self._segments[first].begins_s
            elsewhere = self._at(from_s - drift_s), self._at(end_s - drift_s)
            if turn < _MOST_TURNS // 2 and elsewhere != (first, last):
                first, last = elsewhere
            else:
                first, last = first - early, last + late
        return runs

    def _at(self, time_s: float) -> int:
        return at(self._segments, time_s)

    def _load(self, first: int, last: int) -> None:
        """Have the bytes of these segments, and of no others; stretches that follow each other are one request."""
        self._data = {k: data for k, data in self._data.items() if first <= k <= last}
        wanted = [k for k in range(first, last + 1) if k not in self._data and not self._segments[k].missing]
        while wanted:
            parts = [self._segments[wanted[0]].part]
            for k in wanted[1:]:
                part = self._segments[k].part
                follows = part.size and parts[-1].size and (part.url, part.start) == (parts[-1].url, parts[-1].stop)
                if not follows or part.key_url or parts[-1].key_url or part.stop - parts[0].start > LONGEST_BYTES:
                    break
                parts.append(part)
            data = self._fetcher.fetch(parts[0] if len(parts) == 1 else _joined(parts))
            for k, part in zip(wanted, parts, strict=False):
                place = part.start - parts[0].start
                self._data[k] = data if len(parts) == 1 else data[place : place + (part.size or 0)]
            wanted = wanted[len(parts) :]
            if len(wanted) * len(data) // len(parts) > CAP_BYTES:  # not read up to the cap for nothing
                raise StreamError(Reason.UNSUPPORTED, TOO_MUCH)

    def _runs(self, first: int, last: int) -> Iterator[list[int]]:
        """The loaded segments in stretches that one file can hold."""

        def kind(k: int) -> tuple[int, Part | None, int]:
            holes = sum(segment.missing for segment in self._segments[first:k])
            return self._segments[k].group, self._segments[k].init, holes

        present = [k for k in range(first, last + 1) if self._data.get(k)]
        return (list(run) for _, run in groupby(present, kind))

    def _open(self, indices: list[int]) -> _Run:
        first, last = self._segments[indices[0]], self._segments[indices[-1]]
        seconds = last.begins_s + last.seconds - first.begins_s
        sound, packets, shown_s = self._decoder(first, [self._data[k] for k in indices])
        begins_s = first.begins_s
        if shown_s is not None:
            clock_s = shown_s - self._origin(first.group)
            if sound.format in ("mpegts", *_PACKED):
                clock_s += round((begins_s - clock_s) / _PERIOD_S) * _PERIOD_S
            if abs(clock_s - begins_s) <= slack_s(self._segments, indices[0]):
                begins_s = clock_s
        if shown_s is None or sound.format in _PACKED or not _is_steady(packets, sound.tick_s, seconds):
            _count_through(packets)
            shown_s = 0.0
        sound.begin_at(shown_s - begins_s)
        stamps = [packet.pts + (packet.duration or 0) for packet in packets if packet.pts is not None]
        ends_s = stamps[-1] * sound.tick_s - sound.origin_s if stamps else begins_s + seconds
        return _Run(sound, packets, begins_s, ends_s)

    def _origin(self, group: int) -> float:
        """What the clock of a group shows at the beginning of the stream, in seconds, by the group's first packet."""
        if group not in self._origins:
            present = [k for k, s in enumerate(self._segments) if s.group == group and not s.missing]
            first = next((k for k in present if self._segments[k].seconds), present[0])
            self._origins[group] = self._first_stamp(first) - self._segments[first].begins_s
        return self._origins[group]

    def _first_stamp(self, index: int) -> float:
        """What the clock shows at the first packet of a segment, of which no more is read than that takes."""
        segment = self._segments[index]
        for most in (_FIRST_BYTES, 16 * _FIRST_BYTES, None):
            data = self._data.get(index) or self._fetcher.fetch(segment.part, most)
            if whole := index in self._data or most is None or len(data) < most - 16:  # without padding
                self._data[index] = data
            try:
                sound, _, shown_s = self._decoder(segment, [data])
            except (av.FFmpegError, StreamError) as error:
                if whole or (isinstance(error, StreamError) and error.reason is not Reason.NO_AUDIO):
                    raise
                continue
            packed = sound.format in _PACKED
            sound.close()
            if shown_s is not None or packed or whole:
                break
        return shown_s or 0.0

    def _decoder(self, segment: Segment, pieces: list[bytes]) -> tuple[Sound, list[AudioPacket], float | None]:
        """Pieces from one segment on as an open sound, its packets, and what the clock shows at the first of them."""
        head = b""
        if segment.init is not None:
            if segment.init not in self._inits:
                self._inits[segment.init] = self._fetcher.fetch(segment.init)
            head = self._inits[segment.init]
        shown_s, pieces = strip_tags(pieces)
        sound = Sound(io.BytesIO(b"".join([head, *pieces])), {})
        packets = list(sound.packets())
        if sound.format not in _PACKED:
            while packets and packets[0].pts is None:  # the rest of a packet whose beginning is elsewhere
                packets.pop(0)
            shown_s = packets[0].pts * sound.tick_s if packets and packets[0].pts is not None else None
            if sound.format != "mpegts" and shown_s is not None and -_BEFORE_ZERO_S < shown_s < 0:
                shown_s = 0.0
        return sound, packets, shown_s


def _joined(parts: Sequence[Part]) -> Part:
    return Part(parts[0].url, parts[0].start, parts[-1].stop - parts[0].start)


def _is_steady(packets: Sequence[AudioPacket], tick_s: float, seconds: float) -> bool:
    """Whether packets come in the order of their times and stay within the time that their segments take."""
    stamps = [packet.pts for packet in packets if packet.pts is not None]
    rises = all(a <= b for a, b in pairwise(stamps))
    return rises and (not stamps or (stamps[-1] - stamps[0]) * tick_s < seconds + _JUMP_S)


def _count_through(packets: Sequence[AudioPacket]) -> None:
    """Set the times of packets so that each begins where the one before ends."""
    now = 0
    for packet in packets:
        if packet.size:
            packet.pts = packet.dts = now
            now += packet.duration or 0
