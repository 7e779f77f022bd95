"""Grouped folds: every video is tested once, and no channel is on two sides."""

import warnings
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import LeaveOneGroupOut, StratifiedGroupKFold

from ytaudio.errors import UserError

GROUPS = "groups"  # instead of a number of folds: as many as there are groups
_VALIDATION_PARTS = 5  # of what a fold does not test, one part of five is for choosing the best epoch


@dataclass(frozen=True, slots=True)
class Fold:
    """One way to cut a dataset; the numbers are of its videos, in rising order, and no group is in two of the parts."""

    number: int
    train: tuple[int, ...]
    validation: tuple[int, ...]  # () where none was asked for
    test: tuple[int, ...]


def grouped_folds(
    labels: Sequence[int], groups: Sequence[Hashable], k: int | str, seed: int, *, validation: bool = True
) -> tuple[Fold, ...]:
    """Cut videos into k folds whose test parts are disjoint and cover them all, with classes as even as groups allow.

    The parts are scikit-learn's StratifiedGroupKFold; with k = "groups" every group is a test part by itself. The
    validation part is taken from the other groups, about a fifth of their videos, never from the test part. A class may
    be missing from a part where it has few groups.

    Args:
        labels: of each video.
        groups: its channel, or whatever may not be on two sides.
        k: how many folds, or "groups".
        seed: of the draw; the same one gives the same folds.
        validation: whether to set videos aside for choosing the best epoch.

    Raises:
        UserError: too few groups for so many folds.
    """
    names = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    truth, group = np.asarray(labels), np.asarray([names[one] for one in groups])
    least, count = 3 if validation else 2, len(names) if k == GROUPS else k
    if not isinstance(count, int) or count < 2:
        raise UserError(f"Cross-validation takes 2 folds or more, or {GROUPS} for as many as there are: not {k}.")
    if len(names) < max(count, least):
        raise UserError(
            f"{len(names)} channels cannot make {count} folds{' and a validation part' * validation} without a channel "
            f"on two sides: give fewer folds{', or more channels' if count <= least else ''}."
        )
    if validation and count == 2 and len(names) < 4:
        raise UserError("2 folds with a validation part take 4 channels: give no validation part, or more channels.")
    return tuple(_folds(truth, group, count, seed, validation, leave_one_out=k == GROUPS))


def _folds(
    truth: np.ndarray, group: np.ndarray, count: int, seed: int, validation: bool, leave_one_out: bool
) -> Iterator[Fold]:
    if leave_one_out:
        parts = [test for _, test in LeaveOneGroupOut().split(truth, truth, group)]
    else:
        parts = _stratified(truth, group, count, seed)
    for number, test in enumerate(parts):
        rest = np.setdiff1d(np.arange(len(truth)), test)
        chosen = rest[:0]
        if validation:
            pieces = min(_VALIDATION_PARTS, len(set(group[rest].tolist())))
            candidates = [rest[part] for part in _stratified(truth[rest], group[rest], pieces, seed)]
            chosen = min(candidates, key=lambda part: _lack(truth[rest], truth[part]))
        train = np.setdiff1d(rest, chosen)
        yield Fold(number, *(tuple(map(int, np.sort(part))) for part in (train, chosen, test)))


def _stratified(truth: np.ndarray, group: np.ndarray, count: int, seed: int) -> list[np.ndarray]:
    """The parts of StratifiedGroupKFold, none of them empty; where no class reaches every part, groups dealt out."""
    if count > np.bincount(truth).max():
        dealt = np.array_split(np.random.default_rng(seed).permutation(np.unique(group)), count)
        return [np.flatnonzero(np.isin(group, some)) for some in dealt]
    with (
        warnings.catch_warnings()
    ):  # that a class has fewer videos than there are folds, which is said in the docstring
        warnings.filterwarnings("ignore", message="The least populated class")
        split = StratifiedGroupKFold(count, shuffle=True, random_state=seed).split(truth, truth, group)
        parts = [test for _, test in split]
    while any(not len(part) for part in parts):  # few groups of very unequal sizes can leave a part without any
        parts.sort(key=lambda part: len(set(group[part].tolist())))
        moved = (
            group[parts[-1]] == min(Counter(group[parts[-1]].tolist()).items(), key=lambda pair: (pair[1], pair[0]))[0]
        )
        parts[0], parts[-1] = parts[-1][moved], parts[-1][~moved]
    return parts


def _lack(wanted: np.ndarray, part: np.ndarray) -> tuple[int, int]:
    """How bad a validation part is: classes it would leave none of to train on, then classes it does not have."""
    whole, there = Counter(wanted.tolist()), Counter(part.tolist())
    return sum(there[label] == whole[label] for label in whole), sum(not there[label] for label in whole)
