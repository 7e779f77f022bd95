from collections import Counter

import pytest

from ytaudio.exchange import exchange
from ytaudio.splits import Subject

TARGETS = {"train": {"food": 7}, "validation": {"food": 2}, "test": {"food": 1}}


def members_of(sizes):
    return {group: [Subject(f"{group}{n}", "food", group) for n in range(size)] for group, size in sizes.items()}


@pytest.mark.parametrize(
    ("sizes", "sides"),
    [
        ({"a": 5, "b": 2, "c": 2, "d": 1}, {"a": "train", "b": "train", "c": "train", "d": "train"}),
        ({"a": 6, "b": 1, "c": 2, "d": 1}, {"a": "train", "b": "validation", "c": "test", "d": "train"}),
        ({"a": 7, "b": 2, "c": 1}, {"a": "test", "b": "train", "c": "validation"}),
    ],
)
def test_groups_move_until_every_share_is_met(sizes, sides):
    members = members_of(sizes)
    exchange(members, sides, TARGETS)
    got = Counter()
    for group, split in sides.items():
        got[split] += sizes[group]
    assert got == {"train": 7, "validation": 2, "test": 1}


def test_what_is_right_stays_where_it_is():
    sides = {"a": "train", "b": "validation", "c": "test"}
    exchange(members_of({"a": 7, "b": 2, "c": 1}), sides, TARGETS)
    assert sides == {"a": "train", "b": "validation", "c": "test"}


def test_no_split_is_emptied_for_a_better_share():
    sides = {"a": "train", "b": "validation", "c": "test"}
    exchange(members_of({"a": 3, "b": 2, "c": 5}), sides, TARGETS)
    assert set(sides.values()) == {"train", "validation", "test"}
