import itertools

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score

from ytaudio.intervals import (
    accuracy,
    counts_of,
    f1,
    grouped,
    interval,
    macro_f1,
    mcnemar,
    paired_p,
    percentiles,
    resample,
)

RNG = np.random.default_rng(1)


@pytest.mark.parametrize("labels", [2, 4, 9])
def test_accuracy_and_f1_equal_scikit_learns_on_the_labels_that_occur(labels):
    truth, predicted = RNG.integers(0, labels, 60), RNG.integers(0, labels, 60)
    counts = counts_of(range(60), truth, predicted, 60, labels + 1).sum(axis=0)  # one label occurs nowhere
    assert accuracy(counts) == pytest.approx(accuracy_score(truth, predicted))
    assert f1(counts)[:labels] == pytest.approx(f1_score(truth, predicted, average=None, labels=range(labels)))
    assert np.isnan(f1(counts)[labels])
    assert macro_f1(counts) == pytest.approx(f1_score(truth, predicted, average="macro"))


def test_a_label_predicted_but_never_true_counts_as_a_zero():
    counts = counts_of(range(2), [0, 0], [0, 1], 2, 2).sum(axis=0)
    assert f1(counts).tolist() == pytest.approx([2 / 3, 0])
    assert macro_f1(counts) == pytest.approx(1 / 3)


def test_resamples_are_scipys_bootstrap_of_videos():
    right = RNG.random(80) < 0.7
    counts = counts_of(range(80), np.zeros(80, int), 1 - right.astype(int), 80, 2)
    ours = interval(right.mean(), resample(counts, accuracy, 20_000), 80)
    theirs = stats.bootstrap((right.astype(float),), np.mean, method="percentile", n_resamples=20_000, rng=2)
    assert ours == pytest.approx(tuple(theirs.confidence_interval), abs=0.013)  # one video is 0.0125


def test_an_interval_holds_the_truth_about_as_often_as_it_says():
    held = 0
    for trial in range(200):
        right = np.random.default_rng(trial).random(60) < 0.75
        counts = counts_of(range(60), np.zeros(60, int), 1 - right.astype(int), 60, 2)
        low, high = interval(right.mean(), resample(counts, accuracy, 400, seed=trial), 60)
        held += low <= 0.75 <= high
    assert 0.88 <= held / 200 <= 0.99


def test_clips_of_a_video_move_together():
    """Ten clips a video that are all right or all wrong tell no more than one clip a video."""
    right = RNG.random(40) < 0.6
    single = counts_of(range(40), np.zeros(40, int), 1 - right.astype(int), 40, 2)
    spread = resample(single, accuracy)
    assert resample(10 * single, accuracy) == pytest.approx(spread)
    loose = counts_of(range(400), np.zeros(400, int), np.repeat(1 - right.astype(int), 10), 400, 2)
    assert resample(loose, accuracy).std() < 0.5 * spread.std()


def test_memory_bound_changes_nothing(monkeypatch):
    counts = counts_of(range(50), RNG.integers(0, 3, 50), RNG.integers(0, 3, 50), 50, 3)
    whole = resample(counts, macro_f1, 100)
    monkeypatch.setattr("ytaudio.intervals._CELLS", 350)
    assert resample(counts, macro_f1, 100) == pytest.approx(whole)


@pytest.mark.parametrize("videos", [1, 10, 300])
def test_nothing_wrong_is_not_certainty(videos):
    exact = stats.binomtest(videos, videos).proportion_ci(0.95, method="exact")
    assert interval(1.0, np.ones(10), videos) == pytest.approx((exact.low, 1.0), abs=1e-5)
    assert interval(0.0, np.zeros(10), videos) == pytest.approx((0.0, 1 - exact.low), abs=1e-5)


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (1, 0), (9, 1), (4, 4), (3, 11), (700, 600)])
def test_mcnemar_is_the_exact_binomial_test(only_a, only_b):
    expected = stats.binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert mcnemar(only_a, only_b) == pytest.approx(expected)
    assert mcnemar(only_a, only_b) == mcnemar(only_b, only_a)


def test_groups_are_summed_in_the_order_they_come():
    counts = counts_of(range(5), [0, 1, 0, 1, 1], [0, 0, 0, 1, 1], 5, 2)
    assert grouped(counts, ["b", "a", "b", "c", "a"]).tolist() == [
        (counts[0] + counts[2]).tolist(),
        (counts[1] + counts[4]).tolist(),
        counts[3].tolist(),
    ]


@pytest.mark.parametrize("units", [4, 5, 11, 44, 1000])
def test_few_units_widen_as_students_t_does(units):
    """On resamples that are exactly normal, the ends lie where t times the unbiased deviation puts them."""
    normal = stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000)
    expected = stats.t.ppf(0.975, units - 1) * np.sqrt(units / (units - 1))
    assert percentiles(normal, units, (-9, 9)) == pytest.approx((-expected, expected), rel=4e-3)
    assert percentiles(normal) == pytest.approx((-1.96, 1.96), abs=0.001)


def test_a_single_channel_tells_nothing():
    assert interval(0.8, np.full(10, 0.8), 1) == (0.0, 1.0)


def clustered(seed: int, channels: int, p: float = 0.7, alike: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Channels of 1 to 8 videos, right or wrong together (beta-binomial, intra-class correlation `alike`)."""
    rng, k = np.random.default_rng(seed), (1 - alike) / alike
    channel = np.repeat(np.arange(channels), rng.choice([1, 2, 3, 5, 8], channels))
    return rng.random(len(channel)) < rng.beta(p * k, (1 - p) * k, channels)[channel], channel


@pytest.mark.parametrize("channels", [10, 30])
def test_intervals_over_channels_hold_the_truth_and_those_over_videos_do_not(channels):
    by_channel = by_video = 0
    for trial in range(300):
        right, channel = clustered(trial, channels)
        counts = counts_of(range(len(right)), np.zeros(len(right), int), 1 - right.astype(int), len(right), 2)
        for over, held in ((grouped(counts, channel), True), (counts, False)):
            low, high = interval(right.mean(), resample(over, accuracy, 300, seed=trial), len(over))
            by_channel += held and low <= 0.7 <= high
            by_video += not held and low <= 0.7 <= high
    assert 0.90 <= by_channel / 300 <= 0.98
    assert by_video / 300 < 0.85


@pytest.mark.parametrize(
    "differences", [(1, 1, -1), (3, -1, 2, 2), (5,), (2, -2), (4, 4, 1, -3, 2, 1, -1, 6), (1,) * 9]
)
def test_the_paired_test_flips_every_channel_in_every_way(differences):
    flips = [abs(np.dot(signs, differences)) for signs in itertools.product((1, -1), repeat=len(differences))]
    expected = np.mean([flip >= abs(sum(differences)) for flip in flips])
    only_a, only_b = np.maximum(differences, 0), np.maximum(np.negative(differences), 0)
    assert paired_p(only_a, only_b) == pytest.approx(expected)
    assert paired_p(only_b + 1, only_a + 1) == pytest.approx(expected), "what both sides have cancels out"


def test_the_paired_test_is_mcnemars_where_a_channel_is_a_video_and_nothing_where_all_agree():
    only_a, only_b = np.repeat([1, 0, 0], (9, 2, 30)), np.repeat([0, 1, 0], (9, 2, 30))
    assert paired_p(only_a, only_b) == mcnemar(9, 2) == pytest.approx(stats.binomtest(2, 11).pvalue)
    assert paired_p([0, 0], [0, 0]) == 1.0


def test_beyond_the_exact_the_normal_limit_is_the_test_of_durkalski(monkeypatch):
    rng = np.random.default_rng(3)
    only_a, only_b = rng.binomial(3, 0.22, 400), rng.binomial(3, 0.18, 400)
    exact = paired_p(only_a, only_b)
    monkeypatch.setattr("ytaudio.intervals._EXACT", 10)
    size = 5  # of every channel: b and c over n, as in the paper's formula
    gap = (only_a - only_b) / size
    assert paired_p(only_a, only_b) == pytest.approx(stats.chi2.sf(gap.sum() ** 2 / (gap**2).sum(), 1))
    assert paired_p(only_a, only_b) == pytest.approx(exact, abs=0.015)


def test_two_equal_models_are_called_different_as_rarely_as_promised():
    """One time in twenty at the most, by channel; McNemar's test on the videos of channels is not so careful."""
    by_channel = by_video = 0
    for trial in range(400):
        a, channel = clustered(2 * trial, 20)
        b, _ = clustered(2 * trial + 1, 20)
        a, b, channel = a[: min(len(a), len(b))], b[: min(len(a), len(b))], channel[: min(len(a), len(b))]
        only_a, only_b = (grouped(only.astype(int), channel) for only in (a & ~b, b & ~a))
        by_channel += paired_p(only_a, only_b) < 0.05
        by_video += mcnemar(only_a.sum(), only_b.sum()) < 0.05
    assert by_channel / 400 < 0.08
    assert by_video / 400 > 0.10


def test_the_interval_of_a_difference_holds_the_truth_with_videos_that_go_together():
    """Two models on 20 channels of 1 to 6 videos that are hard or easy for both; the difference is 0.15."""
    held = 0
    for trial in range(300):
        rng = np.random.default_rng(trial)
        channel = np.repeat(np.arange(20), rng.integers(1, 7, 20))
        easy, truth = rng.beta(2, 2, 20)[channel] * 0.7, np.zeros(len(channel), int)
        wrong = [(rng.random(len(channel)) >= easy + more).astype(int) for more in (0.3, 0.15)]
        counts = [counts_of(range(len(channel)), truth, one, len(channel), 2) for one in wrong]
        drawn = resample(grouped(np.stack(counts, axis=1), channel), accuracy, 300, seed=trial)
        low, high = percentiles(drawn[:, 0] - drawn[:, 1], 20, (-1, 1))
        held += low <= 0.15 <= high
    assert 0.92 <= held / 300 <= 0.98
