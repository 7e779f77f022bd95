import itertools
from dataclasses import replace

import numpy as np
import pytest
from making import LABELS, scores_of

from ytaudio.errors import UserError
from ytaudio.evaluation.comparison import compare_all
from ytaudio.evaluation.ranking import rank
from ytaudio.evaluation.scores import figures, floor_of

TRUTH = np.arange(60) % 3


def model(right: int, name: str, start: int = 0, **changes):
    """A model with `right` of 60 videos right, from number `start` on."""
    chosen = (np.arange(60) - start) % 60 < right
    scores = scores_of(TRUTH, np.where(chosen, TRUTH, (TRUTH + 1) % 3), model=name)
    floors = {
        "majority class": floor_of("", [replace(p, predicted=LABELS[0]) for p in scores.predictions], LABELS),
        "MFCC": floor_of("", scores_of(TRUTH, np.where(np.arange(60) < 30, TRUTH, 0)).predictions, LABELS),
    }
    return replace(scores, **{"floors": floors, **changes})


def test_models_come_best_first_with_letters_that_agree_with_every_pair():
    found = rank([model(n, f"m/{n}", start=n) for n in (30, 56, 50, 20, 45)])
    assert [one.model_id for one in found.models] == ["m/56", "m/50", "m/45", "m/30", "m/20"]
    for (a, b), pair in zip(itertools.combinations(found.groups, 2), found.pairs, strict=True):
        assert bool(set(a) & set(b)) is not pair.told
    assert found.groups[0].startswith("a")


def test_letters_of_no_difference_and_of_all_differences():
    alike = rank([model(50, "m/a"), model(50, "m/b", 3), model(51, "m/c")])
    assert alike.groups == ("a", "a", "a")
    apart = rank([model(60, "m/a"), model(40, "m/b"), model(20, "m/c"), model(0, "m/d")])
    assert apart.groups == ("a", "b", "c", "d")


def test_of_many_the_best_is_told_and_the_rest_is_counted():
    found = rank([model(n, f"m/{n}") for n in (60, 59, 30, 28, 26, 24, 22, 20, 18, 16)])
    best, better, untold, test, *floors = found.sentences
    assert best == "m/60 has the highest accuracy of 10 models on 60 videos: 100 %, 95 % interval 94 to 100."
    assert better.startswith("It is better than m/30 (+50 points, ") and better.endswith("and 2 more.")
    assert untold.startswith("It cannot be told from m/59 (+2 points, +0 to +5, p = 1)")
    assert test == "p: exact McNemar, raised for 45 pairs by Holm's rule; each interval is of one pair alone."
    assert len(floors) == 2, "better than the floor, and not to be told from it"


def test_two_get_the_verdict_and_each_its_floor():
    found = rank([model(40, "m/poor"), model(58, "m/good")])
    verdict, first, second = found.sentences
    assert verdict.startswith("m/good is better than m/poor by 30 points of accuracy on 60 videos")
    assert first.startswith("m/good is better than the floor (MFCC) by")
    assert second.startswith("No difference between m/poor and the floor (MFCC) can be told from 60 videos")
    assert found.floors[0].p < 0.001 and found.floors[0].only_a == 18 and found.floors[0].only_b == 0


def test_floors_of_older_files_are_shown_and_not_tested():
    old = [model(n, f"m/{n}") for n in (40, 58)]
    old = [replace(m, floors={k: replace(f, predicted={}) for k, f in m.floors.items()}) for m in old]
    found = rank(old)
    assert found.floors == (None, None) and len(found.sentences) == 1
    assert found.models[0].floors["MFCC"].accuracy == old[0].floors["MFCC"].accuracy


def test_p_is_raised_for_the_pairs_and_for_the_floors_apart():
    models = [model(n, f"m/{n}", n) for n in (50, 45, 40)]
    found = rank(models)
    assert [pair.p for pair in found.pairs] == [pair.p for pair in compare_all(models)]
    alone = sorted(rank([one, models[0] if one is not models[0] else models[1]]).floors[0].p for one in models)
    assert len(alone) == 3 and max(pair.p for pair in found.floors) <= 1


def test_channels_move_together_and_a_model_that_knows_them_tells_the_others():
    def by_tens(one):
        predictions = tuple(replace(p, channel_id=f"c{n // 10}") for n, p in enumerate(one.predictions))
        return replace(one, predictions=predictions, **figures(predictions, LABELS))

    # 24 videos more are right: nothing to argue with if they are 24 channels, and 4 channels of 6 could be chance
    good, poor = model(54, "m/good"), model(30, "m/poor")
    alone = rank([good, poor]).pairs[0]
    assert alone.told and alone.accuracy_interval[0] > 0.25
    found = rank([by_tens(poor), good])
    assert not found.pairs[0].told and found.pairs[0].p == 2 * 0.5**3
    assert found.pairs[0].accuracy_interval[0] < 0.1 and rank([by_tens(good), poor]).pairs == found.pairs
    assert "60 videos of 6 channels" in found.sentences[0] and "exact test by channel" in found.sentences[0]


def test_other_videos_are_compared_where_both_have_them_only_if_asked():
    whole, half = model(50, "m/whole"), scores_of(TRUTH[:40], TRUTH[:40], model="m/half")
    with pytest.raises(UserError, match=r"video40, .*\.\.\.\).*on the 40 videos that all have with --common"):
        rank([whole, half])
    found = rank([whole, half], common=True)
    assert {one.videos for one in found.models} == {40} and set(found.left_out) == {0, 20}
    assert found.sentences[-1].startswith("Compared on the 40 videos that all have; left out: ")
    assert "20 of 60 of m/whole" in found.sentences[-1]
    other = replace(half, predictions=tuple(replace(p, video_id=f"x{p.video_id}") for p in half.predictions))
    with pytest.raises(UserError, match="no video in common"):
        rank([whole, other], common=True)


def test_another_label_for_a_video_is_named_and_left_out_if_asked():
    first, second = model(50, "m/a"), model(40, "m/b")
    wrong = replace(second.predictions[7], label=LABELS[(LABELS.index(second.predictions[7].label) + 1) % 3])
    second = replace(second, predictions=(*second.predictions[:7], wrong, *second.predictions[8:]))
    with pytest.raises(UserError, match="video7 has other labels"):
        rank([first, second])
    assert rank([first, second], common=True).models[0].videos == 59


def test_a_label_only_one_knows_is_named_and_an_order_of_its_own_is_no_matter():
    first = model(50, "m/a")
    wide = scores_of(TRUTH + 1, TRUTH + 1, labels=("history", *LABELS), model="m/wide")
    with pytest.raises(UserError, match="only one knows the label history"):
        rank([first, wide])
    found = rank([first, wide], common=True)
    assert found.models[0].labels == (*LABELS, "history") and found.models[0].accuracy == 1
    assert found.models[0].predictions[0].probabilities == pytest.approx((0.925, 0.025, 0.025, 0.025))


def test_revisions_of_a_dataset_with_the_same_videos_are_compared_and_named():
    found = rank([model(50, "m/a"), model(40, "m/b", dataset_revision="f" * 40)])
    assert found.sentences[-1].startswith("Scored on tester/data@0123456789ab (test), tester/data@ffffffffffff (test):")


def test_one_model_or_one_twice_is_refused():
    with pytest.raises(UserError, match="name two or more"):
        rank([model(50, "m/a")])
    with pytest.raises(UserError, match="m/a is there twice"):
        rank([model(50, "m/a"), model(40, "m/a")])
