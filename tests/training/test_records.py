import json

import pytest
from making import training_run

from ytaudio.errors import UserError
from ytaudio.training.arguments import SettingsError
from ytaudio.training.records import (
    already_done,
    begin,
    last_checkpoint,
    remove_checkpoints,
    versions,
)
from ytaudio.training.runs import TrainingRun


def test_the_newest_whole_checkpoint_counts(tmp_path):
    assert last_checkpoint(tmp_path) is None
    for step, state in ((8, "{}"), (12, "{}"), (100, '{"cut short'), (200, None)):
        (tmp_path / f"checkpoint-{step}").mkdir()
        if state is not None:
            (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(state)
    (tmp_path / "checkpoint-best").mkdir()
    assert last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-12")
    remove_checkpoints(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-best"]


def test_a_run_is_read_as_it_was_saved_and_recognised(tmp_path):
    run = training_run()
    assert not already_done(tmp_path, run.settings, run.dataset_revision)
    run.save(tmp_path)
    assert TrainingRun.load(tmp_path) == run
    assert already_done(tmp_path, json.loads(json.dumps(run.settings)), run.dataset_revision)
    assert not already_done(tmp_path, run.settings | {"learning_rate": 1.0}, run.dataset_revision)
    assert not already_done(tmp_path, run.settings, "another commit")


def test_versions_name_what_training_depends_on():
    assert {"torch", "transformers", "ytaudio"} <= versions().keys()


def test_checkpoints_of_another_training_are_refused_by_name(tmp_path):
    settings = {"learning_rate": 1e-3, "dataset_name": "tester/sounds"}
    begin(tmp_path, settings, "commit one", resume="auto", overwrite=False)
    (tmp_path / "checkpoint-4").mkdir()
    (tmp_path / "checkpoint-4" / "trainer_state.json").write_text("{}")
    begin(tmp_path, settings, "commit one", resume="auto", overwrite=False)
    with pytest.raises(SettingsError, match="dataset_revision was commit one and is now commit two"):
        begin(tmp_path, settings, "commit two", resume="auto", overwrite=False)
    with pytest.raises(SettingsError, match=r"learning_rate was 0\.001 and is now 0\.1"):
        begin(tmp_path, settings | {"learning_rate": 0.1}, "commit one", resume="auto", overwrite=False)
    assert last_checkpoint(tmp_path)
    begin(tmp_path, settings, "commit two", resume="auto", overwrite=True)
    assert not last_checkpoint(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="Cannot write to"):
        begin(tmp_path / "file", settings, "commit two", resume=None, overwrite=False)


def test_a_training_may_go_on_in_smaller_pieces_where_memory_was_too_little(tmp_path):
    def go_on(**settings):
        begin(tmp_path, settings, "a commit", resume="auto", overwrite=False)

    go_on(per_device_train_batch_size=16)
    (tmp_path / "checkpoint-4").mkdir()
    (tmp_path / "checkpoint-4" / "trainer_state.json").write_text("{}")
    go_on(per_device_train_batch_size=4, gradient_accumulation_steps=4)
    go_on(gradient_accumulation_steps=2)  # of the default of 8
    with pytest.raises(SettingsError, match="gradient_accumulation_steps was 2 and is now 1"):
        go_on(gradient_accumulation_steps=1)
