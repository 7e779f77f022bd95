"""Packets to a waveform between two times: what every reader does once it has the bytes."""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol, TypeAlias

import av
import numpy as np
import soxr
from av.container import InputContainer

from .kinds import Reason
from .processor import decoding
from .ranges import StreamError

AudioPacket: TypeAlias = "av.Packet[av.AudioStream]"
SAMPLING_RATE = 16_000  # Hz
MARGIN_S = 0.1  # read more on both sides, for the resampler's filter
WARM_UP_S = 0.3  # decoded before that, for the codec's memory (Opus asks for 80 ms, MP3 for its bit reservoir)
_OPUS_GRID_S = 0.0025  # every packet of Opus is a multiple of this long (RFC 6716)
_MOST_PLANES = 8  # PyAV looks for the end of a frame's list of planes, which from eight on has none, and crashes
_LOUDEST = 2.0  # codecs overshoot full scale, by less than that
_TOGETHER = 64  # frames made into samples with one call: threads get in each other's way at every call of numpy
_GAP_S = 0.05  # a smaller disagreement of time stamps is rounding, not a gap


class WindowLike(Protocol):
    """A stretch of sound: seconds from the beginning, and seconds of length."""

    @property
    def start_s(self) -> float:
        """Seconds from the beginning of the video."""

    @property
    def seconds(self) -> float:
        """Length."""


def span_of(window: WindowLike) -> tuple[float, float]:
    """Where to begin and end hearing for a window, in seconds: a little more than it holds."""
    return max(0.0, window.start_s - MARGIN_S), window.start_s + window.seconds + MARGIN_S


def cut(window: WindowLike, rate: int, waveform: np.ndarray) -> np.ndarray:
    """The window at 16 kHz: float32 (samples,), out of what was heard at `rate` Hz from the beginning of its span."""
    # the span begins between two samples of the source; the cut starts from the one taken
    taken_s = round(span_of(window)[0] * rate) / rate
    if rate != SAMPLING_RATE and waveform.size:
        waveform = soxr.resample(waveform, rate, SAMPLING_RATE, quality="HQ")
    first = round((window.start_s - taken_s) * SAMPLING_RATE)
    waveform = waveform[first : first + round(window.seconds * SAMPLING_RATE)]
    return np.ascontiguousarray(waveform.clip(-_LOUDEST, _LOUDEST), dtype=np.float32)


class Sound:
    """The sound of one file, open at its beginning: its packets and their decoder."""

    def __init__(self, source: Any, options: dict[str, str]) -> None:
        # a file may list others, on this machine or elsewhere: by this list, which no way to open one is on, none is
        options = {**options, "protocol_whitelist": "none"}
        self.container: InputContainer = av.open(source, mode="r", options=options, metadata_errors="ignore")
        audio = self.container.streams.best("audio")
        if not isinstance(audio, av.AudioStream) or audio.time_base is None:
            self.container.close()
            raise StreamError(Reason.NO_AUDIO, "the file holds no sound")
        if audio.codec_context is None:
            self.container.close()
            raise StreamError(Reason.UNSUPPORTED, "the sound is in a codec for which FFmpeg has no decoder")
        self.stream, self.tick_s = audio, float(audio.time_base)
        for stream in self.container.streams:
            if stream is not audio:
                stream.discard = av.stream.Discard.all
        # a file may begin late by its own clock; Opus begins a few milliseconds early, and those are not heard
        self.begin_at(max(0.0, (audio.start_time or 0) * self.tick_s))

    @property
    def format(self) -> str:
        """FFmpeg's name of the container."""
        return self.container.format.name

    def begin_at(self, clock_s: float) -> None:
        """Take what the file's clock shows here, in seconds, for the beginning of the sound."""
        self.origin_s = clock_s
        codec = self.stream.codec_context
        head = codec.extradata or b""
        rounded = codec.name.endswith("opus") and self.tick_s > 1e-4 and not self.origin_s
        # Matroska rounds times to milliseconds; the pre-skip of Opus (RFC 7845) says where its packets really begin
        self._pre_skip_s = int.from_bytes(head[10:12], "little") / 48_000 if rounded and len(head) >= 12 else None

    def seek(self, time_s: float) -> None:
        """Go to the last packet that may be decoded from and begins before a time, in seconds from the origin."""
        if time_s > 0:  # a seek to 0 would lose what Opus brings a few milliseconds before it
            self.container.seek(int((time_s + self.origin_s) / self.tick_s), stream=self.stream)

    def packets(self) -> Iterator[AudioPacket]:
        """Packets from where the file stands, and an empty one at its end."""
        try:
            yield from self.container.demux(self.stream)
        except IndexError:
            # a harmed MPEG-TS may seem to bring new streams on the way; PyAV does not know them when it ends all
            return

    @decoding()
    def hear(self, begin_s: float, end_s: float, packets: Iterable[AudioPacket]) -> tuple[int, np.ndarray]:
        """The source's rate in Hz and its sound between two times: float32 (samples,)."""
        rate, wanted = SAMPLING_RATE, 0
        pieces: list[tuple[int, np.ndarray]] = []
        run: list[av.AudioFrame] = []  # frames that follow each other and are made alike
        begins = cursor = 0  # the run's first sample and the one after its last, counted from begin_s
        for frame in self._frames(packets, begin_s - WARM_UP_S):
            if not wanted:  # a frame knows the true rate; a header may tell half of it (AAC's band replication)
                rate = frame.sample_rate
                wanted = round(end_s * rate) - round(begin_s * rate)
            place = round((self._begins_s(frame) - self.origin_s) * rate) - round(begin_s * rate)
            if not pieces and not run and place + frame.samples <= 0 < begin_s:
                continue  # warming up; a decoder's very first frame may be cut and its time stamp rounded
            apart = abs(place - cursor) > _GAP_S * rate or not (pieces or run)
            if run and (apart or len(run) == _TOGETHER or not _made_alike(run[0], frame)):
                pieces.append((begins, _mono(run)))
                run, begins = [], cursor
            if apart:
                begins = cursor = place
            run.append(frame)
            cursor += frame.samples
            if cursor >= wanted:
                break
        if run:
            pieces.append((begins, _mono(run)))
        return rate, _laid_out(pieces, wanted)

    def close(self) -> None:
        """Let go of the decoder and the file."""
        self.container.close()

    def _frames(self, packets: Iterable[AudioPacket], from_s: float) -> Iterator[av.AudioFrame]:
        """Decoded frames from a time on; a packet that cannot be decoded leaves a gap.

        Raises:
            InvalidDataError: no packet could be decoded.
        """
        good, broken = 0, None
        for packet in packets:
            if packet.pts is not None and packet.pts * self.tick_s - self.origin_s < from_s:
                continue
            try:
                for frame in packet.decode():
                    good += 1
                    yield frame
            except av.InvalidDataError as error:
                broken = error
        if broken and not good:
            raise broken

    def _begins_s(self, frame: av.AudioFrame) -> float:
        """Where a frame begins by the file's clock, in seconds, without the clock's rounding where that is known."""
        told_s = float(frame.pts or 0) * self.tick_s
        if self._pre_skip_s is None:
            return told_s
        # a frame may lack its beginning, which the decoder cut off, so its end is what lies on the grid
        before_s = frame.samples / frame.sample_rate + self._pre_skip_s
        return round((told_s + before_s) / _OPUS_GRID_S) * _OPUS_GRID_S - before_s


def _laid_out(pieces: list[tuple[int, np.ndarray]], wanted: int) -> np.ndarray:
    """Pieces at their places, gaps silent: float32, at most `wanted` samples and none after the last one heard."""
    heard, filled = np.zeros(wanted, dtype=np.float32), 0
    for place, samples in pieces:
        first, last = max(place, 0), min(place + samples.size, wanted)
        if first < last:
            heard[first:last] = samples[first - place : last - place]
            filled = max(filled, last)
    return heard[:filled]


def _made_alike(a: av.AudioFrame, b: av.AudioFrame) -> bool:
    return a.format.name == b.format.name and a.layout.nb_channels == b.layout.nb_channels


def _mono(run: list[av.AudioFrame]) -> np.ndarray:
    """Channels averaged, of frames made alike: float32 (samples,) with full scale 1, within twice that, free of NaN."""
    first = run[0]
    if first.format.is_planar and first.layout.nb_channels >= _MOST_PLANES:
        pack = av.AudioResampler(first.format.packed)
        run = [packed for frame in run for packed in pack.resample(frame)]
    data = np.concatenate([frame.to_ndarray() for frame in run], axis=1)
    if not run[0].format.is_planar:
        data = data.reshape(-1, first.layout.nb_channels).T
    if data.dtype == np.uint8:
        return ((data.astype(np.float32) - 128) / 128).mean(axis=0)
    scale = 2.0 ** (8 * data.dtype.itemsize - 1) if data.dtype.kind == "i" else 1.0
    # a decoder of harmed data may bring anything, and one NaN would spread over the whole window
    with np.errstate(invalid="ignore", over="ignore"):
        mono = data.mean(axis=0, dtype=np.float64) / scale
    return np.clip(np.nan_to_num(mono, nan=0.0), -_LOUDEST, _LOUDEST).astype(np.float32)
