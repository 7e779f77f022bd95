"""Two models on the same videos: paired differences, an exact test, and a sentence that says what can be told."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ytaudio.errors import UserError
from ytaudio.evaluation.scores import (
    Floor,
    Prediction,
    Scores,
    channels_of,
    figures,
    floor_of,
    video_counts,
)
from ytaudio.intervals import SEED, Interval, accuracy_and_macro_f1, grouped, paired_p, percentiles, resample

SIGNIFICANT = 0.05
_NAMED = 5  # videos, in a refusal
_BOTH = (-1.0, 1.0)  # the bounds of a difference


@dataclass(frozen=True, slots=True)
class Comparison:
    """Model A against model B; differences are A minus B, shares from -1 to 1, intervals of 95 %.

    The same channels (or videos, where none are known) are drawn for both.
    """

    a: Scores
    b: Scores
    only_a: int  # videos that A has right and B wrong
    only_b: int  # videos that B has right and A wrong
    accuracy_difference: float
    accuracy_interval: Interval
    macro_f1_difference: float
    macro_f1_interval: Interval
    p: float  # of the exact paired test, two-sided; by Holm's rule where several pairs are compared

    @property
    def told(self) -> bool:
        """Whether one is better: the interval of the difference leaves out 0 and the test agrees (p below 0.05)."""
        low, high = self.accuracy_interval
        return self.p < SIGNIFICANT and (low > 0 or high < 0)

    @property
    def test(self) -> str:
        """The test that p is of; flipping whole channels is McNemar's where each has one video."""
        return "exact McNemar" if self.a.units == f"{self.a.videos} videos" else "exact test by channel"

    @property
    def verdict(self) -> str:
        """A sentence to quote."""
        (low, high), points = self.accuracy_interval, 100 * self.accuracy_difference
        test = f"p {p_text(self.p)}, {self.test}"
        if not self.told:
            if low > 0 or high < 0:
                test += f", which such an interval of few {self.a.units.split()[-1]} does not outweigh"
            span = f"{round(100 * low):+d} to {round(100 * high):+d}"
            return (
                f"No difference between {self.a.model_id} and {self.b.model_id} can be told from {self.a.sample}: "
                f"{round(points):+d} points of accuracy, 95 % interval {span}, {test}."
            )
        better, worse = self.a, self.b
        if points < 0:
            better, worse, points, low, high = self.b, self.a, -points, -high, -low
        return (
            f"{better.model_id} is better than {worse.model_id} by {points:.0f} points of accuracy "
            f"on {self.a.sample}, 95 % interval {100 * low:.0f} to {100 * high:.0f}, {test}."
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
        rows.append(("right, the other wrong", str(self.only_a), str(self.only_b), f"p {p_text(self.p)}"))
        return rows


def _value(value: float, interval: Interval) -> str:
    return f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


def p_text(p: float) -> str:
    """A p-value as it is quoted: "= 0.012" or "< 0.001"."""
    return "< 0.001" if p < 0.001 else f"= {p:.2g}"


def compare(a: Scores, b: Scores, *, common: bool = False) -> Comparison:
    """Compare two models video by video; see `compare_all`."""
    return compare_all([a, b], common=common)[0]


def compare_all(scores: Sequence[Scores], *, common: bool = False) -> tuple[Comparison, ...]:
    """Every pair of models, in the order of itertools.combinations; p-values are raised for the number of pairs.

    The intervals resample the same channels for all models (a paired bootstrap); p is exact, by flipping the answers of
    whole channels, which is McNemar's test where each video has a channel of its own.
    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979.

    Args:
        scores: of two models or more. Their datasets' revisions and the order of their labels may differ.
        common: where they were scored on different videos, compare them on those that all have.

    Raises:
        UserError: fewer than two, or not on the same videos with the same labels.
    """
    if len(scores) < 2:
        raise UserError("Comparing takes two models or more: name another one.")
    return compare_aligned(same_videos(scores, common=common))


def compare_aligned(models: Sequence[Scores]) -> tuple[Comparison, ...]:
    """`compare_all` of what `same_videos` gave."""
    channels = channels_of(models[0].predictions)
    right = np.asarray([[p.predicted == p.label for p in m.predictions] for m in models])
    drawn = []  # of each model, (resamples, 2); one after another: counts of many models and labels may not fit
    for model in models:
        counts = grouped(video_counts(model.predictions, model.labels), channels)
        drawn.append(resample(counts, accuracy_and_macro_f1, seed=SEED, merge=False))
    pairs = []
    for a, b in itertools.combinations(range(len(models)), 2):
        gap = [_rounded(samples, len(counts)) for samples in (drawn[a] - drawn[b]).T]
        only_a, only_b = (grouped(only.astype(int), channels) for only in (right[a] & ~right[b], right[b] & ~right[a]))
        pair = Comparison(
            a=models[a],
            b=models[b],
            only_a=int(only_a.sum()),
            only_b=int(only_b.sum()),
            accuracy_difference=round(models[a].accuracy - models[b].accuracy, 6),
            accuracy_interval=gap[0],
            macro_f1_difference=round(models[a].macro_f1 - models[b].macro_f1, 6),
            macro_f1_interval=gap[1],
            p=paired_p(only_a, only_b),
        )
        pairs.append(pair)
    return holm(pairs)


def _rounded(differences: np.ndarray, units: int) -> Interval:
    low, high = percentiles(differences, units, _BOTH)
    return low + 0.0, high + 0.0  # no -0.0


def holm(pairs: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """The same comparisons with their p-values raised for their number (Holm 1979)."""
    raised, least = {}, 0.0
    for rank, number in enumerate(sorted(range(len(pairs)), key=lambda n: pairs[n].p)):
        least = max(least, min(1.0, (len(pairs) - rank) * pairs[number].p))
        raised[number] = least
    return tuple(replace(pair, p=raised[number]) for number, pair in enumerate(pairs))


def against_floor(scores: Scores, name: str) -> Comparison | None:
    """A model against one of its floors on the same videos, or None where a file is too old to know its answers."""
    floor = scores.floors[name]
    if not all(p.video_id in floor.predicted for p in scores.predictions):
        return None
    said = tuple(replace(p, predicted=floor.predicted[p.video_id]) for p in scores.predictions)
    known = {key: getattr(floor, key) for key in ("accuracy", "accuracy_interval", "macro_f1", "macro_f1_interval")}
    return compare_aligned([scores, replace(scores, model_id=f"the floor ({name})", predictions=said, **known)])[0]


def against_best_floor(scores: Scores) -> Comparison | None:
    """A model against the floor that is right most often, or None where there is none or its answers are not known."""
    best = max(scores.floors, key=lambda name: scores.floors[name].accuracy, default=None)
    return against_floor(scores, best) if best else None


def same_videos(scores: Sequence[Scores], *, common: bool = False) -> list[Scores]:
    """The models with their videos in one order, and with every figure worked out anew from them.

    Raises:
        UserError: other videos, or other true labels; with `common` those are left out, and nothing is left.
    """
    truths = [{p.video_id: p.label for p in one.predictions} for one in scores]
    shared = sorted(v for v, label in truths[0].items() if all(truth.get(v) == label for truth in truths[1:]))
    everyone = {video_id for truth in truths for video_id in truth}
    labels = tuple(dict.fromkeys(label for one in scores for label in one.labels))
    if common and not shared:
        raise UserError("The models have no video in common: score them on one split.")
    if not common and (len(shared) < len(everyone) or any(set(one.labels) != set(labels) for one in scores)):
        raise UserError(_difference(scores, truths, shared))
    channels = {p.video_id: p.channel_id for one in reversed(scores) for p in one.predictions if p.channel_id}
    return [_on(one, shared, labels, channels) for one in scores]


def _difference(scores: Sequence[Scores], truths: Sequence[dict[str, str]], shared: Sequence[str]) -> str:
    """One sentence on what keeps the first two that differ from being compared."""
    first = scores[0]
    for other, truth in zip(scores[1:], truths[1:], strict=True):
        if truth != truths[0] or set(other.labels) != set(first.labels):
            break
    both = truths[0].keys() & truth.keys()
    missing = sorted(truths[0].keys() ^ truth.keys())
    relabelled = sorted(video_id for video_id in both if truths[0][video_id] != truth[video_id])
    odd = sorted(set(first.labels) ^ set(other.labels))
    if missing:
        lacks = f"only one has {', '.join(missing[:_NAMED])}{' ...' if len(missing) > _NAMED else ''}"
    elif relabelled:
        lacks = f"{', '.join(relabelled[:_NAMED])} {'has' if len(relabelled) == 1 else 'have'} other labels"
    else:
        lacks = f"only one knows the label {', '.join(odd[:_NAMED])}"
    return (
        f"{first.model_id} was scored on {first.videos} videos of {first.dataset_id} ({first.split}) and "
        f"{other.model_id} on {other.videos} of {other.dataset_id} ({other.split}), {len(both)} of them the same "
        f"({lacks}): score both on one split at one revision"
        + (f", or compare on the {len(shared)} videos that all have with --common." if shared else ".")
    )


def _on(scores: Scores, videos: Sequence[str], labels: tuple[str, ...], channels: Mapping[str, str]) -> Scores:
    """A model on these videos of these channels, with these labels, all figures from its predictions."""
    known = {p.video_id: p for p in scores.predictions}
    place = {label: number for number, label in enumerate(scores.labels)}

    def in_order(shares: Sequence[float]) -> tuple[float, ...]:
        return tuple(shares[place[label]] if label in place else 0.0 for label in labels)

    predictions: tuple[Prediction, ...] = tuple(
        replace(
            known[video_id],
            channel_id=channels.get(video_id, ""),
            probabilities=in_order(known[video_id].probabilities),
            clips_probabilities=tuple(map(in_order, known[video_id].clips_probabilities)),
        )
        for video_id in videos
    )
    floors: dict[str, Floor] = {}
    for name, floor in scores.floors.items():
        if all(p.video_id in floor.predicted for p in predictions):
            said = [replace(p, predicted=floor.predicted[p.video_id]) for p in predictions]
            floors[name] = floor_of(floor.description, said, labels)
        elif len(predictions) == scores.videos:  # an older file: the figures alone
            floors[name] = floor
    return replace(scores, labels=labels, predictions=predictions, floors=floors, **figures(predictions, labels))
