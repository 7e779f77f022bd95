import numpy as np

from ytaudio.fingerprints import THRESHOLD, fingerprint, near_duplicates, similarity
from ytaudio.testing.sounds import SOUNDS, render

RATE = 16_000


def sound(category="history", seed=1000, channel="UC1", seconds=14.0):
    """A made-up sound; taken at its own 24 kHz as if at 16, which only makes it lower and slower."""
    return render(category, seed, channel, int(seconds * RATE))


def test_a_shifted_softer_copy_is_found_and_others_of_its_class_are_not():
    prints = {}
    for category in SOUNDS:
        for n in range(4):
            whole = sound(category, 1000 * n, f"UC{n}")
            prints[f"{category}{n}"] = [fingerprint(whole[: 10 * RATE])]
            if n == 0:
                prints[f"{category}-copy"] = [fingerprint(0.3 * whole[3 * RATE : 13 * RATE])]
    pairs = near_duplicates(prints)
    assert {(pair.a, pair.b) for pair in pairs} == {(f"{category}-copy", f"{category}0") for category in SOUNDS}
    assert all(THRESHOLD <= pair.similarity <= 1 for pair in pairs)


def test_a_print_is_compact_and_what_says_nothing_has_none():
    time = np.arange(10 * RATE) / RATE
    assert 100 < len(fingerprint(sound()[: 10 * RATE])) <= 200
    assert len(fingerprint(sound(seconds=120.0))) <= 620
    for dull in (np.zeros(10 * RATE), np.sin(2 * np.pi * 440 * time), sound()[: 3 * RATE]):
        assert fingerprint(dull.astype(np.float32)) == ""


def test_similarity_of_strangers_is_low():
    one, other = (fingerprint(sound(seed=seed)[: 10 * RATE]) for seed in (1000, 2000))
    assert similarity(one, one) == 1.0
    assert similarity(one, other) == similarity(other, one) < 0.65
    assert similarity(one, "") == 0.0
