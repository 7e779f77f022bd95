"""Changes of a crop that leave its topic as it is, drawn by a generator that the crop's own content seeds."""

from dataclasses import dataclass

import numpy as np

from ytaudio.clips import SAMPLING_RATE

LOWEST_CUT_HZ = 1_500  # a low-pass leaves at least what lies below: speech is still understood
REVERBERATION_S = (0.2, 1.7)  # how long a made-up room takes to fall by 60 dB, from a small one to a hall
REVERBERATION_DB = (-20.0, 6.0)  # its power, relative to the direct sound: from close to the source to far away
NOISE_DB = (-60.0, -15.0)  # power of made-up noise, relative to the sound's own


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far a crop may be changed in training; nothing is by default."""

    gain_db: float = 0.0  # level up or down by up to so many dB
    time_shift_s: float = 0.0  # rolled by up to so many seconds either way
    tilt_db: float = 0.0  # treble up or down by up to so many dB against the bass, from 50 Hz to 8 kHz
    low_pass: float = 0.0  # share of the crops that lose what lies above a frequency drawn from 1.5 to 8 kHz
    reverberation: float = 0.0  # share of the crops that are put into a made-up room
    noise: float = 0.0  # share of the crops that noise of a random colour is added to

    def shift(self, waveform: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Roll a waveform at 16 kHz, what leaves it at one end coming in at the other: float32 (samples,)."""
        most = round(self.time_shift_s * SAMPLING_RATE)
        return np.roll(waveform, generator.integers(-most, most + 1)) if most else waveform

    def gain(self, generator: np.random.Generator) -> float:
        """A factor for a waveform, even in dB.

        It belongs after the feature extractor: those that normalise a waveform would take it away again.
        """
        return float(10 ** (generator.uniform(-self.gain_db, self.gain_db) / 20)) if self.gain_db else 1.0

    def record(self, waveform: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """A waveform at 16 kHz as another room, microphone or codec would have it: float32 (samples,).

        A made-up room is noise that decays, instead of the measured ones of Ko et al. (A Study on Data Augmentation of
        Reverberant Speech for Robust Speech Recognition, 2017); a tilt is the simplest filter of FilterAugment (Nam et
        al., 2022); a low-pass is what a codec of a lower rate leaves. All are circular: what would ring on after the
        crop's end is heard at its beginning.
        """
        if not (self.tilt_db or self.low_pass or self.reverberation or self.noise):
            return waveform
        hertz = np.fft.rfftfreq(len(waveform), 1 / SAMPLING_RATE)
        spectrum = np.fft.rfft(waveform)
        if generator.random() < self.reverberation:
            spectrum *= np.fft.rfft(_room(len(waveform), generator))
        if self.tilt_db:
            spectrum *= _tilt(hertz, generator.uniform(-self.tilt_db, self.tilt_db))
        if generator.random() < self.low_pass:
            cut = generator.uniform(np.log(LOWEST_CUT_HZ), np.log(SAMPLING_RATE / 2))
            spectrum[hertz > np.exp(cut)] = 0
        if generator.random() < self.noise:
            spectrum += _noise(spectrum, hertz, generator)
        return np.fft.irfft(spectrum, len(waveform)).astype(np.float32)


def _room(samples: int, generator: np.random.Generator) -> np.ndarray:
    """The answer of a made-up room to a click: float32 (samples,), 1 and then noise that falls by 60 dB in its time."""
    time = np.arange(samples, dtype=np.float32) / SAMPLING_RATE
    decay = generator.standard_normal(samples, dtype=np.float32) * np.exp(
        np.float32(-3 * np.log(10) / generator.uniform(*REVERBERATION_S)) * time
    )
    decay *= 10 ** (generator.uniform(*REVERBERATION_DB) / 20) / max(float(np.linalg.norm(decay)), 1e-9)
    decay[0] = 1.0
    return decay


def _tilt(hertz: np.ndarray, decibels: float) -> np.ndarray:
    """Factors of frequencies, -decibels at 50 Hz and +decibels at 8 kHz, straight over the logarithm between."""
    place = np.log(np.clip(hertz, 50, 8_000) / 50) / np.log(160)
    return 10 ** (decibels * (2 * place - 1) / 20)


def _noise(spectrum: np.ndarray, hertz: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The spectrum of noise, from dull to shrill: complex (frequencies,)."""
    parts = generator.standard_normal((2, len(hertz)), dtype=np.float32)
    coloured = (parts[0] + 1j * parts[1]) * _tilt(hertz, generator.uniform(-10, 10))
    level = 10 ** (generator.uniform(*NOISE_DB) / 20)
    return coloured * (level * np.linalg.norm(spectrum) / max(float(np.linalg.norm(coloured)), 1e-9))
