import numpy as np
import pytest
from huggingface_hub import HfApi
from making import LABELS, dataset_folder

from ytaudio.clips import encode
from ytaudio.evaluation.floors import (
    MAJORITY,
    MFCC,
    floors,
    keys_of,
    mfcc_statistics,
)
from ytaudio.training.data import open_dataset


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return dataset_folder(tmp_path_factory.mktemp("data")) / "dataset"


def test_the_majority_floor_says_the_commonest_class_of_train_even_where_another_is_commoner(tmp_path):
    data = dataset_folder(tmp_path, {"train": 4, "test": 3}) / "dataset"  # two videos of art_music in train
    dataset, sha, _ = open_dataset(data)
    dataset["test"] = dataset["test"].filter(lambda label: label != 0, input_columns="label")
    found = floors(dataset, "test", LABELS, "data", sha)
    assert "'art_music'" in found[MAJORITY].description
    assert found[MAJORITY].accuracy == 0


def test_a_dataset_without_train_has_no_floors_and_one_of_a_single_class_no_regression(data):
    dataset, _, _ = open_dataset(data)
    single = dataset["train"].filter(lambda label: label == 1, input_columns="label")
    only = type(dataset)(train=single, test=dataset["test"])
    assert set(floors(only, "test", LABELS, "data", "")) == {MAJORITY}
    del only["train"]
    assert floors(only, "test", LABELS, "data", "") == {}


def test_a_dataset_without_video_ids_counts_each_row_as_a_video(data):
    dataset, _, _ = open_dataset(data)
    bare = dataset["test"].remove_columns(["video_id", "channel_id"])
    assert [key[0] for key in keys_of(bare)] == [str(n) for n in range(12)]


def test_the_regression_tells_tones_apart(data):
    dataset, _, _ = open_dataset(data)
    assert floors(dataset, "validation", LABELS, "data", "")[MFCC].macro_f1 == 1


def test_floors_of_a_commit_are_worked_out_once(data, hub, monkeypatch):
    api = HfApi()
    api.create_repo("tester/floors", repo_type="dataset", exist_ok=True)
    api.upload_folder(repo_id="tester/floors", repo_type="dataset", folder_path=data)
    dataset, sha, _ = open_dataset("tester/floors")
    first = floors(dataset, "test", LABELS, "tester/floors", sha)
    learnt = []
    monkeypatch.setattr("ytaudio.evaluation.floors._known", {})
    monkeypatch.setattr("ytaudio.evaluation.floors._learn", lambda *args: learnt.append(args))
    assert floors(dataset, "test", LABELS, "tester/floors", sha) == first
    assert not learnt


def test_mfcc_statistics_hear_the_centre_and_bear_silence():
    quiet, short = encode(np.zeros(160_000, np.float32)), encode(np.full(800, 0.1, np.float32))
    found = mfcc_statistics([quiet, short])
    assert found.shape == (2, 80)
    assert np.isfinite(found).all()
