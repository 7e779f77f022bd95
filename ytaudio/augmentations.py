"""Changes of a crop that leave its topic as it is, drawn by a generator that the crop's own content seeds."""

from dataclasses import dataclass

import numpy as np

from ytaudio.clips import SAMPLING_RATE


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far a crop may be changed in training; nothing is by default."""

    gain_db: float = 0.0  # level up or down by up to so many dB
    time_shift_s: float = 0.0  # rolled by up to so many seconds either way

    def shift(self, waveform: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Roll a waveform at 16 kHz, what leaves it at one end coming in at the other: float32 (samples,)."""
        most = round(self.time_shift_s * SAMPLING_RATE)
        return np.roll(waveform, generator.integers(-most, most + 1)) if most else waveform

    def gain(self, generator: np.random.Generator) -> float:
        """A factor for a waveform, even in dB.

        It belongs after the feature extractor: those that normalise a waveform would take it away again.
        """
        return float(10 ** (generator.uniform(-self.gain_db, self.gain_db) / 20)) if self.gain_db else 1.0
