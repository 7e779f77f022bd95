from dataclasses import replace

import numpy as np
import pytest
from making import LABELS, scores_of

from ytaudio.errors import UserError
from ytaudio.evaluation.comparison import compare, compare_all

TRUTH = np.arange(60) % 3
GOOD = np.where(np.arange(60) < 54, TRUTH, (TRUTH + 1) % 3)  # 54 of 60 right
POOR = np.where(np.arange(60) < 30, TRUTH, (TRUTH + 1) % 3)  # 30 of them right


def test_a_clear_difference_is_told_with_its_size():
    found = compare(scores_of(TRUTH, GOOD, model="a/good"), scores_of(TRUTH, POOR, model="b/poor"))
    assert (found.only_a, found.only_b) == (24, 0)
    assert found.accuracy_difference == pytest.approx(0.4)
    assert found.p == pytest.approx(2 * 0.5**24)
    low, high = found.accuracy_interval
    spread = 1.96 * np.sqrt(0.4 * 0.6 / 60)  # normal theory of a share of 24 in 60
    assert (low, high) == pytest.approx((0.4 - spread, 0.4 + spread), abs=0.03)
    assert found.verdict.startswith("a/good is better than b/poor by 40 points of accuracy on 60 videos, 95 % interval")
    assert found.verdict.endswith("p < 0.001, exact McNemar.")


def test_the_better_one_is_named_whichever_comes_first():
    first = compare(scores_of(TRUTH, GOOD, model="a/good"), scores_of(TRUTH, POOR, model="b/poor"))
    second = compare(scores_of(TRUTH, POOR, model="b/poor"), scores_of(TRUTH, GOOD, model="a/good"))
    assert first.verdict == second.verdict
    assert second.accuracy_difference == -first.accuracy_difference


def test_chance_is_not_sold_as_a_difference():
    other = GOOD.copy()
    other[:2] = (TRUTH[:2] + 1) % 3
    found = compare(scores_of(TRUTH, GOOD), scores_of(TRUTH, other))
    assert not found.told
    assert found.verdict.startswith("No difference between") and "60 videos" in found.verdict


def test_an_interval_of_few_videos_does_not_outweigh_the_exact_test():
    few = scores_of(TRUTH[:12], TRUTH[:12]), scores_of(TRUTH[:12], [1, 2, 0, 1, *TRUTH[4:12]])
    found = compare(*few)
    assert found.accuracy_interval[0] > 0 and found.p == 0.125 and not found.told
    assert found.verdict.endswith("p = 0.12, exact McNemar, which such an interval of few videos does not outweigh.")


def test_a_model_against_itself_differs_by_nothing():
    found = compare(scores_of(TRUTH, GOOD), scores_of(TRUTH, GOOD))
    assert (found.accuracy_difference, found.accuracy_interval, found.p) == (0, (0, 0), 1)
    assert "No difference" in found.verdict


def test_pairing_tells_more_than_two_separate_intervals():
    """Two models that err on the same videos: each alone is uncertain, their difference is not."""
    a, b = scores_of(TRUTH, GOOD), scores_of(TRUTH, POOR)
    low, high = compare(a, b).accuracy_interval
    apart = (a.accuracy_interval[1] - a.accuracy_interval[0]) + (b.accuracy_interval[1] - b.accuracy_interval[0])
    assert high - low < 0.8 * apart


def test_order_of_videos_and_of_labels_does_not_matter():
    a, b = scores_of(TRUTH, GOOD), scores_of(TRUTH, POOR)
    turned = replace(b, predictions=b.predictions[::-1], labels=b.labels[::-1])
    plain, mixed = compare(a, b), compare(a, turned)
    assert (plain.accuracy_difference, plain.p) == (mixed.accuracy_difference, mixed.p)
    assert plain.accuracy_interval == mixed.accuracy_interval


def test_other_videos_are_refused_in_one_sentence():
    with pytest.raises(UserError, match="score both on one split") as refused:
        compare(scores_of(TRUTH, GOOD), scores_of(TRUTH[:40], GOOD[:40]))
    assert "40 of them the same" in str(refused.value)


def test_many_models_pay_for_looking_often():
    models = [scores_of(TRUTH, GOOD), scores_of(TRUTH, POOR), scores_of(TRUTH, (TRUTH + 1) % 3)]
    pairs = compare_all(models)
    alone = [compare(pair.a, pair.b).p for pair in pairs]
    assert len(pairs) == 3
    order = np.argsort(alone)
    assert [pairs[n].p for n in order] == pytest.approx(
        np.minimum(1, np.maximum.accumulate([3 * alone[order[0]], 2 * alone[order[1]], alone[order[2]]]))
    )
    with pytest.raises(UserError, match="two models"):
        compare_all(models[:1])


def test_table_has_a_row_for_each_measure_and_label():
    rows = compare(scores_of(TRUTH, GOOD, model="a/good"), scores_of(TRUTH, POOR, model="b/poor")).table()
    assert rows[0] == ("", "a/good", "b/poor", "difference")
    assert [row[0] for row in rows[1:]] == [
        "accuracy",
        "macro-F1",
        *(f"F1 {label}" for label in LABELS),
        "right, the other wrong",
    ]
    assert rows[1][3].startswith("+0.400 (")
