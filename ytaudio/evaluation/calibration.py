"""Whether a model's probabilities mean what they say: reliability by bins, ECE, Brier score and log loss."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from ytaudio.intervals import SEED, Interval, grouped, percentiles, resample

BINS = 10  # of equal width
LEAST = 1e-6  # a probability below it counts as this one in the log loss; predictions keep six decimals
_DRAWS = 1_000  # of answers that a calibrated model might have given


@dataclass(frozen=True, slots=True)
class Bin:
    """The videos whose answer was given with a probability within these bounds; shares from 0 to 1."""

    low: float  # of the probability, left out of the bin
    high: float
    videos: int
    confidence: float  # the mean probability of the answers
    accuracy: float
    accuracy_interval: Interval  # Wilson's score interval, 1927: as if the videos were independent


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far probabilities can be relied on, over videos; intervals of 95 %.

    Sources: Brier, Verification of Forecasts Expressed in Terms of Probability, 1950 (its sum over classes, 0 to 2);
    Guo et al., On Calibration of Modern Neural Networks, 2017 (ECE). ECE is above 0 even for a perfectly calibrated
    model, the more so the fewer the videos: `ece_by_chance` says how far, from answers drawn by the model's own
    probabilities (Bröcker and Smith, Increasing the Reliability of Reliability Diagrams, 2007).
    """

    brier: float
    brier_interval: Interval
    nll: float  # mean of -log p of the true label, natural logarithm
    nll_interval: Interval
    ece: float  # mean distance of confidence from accuracy over the bins, weighted by their videos
    ece_by_chance: float  # what 95 of 100 perfectly calibrated models would stay below on as many videos
    confidence: float  # the mean probability of the answers
    accuracy: float
    bins: tuple[Bin, ...]  # without the empty ones

    @property
    def verdict(self) -> str:
        """A sentence to quote."""
        videos = sum(one.videos for one in self.bins)
        said = f"its answers had a mean probability of {100 * self.confidence:.0f} %"
        chance = f"(ECE {self.ece:.3f}, by chance alone up to {self.ece_by_chance:.3f})"
        if self.ece <= self.ece_by_chance:
            return f"From {videos} videos its probabilities cannot be told from calibrated ones {chance}."
        if abs(self.confidence - self.accuracy) < 0.02:
            return f"Its probabilities are off in both directions {chance}; mind the diagram."
        how = "too sure" if self.confidence > self.accuracy else "not sure enough"
        return f"It is {how} of itself: {said}, and {100 * self.accuracy:.0f} % were right {chance}."


def calibration(
    probabilities: Sequence[Sequence[float]], truth: Sequence[int], groups: Sequence[Hashable]
) -> Calibration:
    """Measure the calibration of probabilities.

    Args:
        probabilities: of every video, (videos, labels), rows that sum up to about 1.
        truth: index of the true label of every video.
        groups: which videos are drawn together in a resample, by any name.
    """
    shares, true = np.asarray(probabilities, dtype=np.float64), np.asarray(truth)
    own, confidence, right = shares[np.arange(len(true)), true], shares.max(axis=1), shares.argmax(axis=1) == true
    brier = (shares**2).sum(axis=1) - 2 * own + 1
    nll = -np.log(np.clip(own, LEAST, 1.0))
    which = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    bins = []
    for number in np.unique(which):
        inside = which == number
        n, k = int(inside.sum()), int(right[inside].sum())
        bounds = round(int(number) / BINS, 6), round((int(number) + 1) / BINS, 6)
        bins.append(Bin(*bounds, n, round(float(confidence[inside].mean()), 6), round(k / n, 6), wilson(k, n)))
    rng = np.random.default_rng(SEED)
    by_chance = [_ece(confidence, rng.random(len(true)) < confidence, which) for _ in range(_DRAWS)]
    sums = grouped(np.stack([brier, nll, np.ones_like(nll)], axis=1), groups)
    drawn, units = resample(sums, lambda drawn: drawn[..., :2] / drawn[..., 2:], merge=False), len(sums)
    return Calibration(
        brier=round(float(brier.mean()), 6),
        brier_interval=percentiles(drawn[:, 0], units, (0.0, 2.0)),
        nll=round(float(nll.mean()), 6),
        nll_interval=percentiles(drawn[:, 1], units, (0.0, -math.log(LEAST))),
        ece=round(float(_ece(confidence, right, which)), 6),
        ece_by_chance=round(float(np.quantile(by_chance, 0.95)), 6),
        confidence=round(float(confidence.mean()), 6),
        accuracy=round(float(right.mean()), 6),
        bins=tuple(bins),
    )


def wilson(right: int, videos: int) -> Interval:
    """Wilson's score interval of a share, 95 %: never empty, and within 0 and 1 (J. Am. Stat. Assoc. 22, 1927)."""
    z2, share = 1.959964**2, right / videos
    middle = (share + z2 / (2 * videos)) / (1 + z2 / videos)
    half = math.sqrt(z2 * (share * (1 - share) / videos + z2 / (4 * videos**2))) / (1 + z2 / videos)
    return round(max(0.0, middle - half), 6), round(min(1.0, middle + half), 6)


def _ece(confidence: np.ndarray, right: np.ndarray, which: np.ndarray) -> float:
    """Expected calibration error: |mean confidence - accuracy| of the bins, weighted by their videos."""
    return np.abs(np.bincount(which, weights=confidence - right, minlength=BINS)).sum() / len(right)
