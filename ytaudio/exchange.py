"""A split made better: groups moved, or two exchanged, while that brings classes nearer their shares."""

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

_CANDIDATES = 8  # kinds of group that are tried of a class in a split: half the smallest, half as large as it is off by
_ROUNDS = 200  # exchanges for one class
_EMPTY = 10**9  # what a split costs that wants videos of a class and has none, in videos misplaced

Kind = tuple[tuple[str, int], ...]  # labels, sorted, with their videos: groups of one kind are worth the same


class Labelled(Protocol):
    """What has a label."""

    @property
    def label(self) -> str:
        """Its class."""


class _Balance:
    """How many videos of each class every split has, and what that costs."""

    def __init__(self, targets: Mapping[str, Mapping[str, int]]) -> None:
        self.targets = targets
        self.pools: dict[str, dict[Kind, list[str]]] = {split: defaultdict(list) for split in targets}
        self.got: dict[str, Counter[str]] = {split: Counter() for split in targets}
        self.sizes: dict[tuple[str, str], list[tuple[int, Kind]]] = defaultdict(list)  # of (split, label), in order

    def put(self, group: str, kind: Kind, split: str) -> None:
        for label, count in kind:
            self.got[split][label] += count
            if kind not in self.pools[split]:
                insort(self.sizes[split, label], (count, kind))
        self.pools[split][kind].append(group)

    def take(self, kind: Kind, split: str) -> str:
        group = self.pools[split][kind].pop()
        if not self.pools[split][kind]:
            del self.pools[split][kind]
        for label, count in kind:
            self.got[split][label] -= count
            if kind not in self.pools[split]:
                sizes = self.sizes[split, label]
                del sizes[bisect_left(sizes, (count, kind))]
        return group

    def cost(self, split: str, label: str, more: int = 0) -> int:
        """Videos of a class missing or too many in a split that gets `more` of them."""
        wanted, has = self.targets[split][label], self.got[split][label] + more
        # of all splits, training is the last that may be empty
        return abs(has - wanted) + (wanted > 0 and has <= 0) * _EMPTY * (1 + (split == "train"))

    def off(self, label: str) -> int:
        return sum(self.cost(split, label) for split in self.targets)

    def gain(self, here: str, there: str, gives: Kind, takes: Kind) -> int:
        """What the splits cost less if `here` gives a group of one kind for one of another; () is none."""
        moved = Counter(dict(gives))
        moved.subtract(dict(takes))
        before = sum(self.cost(split, label) for label in moved for split in (here, there))
        return before - sum(self.cost(here, label, -n) + self.cost(there, label, n) for label, n in moved.items())

    def kinds(self, split: str, label: str) -> list[Kind]:
        """Kinds of group with this class that a split has: the smallest, and those as large as what it is off by."""
        sizes = self.sizes[split, label]
        off = abs(self.got[split][label] - self.targets[split][label])
        fitting = max(0, bisect_left(sizes, (off, ())) - _CANDIDATES // 4)
        few = sizes[: _CANDIDATES // 2] + sizes[fitting : fitting + _CANDIDATES // 2]
        return list(dict.fromkeys(kind for _, kind in few))


def exchange(
    members: Mapping[str, Sequence[Labelled]], sides: dict[str, str], targets: Mapping[str, Mapping[str, int]]
) -> None:
    """Improve `sides` in place: class by class, the best move or exchange of two groups until none is better.

    Args:
        members: group to its videos.
        sides: group to split.
        targets: split to label to the number of videos wanted there.
    """
    balance = _Balance(targets)
    for group, split in sides.items():
        balance.put(group, tuple(sorted(Counter(video.label for video in members[group]).items())), split)
    for _again in range(2):  # what is exchanged for one class may open a way for another
        for label in sorted(label for label in next(iter(targets.values())) if balance.off(label)):
            for _ in range(_ROUNDS):
                gain, here, there, gives, takes = max(_tried(balance, label), default=(0, "", "", (), ()))
                if gain <= 0:  # none is better, or every share is met
                    break
                given = balance.take(gives, here)
                taken = balance.take(takes, there) if takes else None
                balance.put(given, gives, there)
                if taken is not None:
                    balance.put(taken, takes, here)
    sides.update({group: split for split, pool in balance.pools.items() for kind in pool.values() for group in kind})


def _tried(balance: _Balance, label: str) -> Iterator[tuple[int, str, str, Kind, Kind]]:
    kinds = {split: balance.kinds(split, label) for split in balance.targets}
    for here in balance.targets:
        for there in balance.targets:
            if here != there:
                for gives in kinds[here]:
                    for takes in [(), *kinds[there]] if here < there else [()]:
                        yield balance.gain(here, there, gives, takes), here, there, gives, takes
