"""Any number of models on the same videos: an order, groups that cannot be told apart, and sentences to quote."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from ytaudio.errors import UserError
from ytaudio.evaluation.comparison import (
    Comparison,
    against_best_floor,
    compare_aligned,
    holm,
    p_text,
    same_videos,
)
from ytaudio.evaluation.scores import Scores

_NAMED = 6  # models, in a sentence
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Ranking:
    """Models by accuracy, the best first, all on the same videos."""

    models: tuple[Scores, ...]
    pairs: tuple[Comparison, ...]  # in the order of itertools.combinations(models, 2); p by Holm's rule
    floors: tuple[Comparison | None, ...]  # each model against its best floor, p by Holm's rule; None: not known
    left_out: tuple[int, ...]  # videos of each model that another one lacks

    @property
    def groups(self) -> tuple[str, ...]:
        """Letters of each model: two that share one cannot be told apart.

        Source: Piepho, An Algorithm for a Letter-Based Representation of All-Pairwise Comparisons, 2004.
        """
        columns = [frozenset(range(len(self.models)))]
        for (a, b), pair in zip(itertools.combinations(range(len(self.models)), 2), self.pairs, strict=True):
            if not pair.told:
                continue
            parts = [part for c in columns for part in ((c - {a}, c - {b}) if {a, b} <= c else (c,))]
            columns = [c for c in dict.fromkeys(parts) if not any(c < other for other in parts)]
        columns.sort(key=lambda c: sorted(c))
        letters = [_letter(number) for number in range(len(columns))]
        return tuple(
            "".join(letter for letter, column in zip(letters, columns, strict=True) if number in column)
            for number in range(len(self.models))
        )

    @property
    def sentences(self) -> tuple[str, ...]:
        """What can be said, to quote: of two models their verdict, of more the best one's; then the floors."""
        verdicts = (self.pairs[0].verdict,) if len(self.models) == 2 else self._of_the_best()
        return (*verdicts, *self._of_the_floors(), *self._of_the_videos())

    def _of_the_best(self) -> tuple[str, ...]:
        """The first of the models against each other one."""
        best, others = self.models[0], self.pairs[: len(self.models) - 1]
        low, high = best.accuracy_interval
        said = [
            f"{best.model_id} has the highest accuracy of {len(self.models)} models on {best.sample}: "
            f"{100 * best.accuracy:.0f} %, 95 % interval {100 * low:.0f} to {100 * high:.0f}."
        ]
        told, untold = ([pair for pair in others if pair.told is wanted] for wanted in (True, False))
        if told:
            said.append(f"It is better than {_listed([_gap(pair) for pair in told])}.")
        if untold:
            said.append(f"It cannot be told from {_listed([_gap(pair) for pair in untold])}.")
        raised = f"raised for {len(self.pairs)} pairs by Holm's rule"
        said.append(f"p: {others[0].test}, {raised}; each interval is of one pair alone.")
        return tuple(said)

    def _of_the_floors(self) -> tuple[str, ...]:
        """Which models are better than the best of their floors."""
        known = [pair for pair in self.floors if pair]
        if len(self.models) == 2:
            return tuple(pair.verdict for pair in known)
        said = []
        for better, words in ((True, "Better than"), (None, "Not to be told from"), (False, "Worse than")):
            those = [p for p in known if (p.accuracy_difference > 0 if p.told else None) is better]
            for floor in dict.fromkeys(p.b.model_id for p in those):
                named = _listed([_gap(p, p.a.model_id) for p in those if p.b.model_id == floor])
                said.append(f"{words} {floor}: {named}.")
        return tuple(said)

    def _of_the_videos(self) -> tuple[str, ...]:
        """What was not the same: the datasets, their revisions, the videos."""
        if not any(self.left_out):
            places = {f"{m.dataset_id}@{m.dataset_revision[:12]} ({m.split})" for m in self.models}
            same = f"the {self.models[0].videos} videos and their labels are the same"
            return (f"Scored on {_listed(sorted(places))}: {same}.",) if len(places) > 1 else ()
        each = _listed(
            [f"{n} of {m.videos + n} of {m.model_id}" for m, n in zip(self.models, self.left_out, strict=True)]
        )
        return (f"Compared on the {self.models[0].videos} videos that all have; left out: {each}.",)


def _gap(pair: Comparison, name: str = "") -> str:
    """A difference in brackets: "NAME (14 points, 3 to 25, p = 0.01)"."""
    low, high = pair.accuracy_interval
    points = f"{100 * pair.accuracy_difference:+.0f} points, {100 * low:+.0f} to {100 * high:+.0f}"
    return f"{name or pair.b.model_id} ({points}, p {p_text(pair.p)})"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def _letter(number: int) -> str:
    """a to z, then a1 to z1 and so on."""
    turn, place = divmod(number, len(_ALPHABET))
    return _ALPHABET[place] + (str(turn) if turn else "")


def rank(scores: Sequence[Scores], *, common: bool = False) -> Ranking:
    """Put models in order and compare every pair, and each with its best floor.

    Args:
        scores: of two models or more, with names of their own.
        common: where they were scored on different videos, compare them on those that all have.

    Raises:
        UserError: fewer than two, one name twice, or not on the same videos with the same labels.
    """
    names = [one.model_id for one in scores]
    if len(names) < 2:
        raise UserError("There is nothing to compare with one model: name two or more.")
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise UserError(f"{twice[0]} is there twice: name each model once, or two revisions as {twice[0]}@REVISION.")
    models = same_videos(scores, common=common)
    order = sorted(range(len(models)), key=lambda n: (-models[n].accuracy, -models[n].macro_f1, n))
    ranked = [models[n] for n in order]
    floors = [against_best_floor(model) for model in ranked]
    raised = iter(holm([pair for pair in floors if pair]))
    return Ranking(
        models=tuple(ranked),
        pairs=compare_aligned(ranked),
        floors=tuple(next(raised) if pair else None for pair in floors),
        left_out=tuple(scores[n].videos - models[n].videos for n in order),
    )
