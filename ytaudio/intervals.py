"""The statistics under every score: accuracy and F1 from counts, intervals by resampling, a paired test.

A classification of many videos is kept as `counts`, int (videos, 3, labels): for each video how often each label is
true, how often it is predicted, and how often both. Accuracy and F1 need nothing more, and a resample of the videos is
a weighted sum over the first axis.

Videos of one channel share voices, music and microphones, so they are right or wrong together, and five of them tell
less than five videos of five channels. What is drawn is therefore a whole channel (`grouped`), as a whole video is
drawn for its clips: the cluster bootstrap (Field and Welsh, Bootstrapping Clustered Data, J. R. Stat. Soc. B 69, 2007).
Where each video has a channel of its own, or none is known, both are the same. Few units make percentiles too narrow;
they are moved outwards as Student's t is wider than the normal distribution (Hesterberg, What Teachers Should Know
About the Bootstrap, The American Statistician 69, 2015, "expanded percentiles").
"""

import math
from collections.abc import Callable, Hashable, Sequence
from statistics import NormalDist

import numpy as np

RESAMPLES = 2_000  # of the videos, for every interval
LEVEL = 0.95
SEED = 0
_CELLS = 4_000_000  # weights held at once; bounds the memory of a resample over many videos
_EXACT = (
    20_000  # videos that only one of two models has right, up to which the test over channels is worked out exactly
)

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


def balanced_accuracy(counts: np.ndarray) -> np.ndarray:
    """Mean share of right answers over the labels that are true somewhere: (..., 3, labels) to (...)."""
    true = counts[..., 0, :]
    recall = counts[..., 2, :] / np.maximum(true, 1)
    return recall.sum(-1) / np.maximum((true > 0).sum(-1), 1)


def accuracy_and_macro_f1(counts: np.ndarray) -> np.ndarray:
    """Both, so that one drawing serves them: (..., 3, labels) to (..., 2)."""
    return np.stack([accuracy(counts), macro_f1(counts)], axis=-1)


def resample(
    counts: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    resamples: int = RESAMPLES,
    seed: int = SEED,
    *,
    merge: bool = True,
) -> np.ndarray:
    """A statistic of `resamples` draws of as many units (channels, or videos) with replacement: (resamples, ...).

    Counts of several models side by side, (units, models, 3, labels), draw the same ones for all: paired differences.
    Units with equal counts are drawn as one kind, which is the same distribution and spares most of the work; without
    `merge` they are not, so that one seed draws the same units whatever their counts are, for one model after another.
    Source: Efron, Bootstrap Methods: Another Look at the Jackknife, 1979; a video is a cluster of its clips.
    """
    videos, rng = len(counts), np.random.default_rng(seed)
    kinds, alike = counts.reshape(videos, -1), np.ones(videos, dtype=np.int64)
    if merge:
        kinds, inverse = np.unique(kinds, axis=0, return_inverse=True)
        alike = np.bincount(inverse.ravel())
    flat = kinds.astype(np.float64)
    step = max(1, _CELLS // max(videos, *flat.shape))
    parts = []
    for start in range(0, resamples, step):
        weights = _weights(rng, alike, min(step, resamples - start))
        parts.append(statistic((weights @ flat).reshape(-1, *counts.shape[1:])))
    return np.concatenate(parts)


def _weights(rng: np.random.Generator, alike: np.ndarray, draws: int) -> np.ndarray:
    """How often each kind is drawn when as many units as there are are drawn from all, float64 (draws, kinds)."""
    kinds, units = len(alike), int(alike.sum())
    if kinds < units / 4:
        return rng.multinomial(units, alike / units, size=draws).astype(np.float64)
    drawn = np.repeat(np.arange(kinds), alike)[rng.integers(units, size=(draws, units))]
    drawn += kinds * np.arange(draws)[:, None]
    return np.bincount(drawn.ravel(), minlength=draws * kinds).reshape(draws, kinds).astype(np.float64)


def grouped(counts: np.ndarray, groups: Sequence[Hashable]) -> np.ndarray:
    """Counts summed up over the videos of a group, (videos, ...) to (groups, ...): what is resampled as a whole."""
    numbers: dict[Hashable, int] = {}
    where = [numbers.setdefault(group, len(numbers)) for group in groups]
    summed = np.zeros((len(numbers), *counts.shape[1:]), dtype=counts.dtype)
    np.add.at(summed, where, counts)
    return summed


def interval(value: float, samples: np.ndarray, units: int) -> Interval:
    """The interval of a share from resamples (resamples,) of so many units (channels, or videos), at 95 %.

    Where everything is right (or wrong), no resample differs and the percentiles would claim certainty; the exact
    binomial bound on as many units stands in (Clopper and Pearson, 1934).
    """
    tail = (1 - LEVEL) / 2
    if value >= 1:
        return round(tail ** (1 / max(units, 1)), 6), 1.0
    if value <= 0:
        return 0.0, round(1 - tail ** (1 / max(units, 1)), 6)
    return percentiles(samples, units)


def percentiles(samples: np.ndarray, units: int | None = None, bounds: Interval = (0.0, 1.0)) -> Interval:
    """The central 95 % of resamples (resamples,), those without a value left out.

    Args:
        samples: a statistic of each resample.
        units: what was drawn, how many; widens the interval for few, and a single one leaves the bounds. None widens
            nothing.
        bounds: of the statistic.
    """
    if units is not None and units < 2:
        return bounds
    tail = _tail(units) if units else (1 - LEVEL) / 2
    low, high = np.nanquantile(samples, [tail, 1 - tail])
    return round(float(low), 6), round(float(high), 6)


def _tail(units: int) -> float:
    """The share of resamples beyond each end, so that an interval of few units is as wide as Student's t would be.

    Source: Hesterberg 2015, section 4.2; the quantile of t by Abramowitz and Stegun, 26.7.5.
    """
    z, nu = NormalDist().inv_cdf((1 + LEVEL) / 2), units - 1
    t = z + (z**3 + z) / (4 * nu) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * nu**2)
    t += (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * nu**3)
    t += (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * nu**4)
    return NormalDist().cdf(-t * math.sqrt(units / nu))


def mcnemar(only_a: int, only_b: int) -> float:
    """Exact two-sided p of McNemar's test, from the videos only A has right and those only B has right.

    Source: McNemar, Psychometrika 12, 1947, as the binomial test of one half on the discordant pairs.
    """
    discordant, ways, total = only_a + only_b, 1, 0
    for k in range(min(only_a, only_b) + 1):
        total += ways
        ways = ways * (discordant - k) // (k + 1)
    return min(1.0, 2 * total / 2**discordant)


def paired_p(only_a: Sequence[int] | np.ndarray, only_b: Sequence[int] | np.ndarray) -> float:
    """Exact two-sided p of a paired test over channels; McNemar's where no channel has more than one video that tells.

    If neither model were better, every channel could as well have come out the other way round, all its videos at once:
    the signs of the channels' differences are flipped in every way (Fisher's randomisation). Beyond 20,000 videos that
    tell, the normal limit of the same sum stands in, which for channels of one size is the test of Durkalski et al.,
    Analysis of Clustered Matched-Pair Data, Statistics in Medicine 22, 2003.

    Args:
        only_a: of each channel, the videos that only A has right.
        only_b: the same of B.
    """
    difference = np.asarray(only_a, dtype=np.int64) - np.asarray(only_b, dtype=np.int64)
    sizes, total = np.abs(difference[difference != 0]), int(np.abs(difference).sum())
    seen = abs(int(difference.sum()))
    if not total or seen == 0:
        return 1.0
    if sizes.max() == 1:
        return mcnemar(int((difference > 0).sum()), int((difference < 0).sum()))
    if total > _EXACT:
        return math.erfc(seen / math.sqrt(2 * float((sizes**2).sum())))
    ways = np.zeros(total + 1)  # the probability of each sum of the channels on A's side
    ways[0], reached = 1.0, 0
    for size in sizes.tolist():
        ways[size : reached + size + 1] += ways[: reached + 1].copy()
        ways /= 2
        reached += size
    sums = np.abs(2 * np.arange(total + 1) - total)
    return min(1.0, float(ways[sums >= seen].sum()))
