"""The sound of real_files as streams in pieces, by FFmpeg's own muxers: playlists and segments, by name."""

import tempfile
from functools import cache
from pathlib import Path

import av
import numpy as np
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
