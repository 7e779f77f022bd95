import subprocess
import sys

import pytest
from huggingface_hub import HfApi, ModelCard
from making import LABELS, RECIPES, dataset_folder, load_recipe, model_folder

from ytaudio.evaluation.predictions import load_scores
from ytaudio.hub import push_dataset, push_model

RECIPE = RECIPES / "evaluate.py"


@pytest.fixture(scope="module")
def recipe():
    return load_recipe("evaluate")


@pytest.fixture(scope="module")
def published(hub, tmp_path_factory):
    push_dataset(dataset_folder(tmp_path_factory.mktemp("data")), "tester/evaluated")
    push_model(model_folder(tmp_path_factory.mktemp("model")), "tester/evaluated")
    return "tester/evaluated"


def test_a_published_model_gets_its_results_printed_saved_and_published(recipe, published, tmp_path, capsys):
    before = len(HfApi().list_repo_commits(published))
    command = ["--model", published, "--dataset_name", published, "--output_dir", str(tmp_path), "--push_to_hub"]
    recipe.main([*command, "--crops", "2"])
    said = capsys.readouterr().out
    assert "6 videos (12 clips) of tester/evaluated, split test" in said
    assert "floor: majority class" in said and all(label in said for label in LABELS)
    assert "published" in said
    saved, online = load_scores(str(tmp_path)), load_scores(published)
    assert saved == online and saved.crops == 2 and saved.model_revision
    assert len(HfApi().list_repo_commits(published)) == before + 1
    assert ModelCard.load(published).data.eval_results[0].metric_value == saved.accuracy
    assert len(HfApi().model_info(published, expand=["evalResults"]).eval_results) == 2


def test_a_folder_keeps_its_scores_beside_its_weights(recipe, tmp_path, capsys):
    labels = ("[/red]", "food", "[bold]")  # not markup
    data = dataset_folder(tmp_path / "data", labels=labels) / "dataset"
    folder = model_folder(tmp_path / "model", labels=labels)
    recipe.main(
        [f"--model={folder}", f"--dataset_name={data}", "--split=validation", "--floors=false", "--crop_seconds=1"]
    )
    scores = load_scores(str(folder))
    assert (scores.split, scores.floors, scores.crop_seconds) == ("validation", {}, 1.0)
    said = capsys.readouterr().out
    assert "floor" not in said and all(label in said for label in labels)


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        ([], "required"),
        (["--modle", "x"], "did you mean model?"),
        (["--model", "tester/nothing", "--dataset_name", "tester/evaluated"], "tester/nothing"),
        (["--model", "tester/evaluated", "--dataset_name", "tester/nothing"], "tester/nothing"),
        (["--model", "tester/evaluated", "--dataset_name", "tester/evaluated", "--split", "tset"], "no split tset"),
        (["--model", "tester/evaluated", "--dataset_name", "tester/evaluated", "--crops", "0"], "above 0"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(recipe, published, argv, sentence, capsys):
    with pytest.raises(SystemExit) as left:
        recipe.main(argv)
    said = capsys.readouterr()
    assert left.value.code == 2 and sentence in said.err
    assert said.err.count("\n") == 1 and not said.out


def test_the_script_is_launched_as_it_says_though_it_is_called_like_the_library(tmp_path):
    folder, data = (
        model_folder(tmp_path / "model"),
        dataset_folder(tmp_path / "data", {"train": 3, "test": 3}) / "dataset",
    )
    command = [sys.executable, RECIPE, "--model", folder, "--dataset_name", data, "--floors", "no"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "3 videos (6 clips)" in done.stdout and (folder / "scores.json").is_file()
