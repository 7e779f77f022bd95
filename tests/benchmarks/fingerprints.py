"""How well a fingerprint knows a sound again: `python tests/benchmarks/fingerprints.py`.

Clips of 10 s of made-up sounds, and of real recordings where YTAUDIO_REAL_AUDIO names a folder that holds some, are
encoded again, made louder and softer, equalised, put into noise and shifted. For each change: in how many of the clips
similarity reaches the threshold, and in how many near_duplicates finds the pair among all other originals. Then the
most similar pair of different recordings, and what sounds of too little information do.
"""

import io
import itertools
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import soundfile

from ytaudio.clips import resample
from ytaudio.fingerprints import THRESHOLD, fingerprint, near_duplicates, similarity
from ytaudio.testing.sounds import RATE as MADE_AT
from ytaudio.testing.sounds import SOUNDS, render

RATE = 16_000
CODECS = {"libopus": ("ogg", 48_000), "libmp3lame": ("mp3", 44_100), "aac": ("adts", 44_100)}


def recode(sound: np.ndarray, codec: str, kilobits: int) -> np.ndarray:
    """A sound after a codec, with the codec's own delay: float32 (samples,) at 16 kHz to the same."""
    muxer, rate = CODECS[codec]
    file = io.BytesIO()
    with av.open(file, "w", format=muxer) as target:
        stream = target.add_stream(codec, rate=rate, layout="mono")
        stream.bit_rate = 1000 * kilobits
        resampler = av.AudioResampler(stream.codec_context.format, "mono", rate, frame_size=stream.frame_size or 1152)
        frame = av.AudioFrame.from_ndarray(np.clip(resample(sound, RATE, rate), -1, 1)[None], "fltp", "mono")
        frame.rate, frame.pts = rate, 0
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            target.mux(stream.encode(piece))
        target.mux(stream.encode(None))
    file.seek(0)
    mono = av.AudioResampler("fltp", "mono", rate)
    with av.open(file) as source:
        pieces = [made.to_ndarray()[0] for frame in source.decode(audio=0) for made in mono.resample(frame)]
    return resample(np.concatenate(pieces), rate)


def equalise(sound: np.ndarray) -> np.ndarray:
    """A tilt of 1.5 dB an octave and two humps of 5 dB."""
    frequency = np.fft.rfftfreq(sound.size, 1 / RATE) + 20
    gain_db = 1.5 * np.log2(frequency / 800)
    gain_db += 5 * np.exp(-((np.log2(frequency / 400) / 0.8) ** 2)) - 5 * np.exp(
        -((np.log2(frequency / 2500) / 0.8) ** 2)
    )
    return np.fft.irfft(np.fft.rfft(sound) * 10 ** (gain_db / 20), sound.size).astype(np.float32)


def noisy(sound: np.ndarray) -> np.ndarray:
    """White noise at 20 dB below the sound."""
    noise = np.random.default_rng(5).standard_normal(sound.size).astype(np.float32)
    return sound + noise * np.float32(0.1 * np.sqrt(np.mean(np.square(sound))))


CHANGES: dict[str, tuple[float, Callable[[np.ndarray], np.ndarray]]] = {  # name to shift in seconds, change
    "Opus 32 kbit/s": (0.0, lambda sound: recode(sound, "libopus", 32)),
    "Opus 64 kbit/s": (0.0, lambda sound: recode(sound, "libopus", 64)),
    "MP3 64 kbit/s": (0.0, lambda sound: recode(sound, "libmp3lame", 64)),
    "MP3 128 kbit/s": (0.0, lambda sound: recode(sound, "libmp3lame", 128)),
    "AAC 64 kbit/s": (0.0, lambda sound: recode(sound, "aac", 64)),
    "-12 dB": (0.0, lambda sound: sound * 0.25),
    "+6 dB, clipped": (0.0, lambda sound: np.clip(sound * 2, -1, 1)),
    "equalised": (0.0, equalise),
    "noise at 20 dB": (0.0, noisy),
    "shifted by 0.05 s": (0.05, lambda sound: sound),
    "shifted by 0.5 s": (0.5, lambda sound: sound),
    "shifted by 3 s": (3.0, lambda sound: sound),
    "shifted by 0.06 s, Opus 32": (0.06, lambda sound: recode(sound, "libopus", 32)),
    "shifted by 3 s, AAC 64, noise": (3.0, lambda sound: noisy(recode(sound, "aac", 64))),
}


def dull_sounds(seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """What says too little to be told apart, another of each kind for each seed."""
    rng, at = np.random.default_rng(seed), np.arange(10 * RATE) / RATE
    white = rng.standard_normal(at.size)
    hum = sum(np.sin(2 * np.pi * 50 * k * at + rng.uniform(0, 6)) / k for k in range(1, 20))
    click = np.zeros(int(RATE * rng.choice([0.4, 0.5, 0.75, 1.0])))
    click[:800] = np.exp(-np.arange(800) / 100) * rng.standard_normal(800)
    yield "silence", np.zeros(at.size)
    yield "tone", 0.3 * np.sin(2 * np.pi * rng.uniform(100, 3000) * at)
    yield "hum", 0.1 * hum
    yield "hum in noise", 0.1 * hum + 0.001 * white
    yield "tremolo", 0.3 * np.sin(2 * np.pi * 440 * at) * (1 + 0.5 * np.sin(2 * np.pi * rng.uniform(0.3, 5) * at))
    yield "metronome", 0.3 * np.resize(click, at.size)
    yield "white noise", 0.1 * white
    yield "brown noise", 0.001 * np.cumsum(rng.standard_normal(at.size))
    yield "dither", rng.integers(-1, 2, at.size) / 32768


def recordings() -> Iterator[tuple[str, np.ndarray]]:
    """Name and 13 s of each sound: made up, and of the folder that YTAUDIO_REAL_AUDIO names."""
    for category in SOUNDS:
        for video in range(12):
            made = render(category, 1000 * video, f"channel {video % 5}", 13 * MADE_AT)
            yield f"{category} {video}", resample(made, MADE_AT)
    folder = os.environ.get("YTAUDIO_REAL_AUDIO")
    for path in sorted(Path(folder).rglob("*")) if folder else ():
        if path.suffix in (".ogg", ".wav", ".mp3") and (info := soundfile.info(path)).duration >= 13:
            middle = int((info.duration - 13) / 2 * info.samplerate)
            sound, rate = soundfile.read(path, 13 * info.samplerate, middle, dtype="float32", always_2d=True)
            yield str(path.relative_to(folder)), resample(sound.mean(axis=1), rate)


def main() -> None:
    sounds = dict(recordings())
    began = time.perf_counter()
    originals = {name: fingerprint(sound[: 10 * RATE]) for name, sound in sounds.items()}
    cost_ms = 1000 * (time.perf_counter() - began) / len(sounds)
    sounds = {name: sound for name, sound in sounds.items() if originals[name]}
    originals = {name: originals[name] for name in sounds}
    longest = max(map(len, originals.values()))
    print(f"{len(sounds)} recordings, {longest} characters and {cost_ms:.1f} ms for 10 s; threshold {THRESHOLD}\n")
    print(f"{'':32}{'similarity: mean':>18}{'least':>8}{'over threshold':>16}{'found':>8}")
    for change, (shift_s, work) in CHANGES.items():
        start = round(shift_s * RATE)
        prints = {name: fingerprint(work(sound[start : start + 10 * RATE])) for name, sound in sounds.items()}
        alike = [similarity(originals[name], prints[name]) for name in sounds]
        both = {name: [text] for name, text in originals.items()} | {
            f"{name}*": [text] for name, text in prints.items()
        }
        pairs = {(pair.a, pair.b) for pair in near_duplicates(both)}
        found = sum((name, f"{name}*") in pairs for name in sounds) / len(sounds)
        over = np.mean(np.array(alike) >= THRESHOLD)
        print(f"{change:32}{np.mean(alike):>18.3f}{min(alike):>8.3f}{over:>15.1%}{found:>9.1%}", flush=True)
    every = [(similarity(originals[a], originals[b]), a, b) for a, b in itertools.combinations(originals, 2)]
    print(
        f"\n{len(every)} pairs of different recordings: {sum(s >= THRESHOLD for s, _, _ in every)} over the threshold;"
    )
    print("the most similar: {:.3f} {} and {}".format(*max(every)))
    dull: dict[str, list[str]] = {}
    for seed in range(20):
        for kind, sound in dull_sounds(seed):
            dull.setdefault(kind, []).append(fingerprint(sound.astype(np.float32)))
    pairs_of_dull = near_duplicates({f"{kind} {n}": [text] for kind, of in dull.items() for n, text in enumerate(of)})
    told = ", ".join(f"{kind} {sum(map(bool, of))}" for kind, of in dull.items())
    print(f"\nof 20 each, with a print: {told}; pairs among them all: {len(pairs_of_dull)}")


if __name__ == "__main__":
    main()
