"""Windows of a stream to waveforms at 16 kHz mono, reading little more of it than they hold."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

import av
import numpy as np
import soxr
from av.container import InputContainer
from yt_dlp import YoutubeDL

from .access import Access, remembered, youtube_dl
from .failures import explain
from .fragments import Fragments, Index, find_fragments
from .kinds import Failure, Media, Reason
from .mp3 import COUNTED_BYTES, Pace, find_pace
from .ranges import RangeFile, StreamError

SAMPLING_RATE = 16_000  # Hz
MARGIN_S = 0.1  # read more on both sides, for the resampler's filter
WARM_UP_S = 0.3  # decoded before that, for the codec's memory (Opus asks for 80 ms, MP3 for its bit reservoir)
_OPUS_GRID_S = 0.0025  # every packet of Opus is a multiple of this long (RFC 6716)
_GAP_S = 0.05  # a smaller disagreement of time stamps is rounding, not a gap
_UNMEASURED = ("mp3", "aac")  # formats that, without a table in front, have their length guessed from the bit rate
_MANY_ENTRIES = 50_000  # an index of every sample; the stream's bit rate plans as well


class WindowLike(Protocol):
    """A stretch of sound: seconds from the beginning, and seconds of length."""

    @property
    def start_s(self) -> float:
        """Seconds from the beginning of the video."""

    @property
    def seconds(self) -> float:
        """Length."""


class Reader:
    """Several windows of one video's sound over one header and one index; open_media makes one."""

    def __init__(self, media: Media, source: RangeFile | BinaryIO) -> None:
        self._media, self._source = media, source
        self._ranges = source if isinstance(source, RangeFile) else None
        self._fragments = find_fragments(self._ranges) if self._ranges else Fragments()
        self._pace: Pace | None = None
        self._open()
        self._fresh = True
        self._duration_s = self._measure()
        self._index = self._read_index() if self._ranges else None
        if self._container.format.name == "mp3":
            self._fresh, self._pace = False, find_pace(self._container, self._stream, self._source)
            if self._ranges and self._counted:
                self._ranges.keep_all = True
        if self._ranges and self._ranges.failure:
            self.close()
            raise self._ranges.failure

    def _open(self) -> None:
        """Open the file at its beginning; the header's bytes are fetched the first time only."""
        self._source.seek(0)
        # without "fastseek" an MP3 is read from its beginning to each window
        options = {} if self._counted else {"fflags": "fastseek"}
        if self._fragments.tracks:
            options["use_mfra_for"] = "pts"
        self._container: InputContainer = av.open(self._source, mode="r", options=options, metadata_errors="ignore")
        audio = self._container.streams.best("audio")
        if not isinstance(audio, av.AudioStream) or audio.time_base is None:
            self._container.close()
            raise StreamError(Reason.NO_AUDIO, "the file holds no sound")
        self._stream, self._tick_s = audio, float(audio.time_base)
        for stream in self._container.streams:
            if stream is not audio:
                stream.discard = av.stream.Discard.all
        # a file may begin late by its own clock; Opus begins a few milliseconds early, and those are not heard
        self._origin_s = max(0.0, (audio.start_time or 0) * self._tick_s)
        head = audio.codec_context.extradata or b""
        rounded = audio.codec_context.name.endswith("opus") and self._tick_s > 1e-4 and not self._origin_s
        # Matroska rounds times to milliseconds; the pre-skip of Opus (RFC 7845) says where its packets really begin
        self._pre_skip_s = int.from_bytes(head[10:12], "little") / 48_000 if rounded and len(head) >= 12 else None

    @property
    def _counted(self) -> bool:
        """Whether packets are counted from the beginning: an MP3 of varying rate, if it is small or on this machine."""
        varying = self._pace is not None and not self._pace.steady
        return varying and (not self._ranges or (self._ranges.size or COUNTED_BYTES) <= COUNTED_BYTES)

    @property
    def bytes_read(self) -> int:
        """Bytes of bodies fetched so far, header and index included; 0 for a local file."""
        return self._ranges.bytes_read if self._ranges else 0

    @property
    def requests(self) -> int:
        """Requests made so far; 0 for a local file."""
        return self._ranges.requests if self._ranges else 0

    @property
    def duration_s(self) -> float | None:
        """The length in seconds that the file tells of itself, however long the page says it is; None if it does not.

        Where the file only lets it be guessed, the page's word goes first.
        """
        return self._duration_s

    def window(self, window: WindowLike) -> np.ndarray | Failure:
        """A window's waveform at 16 kHz mono: float32 (samples,), round(seconds * 16000) where the media has them."""
        if self._ranges:
            self._ranges.begin_window()
        begin_s = max(0.0, window.start_s - MARGIN_S)
        end_s = window.start_s + window.seconds + MARGIN_S
        try:
            if not self._fresh:
                # a new demuxer and decoder for every window (milliseconds): what was read before leaves no trace in it
                self._container.close()
                self._open()
            self._fresh = False
            rate, waveform = self._decode(begin_s, end_s)
        except (StreamError, av.FFmpegError) as error:
            return _failure(self._media, self._ranges, error)
        if self._ranges and self._ranges.failure:
            return _failure(self._media, self._ranges, self._ranges.failure)
        # begin_s falls between two samples of the source; the cut below starts from the one taken
        taken_s = round(begin_s * rate) / rate
        if rate != SAMPLING_RATE and waveform.size:
            waveform = soxr.resample(waveform, rate, SAMPLING_RATE, quality="HQ")
        first = round((window.start_s - taken_s) * SAMPLING_RATE)
        return np.ascontiguousarray(waveform[first : first + round(window.seconds * SAMPLING_RATE)], dtype=np.float32)

    def close(self) -> None:
        """Let go of the decoder and the file."""
        self._container.close()
        if not isinstance(self._source, RangeFile):
            self._source.close()

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _decode(self, begin_s: float, end_s: float) -> tuple[int, np.ndarray]:
        """The source's rate in Hz and its sound between two times: float32 (samples,)."""
        self._seek(max(0.0, begin_s - WARM_UP_S), end_s)
        rate, wanted, filled = SAMPLING_RATE, 0, 0
        heard = np.zeros(0, dtype=np.float32)
        cursor: int | None = None  # where the next frame goes, in samples from begin_s
        for frame in self._frames(begin_s - WARM_UP_S):
            if (
                not wanted
            ):  # a frame knows the true rate; a header may name half of it (AAC's spectral band replication)
                rate = frame.sample_rate
                wanted = round(end_s * rate) - round(begin_s * rate)
                heard = np.zeros(wanted, dtype=np.float32)
            place = round((self._begins_s(frame) - self._origin_s) * rate) - round(begin_s * rate)
            if cursor is None and place + frame.samples <= 0 < begin_s:
                continue  # warming up; a decoder's very first frame may be cut and its time stamp rounded
            if cursor is None or abs(place - cursor) > _GAP_S * rate:
                cursor = place
            samples = _mono(frame)
            first, last = max(cursor, 0), min(cursor + samples.size, wanted)
            if first < last:
                heard[first:last] = samples[first - cursor : last - cursor]
                filled = max(filled, last)
            cursor += samples.size
            if cursor >= wanted:
                break
        return rate, heard[:filled]

    def _begins_s(self, frame: av.AudioFrame) -> float:
        """Where a frame begins by the file's clock, in seconds, without the clock's rounding where that is known."""
        told_s = float(frame.pts or 0) * self._tick_s
        if self._pre_skip_s is None:
            return told_s
        # a frame may lack its beginning, which the decoder cut off, so its end is what lies on the grid
        before_s = frame.samples / frame.sample_rate + self._pre_skip_s
        return round((told_s + before_s) / _OPUS_GRID_S) * _OPUS_GRID_S - before_s

    def _seek(self, first_s: float, last_s: float) -> None:
        planned = self._index.range(first_s, last_s) if self._index else None
        if self._ranges and planned:
            self._ranges.expect(*planned)
        if first_s > 0:  # a seek to 0 would lose what Opus brings a few milliseconds before it
            self._container.seek(int((first_s + self._origin_s) / self._tick_s), stream=self._stream)
        length_s = self.duration_s or self._media.duration_s
        if self._ranges and not planned and self._ranges.size and length_s:
            place = self._ranges.tell()
            self._ranges.expect(place, place + int(1.1 * (last_s - first_s) * self._ranges.size / length_s) + 32_768)

    def _frames(self, from_s: float) -> Iterator[av.AudioFrame]:
        """Decoded frames from a time on; a packet that cannot be decoded leaves a gap.

        Raises:
            InvalidDataError: no packet could be decoded.
        """
        good, broken = 0, None
        for packet in self._container.demux(self._stream):
            if self._pace:
                self._pace.correct(packet)
            if packet.pts is not None and packet.pts * self._tick_s - self._origin_s < from_s:
                continue
            try:
                for frame in packet.decode():
                    good += 1
                    yield frame
            except av.InvalidDataError as error:
                broken = error
        if broken and not good:
            raise broken

    def _measure(self) -> float | None:
        """The length in seconds from the header, or from the last fragment where the header knows only the first."""
        told_s = self._container.duration / av.time_base if self._container.duration else None
        if self._container.format.name in _UNMEASURED and not len(self._stream.index_entries):
            return self._media.duration_s or told_s
        if not (entries := self._entries()):
            return told_s
        self._fresh = False
        last_s = entries[-1][0]
        self._container.seek(int(last_s / self._tick_s), stream=self._stream)
        ends = [p.pts + (p.duration or 0) for p in self._container.demux(self._stream) if p.pts is not None]
        return max([last_s, *(ticks * self._tick_s for ticks in ends)]) - self._origin_s

    def _entries(self) -> list[tuple[float, int]]:
        """Seconds and place of each fragment, by the table of this stream or, without one, of another."""
        for stream in (self._stream, *self._container.streams):
            if stream.time_base and (table := self._fragments.tracks.get(stream.id)):
                return [(ticks * float(stream.time_base), place) for ticks, place in table]
        return []

    def _read_index(self) -> Index | None:
        assert self._ranges is not None
        length_s, size = self.duration_s, self._ranges.size
        if self._fragments.index or not length_s or not size:
            return self._fragments.index
        if entries := self._entries():
            known = [(place, time_s) for time_s, place in entries]
        elif 2 <= len(self._stream.index_entries) <= _MANY_ENTRIES:
            known = sorted({e.pos: e.timestamp * self._tick_s for e in self._stream.index_entries}.items())
        else:
            return None
        times = [time_s - self._origin_s for _, time_s in known]
        return Index([*times, max(length_s, times[-1])], [*(place for place, _ in known), size])


def _mono(frame: av.AudioFrame) -> np.ndarray:
    """A frame's channels averaged: float32 (samples,) with full scale 1."""
    data = frame.to_ndarray()
    if not frame.format.is_planar:
        data = data.reshape(-1, frame.layout.nb_channels).T
    if data.dtype == np.uint8:
        return ((data.astype(np.float32) - 128) / 128).mean(axis=0)
    scale = 2.0 ** (8 * data.dtype.itemsize - 1) if data.dtype.kind == "i" else 1.0
    return (data.mean(axis=0, dtype=np.float64) / scale).astype(np.float32)


def open_media(media: Media, access: Access | None = None, ydl: YoutubeDL | None = None) -> Reader | Failure:
    """Open a video's sound for reading windows; header and index are fetched now.

    Without an access, the one this thread located with last is used, so cookies and proxy stay the same.
    """
    access = access or remembered()
    parts = urlsplit(media.stream_url)
    ranges = None
    try:
        if parts.scheme == "file":
            return Reader(media, Path(unquote(parts.path)).open("rb"))
        ranges = RangeFile(ydl or youtube_dl(access), media.stream_url, media.http_headers, access)
        return Reader(media, ranges)
    except (StreamError, av.FFmpegError, OSError) as error:
        return _failure(media, ranges, error)


def read_window(
    media: Media, window: WindowLike, access: Access | None = None, ydl: YoutubeDL | None = None
) -> np.ndarray | Failure:
    """One window of a video: float32 (samples,) at 16 kHz mono."""
    opened = open_media(media, access, ydl)
    if isinstance(opened, Failure):
        return opened
    with opened as reader:
        return reader.window(window)


def _failure(media: Media, ranges: RangeFile | None, error: Exception) -> Failure:
    error = ranges.failure if ranges and ranges.failure else error
    if isinstance(error, StreamError):
        return Failure(media.video_id, error.reason, error.detail)
    return Failure(media.video_id, Reason.UNSUPPORTED, explain(error))
