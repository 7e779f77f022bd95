import numpy as np
import pytest
from making import dataset_folder

from ytaudio.training.data import DatasetError
from ytaudio.training.supplies import in_memory, open_supply


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    return str(dataset_folder(tmp_path_factory.mktemp("data"), {"train": 4, "validation": 2, "test": 3}) / "dataset")


def test_a_stream_and_memory_hold_the_rows_of_the_disk(data):
    disk, stream = open_supply(data), open_supply(data, streaming=True)
    memory = in_memory(disk)
    assert disk.labels == stream.labels == memory.labels and disk.scored == stream.scored == "test"
    for split in ("train", "validation"):
        for other in (stream, memory):
            assert list(other.splits[split]["label"]) == list(disk.splits[split]["label"])
            assert list(other.splits[split]["video_id"]) == list(disk.splits[split]["video_id"])
    assert stream.train[1]["audio"]["bytes"] == disk.train[1]["audio"]["bytes"]
    assert memory.train[1]["audio"]["waveform"].dtype == np.int16 and memory.splits["test"] is disk.splits["test"]


@pytest.mark.parametrize("streaming", [False, True])
def test_what_cannot_be_trained_on_is_refused(tmp_path, streaming):
    data = dataset_folder(tmp_path / "none", {"train": 3, "test": 3}) / "dataset"
    with pytest.raises(DatasetError, match="no validation split"):
        open_supply(data, streaming=streaming)
    one = dataset_folder(tmp_path / "one", {"train": 2, "validation": 2}, labels=("only",)) / "dataset"
    with pytest.raises(DatasetError, match="one class only"):
        open_supply(one, streaming=streaming)


def test_without_a_test_split_validation_is_scored(tmp_path):
    assert open_supply(dataset_folder(tmp_path, {"train": 3, "validation": 3}) / "dataset").scored == "validation"
