import json

import numpy as np
import pytest
import torch
from making import LABELS, dataset_folder

from ytaudio.errors import UserError
from ytaudio.evaluation.crossscores import MODEL, CrossValidation, difference
from ytaudio.evaluation.crossvalidation import (
    FLOORS_FILE,
    SETTINGS_FILE,
    Rows,
    answers,
    cross_validate,
    fold_path,
    pool,
)
from ytaudio.evaluation.floors import MAJORITY, MFCC
from ytaudio.training.checkpoints import load_classifier
from ytaudio.training.data import ClipCollator, open_dataset

SETTINGS = {"learning_rate": 1e-3}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = dataset_folder(tmp_path_factory.mktemp("data"), {"train": 9, "validation": 3, "test": 6}) / "dataset"
    return open_dataset(folder)[0]


@pytest.fixture(scope="module")
def pooled(dataset):
    return pool(dataset, "tester/data", "", LABELS)


class Learner:
    """Gives each clip its own label with some doubt, and notes what it was asked to learn from."""

    def __init__(self, ends_after: int = 1_000) -> None:
        self.ends_after, self.asked = ends_after, []

    def __call__(self, train: Rows, validation: Rows | None, test: Rows, seed: int) -> np.ndarray:
        if len(self.asked) == self.ends_after:
            raise KeyboardInterrupt
        parts = [set(part["video_id"]) if part is not None else set() for part in (train, validation, test)]
        self.asked.append((seed, *parts))
        shares = np.full((len(test), 3), 0.2)
        shares[np.arange(len(test)), test["label"]] = 0.6
        first = sorted(set(test["video_id"]))[0]  # a video of each fold is wrong, in a way that depends on the seed
        shares[[video == first for video in test["video_id"]]] = np.eye(3)[seed % 3]
        return shares


def run(pooled, folder, learner=None, **changes):
    given = {"name": "cnn", "k": 3, "seeds": (0, 1), "settings": SETTINGS, "say": lambda line: None}
    return cross_validate(pooled, learner or Learner(), folder, **(given | changes))


def test_all_splits_are_pooled_and_every_video_is_tested_once_a_seed_by_what_has_not_heard_it(pooled, tmp_path):
    learner = Learner()
    cross = run(pooled, tmp_path, learner)
    assert len(pooled.videos) == len(cross.videos) == 18 and len(pooled.rows) == 36, "two clips a video"
    for seed in (0, 1):
        tested = [sorted(test) for asked, _, _, test in learner.asked if asked == seed]
        assert len(tested) == 3 and sorted(video for part in tested for video in part) == list(cross.videos)
    for _, train, validation, test in learner.asked:
        assert not train & validation and not train & test and not validation & test and train and validation and test
    assert [len(rows) for rows in cross.answers[MODEL]] == [18, 18]
    right = [sum(a == t for a, t in zip(row, cross.truth, strict=True)) for row in cross.answers[MODEL]]
    assert all(15 <= count <= 18 for count in right)
    assert CrossValidation.load(tmp_path) == cross


def test_floors_learn_and_answer_on_the_same_folds(pooled, tmp_path):
    cross = run(pooled, tmp_path)
    assert list(cross.answers) == [MODEL, MAJORITY, MFCC]
    assert cross.answers[MFCC][0] == cross.truth, "MFCCs tell tones apart"
    assert set(cross.answers[MAJORITY][0]) <= {0, 1, 2} and cross.answers[MAJORITY][0] != cross.truth
    assert difference(cross, cross, MODEL, MFCC)["accuracy"].value < 0


def test_a_killed_run_goes_on_with_the_next_fold_and_ends_with_the_same_table(pooled, tmp_path):
    whole = run(pooled, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(pooled, tmp_path / "cut", Learner(ends_after=4))
    assert fold_path(tmp_path / "cut", 1, 0).is_file() and not fold_path(tmp_path / "cut", 1, 1).exists()
    said, rest = [], Learner()
    cross = run(pooled, tmp_path / "cut", rest, say=said.append)
    assert len(rest.asked) == 2 and said[0] == "4 of 6 trainings are done already" and len(said) == 3
    assert (cross.answers, cross.probabilities) == (whole.answers, whole.probabilities)
    again = Learner()
    assert run(pooled, tmp_path / "cut", again) == cross and not again.asked


def test_seeds_are_added_and_other_settings_are_refused(pooled, tmp_path):
    first = run(pooled, tmp_path, seeds=(0,))
    learner = Learner()
    both = run(pooled, tmp_path, learner, seeds=(0, 1))
    assert {seed for seed, *_ in learner.asked} == {1} and both.answers[MODEL][0] == first.answers[MODEL][0]
    for changes in ({"settings": {"learning_rate": 1e-4}}, {"k": 4}, {"validation": False}):
        with pytest.raises(UserError, match=r"holds folds of other settings .* was .* and is now"):
            run(pooled, tmp_path, **changes)
    assert json.loads((tmp_path / SETTINGS_FILE).read_text())["learning_rate"] == 1e-3


def test_without_validation_nothing_is_set_aside(pooled, tmp_path):
    learner = Learner()
    run(pooled, tmp_path, learner, validation=False, seeds=(0,))
    assert all(validation == set() and len(train | test) == 18 for _, train, validation, test in learner.asked)


def test_a_line_a_fold_says_how_long_is_left(pooled, tmp_path):
    said = []
    run(pooled, tmp_path, seeds=(0,), say=said.append)
    assert len(said) == 3 and said[0].startswith("seed 0, fold 1 of 3: ") and said[-1].endswith("about 0 s left")
    assert "3 of 3 trainings" in said[-1]


def test_answers_that_are_no_numbers_are_told(pooled, tmp_path):
    with pytest.raises(UserError, match=r"no number .* learning_rate"):
        run(pooled, tmp_path, lambda train, validation, test, seed: np.full((len(test), 3), np.nan))
    assert not fold_path(tmp_path, 0, 0).exists() and not (tmp_path / FLOORS_FILE).exists()


def test_a_class_with_one_channel_is_tested_by_models_that_never_heard_it(dataset, tmp_path):
    rows = dataset["train"].select([0, 1, 2, 3, 6, 7, 8, 9, 12, 13, 14, 15, 4, 5])
    assert sorted(set(rows["label"])) == [0, 1, 2] and rows["label"].count(2) == 2
    cross = run(pool({"train": rows}, "tester/data", "", LABELS), tmp_path, seeds=(0,), validation=False)
    rare = cross.truth.index(2)
    assert cross.answers[MFCC][0][rare] != 2 and cross.answers[MODEL][0]


def test_what_cannot_be_pooled_is_refused(dataset):
    rows = dataset["train"]
    with pytest.raises(UserError, match="no two classes"):
        pool({"train": rows.select([0, 1])}, "tester/data", "", LABELS)
    twice = rows.select([0, 2]).remove_columns("video_id").add_column("video_id", ["same", "same"])
    with pytest.raises(UserError, match="several labels or channels"):
        pool({"train": twice}, "tester/data", "", LABELS)


def test_a_clip_is_heard_as_crops_spread_over_it_whatever_the_batch(pooled):
    torch.manual_seed(0)
    model, extractor = load_classifier("spectrogram_cnn", LABELS, config={"width": 4, "hidden_size": 8})
    rows = Rows(pooled.rows, [0, 5, 7])
    one, other = (answers(model, extractor, rows, 1.0, 3, size) for size in (1, 4))
    np.testing.assert_allclose(one, other, atol=1e-6)
    np.testing.assert_allclose(one.sum(axis=1), 1, atol=1e-6)
    centre = answers(model, extractor, rows, 1.0, 1, 8)
    batch = ClipCollator(extractor, 1.0)([rows[place] for place in range(3)])
    with torch.inference_mode():
        expected = model(batch["input_values"]).logits.softmax(-1).numpy()
    np.testing.assert_allclose(centre, expected, atol=1e-6)
    assert not np.allclose(one, centre, atol=1e-4)
