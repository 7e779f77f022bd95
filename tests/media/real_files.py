"""A sound that repeats nowhere, so that a window has one right place, in files by FFmpeg's own muxers."""

import tempfile
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np

RATE = 44_100  # Hz
SECONDS = 60.0
FRAGMENTS = {"frag_duration": "5000000"}
# file extension to muxer, codec, its rate, options of the muxer
KINDS = {
    "webm": ("webm", "libopus", 48_000, {}),
    "front.webm": ("webm", "libopus", 48_000, {"cues_to_front": "1", "reserve_index_space": "20000"}),
    "sidx.mp4": ("mp4", "aac", RATE, {"movflags": "empty_moov+default_base_moof+global_sidx", **FRAGMENTS}),
    "bare.mp4": ("mp4", "aac", RATE, {"movflags": "empty_moov+default_base_moof", **FRAGMENTS}),
    "dash.mp4": ("mp4", "aac", RATE, {"movflags": "empty_moov+default_base_moof+dash", **FRAGMENTS}),
    "m4a": ("ipod", "aac", RATE, {}),
    "front.m4a": ("ipod", "aac", RATE, {"movflags": "faststart"}),
    "film.mp4": ("mp4", "aac", RATE, {}),
    "mp3": ("mp3", "libmp3lame", RATE, {}),
    "vbr.mp3": ("mp3", "libmp3lame", RATE, {}),
    "ogg": ("ogg", "libopus", 48_000, {}),
    "flac": ("flac", "flac", RATE, {}),
    "wav": ("wav", "pcm_s16le", RATE, {}),
}
# files that do not tell their length
MUTE_OF_LENGTH = {
    "live.webm": ("webm", "libopus", 48_000, {"live": "1"}),
    "live.mkv": ("matroska", "libopus", 48_000, {"live": "1"}),
    "live.film.mkv": ("matroska", "libopus", 48_000, {"live": "1"}),
    "blind.mp4": ("mp4", "aac", RATE, {"movflags": "empty_moov+default_base_moof+skip_trailer", **FRAGMENTS}),
    "absolute.mp4": ("mp4", "aac", RATE, {"movflags": "empty_moov+skip_trailer", **FRAGMENTS}),
    "blind.film.mp4": ("mp4", "aac", RATE, {"movflags": "empty_moov+default_base_moof+skip_trailer", **FRAGMENTS}),
    "plain.mp3": ("mp3", "libmp3lame", RATE, {"write_xing": "0"}),
}
# the rest of what people record in: muxer, codec, rate, layout
OTHERS = {
    "flac.ogg": ("ogg", "flac", RATE, "stereo"),
    "vorbis.ogg": ("ogg", "vorbis", RATE, "stereo"),
    "adts.aac": ("adts", "aac", RATE, "stereo"),
    "aac.ts": ("mpegts", "aac", RATE, "stereo"),
    "mp2.ts": ("mpegts", "mp2", RATE, "stereo"),
    "mp2": ("mp2", "mp2", RATE, "stereo"),
    "ac3": ("ac3", "ac3", RATE, "stereo"),
    "24bit.wav": ("wav", "pcm_s24le", RATE, "stereo"),
    "float.wav": ("wav", "pcm_f32le", RATE, "stereo"),
    "8bit.wav": ("wav", "pcm_u8", 22_050, "mono"),
    "alaw.wav": ("wav", "pcm_alaw", 8_000, "mono"),
    "ima.wav": ("wav", "adpcm_ima_wav", 22_050, "mono"),
    "ms.wav": ("wav", "adpcm_ms", 22_050, "mono"),
    "w64": ("w64", "pcm_s16le", RATE, "stereo"),
    "aiff": ("aiff", "pcm_s16be", RATE, "stereo"),
    "au": ("au", "pcm_s16be", RATE, "stereo"),
    "caf": ("caf", "pcm_s16be", RATE, "stereo"),
    "mp3.avi": ("avi", "libmp3lame", RATE, "stereo"),
    "pcm.avi": ("avi", "pcm_s16le", RATE, "stereo"),
    "flv": ("flv", "aac", RATE, "stereo"),
    "pcm.mov": ("mov", "pcm_s16le", RATE, "stereo"),
    "mka": ("matroska", "flac", RATE, "stereo"),
    "tta": ("tta", "tta", RATE, "stereo"),
    "wv": ("wv", "wavpack", RATE, "stereo"),
    "amr": ("amr", "libopencore_amrnb", 8_000, "mono"),
}
# options of the encoder, by kind or codec
ENCODING = {
    "vorbis.ogg": {"strict": "-2"},
    "vbr.mp3": {"flags": "+qscale", "global_quality": "590", "compression_level": "9"},
}
FAST = {"libopus": {"compression_level": "0"}, "libmp3lame": {"compression_level": "9"}, "aac": {"aac_coder": "fast"}}


@cache
def source() -> np.ndarray:
    """Stereo noise of speech-like band width with slow swells: float32 (2, samples) at 44.1 kHz."""
    rng = np.random.default_rng(8)
    noise = rng.standard_normal((2, int(SECONDS * RATE) + 16), dtype=np.float32)
    smooth = np.stack([np.convolve(channel, np.hanning(17).astype(np.float32), "valid") for channel in noise])
    t = np.arange(smooth.shape[1], dtype=np.float32) / RATE
    return (0.03 * smooth * (0.6 + 0.4 * np.sin(2 * np.pi * 0.9 * t))).astype(np.float32)


@cache
def encoded(kind: str, seconds: float = SECONDS) -> bytes:
    """The sound, or its beginning, as a file of this kind."""
    if kind in OTHERS:
        muxer, codec, rate, layout = OTHERS[kind]
        options: dict[str, str] = {}
    else:
        muxer, codec, rate, options = (KINDS | MUTE_OF_LENGTH)[kind]
        layout = "stereo"
    with (
        tempfile.NamedTemporaryFile() as target,  # by its name: some muxers read again what they have written
        av.open(target.name, "w", format=muxer, options=options) as file,
    ):
        stream = file.add_stream(codec, rate=rate, layout=layout)
        stream.codec_context.options = ENCODING.get(kind, FAST.get(codec, {}))
        resampler = av.AudioResampler(stream.codec_context.format, layout, rate, frame_size=stream.frame_size or 4096)
        samples = np.ascontiguousarray(source()[:, : round(seconds * RATE)] if seconds < SECONDS else source())
        frame = av.AudioFrame.from_ndarray(samples, "fltp", "stereo")
        frame.sample_rate, frame.pts = RATE, 0
        if "film" in kind:
            _pictures(file)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(stream.encode(piece))
        file.mux(stream.encode(None))
        file.close()
        return Path(target.name).read_bytes()


def _pictures(file: av.container.OutputContainer) -> None:
    """A moving picture of noise, some 500 kbit/s, beside the sound."""
    stream = file.add_stream("mpeg4", rate=5)
    stream.width = stream.height = 96
    stream.bit_rate = 500_000
    rng = np.random.default_rng(3)
    for number in range(int(SECONDS * 5)):
        picture = av.VideoFrame.from_ndarray(rng.integers(0, 255, (96, 96, 3), dtype=np.uint8), "rgb24")
        picture.pts = number
        file.mux(stream.encode(picture))
    file.mux(stream.encode(None))


@cache
def long(kind: str, plan: tuple[int, ...]) -> tuple[bytes, float]:
    """A file of this kind, and how many seconds each of its stretches has: `plan` are their rates in bit/s.

    Each stretch is the same 20 s of sound.
    """
    muxer, codec, rate, options = (KINDS | MUTE_OF_LENGTH)[kind]
    pieces = {bit_rate: _packets(codec, rate, bit_rate) for bit_rate in set(plan)}
    count = min(map(len, pieces.values()))
    with tempfile.NamedTemporaryFile() as target:
        with av.open(target.name, "w", format=muxer, options=options) as file:
            stream = file.add_stream(codec, rate=rate, layout="stereo")
            stream.codec_context.open()
            samples = stream.codec_context.frame_size
            for number, data in enumerate(data for bit_rate in plan for data in pieces[bit_rate][:count]):
                packet = av.Packet(data)
                packet.time_base, packet.stream = Fraction(1, rate), stream
                packet.pts = packet.dts = number * samples
                packet.duration = samples
                file.mux(packet)
        return Path(target.name).read_bytes(), count * samples / rate


def _packets(codec: str, rate: int, bit_rate: int) -> list[bytes]:
    encoder = av.CodecContext.create(codec, "w")
    encoder.sample_rate, encoder.layout, encoder.format = rate, "stereo", "fltp" if codec == "aac" else "flt"
    encoder.bit_rate, encoder.options = bit_rate, FAST[codec]
    encoder.open()
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(source()[:, : 20 * RATE]), "fltp", "stereo")
    frame.sample_rate, frame.pts = RATE, 0
    resampler = av.AudioResampler(encoder.format, "stereo", rate, frame_size=encoder.frame_size)
    frames = [*resampler.resample(frame), *resampler.resample(None)]
    return [bytes(packet) for piece in frames for packet in encoder.encode(piece)]
