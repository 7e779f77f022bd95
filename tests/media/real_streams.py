"""The sound of real_files as streams in pieces, by FFmpeg's own muxers: playlists and segments, by name."""

import io
import struct
import tempfile
from functools import cache
from pathlib import Path

import av
import numpy as np
import soxr
from media.real_files import ENCODING, FAST, RATE, source

PLAYLIST = "index.m3u8"
VOD = {"hls_time": "6", "hls_playlist_type": "vod", "hls_list_size": "0"}
# kind to muxer, codec, options of the muxer
KINDS = {
    "ts": ("hls", "aac", VOD),
    "fmp4": ("hls", "aac", {**VOD, "hls_segment_type": "fmp4"}),
    "ts-ranges": ("hls", "aac", {**VOD, "hls_flags": "single_file"}),
    "fmp4-ranges": ("hls", "aac", {**VOD, "hls_segment_type": "fmp4", "hls_flags": "single_file"}),
    "ts-mp3": ("hls", "libmp3lame", VOD),
    "fmp4-opus": ("hls", "libopus", {**VOD, "hls_segment_type": "fmp4"}),
    "ts-rounded": ("hls", "aac", {**VOD, "hls_flags": "round_durations"}),
    "ts-film": ("hls", "aac", VOD),
}


@cache
def streamed(kind: str) -> dict[str, bytes]:
    """The files of a stream of this kind; its playlist is PLAYLIST."""
    muxer, codec, options = KINDS[kind]
    rate = 48_000 if codec == "libopus" else RATE
    with tempfile.TemporaryDirectory() as folder:
        with av.open(str(Path(folder) / PLAYLIST), "w", format=muxer, options=options) as file:
            stream = file.add_stream(codec, rate=rate, layout="stereo")
            stream.codec_context.options = ENCODING.get(kind, FAST.get(codec, {}))
            resampler = av.AudioResampler(
                stream.codec_context.format, "stereo", rate, frame_size=stream.frame_size or 1024
            )
            pictures = _pictures(file) if kind == "ts-film" else None
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(source()), "fltp", "stereo")
            frame.sample_rate, frame.pts = RATE, 0
            for piece in [*resampler.resample(frame), *resampler.resample(None)]:
                if pictures is not None:
                    pictures(piece.pts / rate)
                file.mux(stream.encode(piece))
            file.mux(stream.encode(None))
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


@cache
def decoded(kind: str) -> np.ndarray:
    """All of a stream's sound by FFmpeg's own reader of playlists, at 16 kHz mono: float32 (samples,)."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in streamed(kind).items():
            (Path(folder) / name).write_bytes(data)
        with av.open(str(Path(folder) / PLAYLIST), options={"allowed_extensions": "ALL"}) as file:
            frames = list(file.decode(audio=0))
    heard = np.concatenate([frame.to_ndarray().mean(axis=0) for frame in frames])
    return soxr.resample(heard, frames[0].sample_rate, 16_000)


@cache
def packed(muxer: str) -> tuple[list[bytes], list[float], np.ndarray]:
    """Segments of some 5 s without a container, the seconds of each, and their sound decoded as one.

    In front of each stands an ID3 tag with its time by a clock that begins at 100 s.
    """
    codec, samples = {"adts": ("aac", 1024), "mp3": ("libmp3lame", 1152)}[muxer]
    target = io.BytesIO()
    with av.open(target, "w", format=muxer, options={} if muxer == "adts" else {"write_xing": "0"}) as file:
        stream = file.add_stream(codec, rate=RATE, layout="stereo")
        stream.codec_context.options = FAST[codec]
        resampler = av.AudioResampler(stream.codec_context.format, "stereo", RATE, frame_size=samples)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(source()), "fltp", "stereo")
        frame.sample_rate, frame.pts = RATE, 0
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(stream.encode(piece))
        file.mux(stream.encode(None))
    target.seek(0)
    with av.open(target) as file:
        packets = [bytes(packet) for packet in file.demux() if packet.size]
    target.seek(0)
    with av.open(target) as file:
        heard = np.concatenate([frame.to_ndarray().mean(axis=0) for frame in file.decode(audio=0)])
    if muxer == "adts":  # the demuxer leaves the header of each frame where it is
        assert packets[0][:2] == b"\xff\xf1"
    each = int(5 * RATE / samples)
    parts = [packets[k : k + each] for k in range(0, len(packets), each)]
    begins = [100 + k * each * samples / RATE for k in range(len(parts))]
    segments = [_tag(begin) + b"".join(part) for begin, part in zip(begins, parts, strict=True)]
    return segments, [len(part) * samples / RATE for part in parts], soxr.resample(heard, RATE, 16_000)


def _tag(time_s: float) -> bytes:
    body = b"com.apple.streaming.transportStreamTimestamp\0" + struct.pack(">Q", round(time_s * 90_000))
    frame = b"PRIV" + struct.pack(">IH", len(body), 0) + body
    return b"ID3\x04\0\0\0\0\0" + bytes([len(frame)]) + frame


def _pictures(file: av.container.OutputContainer):
    """A moving picture beside the sound; the answer is a function that adds what comes before a time in seconds."""
    stream = file.add_stream("mpeg4", rate=5, options={"g": "10"})
    stream.width = stream.height = 96
    stream.bit_rate = 200_000
    rng, numbers = np.random.default_rng(3), iter(range(10_000))
    shown = [0]

    def until(time_s: float) -> None:
        while shown[0] / 5 <= time_s:
            picture = av.VideoFrame.from_ndarray(rng.integers(0, 255, (96, 96, 3), dtype=np.uint8), "rgb24")
            picture.pts = shown[0] = next(numbers)
            shown[0] += 1
            file.mux(stream.encode(picture))

    return until
