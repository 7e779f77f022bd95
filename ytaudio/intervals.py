"""The statistics under every score: accuracy and F1 from counts, intervals by resampling videos, a paired test.

A classification of many videos is kept as `counts`, int (videos, 3, labels): for each video how often each label is
true, how often it is predicted, and how often both. Accuracy and F1 need nothing more, and a resample of the videos is
a weighted sum over the first axis.
"""

from collections.abc import Callable, Sequence

import numpy as np

RESAMPLES = 2_000  # of the videos, for every interval
LEVEL = 0.95
SEED = 0
_CELLS = 4_000_000  # weights held at once; bounds the memory of a resample over many videos

Interval = tuple[float, float]


def counts_of(
    groups: Sequence[int], truth: Sequence[int], predicted: Sequence[int], videos: int, labels: int
) -> np.ndarray:
    """Counts of a classification, int (videos, 3, labels); `groups` says which video each item belongs to."""
    counts = np.zeros((videos, 3, labels), dtype=np.int64)
    group, true, guess = (np.asarray(values, dtype=np.int64) for values in (groups, truth, predicted))
    right = true == guess
    for what, (where, which) in enumerate(((group, true), (group, guess), (group[right], true[right]))):
        np.add.at(counts[:, what], (where, which), 1)
    return counts


def accuracy(counts: np.ndarray) -> np.ndarray:
    """Share of right answers: (..., 3, labels) summed over videos to (...)."""
    return counts[..., 2, :].sum(-1) / np.maximum(counts[..., 0, :].sum(-1), 1)


def f1(counts: np.ndarray) -> np.ndarray:
    """F1 of every label: (..., 3, labels) to (..., labels), NaN for a label neither true nor predicted anywhere."""
    either = counts[..., 0, :] + counts[..., 1, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(either > 0, 2 * counts[..., 2, :] / either, np.nan)


def macro_f1(counts: np.ndarray) -> np.ndarray:
    """Mean F1 over the labels that are true or predicted somewhere: (..., 3, labels) to (...)."""
    scores = f1(counts)
    return np.nansum(scores, -1) / np.maximum((~np.isnan(scores)).sum(-1), 1)


def resample(
    counts: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray], resamples: int = RESAMPLES, seed: int = SEED
) -> np.ndarray:
    """A statistic of `resamples` draws of as many videos with replacement: (resamples, ...).

    Counts of two models side by side, (videos, 2, 3, labels), draw the same videos for both: a paired difference.
    Videos with equal counts are drawn as one kind, which is the same distribution and spares most of the work.
    Source: Efron, Bootstrap Methods: Another Look at the Jackknife, 1979; a video is a cluster of its clips.
    """
    videos, rng = len(counts), np.random.default_rng(seed)
    kinds, alike = np.unique(counts.reshape(videos, -1), axis=0, return_counts=True)
    flat, shares = kinds.astype(np.float64), alike / videos
    step = max(1, _CELLS // max(flat.shape))
    parts = []
    for start in range(0, resamples, step):
        weights = rng.multinomial(videos, shares, size=min(step, resamples - start)).astype(np.float64)
        parts.append(statistic((weights @ flat).reshape(-1, *counts.shape[1:])))
    return np.concatenate(parts)


def interval(value: float, samples: np.ndarray, videos: int) -> Interval:
    """The percentile interval of a share from its resamples (resamples,), at 95 %.

    Where everything is right (or wrong), no resample differs and the percentiles would claim certainty; the exact
    binomial bound on as many videos stands in (Clopper and Pearson, 1934).
    """
    tail = (1 - LEVEL) / 2
    if value >= 1:
        return round(tail ** (1 / max(videos, 1)), 6), 1.0
    if value <= 0:
        return 0.0, round(1 - tail ** (1 / max(videos, 1)), 6)
    return percentiles(samples)


def percentiles(samples: np.ndarray) -> Interval:
    """The central 95 % of resamples (resamples,), those without a value left out."""
    tail = (1 - LEVEL) / 2
    low, high = np.nanquantile(samples, [tail, 1 - tail])
    return round(float(low), 6), round(float(high), 6)


def mcnemar(only_a: int, only_b: int) -> float:
    """Exact two-sided p of McNemar's test, from the videos only A has right and those only B has right.

    Source: McNemar, Psychometrika 12, 1947, as the binomial test of one half on the discordant pairs.
    """
    discordant, ways, total = only_a + only_b, 1, 0
    for k in range(min(only_a, only_b) + 1):
        total += ways
        ways = ways * (discordant - k) // (k + 1)
    return min(1.0, 2 * total / 2**discordant)
