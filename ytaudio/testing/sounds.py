"""Made-up sounds of four categories that really differ, vary inside a category, and carry their channel's marks.

No category is told by its loudness or by one frequency: every video is brought to about the same level, every channel
has its own equalisation, hum and room noise, and every video has some of another category in the background.
Only numpy is needed, and 30 s take some 50 ms.
"""

import zlib
from collections.abc import Callable

import numpy as np

RATE = 24_000  # Hz
LOOP_SAMPLES = 691_200  # 28.8 s: whole frames and whole 9.6 s chunks of both Opus (480 samples) and AAC (1024 samples)
LEVEL_DBFS = -20.0
_FADE = RATE // 20


def render(category: str, seed: int, channel_id: str, samples: int = LOOP_SAMPLES) -> np.ndarray:
    """The sound of one video, made to be repeated without a click: float32 (samples,) at 24 kHz, mono.

    `seed // 1000` is the sound's character (voice, melody, kitchen, road); the last three digits only vary its details,
    so two seeds of one thousand sound alike. The channel's gain, equalisation, hum and noise follow from `channel_id`.
    """
    character = np.random.default_rng([seed // 1000, zlib.crc32(category.encode())])
    detail = np.random.default_rng([seed, zlib.crc32(category.encode()), 1])
    length = samples + _FADE
    sound = _level(SOUNDS[category](character, detail, length), 0.0)
    others = [name for name in SOUNDS if name != category]
    background = SOUNDS[others[character.integers(len(others))]](character, detail, length // 2 + 1)
    sound += np.tile(_level(background, character.uniform(-24.0, -13.0)), 2)[:length]
    sound = _channel(sound, channel_id, detail)
    ramp = np.linspace(0.0, 1.0, _FADE, dtype=np.float32)
    sound[:_FADE] = sound[:_FADE] * ramp + sound[samples:] * (1.0 - ramp)
    gain_db = np.random.default_rng([zlib.crc32(channel_id.encode()), 2]).uniform(-4.0, 4.0)
    return np.clip(_level(sound[:samples], LEVEL_DBFS + gain_db), -0.99, 0.99)


def _level(sound: np.ndarray, dbfs: float) -> np.ndarray:
    """The sound at a root mean square of `dbfs` dB of full scale."""
    rms = float(np.sqrt(np.mean(np.square(sound)))) + 1e-9
    return (sound * np.float32(10 ** (dbfs / 20) / rms)).astype(np.float32)


def _channel(sound: np.ndarray, channel_id: str, detail: np.random.Generator) -> np.ndarray:
    """What one channel's microphone and room do to a sound: tilt, two resonances, hum and room noise."""
    rng = np.random.default_rng([zlib.crc32(channel_id.encode()), 3])
    # the equalisation is drawn on a coarse grid and interpolated: smooth, and cheap for any length
    grid = np.geomspace(20.0, RATE / 2, 64)
    gain_db = rng.uniform(-2.5, 2.5) * np.log2(grid / 800.0)
    for _ in range(2):
        centre, width = np.exp(rng.uniform(np.log(150.0), np.log(8000.0))), rng.uniform(0.4, 1.2)
        gain_db += rng.uniform(-9.0, 9.0) * np.exp(-(np.log2(grid / centre) ** 2) / (2 * width**2))
    smooth = (2**a * 3**b * 5**c for a in range(6, 30) for b in range(3) for c in range(4))
    length = min(n for n in smooth if n >= sound.size)  # a Fourier transform of small factors is several times faster
    spectrum = np.fft.rfft(sound, length)
    coarse = np.linspace(0.0, RATE / 2, spectrum.size // 32 + 1)
    gain = np.interp(coarse, grid, 10 ** (gain_db / 20)).astype(np.float32)
    spectrum *= np.repeat(gain, 32)[: spectrum.size]
    shaped = np.fft.irfft(spectrum, length)[: sound.size].astype(np.float32)
    shaped = _level(shaped, 0.0)
    shaped += np.float32(10 ** (rng.uniform(-45.0, -28.0) / 20)) * _noise(detail, sound.size)
    hum = rng.choice([50.0, 60.0]) * 2 * np.pi / RATE * np.arange(RATE, dtype=np.float64)
    hum = (np.sin(hum) + 0.4 * np.sin(3 * hum)).astype(np.float32) * np.float32(10 ** (rng.uniform(-50.0, -25.0) / 20))
    return shaped + np.tile(hum, sound.size // RATE + 1)[: sound.size]


def _noise(rng: np.random.Generator, samples: int) -> np.ndarray:
    """White noise of unit power, drawn for half the length and laid out forwards and backwards: (samples,)."""
    half = rng.standard_normal(samples // 2 + 1, dtype=np.float32)
    return np.concatenate([half, half[::-1]])[:samples]


def _slow(rng: np.random.Generator, samples: int, per_s: float) -> np.ndarray:
    """A smooth random curve between 0 and 1 with about `per_s` turns a second: float32 (samples,)."""
    points = max(4, int(samples / RATE * per_s) + 2)
    curve = np.interp(np.linspace(0, points - 1, samples // 64 + 2), np.arange(points), rng.uniform(0, 1, points))
    return np.repeat(curve.astype(np.float32), 64)[:samples]


def _sow(sound: np.ndarray, at: np.ndarray, grains: np.ndarray) -> None:
    """Add one grain (grains, grain samples) at each of the places `at`; grains that would not fit are left out."""
    width = grains.shape[1]
    fits = at < sound.size - width
    order = np.argsort(at[fits], kind="stable")
    at, grains = at[fits][order], grains[fits][order]
    for place, grain in zip(at.tolist(), grains, strict=True):
        sound[place : place + width] += grain


def _history(character: np.random.Generator, detail: np.random.Generator, samples: int) -> np.ndarray:
    """A narrator: glottal pulses through the formants of a vowel a syllable, with melody, pauses and sibilants."""
    pitch = np.exp(character.uniform(np.log(85.0), np.log(230.0)))
    tract = character.uniform(0.85, 1.2)  # shorter tracts have higher formants
    syllables_per_s, pause = character.uniform(3.2, 5.5), character.uniform(0.08, 0.25)
    vowels = np.array([[730, 1090, 2440], [270, 2290, 3010], [300, 870, 2240], [530, 1840, 2480], [570, 840, 2410.0]])
    grain_t = np.arange(int(0.016 * RATE)) / RATE
    decay = np.exp(-grain_t[None, :] * np.array([[60.0], [90.0], [150.0]]) * np.pi)
    voices = np.stack(
        [
            (np.array([[1.0], [0.55], [0.3]]) * decay * np.sin(2 * np.pi * tract * v[:, None] * grain_t)).sum(0)
            for v in vowels
        ]
    ).astype(np.float32)
    count = int(samples / RATE * syllables_per_s)
    loud = detail.uniform(0.5, 1.0, count) * (detail.uniform(0, 1, count) > pause)
    vowel = detail.integers(len(vowels), size=count)
    seconds = samples / RATE
    frames = np.arange(0, seconds, 0.005)
    melody = (
        pitch
        * (1 + 0.12 * np.sin(2 * np.pi * frames * character.uniform(0.2, 0.5)))
        * np.exp(
            0.12
            * (
                np.interp(
                    frames, np.arange(0, seconds + 1), detail.standard_normal(int(seconds) + 1 + (seconds % 1 > 0))
                )
            )
        )
    )
    cycles = np.cumsum(melody * 0.005)
    times = np.interp(np.arange(1, int(cycles[-1])), cycles, frames)
    which = np.minimum((times * syllables_per_s).astype(int), count - 1)
    envelope = loud[which] * np.sin(np.pi * ((times * syllables_per_s) % 1.0)) ** 0.7
    sound = np.zeros(samples, dtype=np.float32)
    _sow(sound, (times * RATE).astype(int), voices[vowel[which]] * envelope[:, None].astype(np.float32))
    hiss = np.diff(_noise(detail, samples + 1))
    starts = (np.flatnonzero(detail.uniform(0, 1, count) < 0.3) / syllables_per_s * RATE).astype(int)
    length = int(0.09 * RATE)
    bell = np.hanning(length).astype(np.float32) * np.float32(character.uniform(0.03, 0.1))
    for start in starts[starts < samples - length]:
        sound[start : start + length] += hiss[start : start + length] * bell
    return sound


def _art_music(character: np.random.Generator, detail: np.random.Generator, samples: int) -> np.ndarray:
    """A melody over slow chords: one wavetable an instrument, plucked or bowed, in one scale."""
    scale = np.array([[0, 2, 4, 5, 7, 9, 11], [0, 2, 3, 5, 7, 8, 10], [0, 2, 4, 7, 9, 12, 14]][character.integers(3)])
    root = 110.0 * 2 ** (character.integers(12) / 12)
    beat = 1 / character.uniform(1.8, 4.0)
    attack, release = np.exp(character.uniform(np.log(0.005), np.log(0.12))), character.uniform(0.25, 1.2)
    turns = np.arange(4096) / 4096 * 2 * np.pi
    shapes = [
        sum(np.sin(k * turns) * character.uniform(0.2, 1) / k ** character.uniform(0.7, 1.8) for k in range(1, 11))
        for _ in range(2)
    ]
    sound = np.zeros(samples, dtype=np.float32)

    def note(table: np.ndarray, start_s: float, semitones: float, seconds: float, loud: float) -> None:
        start, length = int(start_s * RATE), int(seconds * RATE)
        length = min(length, samples - start)
        if length <= 0:
            return
        steps = np.arange(length, dtype=np.float32)
        phase = steps * np.float32(root * 2 ** (semitones / 12) * 4096 / RATE)
        shape = np.minimum(steps / np.float32(attack * RATE), 1) * np.exp(steps * np.float32(-1 / (release * RATE)))
        sound[start : start + length] += table[phase.astype(np.int32) & 4095] * shape * np.float32(loud)

    tables = [np.asarray(shape, dtype=np.float32) for shape in shapes]
    degree, time = 0, 0.0
    while time < samples / RATE:
        degree = int(np.clip(degree + detail.integers(-2, 3), -4, 9))
        semitones = 12 + scale[degree % 7] + 12 * (degree // 7)
        length = beat * detail.choice([0.5, 1, 1, 2])
        note(tables[0], time, semitones, length * 1.4, detail.uniform(0.5, 1))
        time += length
    for bar, start in enumerate(np.arange(0, samples / RATE, beat * 4)):
        chord = int(detail.choice([0, 3, 4, 5])) if bar else 0
        for step in (0, 2, 4):
            note(tables[1], start, scale[(chord + step) % 7], beat * 4.4, 0.35)
    return sound


def _food(character: np.random.Generator, detail: np.random.Generator, samples: int) -> np.ndarray:
    """A kitchen: sizzling band noise, crackling drops, and now and then a clink of metal."""
    hiss = _noise(detail, samples + 2)
    colour = character.uniform(-0.9, 0.2)  # from bright to nearly white
    sizzle = (hiss[1:-1] + np.float32(colour) * hiss[:-2]) * (
        0.25 + _slow(detail, samples, character.uniform(0.3, 2.0)) ** 2
    )
    rate = character.uniform(15.0, 70.0)
    count = int(samples / RATE * rate)
    width = int(0.012 * RATE)
    t = np.arange(width) / RATE
    pitches = np.exp(character.uniform(np.log(900.0), np.log(6000.0), 24))
    bank = np.stack([np.sin(2 * np.pi * f * t) * np.exp(-t * character.uniform(250, 1200)) for f in pitches])
    loud = detail.pareto(2.2, count).clip(0, 12).astype(np.float32) * np.float32(character.uniform(1.0, 2.5))
    sound = sizzle.astype(np.float32) * np.float32(character.uniform(0.35, 1.0))
    grains = bank.astype(np.float32)[detail.integers(24, size=count)] * loud[:, None]
    _sow(sound, detail.integers(samples, size=count), grains)
    ring = np.arange(int(0.35 * RATE)) / RATE
    metal = character.uniform(1200, 4000) * np.array([1.0, 2.76, 5.4])[:, None]
    clink = (np.sin(2 * np.pi * np.minimum(metal, 11000) * ring) * np.exp(-ring * np.array([[14], [22], [40.0]]))).sum(
        0
    )
    clinks = detail.integers(samples, size=detail.integers(4, 16))
    _sow(sound, clinks, detail.uniform(0.3, 1.5, (clinks.size, 1)).astype(np.float32) * clink.astype(np.float32))
    return sound


def _travel(character: np.random.Generator, detail: np.random.Generator, samples: int) -> np.ndarray:
    """A road: gusty wind, tyres, and engines that pass with a falling pitch."""
    step = int(character.integers(10, 28))
    low = detail.standard_normal(samples // step + 2, dtype=np.float32)
    between = np.arange(step, dtype=np.float32) / step
    wind = (low[:-1, None] + np.diff(low)[:, None] * between).ravel()[:samples]
    wind *= 0.3 + _slow(detail, samples, character.uniform(0.3, 1.5))
    air = _noise(detail, samples + 1)
    sound = wind + np.float32(character.uniform(0.05, 0.25)) * (air[1:] + air[:-1])
    turns = np.arange(1024) / 1024 * 2 * np.pi
    engine = sum(np.sin(k * turns + k * k) / k**0.8 for k in range(1, 16)).astype(np.float32)
    passes = character.integers(3, 7)
    for at in np.sort(detail.uniform(0, samples / RATE, passes)):
        half = int(character.uniform(1.5, 3.5) * RATE)
        centre = int(at * RATE)
        start, stop = max(0, centre - half), min(samples, centre + half)
        away = (np.arange(start, stop) - centre).astype(np.float32) / RATE  # s from the moment it is nearest
        speed, distance = detail.uniform(12.0, 30.0), detail.uniform(4.0, 12.0)
        far = np.sqrt(distance**2 + (speed * away) ** 2)
        pitch = character.uniform(45.0, 120.0) * (1 - speed * speed * away / far / 343.0)
        phase = np.cumsum(pitch * np.float32(1024 / RATE), dtype=np.float64)
        near = (distance / far * np.hanning(stop - start)).astype(np.float32)
        tyres = air[start:stop] * np.float32(0.6)
        sound[start:stop] += near * (engine[phase.astype(np.int32) & 1023] * np.float32(0.8) + tyres)
    return sound


Sound = Callable[[np.random.Generator, np.random.Generator, int], np.ndarray]
SOUNDS: dict[str, Sound] = {"art_music": _art_music, "food": _food, "history": _history, "travel": _travel}
