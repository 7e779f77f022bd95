import numpy as np
import pytest

from ytaudio.clips import SAMPLING_RATE
from ytaudio.training.augmentations import Augmentation


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


def spectrum_db(waveform: np.ndarray) -> np.ndarray:
    """Power of each band of 1000 Hz in dB: (8,)."""
    power = np.abs(np.fft.rfft(waveform)[1:]) ** 2
    return 10 * np.log10(power.reshape(8, -1).mean(axis=1) + 1e-12)


WHITE = (0.1 * np.random.default_rng(1).standard_normal(2 * SAMPLING_RATE)).astype(np.float32)


def recorded(seed: int, waveform: np.ndarray = WHITE, **shares: float) -> np.ndarray:
    return Augmentation(**shares).record(waveform, draw(seed))


def test_a_recording_stays_as_it_is_by_default_and_keeps_its_type_and_length():
    assert Augmentation().record(WHITE, draw()) is WHITE
    odd = WHITE[:12_345]
    changed = recorded(0, odd, tilt_db=6.0, low_pass=1.0, reverberation=1.0, noise=1.0)
    assert changed.shape == odd.shape and changed.dtype == np.float32 and np.isfinite(changed).all()
    assert np.array_equal(changed, recorded(0, odd, tilt_db=6.0, low_pass=1.0, reverberation=1.0, noise=1.0))
    assert not np.array_equal(changed, recorded(1, odd, tilt_db=6.0, low_pass=1.0, reverberation=1.0, noise=1.0))
    assert np.array_equal(recorded(0, np.zeros(100, np.float32), noise=1.0, reverberation=1.0), np.zeros(100))


def test_a_tilt_turns_treble_against_bass_within_its_bounds():
    slopes = []
    for seed in range(100):
        change = spectrum_db(recorded(seed, tilt_db=6.0)) - spectrum_db(WHITE)
        assert np.all(np.diff(change) > 0) or np.all(np.diff(change) < 0)
        slopes.append(change[7])
    assert -6 <= min(slopes) < -5 and 5 < max(slopes) <= 6


def test_a_low_pass_takes_what_lies_above_and_leaves_speech():
    lost = []
    for seed in range(60):
        change = spectrum_db(recorded(seed, low_pass=1.0)) - spectrum_db(WHITE)
        assert change[0] == pytest.approx(0, abs=1e-3), "below 1 kHz nothing is lost"
        lost.append(int((change < -40).sum()))
    assert min(lost) == 0 and max(lost) == 6, "from nothing to all above 2 kHz"
    kept = [np.allclose(recorded(seed, low_pass=0.5), WHITE, atol=1e-6) for seed in range(200)]
    assert 70 < sum(kept) < 130


def test_a_room_rings_on_and_falls_by_sixty_decibels_in_its_time():
    click = np.zeros(2 * SAMPLING_RATE, dtype=np.float32)
    click[0] = 1.0
    levels = []
    for seed in range(50):
        heard = recorded(seed, click, reverberation=1.0)
        assert heard[0] == pytest.approx(1, abs=1e-3)
        early, late = (np.sum(heard[a:b] ** 2) for a, b in ((1, SAMPLING_RATE // 4), (-SAMPLING_RATE // 4, None)))
        assert early > late
        levels.append(10 * np.log10(np.sum(heard[1:] ** 2)))
    assert -21 < min(levels) < -15 and 1 < max(levels) < 7


def test_noise_lies_below_the_sound():
    levels = [
        10 * np.log10(np.mean((recorded(seed, noise=1.0) - WHITE) ** 2) / np.mean(WHITE**2)) for seed in range(100)
    ]
    assert -61 < min(levels) < -55 and -20 < max(levels) < -14
