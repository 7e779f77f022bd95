"""Channels to splits: no channel on two sides, every class as near its share as the channels allow."""

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ytaudio.errors import UserError


@dataclass(frozen=True, slots=True)
class Subject:
    """What splitting needs to know of a video."""

    video_id: str
    label: str
    group: str  # the channel; its videos stay together


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
        wanted: dict[str, dict[str, int]] = {}
        for split, share in self.shares.items():
            if split != "train":
                wanted[split] = {label: max(1, round(share * n)) for label, n in available.items()}
        held = {label: sum(split[label] for split in wanted.values()) for label in available}
        return {"train": {label: max(0, n - held[label]) for label, n in available.items()}, **wanted}


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


def split_by_group(subjects: Sequence[Subject], protocol: Protocol, seed: int) -> dict[str, str]:
    """Video id to split; a video left out by a protocol with exact counts is not in it.

    Greedy, as scikit-learn's StratifiedGroupKFold: groups from the largest to the smallest, ties in an order fixed by
    the seed, each to the split it overfills least and, among those, the one that has most of its share to go. Linear
    in the videos. Where counts are exact, what overfills a split is left out.
    """
    members: dict[str, list[Subject]] = defaultdict(list)
    for subject in sorted(subjects, key=lambda s: s.video_id):
        members[subject.group].append(subject)
    groups = sorted(members)
    random.Random(seed).shuffle(groups)
    groups.sort(key=lambda group: -len(members[group]))
    targets = protocol.targets(Counter(subject.label for subject in subjects))
    left = {split: dict(wanted) for split, wanted in targets.items()}
    placed: dict[str, str] = {}
    for group in groups:
        counts = Counter(subject.label for subject in members[group])
        split = min(left, key=lambda split: _cost(left[split], targets[split], counts))
        for subject in members[group]:
            if left[split][subject.label] > 0 or not protocol.counts:
                placed[subject.video_id] = split
            left[split][subject.label] -= 1
    return placed


def _cost(left: Mapping[str, int], target: Mapping[str, int], counts: Mapping[str, int]) -> tuple[int, float]:
    overfilled = sum(max(0, n - max(0, left[label])) for label, n in counts.items())
    to_go = sum(max(0, left[label]) / max(1, target[label]) for label in counts)
    return overfilled, -to_go


def shortfalls(subjects: Sequence[Subject], placed: Mapping[str, str], protocol: Protocol) -> list[str]:
    """A sentence with figures for every class that a split could not be given as many videos of as it was to have."""
    available = Counter(subject.label for subject in subjects)
    channels: dict[str, set[str]] = defaultdict(set)
    got: Counter[tuple[str, str]] = Counter()
    for subject in subjects:
        channels[subject.label].add(subject.group)
        if subject.video_id in placed:
            got[placed[subject.video_id], subject.label] += 1
    sentences = []
    for split, wanted in protocol.targets(available).items():
        for label, count in sorted(wanted.items()):
            short = got[split, label] < count if protocol.counts else count > 0 and not got[split, label]
            if short:
                sentences.append(
                    f"{split} has {got[split, label]} of {count} videos of {label}: "
                    f"{available[label]} were collected, from {len(channels[label])} channels that are kept whole."
                )
    return sentences
