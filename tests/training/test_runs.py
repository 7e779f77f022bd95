import json

import pytest
from huggingface_hub import HfApi
from making import training_run

from ytaudio.errors import UserError
from ytaudio.training.runs import (
    CROP_S,
    RUN_FILE,
    TrainingRun,
    trained_crop_seconds,
)


def test_the_crop_length_of_a_folder_a_repository_and_a_foreign_model(hub, tmp_path):
    run = training_run()
    assert trained_crop_seconds(tmp_path) == CROP_S
    run.save(tmp_path)
    assert trained_crop_seconds(tmp_path) == run.crop_seconds != CROP_S
    api = HfApi()
    for repo in ("tester/run-told", "tester/run-untold"):
        api.create_repo(repo)
    api.upload_file(path_or_fileobj=tmp_path / RUN_FILE, path_in_repo=RUN_FILE, repo_id="tester/run-told")
    assert trained_crop_seconds("tester/run-told") == run.crop_seconds
    assert trained_crop_seconds("tester/run-untold") == CROP_S
    with pytest.raises(UserError, match="run-nowhere"):
        trained_crop_seconds("tester/run-nowhere")


def test_the_file_is_json_that_people_can_read(tmp_path):
    training_run().save(tmp_path)
    text = (tmp_path / RUN_FILE).read_text()
    assert TrainingRun.from_json(text) == training_run()
    assert json.loads(text)["dataset_revision"] == training_run().dataset_revision
