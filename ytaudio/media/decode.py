"""Windows of a stream to waveforms at 16 kHz mono, reading little more of it than they hold."""

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
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
from .kinds import Failure, Media, Reason
from .ranges import RangeFile, StreamError

SAMPLING_RATE = 16_000  # Hz
MARGIN_S = 0.1  # read more on both sides, for the resampler's filter
WARM_UP_S = 0.3  # decoded before that, for the codec's memory (Opus asks for 80 ms, MP3 for its bit reservoir)
_GAP_S = 0.05  # a smaller disagreement of time stamps is rounding, not a gap
_SPARSE_S = 60.0  # an index with wider steps says too little
_MANY_ENTRIES = 50_000  # an index of every sample; the stream's bit rate plans as well


class WindowLike(Protocol):
    """A stretch of sound: seconds from the beginning, and seconds of length."""

    @property
    def start_s(self) -> float:
        """Seconds from the beginning of the video."""

    @property
    def seconds(self) -> float:
        """Length."""


@dataclass(frozen=True, slots=True)
class _Index:
    """Where in the file which time begins; one more entry stands for the end."""

    times_s: list[float]
    places: list[int]

    def range(self, first_s: float, last_s: float) -> tuple[int, int] | None:
        """The bytes from the entry at or before `first_s` to `last_s`, guessed inside its entry; None if too sparse."""
        begin = max(0, bisect_right(self.times_s, first_s) - 1)
        end = min(max(0, bisect_right(self.times_s, last_s) - 1), len(self.times_s) - 2)
        if end < begin or max(self.times_s[k + 1] - self.times_s[k] for k in (begin, end)) > _SPARSE_S:
            return None
        share = (last_s - self.times_s[end]) / max(self.times_s[end + 1] - self.times_s[end], 1e-3)
        bytes_of_last = self.places[end + 1] - self.places[end]
        stop = self.places[end] + min(bytes_of_last, int(1.04 * share * bytes_of_last) + 8192)
        return self.places[begin], stop


class Reader:
    """Several windows of one video's sound over one header and one index; open_media makes one."""

    def __init__(self, media: Media, source: RangeFile | BinaryIO) -> None:
        self._media, self._source = media, source
        self._ranges = source if isinstance(source, RangeFile) else None
        self._open()
        self._fresh = True
        self._index = self._read_index() if self._ranges else None
        if self._ranges and self._ranges.failure:
            self.close()
            raise self._ranges.failure

    def _open(self) -> None:
        """Open the file at its beginning; the header's bytes are fetched the first time only."""
        self._source.seek(0)
        # without "fastseek" an MP3 of variable rate would be read from its beginning to each window
        self._container: InputContainer = av.open(
            self._source, mode="r", options={"fflags": "fastseek"}, metadata_errors="ignore"
        )
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
        """The length in seconds that the file tells of itself."""
        return self._container.duration / av.time_base if self._container.duration else None

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
            place = round((float(frame.pts or 0) * self._tick_s - self._origin_s) * rate) - round(begin_s * rate)
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

    def _seek(self, first_s: float, last_s: float) -> None:
        planned = self._index.range(first_s, last_s) if self._index else None
        if self._ranges and planned:
            self._ranges.expect(*planned)
        if first_s > 0:  # a seek to 0 would lose what Opus brings a few milliseconds before it
            self._container.seek(int((first_s + self._origin_s) / self._tick_s), stream=self._stream)
        length_s = self._media.duration_s or self.duration_s
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

    def _read_index(self) -> _Index | None:
        length_s = self.duration_s
        assert self._ranges is not None
        if "mp4" in self._container.format.name and (index := _segment_index(self._ranges)):
            return index
        entries = self._stream.index_entries
        if not length_s or not self._ranges.size or not 2 <= len(entries) <= _MANY_ENTRIES:
            return None
        known = sorted({entry.pos: entry.timestamp * self._tick_s for entry in entries}.items())
        times = [time_s - self._origin_s for _, time_s in known]
        return _Index([*times, max(length_s, times[-1])], [*(place for place, _ in known), self._ranges.size])


def _segment_index(file: RangeFile) -> _Index | None:
    """The segment index of a fragmented MP4 (sidx, ISO/IEC 14496-12), if it stands before the first fragment."""

    def take(place: int, size: int) -> bytes:
        file.seek(place)
        data = b""
        while len(data) < size and (more := file.read(size - len(data))):
            data += more
        return data

    back, place = file.tell(), 0
    try:
        while len(head := take(place, 16)) == 16:
            size, kind = struct.unpack(">I4s", head[:8])
            size = struct.unpack(">Q", head[8:])[0] if size == 1 else size
            if kind in (b"moof", b"mdat") or size < 8:
                return None
            if kind != b"sidx":
                place += size
                continue
            body = take(place + 8, size - 8)
            wide = body[0] == 1
            scale = struct.unpack(">I", body[8:12])[0]
            begin, offset = struct.unpack(">QQ" if wide else ">II", body[12 : 28 if wide else 20])
            table = body[32 if wide else 24 :]
            times, places = [begin / scale], [place + size + offset]
            for length, duration, _ in struct.iter_unpack(">III", table[: len(table) // 12 * 12]):
                times.append(times[-1] + duration / scale)
                places.append(places[-1] + (length & 0x7FFFFFFF))
            return _Index(times, places) if len(times) > 1 else None
        return None
    finally:
        file.seek(back)


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
