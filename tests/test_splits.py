import random
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ytaudio.errors import UserError
from ytaudio.splits import PROTOCOLS, Subject, shortfalls, split_by_group

LABELS = ("art_music", "food", "history", "travel")


def subjects_of(channel_sizes, labels=LABELS):
    return [
        Subject(f"{label}-{channel}-{n}", label, f"{label}-{channel}")
        for label in labels
        for channel, size in enumerate(channel_sizes)
        for n in range(size)
    ]


def sides(subjects, placed):
    where = defaultdict(set)
    for subject in subjects:
        if subject.video_id in placed:
            where[subject.group].add(placed[subject.video_id])
    return where


def per_split(subjects, placed):
    return Counter((placed[s.video_id], s.label) for s in subjects if s.video_id in placed)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(LABELS), st.integers(0, 30)), min_size=1, max_size=200),
    st.integers(0, 5),
    st.sampled_from(["default", "lab"]),
)
def test_no_channel_is_on_two_sides_and_the_order_of_lines_does_not_matter(videos, seed, protocol):
    subjects = [Subject(str(n), label, str(channel)) for n, (label, channel) in enumerate(videos)]
    placed = split_by_group(subjects, PROTOCOLS[protocol], seed)
    assert all(len(found) == 1 for found in sides(subjects, placed).values())
    assert placed == split_by_group(subjects[::-1], PROTOCOLS[protocol], seed)
    if protocol == "default":
        assert len(placed) == len(subjects)


def test_default_shares_are_met_within_a_video_where_channels_are_small():
    subjects = subjects_of([1] * 30 + [2] * 20 + [5] * 6)
    counts = per_split(subjects, split_by_group(subjects, PROTOCOLS["default"], 0))
    for label in LABELS:
        assert abs(counts["train", label] - 70) <= 1
        assert abs(counts["validation", label] - 15) <= 1
        assert abs(counts["test", label] - 15) <= 1
    assert shortfalls(subjects, split_by_group(subjects, PROTOCOLS["default"], 0), PROTOCOLS["default"]) == []


def test_another_seed_is_another_split():
    subjects = subjects_of([1] * 40)
    assert split_by_group(subjects, PROTOCOLS["default"], 0) != split_by_group(subjects, PROTOCOLS["default"], 1)


@pytest.mark.parametrize("sizes", [[1] * 109, [1] * 40 + [3] * 20 + [9], [20, 30, 10] + [2] * 20 + [1] * 9, [4] * 30])
def test_lab_gives_exactly_98_and_11_where_there_are_enough(sizes):
    subjects = subjects_of(sizes)
    placed = split_by_group(subjects, PROTOCOLS["lab"], 0)
    counts = per_split(subjects, placed)
    assert {(split, label): counts[split, label] for split, label in counts} == {
        (split, label): n for split, n in (("train", 98), ("validation", 11)) for label in LABELS
    }
    assert shortfalls(subjects, placed, PROTOCOLS["lab"]) == []


def test_lab_says_what_is_missing():
    subjects = subjects_of([1] * 109, LABELS[:3]) + subjects_of([1] * 60, LABELS[3:])
    sentences = shortfalls(subjects, split_by_group(subjects, PROTOCOLS["lab"], 0), PROTOCOLS["lab"])
    assert sentences and all("travel" in sentence and "60 were collected" in sentence for sentence in sentences)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([1], (1, 0, 0)),
        ([2], (2, 0, 0)),
        ([1, 1], (1, 1, 0)),
        ([1, 1, 1], (1, 1, 1)),
        ([2, 2, 2, 2], (4, 2, 2)),
        ([50, 1, 1], (50, 1, 1)),
    ],
)
def test_train_comes_first_and_no_split_stays_empty_while_there_are_channels_for_it(sizes, expected):
    subjects = subjects_of(sizes)
    placed = split_by_group(subjects, PROTOCOLS["default"], 0)
    counts = per_split(subjects, placed)
    for label in LABELS:
        assert tuple(counts[split, label] for split in ("train", "validation", "test")) == expected
    sentences = shortfalls(subjects, placed, PROTOCOLS["default"])
    assert len(sentences) == 4 * expected.count(0)


@pytest.mark.parametrize("protocol", ["default", "lab"])
def test_a_class_that_is_wholly_missing_is_told(protocol):
    subjects = subjects_of([1] * 120, LABELS[:3])
    placed = split_by_group(subjects, PROTOCOLS[protocol], 0)
    sentences = shortfalls(subjects, placed, PROTOCOLS[protocol], LABELS)
    assert len(sentences) == len(PROTOCOLS[protocol].counts or PROTOCOLS[protocol].shares)
    assert all("travel: 0 were collected" in sentence for sentence in sentences)


def test_lab_is_exact_wherever_the_channels_add_up():
    for seed in range(30):
        sizes, rng = [], random.Random(seed)
        while sum(sizes) < 98:
            sizes.append(min(rng.choice((1, 2, 3, 5, 9, 20)), 98 - sum(sizes)))
        subjects = subjects_of([*sizes, 7, 4])
        assert len(split_by_group(subjects, PROTOCOLS["lab"], seed)) == 4 * 109


def test_lab_refuses_a_category_it_does_not_know():
    with pytest.raises(UserError, match="not for gaming"):
        PROTOCOLS["lab"].check(["food", "gaming"])
    PROTOCOLS["default"].check(["anything"])
