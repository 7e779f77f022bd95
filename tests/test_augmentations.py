import numpy as np
import pytest

from ytaudio.augmentations import Augmentation
from ytaudio.clips import SAMPLING_RATE


def draw(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_nothing_is_changed_by_default():
    waveform = np.arange(10, dtype=np.float32)
    assert Augmentation().shift(waveform, draw()) is waveform and Augmentation().gain(draw()) == 1.0


def test_a_shift_rolls_within_its_bounds_and_reaches_both_sides():
    waveform = np.zeros(SAMPLING_RATE, dtype=np.float32)
    waveform[8000] = 1
    places = [int(Augmentation(time_shift_s=0.1).shift(waveform, draw(seed)).argmax()) - 8000 for seed in range(200)]
    assert -1600 <= min(places) < -1200 and 1200 < max(places) <= 1600
    rolled = Augmentation(time_shift_s=3.0).shift(np.arange(100, dtype=np.float32), draw())
    assert sorted(rolled) == list(range(100)), "nothing is lost, however far it is rolled"


def test_gains_are_even_in_decibels():
    gains = [20 * np.log10(Augmentation(gain_db=6.0).gain(draw(seed))) for seed in range(400)]
    assert -6 <= min(gains) < -5.5 and 5.5 < max(gains) <= 6
    assert np.mean(gains) == pytest.approx(0, abs=0.5)
