import base64
import itertools
import random

import numpy as np
import pytest
from benchmarks.fingerprints import CHANGES, dull_sounds

from ytaudio.clips import resample
from ytaudio.fingerprints import THRESHOLD, Pair, fingerprint, near_duplicates, similarity
from ytaudio.testing.sounds import RATE as MADE_AT
from ytaudio.testing.sounds import SOUNDS, render

RATE = 16_000


@pytest.fixture(scope="module")
def sounds():
    """13 s of three videos of each class, two of them on one channel."""
    return {
        f"{category} {n}": resample(render(category, 1000 * n, f"channel {n // 2}", 13 * MADE_AT), MADE_AT)
        for category in SOUNDS
        for n in range(3)
    }


@pytest.fixture(scope="module")
def originals(sounds):
    return {name: [fingerprint(sound[: 10 * RATE])] for name, sound in sounds.items()}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found_and_nothing_else_is(sounds, originals, change):
    shift_s, work = CHANGES[change]
    start = round(shift_s * RATE)
    some = [name for name in sounds if name.endswith("0")]
    copies = {f"{name}*": [fingerprint(work(sounds[name][start : start + 10 * RATE]))] for name in some}
    pairs = near_duplicates(originals | copies)
    assert {(pair.a, pair.b) for pair in pairs} <= {(name, f"{name}*") for name in some}
    assert len(pairs) >= len(some) - (change == "shifted by 0.06 s, Opus 32")
    for name in some:
        assert similarity(originals[name][0], copies[f"{name}*"][0]) >= THRESHOLD


def test_strangers_are_far_under_the_threshold(originals):
    alike = [similarity(a[0], b[0]) for a, b in itertools.combinations(originals.values(), 2)]
    assert min(alike) > 0.5 and max(alike) < 0.68


def test_what_says_too_little_has_no_print_and_noises_are_strangers():
    prints = {}
    for seed in range(3):
        for kind, sound in dull_sounds(seed):
            prints[f"{kind} {seed}"] = [fingerprint(sound.astype(np.float32))]
    for kind in ("silence", "tone", "hum", "hum in noise", "tremolo", "metronome"):
        assert [prints[f"{kind} {seed}"] for seed in range(3)] == [[""]] * 3
    assert all(prints[f"{kind} {seed}"][0] for kind in ("white noise", "dither") for seed in range(3))
    assert near_duplicates(prints) == []


def test_silence_around_a_sound_is_no_likeness(sounds):
    """A second of two different sounds in the same silence."""
    pair = [np.zeros(10 * RATE, dtype=np.float32) for _ in range(2)]
    for quiet, name in zip(pair, ("history 0", "history 1"), strict=True):
        quiet[3 * RATE : 5 * RATE] = sounds[name][: 2 * RATE]
    one, other = (fingerprint(sound) for sound in pair)
    assert similarity(one, other) < THRESHOLD


def test_a_print_is_compact_however_long_the_clip(sounds):
    sound = sounds["travel 1"]
    assert 100 < len(fingerprint(sound[: 10 * RATE])) <= 200
    assert fingerprint(np.tile(sound, 10)) == fingerprint(np.tile(sound, 10)[: 30 * RATE])
    assert len(fingerprint(np.tile(sound, 10))) <= 608
    assert fingerprint(sound[: 4 * RATE]) == fingerprint(sound[:0]) == ""
    assert fingerprint(sound[: 6 * RATE])
    assert fingerprint(np.full(10 * RATE, np.nan, dtype=np.float32)) == ""


def test_similarity_is_symmetric_and_a_foreign_text_is_a_value_error(originals):
    one, other = originals["food 0"][0], originals["travel 0"][0]
    assert similarity(one, one) == 1.0
    assert similarity(one, other) == similarity(other, one)
    assert similarity(one, "") == similarity("", "") == 0.0
    for text in ("no print", "AA==", "é"):
        with pytest.raises(ValueError, match=r"\w"):
            similarity(one, text)
        with pytest.raises(ValueError, match=r"\w"):
            near_duplicates({"a": [one], "b": [text]})


def harmed(words, rng, share):
    return words ^ ((rng.random((words.size, 16)) < share) @ (1 << np.arange(16))).astype(np.uint16)


def text(words):
    return base64.b64encode(words.astype("<u2").tobytes()).decode()


def test_all_copies_hang_together_and_the_order_does_not_matter():
    """Forty videos with one sound, each harmed in its own way, among a thousand others of three clips each."""
    rng = np.random.default_rng(0)
    same = rng.integers(1, 2**16, 68, dtype=np.uint16)
    prints = {f"v{n:04d}": [text(rng.integers(1, 2**16, 68, dtype=np.uint16)) for _ in range(3)] for n in range(1000)}
    copies = [f"v{n:04d}" for n in range(0, 1000, 25)]
    for n, name in enumerate(copies):
        prints[name][n % 3] = text(harmed(same, rng, 0.05))
    pairs = near_duplicates(prints)
    assert {video for pair in pairs for video in (pair.a, pair.b)} == set(copies)
    reached, edge = {copies[0]}, {copies[0]}
    while edge:
        edge = {v for p in pairs for v in (p.a, p.b) if {p.a, p.b} & edge} - reached
        reached |= edge
    assert reached == set(copies)
    shuffled = list(prints.items())
    random.Random(1).shuffle(shuffled)
    assert near_duplicates(dict(shuffled)) == pairs == sorted(pairs, key=lambda pair: (pair.a, pair.b))


def test_many_passes_of_sorting_give_what_one_gives(monkeypatch):
    rng = np.random.default_rng(3)
    prints = {f"{n:03d}": [text(rng.integers(1, 2**16, 68, dtype=np.uint16))] for n in range(300)}
    for n in range(0, 300, 10):
        prints[f"{n:03d}*"] = [text(harmed(np.frombuffer(base64.b64decode(prints[f"{n:03d}"][0]), "<u2"), rng, 0.1))]
    whole = near_duplicates(prints)
    monkeypatch.setattr("ytaudio.fingerprints._PASS_KEYS", 2000)
    monkeypatch.setattr("ytaudio.fingerprints._REACH", 7)
    assert near_duplicates(prints) == whole
    assert len(whole) >= 29


def test_clips_of_one_video_are_no_pair_and_few_prints_are_no_trouble(originals):
    one = originals["history 0"][0]
    assert near_duplicates({"a": [one, one]}) == []
    assert near_duplicates({}) == near_duplicates({"a": []}) == near_duplicates({"a": [""], "b": [""]}) == []
    assert near_duplicates({"b": ["", one], "a": [one]}) == [Pair("a", "b", 1.0)]
