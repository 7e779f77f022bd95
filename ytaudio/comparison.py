"""Two models on the same videos: paired differences, an exact test, and a sentence that says what can be told."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ytaudio.errors import UserError
from ytaudio.intervals import SEED, Interval, accuracy, macro_f1, mcnemar, percentiles, resample
from ytaudio.scores import Scores, video_counts

SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Comparison:
    """Model A against model B; differences are A minus B, shares from -1 to 1, intervals of 95 % over videos."""

    a: Scores
    b: Scores
    only_a: int  # videos that A has right and B wrong
    only_b: int  # videos that B has right and A wrong
    accuracy_difference: float
    accuracy_interval: Interval
    macro_f1_difference: float
    macro_f1_interval: Interval
    p: float  # McNemar's exact test, two-sided; by Holm's rule where several pairs are compared

    @property
    def told(self) -> bool:
        """Whether one is better: the interval of the difference leaves out 0 and the test agrees (p below 0.05)."""
        low, high = self.accuracy_interval
        return self.p < SIGNIFICANT and (low > 0 or high < 0)

    @property
    def verdict(self) -> str:
        """A sentence to quote."""
        (low, high), points = self.accuracy_interval, 100 * self.accuracy_difference
        test = f"p {_p(self.p)}, exact McNemar"
        if not self.told:
            if low > 0 or high < 0:
                test += ", which such an interval of few videos does not outweigh"
            span = f"{round(100 * low):+d} to {round(100 * high):+d}"
            return (
                f"No difference between {self.a.model_id} and {self.b.model_id} can be told from {self.a.videos} "
                f"videos: {round(points):+d} points of accuracy, 95 % interval {span}, {test}."
            )
        better, worse = self.a, self.b
        if points < 0:
            better, worse, points, low, high = self.b, self.a, -points, -high, -low
        return (
            f"{better.model_id} is better than {worse.model_id} by {points:.0f} points of accuracy "
            f"on {self.a.videos} videos, 95 % interval {100 * low:.0f} to {100 * high:.0f}, {test}."
        )

    def table(self) -> list[tuple[str, str, str, str]]:
        """Rows of text: a measure, A's value, B's value, the difference; the first row is the header."""
        rows = [("", self.a.model_id, self.b.model_id, "difference")]
        for name, (low, high) in (("accuracy", self.accuracy_interval), ("macro_f1", self.macro_f1_interval)):
            difference = getattr(self, f"{name}_difference")
            a, b = (_value(getattr(s, name), getattr(s, f"{name}_interval")) for s in (self.a, self.b))
            rows.append((name.replace("_f1", "-F1"), a, b, f"{difference:+.3f} ({low:+.3f} to {high:+.3f})"))
        for label in self.a.labels:
            if label in self.a.f1_by_category and label in self.b.f1_by_category:
                ours, theirs = self.a.f1_by_category[label], self.b.f1_by_category[label]
                rows.append((f"F1 {label}", f"{ours:.3f}", f"{theirs:.3f}", f"{ours - theirs:+.3f}"))
        rows.append(("right, the other wrong", str(self.only_a), str(self.only_b), f"p {_p(self.p)}"))
        return rows


def _value(value: float, interval: Interval) -> str:
    return f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.2g}"


def compare(a: Scores, b: Scores) -> Comparison:
    """Compare two models video by video.

    The intervals resample the same videos for both models (a paired bootstrap), the p-value is McNemar's exact one.

    Raises:
        UserError: the two were not scored on the same videos with the same labels.
    """
    ours, theirs = ({p.video_id: p for p in scores.predictions} for scores in (a, b))
    if set(a.labels) != set(b.labels) or {(v, p.label) for v, p in ours.items()} != {
        (v, p.label) for v, p in theirs.items()
    }:
        raise UserError(
            f"{a.model_id} was scored on {a.videos} videos of {a.dataset_id} ({a.split}) and {b.model_id} on "
            f"{b.videos} of {b.dataset_id} ({b.split}), {len(ours.keys() & theirs.keys())} of them the same: "
            "score both on one split at one revision."
        )
    pairs = [(p, theirs[video_id]) for video_id, p in ours.items()]
    counts = [video_counts([pair[side] for pair in pairs], a.labels) for side in (0, 1)]
    right = [np.asarray([pair[side].predicted == pair[side].label for pair in pairs]) for side in (0, 1)]
    only_a, only_b = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    both = np.stack(counts, axis=1)
    drawn = {s: -np.diff(resample(both, s, seed=SEED)).ravel() for s in (accuracy, macro_f1)}
    totals = both.sum(axis=0)
    return Comparison(
        a=a,
        b=b,
        only_a=only_a,
        only_b=only_b,
        accuracy_difference=round(float(accuracy(totals[0]) - accuracy(totals[1])), 6),
        accuracy_interval=percentiles(drawn[accuracy]),
        macro_f1_difference=round(float(macro_f1(totals[0]) - macro_f1(totals[1])), 6),
        macro_f1_interval=percentiles(drawn[macro_f1]),
        p=mcnemar(only_a, only_b),
    )


def compare_all(scores: Sequence[Scores]) -> tuple[Comparison, ...]:
    """Every pair of models; p-values are raised for the number of pairs.

    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979.

    Raises:
        UserError: fewer than two, or not on the same videos.
    """
    if len(scores) < 2:
        raise UserError("Comparing takes two models or more: name another one.")
    pairs = [compare(a, b) for a, b in itertools.combinations(scores, 2)]
    raised, least = {}, 0.0
    for rank, number in enumerate(sorted(range(len(pairs)), key=lambda n: pairs[n].p)):
        least = max(least, min(1.0, (len(pairs) - rank) * pairs[number].p))
        raised[number] = least
    return tuple(replace(pair, p=raised[number]) for number, pair in enumerate(pairs))
