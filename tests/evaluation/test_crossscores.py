from dataclasses import replace

import numpy as np
import pytest

from ytaudio.errors import UserError
from ytaudio.evaluation.crossscores import (
    CHANNELS,
    MODEL,
    VIDEOS,
    CrossValidation,
    counts,
    difference,
    measures,
    table,
)
from ytaudio.evaluation.floors import MFCC

LABELS = ("food", "music", "travel")


def cross(
    right: float, seed: int = 0, seeds: int = 3, videos: int = 60, channels: int = 20, **changes
) -> CrossValidation:
    """Answers of which a share is right, and a floor that says food of everything."""
    rng = np.random.default_rng(seed)
    truth = np.arange(videos) % 3

    def answer() -> tuple[int, ...]:
        said = np.where(rng.random(videos) < right, truth, (truth + 1) % 3)
        return tuple(said.tolist())

    rows = tuple(answer() for _ in range(seeds))
    given = {
        "name": "cnn",
        "dataset_id": "tester/data",
        "dataset_revision": "",
        "labels": LABELS,
        "folds": "5",
        "seeds": tuple(range(seeds)),
        "settings": {"validation": True},
        "videos": tuple(f"video{n:03d}" for n in range(videos)),
        "channels": tuple(f"channel{n % channels}" for n in range(videos)),
        "truth": tuple(truth.tolist()),
        "answers": {MODEL: rows, MFCC: ((0,) * videos,) * seeds},
        "probabilities": tuple(tuple(tuple(np.eye(3)[label].tolist()) for label in row) for row in rows),
        "seconds": 12.0,
    }
    return CrossValidation(**(given | changes))


def test_a_figure_is_the_mean_over_the_seeds_of_the_figure_over_all_videos():
    one = cross(0.7)
    each = [np.mean([a == t for a, t in zip(row, one.truth, strict=True)]) for row in one.answers[MODEL]]
    found = measures(one)["accuracy"]
    assert found.value == pytest.approx(np.mean(each), abs=1e-6)
    assert found.deviation == pytest.approx(np.std(each, ddof=1), abs=1e-6)
    assert found.interval[0] < min(each) and max(each) < found.interval[1]
    floor = measures(one, MFCC)
    assert floor["accuracy"].value == floor["balanced_accuracy"].value == pytest.approx(1 / 3, abs=1e-6)
    assert floor["accuracy"].deviation == 0 and measures(cross(0.7, seeds=1))["accuracy"].deviation is None


def test_the_interval_tells_of_other_channels_and_of_other_seeds():
    videos = 600
    truth = tuple(n % 3 for n in range(videos))
    wrong = tuple((label + 1) % 3 for label in truth)
    wide = cross(1.0, videos=videos, channels=600)
    lucky = {MODEL: (truth, truth, wrong), MFCC: wide.answers[MFCC]}
    by_seed = measures(cross(1.0, videos=videos, channels=600, answers=lucky))["accuracy"]
    assert by_seed.value == pytest.approx(2 / 3, abs=1e-6)
    assert by_seed.interval[0] < 0.1 and by_seed.interval[1] > 0.95, "600 videos do not tell which seed comes next"


def test_videos_of_a_channel_are_drawn_together():
    one = cross(1.0, videos=600, channels=20)
    answer = tuple(
        (label + (n % 20 < 5)) % 3 for n, label in enumerate(one.truth)
    )  # five channels are wrong throughout
    one = replace(one, answers={MODEL: (answer,) * 3})
    (low, high), (lower, higher) = (measures(one, over=over)["accuracy"].interval for over in (VIDEOS, CHANNELS))
    assert lower < low - 0.05 and high + 0.05 < higher


def test_a_video_without_a_channel_is_drawn_by_itself():
    assert len(counts(cross(0.5, channels=7), MODEL)) == 7
    assert len(counts(replace(cross(0.5), channels=("",) * 60), MODEL)) == 60


def test_a_difference_is_paired_and_its_interval_leaves_out_what_both_share():
    better, worse = cross(0.9), cross(0.6, seed=5)
    apart = difference(better, worse)["accuracy"]
    alone = [measures(one)["accuracy"] for one in (better, worse)]
    assert apart.value == pytest.approx(alone[0].value - alone[1].value, abs=2e-6)
    assert apart.interval[0] > 0
    same = difference(better, better)["macro_f1"]
    assert (same.value, same.deviation, same.interval) == (0, 0, (0, 0))
    beaten = difference(better, better, MODEL, MFCC)["balanced_accuracy"]
    assert beaten.interval[0] > 0.3


@pytest.mark.parametrize("changes", [{"seeds": (0, 1, 7)}, {"folds": "groups"}, {"settings": {"validation": False}}])
def test_other_folds_are_not_compared(changes):
    with pytest.raises(UserError, match="not cross-validated on the same folds"):
        difference(cross(0.9), replace(cross(0.9), **changes))


def test_it_is_read_back_as_it_was_written_and_anything_else_is_refused(tmp_path):
    one = cross(0.8)
    path = one.save(tmp_path)
    assert CrossValidation.load(tmp_path) == CrossValidation.load(path) == one
    path.write_text("[]")
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match="no finished cross-validation"):
            CrossValidation.load(place)


def test_the_table_says_what_it_is_about():
    text = table(cross(0.9))
    assert "| | accuracy | macro-F1 | balanced accuracy |" in text
    assert f"| cnn minus {MFCC} | +" not in text and f"| cnn minus {MFCC} | 0." in text
    assert "60 videos of 20 channels" in text and "5 folds" in text and "3 seeds" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({row.count("|") for row in rows}) == 1
