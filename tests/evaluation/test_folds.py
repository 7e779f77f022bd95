from collections import Counter

import numpy as np
import pytest

from ytaudio.errors import UserError
from ytaudio.evaluation.folds import GROUPS, grouped_folds


def videos(seed: int, count: int = 60, channels: int = 20, classes: int = 3) -> tuple[list[int], list[str]]:
    """Labels and channels: a channel is mostly of one class, and some have many more videos than others."""
    rng = np.random.default_rng(seed)
    channel = np.concatenate([np.arange(channels), (channels * rng.random(count - channels) ** 2).astype(int)])
    label = np.where(rng.random(count) < 0.8, channel % classes, rng.integers(0, classes, count))
    return label.tolist(), [f"channel {number}" for number in channel]


@pytest.mark.parametrize("validation", [True, False])
@pytest.mark.parametrize("k", [2, 3, 5, 10, GROUPS])
def test_every_video_is_tested_once_and_no_channel_is_on_two_sides(k, validation):
    for seed in range(5):
        labels, groups = videos(seed)
        folds = grouped_folds(labels, groups, k, seed, validation=validation)
        assert [fold.number for fold in folds] == list(range(20 if k == GROUPS else k))
        assert sorted(number for fold in folds for number in fold.test) == list(range(60))
        for fold in folds:
            sides = [{groups[number] for number in part} for part in (fold.train, fold.validation, fold.test)]
            assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
            assert sorted((*fold.train, *fold.validation, *fold.test)) == list(range(60))
            assert fold.train and fold.test and bool(fold.validation) == validation
            assert list(fold.test) == sorted(fold.test)
            if k == GROUPS:
                assert len(sides[2]) == 1


def test_the_same_seed_gives_the_same_folds_and_another_one_others():
    labels, groups = videos(0)
    assert grouped_folds(labels, groups, 5, 3) == grouped_folds(labels, groups, 5, 3)
    assert grouped_folds(labels, groups, 5, 3) != grouped_folds(labels, groups, 5, 4)


def test_classes_are_spread_evenly_where_channels_allow():
    labels = [number % 4 for number in range(80)]
    folds = grouped_folds(labels, list(range(80)), 5, 0)
    for fold in folds:
        assert Counter(labels[number] for number in fold.test) == dict.fromkeys(range(4), 4)
        assert set(Counter(labels[number] for number in fold.validation).values()) <= {3, 4}


def test_a_class_of_one_channel_is_never_validated_instead_of_trained_on():
    labels = [0] * 10 + [1] * 10 + [2] * 2
    groups = [*range(20), "rare", "rare"]
    for fold in grouped_folds(labels, groups, 4, 0):
        if not {20, 21} & set(fold.test):
            assert {20, 21} <= set(fold.train)


def test_more_folds_than_videos_of_any_class_still_test_every_video_once():
    labels = [number % 3 for number in range(18)]
    folds = grouped_folds(labels, list(range(18)), 10, 0)
    assert sorted(number for fold in folds for number in fold.test) == list(range(18))
    assert all(fold.test and fold.validation and len({labels[n] for n in fold.train}) == 3 for fold in folds)


def test_a_part_of_very_unequal_channels_is_not_left_empty():
    labels, groups = [0] * 100 + [1, 0, 1], ["huge"] * 100 + ["a", "b", "c"]
    for seed in range(5):
        folds = grouped_folds(labels, groups, 4, seed, validation=False)
        assert all(fold.test and fold.train for fold in folds)


@pytest.mark.parametrize(
    "k, channels, validation, says",
    [
        (5, 4, True, "4 channels cannot make 5 folds and a validation part"),
        (GROUPS, 2, True, "2 channels cannot make 2 folds and a validation part .* or more channels"),
        (GROUPS, 1, False, "2 folds or more"),
        (1, 4, True, "2 folds or more"),
        ("all", 4, True, "2 folds or more, or groups"),
        (2, 3, True, "take 4 channels"),
    ],
)
def test_too_few_channels_are_refused_in_a_sentence(k, channels, validation, says):
    with pytest.raises(UserError, match=says):
        grouped_folds([n % 2 for n in range(channels)], list(range(channels)), k, 0, validation=validation)
