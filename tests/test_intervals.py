import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score

from ytaudio.intervals import accuracy, counts_of, f1, interval, macro_f1, mcnemar, resample

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
