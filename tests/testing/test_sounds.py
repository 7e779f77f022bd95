import itertools

import numpy as np
import pytest

from ytaudio.testing.sounds import LEVEL_DBFS, LOOP_SAMPLES, RATE, SOUNDS, render

CATEGORIES = sorted(SOUNDS)


def spectrum_db(sound: np.ndarray) -> np.ndarray:
    """Mean log power in 32 bands of a second's frames: (bands,)."""
    frames = sound[: sound.size // RATE * RATE].reshape(-1, RATE) * np.hanning(RATE)
    power = (np.abs(np.fft.rfft(frames)) ** 2).mean(axis=0)[1 : RATE // 2 + 1]
    edges = np.geomspace(60, RATE // 2, 33).astype(int)
    return np.array([10 * np.log10(power[a:b].mean()) for a, b in itertools.pairwise(edges)])


def rhythm(sound: np.ndarray) -> tuple[float, float]:
    """How impulsive a sound is (kurtosis), and how much its level moves from one 20 ms to the next."""
    frames = sound[: sound.size // 480 * 480].reshape(-1, 480)
    level = np.log(np.sqrt((frames**2).mean(axis=1)) + 1e-5)
    return float(np.mean(sound**4) / np.mean(sound**2) ** 2), float(np.abs(np.diff(level)).mean())


@pytest.mark.parametrize("category", CATEGORIES)
def test_level_length_and_reproducibility(category):
    sound = render(category, 4242, "UCsome")
    assert sound.shape == (LOOP_SAMPLES,) and sound.dtype == np.float32
    assert np.abs(sound).max() < 1 and np.isfinite(sound).all()
    assert abs(10 * np.log10(np.mean(sound**2)) - LEVEL_DBFS) < 5
    assert np.array_equal(sound, render(category, 4242, "UCsome"))


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_loop_has_no_click_where_it_closes(category):
    sound = render(category, 77_000, "UCloop")
    steps = np.abs(np.diff(np.concatenate([sound[-2400:], sound[:2400]])))
    assert steps[2398:2401].max() <= np.abs(np.diff(sound)).max()


def test_categories_are_not_told_by_loudness_alone_but_by_their_rhythm():
    levels, rhythms = {}, {}
    for category in CATEGORIES:
        sounds = [render(category, 1000 * k, f"UC{category}{k}", samples=8 * RATE) for k in range(6)]
        levels[category] = [10 * np.log10(np.mean(s**2)) for s in sounds]
        rhythms[category] = np.mean([rhythm(s) for s in sounds], axis=0)
    lowest, highest = max(map(min, levels.values())), min(map(max, levels.values()))
    assert lowest < highest, "some category is always louder than another"
    for first in CATEGORIES:
        for second in CATEGORIES:
            if first < second:
                apart = np.abs(np.log(rhythms[first] / rhythms[second])).max()
                assert apart > 0.15, f"{first} and {second} have one rhythm"


def test_seeds_of_one_thousand_are_alike_and_others_are_not():
    first, alike, other = (spectrum_db(render("food", seed, "UCx")) for seed in (5_001, 5_002, 9_001))
    assert not np.array_equal(first, alike)
    assert np.abs(first - alike).mean() < np.abs(first - other).mean()


def test_a_channel_leaves_its_mark_on_every_category():
    def difference(category: str) -> np.ndarray:
        ours, theirs = (spectrum_db(render(category, 3_000, channel)) for channel in ("UCone", "UCtwo"))
        return (ours - theirs) - (ours - theirs).mean()

    marks = [difference(category) for category in CATEGORIES]
    for k, mark in enumerate(marks):
        assert np.corrcoef(mark, marks[k - 1])[0, 1] > 0.5
