import json

import pytest
from making import LABELS, RECIPES, dataset_folder, load_recipe

from ytaudio.evaluation.crossscores import MODEL, CrossValidation, difference
from ytaudio.evaluation.floors import MAJORITY, MFCC

TINY = ["--model_config", json.dumps({"width": 4, "hidden_size": 8}), "--crop_seconds", "1", "--use_cpu"]
FOLDS = ["--folds", "2", "--seeds", "5", "--num_train_epochs", "1"]


@pytest.fixture(scope="module")
def recipe():
    return load_recipe("crossvalidate")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    videos = {"train": 6, "validation": 3, "test": 3}
    return str(dataset_folder(tmp_path_factory.mktemp("data"), videos, seconds=1.5) / "dataset")


def argv(data, folder, *more) -> list[str]:
    return ["spectrogram_cnn.yaml", "--dataset_name", data, "--output_dir", str(folder), *TINY, *FOLDS, *more]


def test_a_killed_run_goes_on_fold_by_fold_and_ends_with_the_same_figures(recipe, data, tmp_path, capsys, monkeypatch):
    recipe.main(argv(data, tmp_path / "whole", "--name", "tiny CNN"))
    said = capsys.readouterr().out
    assert "12 videos of all splits" in said and said.count(" videos right, ") == 2
    assert "| tiny CNN |" in said and f"| tiny CNN minus {MFCC} |" in said and "2 of 2 trainings" in said
    whole = CrossValidation.load(tmp_path / "whole")
    assert (whole.labels, whole.seeds, whole.folds, len(whole.videos)) == (LABELS, (5,), "2", 12)
    assert list(whole.answers) == [MODEL, MAJORITY, MFCC] and whole.settings["crops"] == 3
    assert (tmp_path / "whole" / "crossvalidation.md").read_text() in said
    assert not list((tmp_path / "whole").glob("training-*")), "checkpoints are away"

    learn, calls = recipe.learn, []

    def dies(*given):
        if len(calls) == 1:
            raise KeyboardInterrupt
        calls.append(given[-1])
        return learn(*given)

    monkeypatch.setattr(recipe, "learn", dies)
    with pytest.raises(KeyboardInterrupt):
        recipe.main(argv(data, tmp_path / "cut"))
    monkeypatch.undo()
    capsys.readouterr()
    recipe.main(argv(data, tmp_path / "cut"))
    said = capsys.readouterr().out
    assert "1 of 2 trainings are done already" in said and said.count(" videos right, ") == 1
    again = CrossValidation.load(tmp_path / "cut")
    assert again.probabilities == whole.probabilities and again.answers == whole.answers
    assert difference(whole, again)["accuracy"].value == 0

    with pytest.raises(SystemExit) as ended:
        recipe.main(argv(data, tmp_path / "cut", "--learning_rate", "5e-4"))
    told = capsys.readouterr().err
    assert ended.value.code == 2 and "holds folds of other settings (learning_rate was 0.001 and is now 0.0005)" in told


def test_without_validation_all_epochs_are_trained_and_a_head_alone_is_cross_validated_too(recipe, tmp_path, capsys):
    data = str(dataset_folder(tmp_path, {"train": 6}, seconds=1.5) / "dataset")
    few = ["--seeds", "3", "--folds", "groups", "--validation", "none", "--probe", "--num_train_epochs", "3"]
    recipe.main(argv(data, tmp_path / "cv", *few))
    cross = CrossValidation.load(tmp_path / "cv")
    assert (cross.folds, cross.seeds, cross.settings["validation"]) == ("groups", (3,), False)
    assert len(list((tmp_path / "cv" / "seed-3").glob("fold-*.json"))) == 6, "a channel each"
    assert "one channel at a time" in capsys.readouterr().out


@pytest.mark.parametrize(
    "more, says",
    [
        (["--folds", "many"], "folds is many: give a number, or groups"),
        (["--folds", "13"], "12 channels cannot make 13 folds"),
        (["--validation", "test"], "choose channels or none"),
        (["--seeds", "1", "1"], "seeds that differ"),
        (["--push_to_hub"], "publish with finetune.py"),
        (["--output_dir", ""], "Where shall the folds go"),
        (["--resume_from_checkpoint", "auto"], "a launch goes on with the first fold that is not done"),
        (["--preload"], "preload in the command line is not a setting"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(recipe, data, tmp_path, capsys, more, says):
    with pytest.raises(SystemExit) as ended:
        recipe.main(argv(data, tmp_path / "cv", *more))
    told = capsys.readouterr().err
    assert ended.value.code == 2 and says in told and told.count("\n") == 1


def test_several_processes_are_refused_and_told_what_to_do(recipe, data, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SystemExit):
        recipe.main(argv(data, tmp_path / "cv"))
    assert "launch it with python, once for each GPU with its own --seeds" in capsys.readouterr().err


def test_help_tells_its_own_settings_and_finetunes(recipe, capsys):
    recipe.main(["--help"])
    said = capsys.readouterr().out
    assert "python recipes/crossvalidate.py" in said
    for name in ("--folds", "--seeds", "--validation", "--crops", "--learning_rate", "--oversample", "--reverberation"):
        assert name in said
    nothing_here = ("push_to_hub", "streaming", "preload", "resume_from_checkpoint", "seed ", "dry_run")
    assert not any(f"--{name}" in said for name in nothing_here)


def test_it_is_short_enough_to_be_copied():
    assert len((RECIPES / "crossvalidate.py").read_text().splitlines()) < 250
