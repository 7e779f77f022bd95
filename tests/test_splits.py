import itertools
import random
from collections import Counter, defaultdict

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ytaudio.errors import UserError
from ytaudio.splits import PROTOCOLS, Subject, join, lost, shortfalls, split_by_group

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
    wanted = PROTOCOLS["default"].targets({"food": sum(sizes)})
    off = max(abs(wanted[split]["food"] - n) for split, n in zip(wanted, expected, strict=True))
    assert len(sentences) == 4 * (expected.count(0) or off > 1)


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


def test_a_share_that_is_off_is_told_with_its_figures():
    subjects = subjects_of([50, 1, 1], ["food"])
    assert shortfalls(subjects, split_by_group(subjects, PROTOCOLS["default"], 0), PROTOCOLS["default"]) == [
        "food has 50, 1 and 1 videos in train, validation and test, where 36, 8 and 8 were aimed at: "
        "52 were collected, from 3 channels that are kept whole."
    ]


def misplaced(sizes, sides, wanted):
    """Videos too many or missing, and a great deal for each class that a split has none of: one number a split."""
    has = [sum(size[label] for size, side in zip(sizes, sides, strict=True) if side == n) for n, label in wanted]
    return sum(abs(n - w) + 1000 * (w > 0 and n == 0) for n, w in zip(has, wanted.values(), strict=True))


def test_shares_are_nearly_always_the_best_that_the_channels_allow():
    """Every way of putting up to six channels, a third of them of several classes, on three sides is tried."""
    rng, best, more = random.Random(7), 0, 0
    for _ in range(40):
        labels = LABELS[: rng.randint(1, 3)]
        of = [rng.choice(labels) if rng.random() > 0.3 else None for _ in range(rng.randint(3, 6))]
        subjects = [
            Subject(f"{channel}-{n}", label or rng.choice(labels), str(channel))
            for channel, label in enumerate(of)
            for n in range(rng.choice((1, 1, 2, 3, 5, 9)))
        ]
        sizes = [Counter(s.label for s in subjects if s.group == str(channel)) for channel in range(len(of))]
        targets = PROTOCOLS["default"].targets(Counter(s.label for s in subjects))
        wanted = {(n, label): count for n, split in enumerate(targets) for label, count in targets[split].items()}
        placed = split_by_group(subjects, PROTOCOLS["default"], 0)
        ours = misplaced(sizes, [list(targets).index(placed[f"{channel}-0"]) for channel in range(len(of))], wanted)
        optimum = min(misplaced(sizes, ways, wanted) for ways in itertools.product(range(3), repeat=len(of)))
        best += ours == optimum
        more += ours - optimum
    assert best >= 36 and more <= 40  # of 40; a video on the wrong side counts twice


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4), min_size=1, max_size=6), st.integers(0, 5))
@example([["a", "c"], ["c"], ["b", "c", "c"], ["b"]], 1399)
def test_a_split_lacks_a_class_only_where_no_way_to_place_the_channels_gives_it_one(channels, seed):
    subjects = [
        Subject(f"{c}-{n}", label, str(c)) for c, videos in enumerate(channels) for n, label in enumerate(videos)
    ]
    targets = PROTOCOLS["default"].targets(Counter(subject.label for subject in subjects))
    wanted = {(split, label) for split, counts in targets.items() for label, count in counts.items() if count}

    def lacks(sides):
        missing = wanted - {(side, label) for side, videos in zip(sides, channels, strict=True) for label in videos}
        return sum(1 + (split == "train") for split, _ in missing)

    placed = split_by_group(subjects, PROTOCOLS["default"], seed)
    ours = [placed[f"{channel}-0"] for channel in range(len(channels))]
    assert lacks(ours) == min(lacks(way) for way in itertools.product(targets, repeat=len(channels)))
    sentences = " ".join(shortfalls(subjects, placed, PROTOCOLS["default"]))
    for split, label in wanted - set(per_split(subjects, placed)):
        assert f"{split} has no videos of {label}: " in sentences


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(LABELS), st.integers(0, 30)), min_size=2, max_size=80),
    st.lists(st.tuples(st.integers(0, 79), st.integers(0, 79)), max_size=30),
)
def test_no_two_videos_of_one_sound_and_no_channel_are_on_two_sides(videos, alike):
    channels = {str(n): f"channel {channel}" for n, (_, channel) in enumerate(videos)}
    pairs = [(str(a), str(b)) for a, b in alike if a != b and max(a, b) < len(videos)]
    groups = join(channels, pairs)
    subjects = [Subject(str(n), label, groups[str(n)]) for n, (label, _) in enumerate(videos)]
    placed = split_by_group(subjects, PROTOCOLS["default"], 0)
    assert all(placed[a] == placed[b] for a, b in pairs)
    by_channel = [Subject(s.video_id, s.label, channels[s.video_id]) for s in subjects]
    assert all(len(found) == 1 for found in sides(by_channel, placed).values())


def test_videos_that_share_a_sound_are_one_group_however_they_are_chained():
    groups = {video: f"channel {video[0]}" for video in ("a1", "a2", "b1", "c1", "d1", "e1")}
    pairs = [("d1", "c1"), ("b1", "a2"), ("c1", "b1")]
    joined = join(groups, pairs)
    assert joined == join(groups, pairs[::-1])
    assert {joined[video] for video in ("a1", "a2", "b1", "c1", "d1")} == {"channel a"}
    assert joined["e1"] == "channel e"
    assert join(groups, []) == groups


def test_what_a_published_split_has_lost_is_told():
    sides, labels = {"a": "train", "b": "train", "c": "test"}, {"a": "food", "b": "food", "c": "food"}
    assert lost(sides, labels, sides) == []
    assert lost(sides, labels, {"a": "train"}) == [
        "test has 0 of the 1 published videos of food.",
        "train has 1 of the 2 published videos of food.",
    ]
