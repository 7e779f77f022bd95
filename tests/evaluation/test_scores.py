import json
from dataclasses import replace

import numpy as np
import pytest
from making import LABELS, scores_of
from sklearn.metrics import confusion_matrix

from ytaudio.evaluation.scores import (
    Floor,
    Scores,
    by_video,
    figures,
    floor_of,
)


def test_a_label_absent_from_the_split_has_no_f1_and_does_not_pull_the_mean_down():
    scores = scores_of([0, 0, 1, 1], [0, 0, 1, 0])
    assert set(scores.f1_by_category) == {"art_music", "food"} == set(scores.f1_by_category_interval)
    assert scores.macro_f1 == pytest.approx(np.mean([0.8, 2 / 3]), abs=1e-6)
    assert scores.confusion == ((2, 0, 0), (1, 1, 0), (0, 0, 0))


def test_figures_agree_with_the_predictions_and_intervals_hold_them():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 50)
    predicted = np.where(rng.random(50) < 0.7, truth, rng.integers(0, 3, 50))
    scores = scores_of(truth, predicted)
    assert np.asarray(scores.confusion).tolist() == confusion_matrix(truth, predicted).tolist()
    assert (scores.videos, scores.clips) == (50, 100)
    for name in ("accuracy", "macro_f1", "clip_accuracy", "clip_macro_f1"):
        low, high = getattr(scores, f"{name}_interval")
        assert low < getattr(scores, name) < high
    for label, (low, high) in scores.f1_by_category_interval.items():
        assert low < scores.f1_by_category[label] < high


def test_a_video_is_the_mean_of_its_clips():
    shares = np.asarray([[0.6, 0.4, 0], [0.1, 0.2, 0.7], [0.3, 0.4, 0.3], [0, 0, 1]])
    keys = [("a", "x", 0), ("b", "y", 2), ("a", "x", 0), ("b", "y", 2)]
    a, b = by_video(keys, shares, LABELS)
    assert (a.video_id, a.channel_id, a.label, a.predicted) == ("a", "x", "art_music", "art_music")
    assert a.probabilities == pytest.approx((0.45, 0.4, 0.15))
    assert a.clips_predicted == ("art_music", "food")
    assert b.clips_predicted == ("travel", "travel") == (b.label, b.predicted)


def test_scores_come_back_from_their_file_as_they_were(tmp_path):
    floor = floor_of("says one thing", scores_of([0, 1], [0, 0]).predictions, LABELS)
    scores = scores_of([0, 1, 2], [0, 1, 1], floors={"majority class": floor})
    path = scores.save(tmp_path / "new")
    assert Scores.load(path) == Scores.load(tmp_path / "new") == scores
    assert isinstance(Scores.load(path).floors["majority class"], Floor)
    assert json.loads(path.read_text())["labels"] == list(LABELS)


def test_files_of_before_channels_calibration_and_floors_answers_are_read(tmp_path):
    floor = floor_of("says one thing", scores_of([0, 1], [0, 0]).predictions, LABELS)
    scores = scores_of([0, 1, 2], [0, 1, 1], floors={"majority class": floor})
    old = json.loads(scores.to_json())
    for name in ("channels", "calibration"):
        del old[name]
    del old["floors"]["majority class"]["predicted"]
    for prediction in old["predictions"]:
        del prediction["clips_probabilities"], prediction["url"]
    (tmp_path / "scores.json").write_text(json.dumps(old, indent=1))
    found = Scores.load(tmp_path)
    assert found.predictions == scores.predictions and found.accuracy_interval == scores.accuracy_interval
    assert (found.units, found.sample, found.calibration) == ("3 videos", "3 videos", None)
    assert found.floors["majority class"].predicted == {}
    later = {**json.loads(scores.to_json()), "of_a_later_version": 1}
    (tmp_path / "scores.json").write_text(json.dumps(later))
    assert Scores.load(tmp_path) == scores


def test_videos_of_a_channel_are_drawn_together():
    rng = np.random.default_rng(2)
    right = np.repeat(rng.random(12) < 0.6, 5)
    scores = scores_of(np.zeros(60, int), np.where(right, 0, 1))
    together = tuple(replace(p, channel_id=f"c{n // 5}") for n, p in enumerate(scores.predictions))
    found = figures(together, LABELS)
    assert found["channels"] == 12 and replace(scores, channels=12).sample == "60 videos of 12 channels"
    for name in ("accuracy", "clip_accuracy"):
        widths = [high - low for low, high in (getattr(scores, f"{name}_interval"), found[f"{name}_interval"])]
        assert widths[1] > 2 * widths[0], "12 channels tell as much as 12 videos"
    unknown = tuple(replace(p, channel_id="") for p in scores.predictions)
    assert figures(unknown, LABELS)["accuracy_interval"] == scores.accuracy_interval


def test_another_file_is_not_taken_for_scores(tmp_path):
    (tmp_path / "scores.json").write_text('{"accuracy": 1}')
    with pytest.raises(ValueError, match="score the model again"):
        Scores.load(tmp_path)
