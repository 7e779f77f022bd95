import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import log_loss

from ytaudio.evaluation.calibration import calibration, wilson


def sure(n: int, power: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (n, 3) whose square root of `power` is calibrated: 1 for calibrated ones, above it for too sure."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet((1.0, 0.6, 0.6), n)
    truth = np.asarray([rng.choice(3, p=row) for row in shares])
    return shares**power / (shares**power).sum(axis=1, keepdims=True), truth


def test_ece_brier_and_log_loss_are_those_of_their_papers():
    shares, truth = sure(200, 2.0)
    found = calibration(shares, truth, range(200))
    confidence, right, ece = shares.max(1), shares.argmax(1) == truth, 0.0
    for m in range(10):  # Guo et al. 2017, equation 3
        inside = (confidence > m / 10) & (confidence <= (m + 1) / 10)
        if inside.any():
            ece += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert found.ece == pytest.approx(ece, abs=1e-6)
    assert found.brier == pytest.approx(((shares - np.eye(3)[truth]) ** 2).sum(1).mean(), abs=1e-6)
    assert found.nll == pytest.approx(log_loss(truth, shares), abs=1e-6)
    assert sum(one.videos for one in found.bins) == 200
    assert all(one.low < one.confidence <= one.high for one in found.bins)
    for name in ("brier", "nll"):
        low, high = getattr(found, f"{name}_interval")
        assert low < getattr(found, name) < high


def test_a_calibrated_model_is_not_accused_and_an_overconfident_one_is():
    accused = sum((c := calibration(*sure(60, 1.0, seed), range(60))).ece > c.ece_by_chance for seed in range(60))
    assert accused <= 8, "one in twenty, and chance"
    found = calibration(*sure(300, 4.0), range(300))
    assert found.ece > found.ece_by_chance and "too sure of itself" in found.verdict
    found = calibration(*sure(300, 0.3), range(300))
    assert "not sure enough of itself" in found.verdict


def test_few_videos_tell_little_and_it_is_said():
    found = calibration(*sure(12, 1.0), range(12))
    assert found.ece > 0 and found.ece_by_chance > 0.1
    assert found.verdict.startswith("From 12 videos its probabilities cannot be told from calibrated ones (ECE")


def test_a_sure_mistake_is_dear_and_not_endless():
    found = calibration([[1.0, 0.0], [0.0, 1.0]], [1, 1], ["a", "b"])
    assert found.nll == pytest.approx(-np.log(1e-6) / 2, abs=1e-6)
    assert found.bins[-1].high == 1.0 and found.bins[-1].videos == 2


def test_videos_of_a_channel_widen_the_intervals():
    shares, truth = sure(60, 1.0)
    shares, truth = np.repeat(shares, 5, axis=0), np.repeat(truth, 5)
    apart, together = calibration(shares, truth, range(300)), calibration(shares, truth, np.repeat(np.arange(60), 5))
    width = [interval[1] - interval[0] for interval in (apart.brier_interval, together.brier_interval)]
    assert width[1] > 2 * width[0]


@pytest.mark.parametrize(("right", "videos"), [(0, 4), (3, 4), (7, 7), (40, 90)])
def test_wilson_is_scipys(right, videos):
    expected = stats.binomtest(right, videos).proportion_ci(0.95, method="wilson")
    assert wilson(right, videos) == pytest.approx((expected.low, expected.high), abs=1e-6)
