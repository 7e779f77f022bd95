"""Channels to splits: no channel on two sides, every class as near its share as the channels allow."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ytaudio.errors import UserError
from ytaudio.exchange import exchange

_BEGINNINGS, _FEW = 16, 200  # random ones that are tried where a class is missing, of at most so many groups
TOLERANCE = 0.05  # of a class's videos: how far a split's share may be off before the report says so


@dataclass(frozen=True, slots=True)
class Subject:
    """What splitting needs to know of a video."""

    video_id: str
    label: str
    group: str  # the channel, or channels that share a sound; its videos stay together


@dataclass(frozen=True, slots=True)
class Protocol:
    """How many videos of each class every split is to have."""

    name: str
    shares: Mapping[str, float]  # split to its share of a class's videos, where counts is empty
    counts: Mapping[str, int]  # split to its exact number of videos a class
    categories: tuple[str, ...] = ()  # the ones it is defined for; () is any

    def per_category(self) -> int | None:
        """How many videos a class the collection aims at: a tenth to spare, so that channels can be kept apart."""
        return sum(self.counts.values()) * 11 // 10 if self.counts else None

    def check(self, categories: Sequence[str]) -> None:
        """Refuse categories the protocol does not know.

        Raises:
            UserError: naming them.
        """
        unknown = sorted(set(categories) - set(self.categories)) if self.categories else []
        if unknown:
            raise UserError(
                f"--protocol {self.name} is defined for {', '.join(self.categories)}, not for {', '.join(unknown)}: "
                f"name the ones to keep with --categories, or leave --protocol out."
            )

    def targets(self, available: Mapping[str, int]) -> dict[str, dict[str, int]]:
        """Split to label to the number of videos wanted there."""
        if self.counts:
            return {split: dict.fromkeys(available, count) for split, count in self.counts.items()}
        wanted: dict[str, dict[str, int]] = {split: {} for split in self.shares}
        for label, n in available.items():
            spare = n - 1  # a class's first video is for training, the next for the held-out splits
            for split, share in self.shares.items():
                if split != "train":
                    wanted[split][label] = max(0, min(spare, max(1, round(share * n))))
                    spare -= wanted[split][label]
            wanted["train"][label] = max(0, spare + 1)
        return wanted


PROTOCOLS = {
    "default": Protocol("default", {"train": 0.7, "validation": 0.15, "test": 0.15}, {}),
    "lab": Protocol("lab", {}, {"train": 98, "validation": 11}, ("art_music", "food", "history", "travel")),
}


def protocol_named(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
        UserError: there is none.
    """
    if name not in PROTOCOLS:
        raise UserError(f"There is no protocol {name}: give --protocol {' or '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]


def join(groups: Mapping[str, str], pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Video id to group, the groups of the two videos of each pair made one: connected components, by union-find.

    A component has the name of its smallest group, so the order of the pairs does not matter.
    """
    above: dict[str, str] = {}

    def top(group: str) -> str:
        while group in above:
            above[group] = group = above.get(above[group], above[group])
        return group

    for a, b in pairs:
        one, other = sorted((top(groups[a]), top(groups[b])))
        if one != other:
            above[other] = one
    return {video_id: top(group) for video_id, group in groups.items()} if above else dict(groups)


def split_by_group(subjects: Sequence[Subject], protocol: Protocol, seed: int) -> dict[str, str]:
    """Video id to split; a video left out by a protocol with exact counts is not in it.

    Shares are met greedily, as by scikit-learn's StratifiedGroupKFold: groups from the largest to the smallest, ties in
    an order fixed by the seed, each to the split it overfills least and, among those, the one that has most of its
    share to go; then groups that are better exchanged are. Where a split still lacks a class, and channels are few, the
    exchanges are tried from other beginnings. Time is linear in the videos. Exact counts are met by sums of group
    sizes, where those can be had.
    """
    members: dict[str, list[Subject]] = defaultdict(list)
    for subject in sorted(subjects, key=lambda s: s.video_id):
        members[subject.group].append(subject)
    groups = sorted(members)
    rng = random.Random(seed)
    rng.shuffle(groups)
    targets = protocol.targets(Counter(subject.label for subject in subjects))
    sides = _greedy(members, groups, targets)
    if protocol.counts:
        ways = (_by_sums(members, groups, targets), sides)
        return max((_within(members, side, targets) for side in ways), key=len)
    exchange(members, sides, targets)
    for _ in range(_BEGINNINGS if len(groups) <= _FEW else 0):
        if not _empty(members, sides, targets):
            break
        other = {group: rng.choice(list(targets)) for group in groups}
        exchange(members, other, targets)
        sides = min(sides, other, key=lambda side: _empty(members, side, targets))
    return {subject.video_id: split for group, split in sides.items() for subject in members[group]}


def _empty(
    members: Mapping[str, list[Subject]], sides: Mapping[str, str], targets: Mapping[str, Mapping[str, int]]
) -> int:
    """How many times a split lacks a class that it should have; of all splits, training is the last that may."""
    filled = {(split, subject.label) for group, split in sides.items() for subject in members[group]}
    wanted = {(split, label) for split, counts in targets.items() for label, count in counts.items() if count}
    return sum(1 + (split == "train") for split, _ in wanted - filled)


def _within(
    members: Mapping[str, list[Subject]], sides: Mapping[str, str], targets: Mapping[str, Mapping[str, int]]
) -> dict[str, str]:
    """Videos to splits, no more of a class than a split is to have."""
    left = {split: dict(wanted) for split, wanted in targets.items()}
    placed: dict[str, str] = {}
    for group, split in sides.items():
        for subject in members[group]:
            if left[split][subject.label] > 0:
                placed[subject.video_id] = split
                left[split][subject.label] -= 1
    return placed


def _by_sums(
    members: Mapping[str, list[Subject]], groups: Sequence[str], targets: Mapping[str, Mapping[str, int]]
) -> dict[str, str]:
    """Groups to splits, each held-out split filled with groups of one class whose sizes sum to what is wanted of it.

    Groups of several classes, and what no held-out split takes, are for training.
    """
    sides = dict.fromkeys(groups, "train")
    for split, wanted in targets.items():
        for label, count in wanted.items() if split != "train" else ():
            free = [g for g in groups if sides[g] == "train" and {subject.label for subject in members[g]} == {label}]
            total = sum(s.label == label for g in groups if sides[g] == "train" for s in members[g])
            sums: dict[int, tuple[str, ...]] = {0: ()}
            most = max([4 * count, *sorted(len(members[g]) for g in free)[:1]])
            for group in free:
                for reached in sorted(sums, reverse=True):
                    if reached + len(members[group]) <= most:
                        sums.setdefault(reached + len(members[group]), (*sums[reached], group))
            rest = targets["train"][label]
            best = max(sums, key=lambda n: (min(n, count) + min(total - n, rest), -abs(n - count)))
            sides.update(dict.fromkeys(sums[best], split))
    return sides


def _greedy(
    members: Mapping[str, list[Subject]], groups: Sequence[str], targets: Mapping[str, Mapping[str, int]]
) -> dict[str, str]:
    left = {split: dict(wanted) for split, wanted in targets.items()}
    labels = {group: Counter(subject.label for subject in members[group]) for group in groups}
    to_come = Counter(label for counts in labels.values() for label in counts)
    sides: dict[str, str] = {}
    filled: set[tuple[str, str]] = set()
    for group in sorted(groups, key=lambda group: -len(members[group])):
        counts = labels[group]
        splits = _needy(targets, filled, counts, to_come)
        split = min(splits, key=lambda split: _cost(left[split], targets[split], counts))
        sides[group] = split
        for label, count in counts.items():
            left[split][label] -= count
            to_come[label] -= 1
            filled.add((split, label))
    return sides


def _needy(
    targets: Mapping[str, Mapping[str, int]],
    filled: set[tuple[str, str]],
    counts: Mapping[str, int],
    to_come: Mapping[str, int],
) -> list[str]:
    """Where a group may go: anywhere, unless its class has only as many groups to come as splits without any of it."""
    splits = list(targets)
    for label in counts:
        empty = [split for split in splits if (split, label) not in filled and targets[split][label] > 0]
        if empty and to_come[label] <= len(empty):
            splits = empty
    return splits


def _cost(left: Mapping[str, int], target: Mapping[str, int], counts: Mapping[str, int]) -> tuple[int, float]:
    overfilled = sum(max(0, n - max(0, left[label])) for label, n in counts.items())
    to_go = sum(max(0, left[label]) / max(1, target[label]) for label in counts)
    return overfilled, -to_go


def shortfalls(
    subjects: Sequence[Subject],
    placed: Mapping[str, str],
    protocol: Protocol,
    labels: Sequence[str] = (),
    channels: Mapping[str, str] | None = None,
) -> list[str]:
    """A sentence with figures for every class that misses what the protocol asks for.

    That is: fewer than exact counts in a split, none in a split, or a share off by more than one video and TOLERANCE of
    the class. `labels` are the catalogue's: a class of which nothing was collected is missed too, and so is one that
    the protocol is defined for. `channels` are those of the videos, where shared sounds join several in one group.
    """
    available = Counter(dict.fromkeys([*labels, *protocol.categories], 0))
    available.update(subject.label for subject in subjects)
    kept: dict[str, set[str]] = defaultdict(set)
    own: dict[str, set[str]] = defaultdict(set)
    got: Counter[tuple[str, str]] = Counter()
    for subject in subjects:
        kept[subject.label].add(subject.group)
        own[subject.label].add(channels[subject.video_id] if channels else subject.group)
        if subject.video_id in placed:
            got[placed[subject.video_id], subject.label] += 1
    targets = protocol.targets(available)

    def why(label: str) -> str:
        joined = f", and shared sounds leave {len(kept[label])} of them" if len(kept[label]) < len(own[label]) else ""
        return f"{available[label]} were collected, from {len(own[label])} channels that are kept whole{joined}."

    sentences = []
    for split, wanted in targets.items():
        for label, count in sorted(wanted.items()):
            if got[split, label] < (count if protocol.counts else 1):
                of = f"{got[split, label]} of {count}" if protocol.counts else "no"
                sentences.append(f"{split} has {of} videos of {label}: {why(label)}")
    for label in () if protocol.counts else sorted(available):
        have, want = [got[split, label] for split in targets], [targets[split][label] for split in targets]
        off = max(abs(had - asked) for had, asked in zip(have, want, strict=True))
        if all(have) and off > max(1, TOLERANCE * available[label]):
            sentences.append(
                f"{label} has {_listed(have)} videos in {_listed(list(targets))}, where {_listed(want)} were aimed at: "
                f"{why(label)}"
            )
    return sentences


def _listed(items: Sequence[object]) -> str:
    return " and ".join([", ".join(map(str, items[:-1])), str(items[-1])]) if len(items) > 1 else str(*items)


def lost(sides: Mapping[str, str], labels: Mapping[str, str], placed: Mapping[str, str]) -> list[str]:
    """A sentence with figures for every class of which a published split has lost videos.

    Args:
        sides: video id to the split it was published in.
        labels: video id to label.
        placed: video id to split, of the videos that could be had again.
    """
    published = Counter((split, labels[video_id]) for video_id, split in sides.items() if video_id in labels)
    got = Counter((split, labels[video_id]) for video_id, split in placed.items())
    return [
        f"{split} has {got[split, label]} of the {count} published videos of {label}."
        for (split, label), count in sorted(published.items())
        if got[split, label] < count
    ]
