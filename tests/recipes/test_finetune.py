import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from huggingface_hub import HfApi
from making import LABELS, RECIPES, dataset_folder, load_recipe
from safetensors.torch import load_file
from stepping import STILL
from test_checkpoints import TINY_WAV2VEC2

from ytaudio.evaluation.scores import Scores
from ytaudio.training.checkpoints import load_for_inference
from ytaudio.training.runs import RUN_FILE, TrainingRun

CALM = {**TINY_WAV2VEC2, **STILL, "feat_extract_norm": "layer", "apply_spec_augment": False}
TINY = ["--model_config", json.dumps({"width": 4, "hidden_size": 8}), "--crop_seconds", "1", "--use_cpu"]


@pytest.fixture(scope="module")
def finetune():
    return load_recipe("finetune")


@pytest.fixture(scope="module")
def published(hub, tmp_path_factory) -> tuple[str, str]:
    """A dataset on the Hub and its commit."""
    folder = dataset_folder(tmp_path_factory.mktemp("data"), {"train": 6, "validation": 3, "test": 6}) / "dataset"
    api = HfApi()
    repo = api.create_repo("tester/tones", repo_type="dataset", private=True, exist_ok=True).repo_id
    return repo, api.upload_folder(repo_id=repo, repo_type="dataset", folder_path=folder).oid


@pytest.fixture(scope="module")
def local(tmp_path_factory) -> str:
    videos = {"train": 6, "validation": 3, "test": 3}
    return str(dataset_folder(tmp_path_factory.mktemp("data"), videos, seconds=1.5) / "dataset")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_ends_trained_scored_and_published_and_again_is_not_trained_again(
    finetune, published, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)  # the YAML is found although no recipes/ is here
    repo, commit = published
    argv = ["recipes/spectrogram_cnn.yaml", "--dataset_name", repo, "--output_dir", "run", "--num_train_epochs", "2"]
    argv += [*TINY, "--push_to_hub", "--hub_model_id", "tester/tones-cnn"]
    finetune.main(argv)
    out, err = capsys.readouterr()
    assert "test: accuracy" in out and "published http" in out and "it/s" not in out + err

    run = TrainingRun.load("run")
    assert (run.dataset_id, run.dataset_revision) == (repo, commit)
    assert (run.base_model, run.base_revision, run.labels) == ("spectrogram_cnn", "", LABELS)
    assert run.settings["learning_rate"] == 1e-3 and run.settings["num_train_epochs"] == 2
    assert run.crop_seconds == run.settings["crop_seconds"] == 1
    assert not {"output_dir", "push_to_hub", "hub_model_id"} & run.settings.keys()
    assert run.command.startswith("accelerate launch recipes/finetune.py recipes/spectrogram_cnn.yaml --dataset_name")
    assert sum("eval_macro_f1" in entry for entry in run.history) == 2
    assert run.parameters == run.trainable_parameters == load_for_inference("run")[0].num_parameters()

    scores = Scores.load("run")
    assert (scores.split, scores.dataset_revision, scores.videos) == ("test", commit, 6)
    info = HfApi().model_info("tester/tones-cnn")
    assert info.private and {"spectrogram_cnn.py", RUN_FILE} <= {sibling.rfilename for sibling in info.siblings}
    assert not any("checkpoint" in s.rfilename or s.rfilename == "training_args.bin" for s in info.siblings)
    model, _ = load_for_inference("tester/tones-cnn")
    assert same(model.state_dict(), weights(tmp_path / "run"))

    before = weights(tmp_path / "run")
    finetune.main([arg for arg in argv if arg != "--push_to_hub"])
    assert "holds this training already" in capsys.readouterr().out
    assert same(weights(tmp_path / "run"), before)


def test_a_run_cut_short_goes_on_and_ends_as_if_it_had_not_been(finetune, local, tmp_path, capsys):
    def launch(folder, epochs, *more):
        argv = ["spectrogram_cnn.yaml", "--dataset_name", local, "--output_dir", str(tmp_path / folder)]
        argv += ["--lr_scheduler_type", "constant", "--warmup_steps", "0", "--num_train_epochs", str(epochs)]
        finetune.main([*argv, *TINY, "--metric_for_best_model", "loss", "--no_greater_is_better", *more])
        return capsys.readouterr().out

    assert "going on" not in launch("whole", 3)
    launch("cut", 2)
    (tmp_path / "cut" / "checkpoint-9999").mkdir()  # as a kill in the middle of saving leaves it
    assert "going on from" in launch("cut", 3)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "cut"))
    assert "going on" not in launch("cut", 3, "--overwrite")
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "cut"))


def test_training_stops_early_and_keeps_the_best_epoch(finetune, local, tmp_path):
    argv = ["spectrogram_cnn.yaml", "--dataset_name", local, "--output_dir", str(tmp_path), *TINY]
    finetune.main([*argv, "--learning_rate", "0", "--early_stopping_patience", "2", "--num_train_epochs", "9"])
    run = TrainingRun.load(tmp_path)
    assert max(entry["epoch"] for entry in run.history) == 3, "the first epoch and two that were no better"


@pytest.mark.parametrize(
    "changes, says",
    [
        (["--dataset_name", "tester/nothing-here"], "is not on"),
        (["--dataset_name", "no/such/folder"], "There is no folder"),
        (["--dataset_revision", "v9"], "no such revision"),
        (["--model_name_or_path", "tester/nothing-here"], "is not on"),
        (["--model_name_or_path", "bert", "--model_config", "{}"], "is not an audio classifier"),
        (["--model_config", '{"widht": 8}'], "no setting widht"),
        (["--model_config", "wide"], "give JSON"),
        (["--freeze", "everything"], "choose one of"),
        (["--learning_rat", "1"], "did you mean learning_rate?"),
        (["--learning_rate", "fast"], "invalid float"),
        (["--output_dir", ""], "--output_dir"),
        (["--crop_seconds", "0"], "above 0"),
        (["--push_to_hub"], "--hub_model_id"),
        (["--hub_token", "hf_secret"], "HF_TOKEN"),
        (["--label_names", "genre"], "the labels are the dataset's"),
        (["--report_to", "swanlab"], "pip install swanlab"),
        (["--streaming", "--preload"], "give one of them"),
        (["--pooling", "max"], "choose one of mean, statistics, attention"),
        (["--resume_from_checkpoint", "nowhere"], "There is no checkpoint"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ",
)
def test_a_mistake_is_one_sentence_and_exit_code_2(finetune, published, tmp_path, capsys, changes, says):
    argv = ["spectrogram_cnn.yaml", "--dataset_name", published[0], "--output_dir", str(tmp_path / "run"), *TINY]
    with pytest.raises(SystemExit) as left:
        finetune.main([*argv, *changes])
    assert left.value.code == 2
    err = capsys.readouterr().err
    assert says in err and err.count("\n") == 1 and "hf_secret" not in err
    assert not list(tmp_path.rglob("*.safetensors"))


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def test_a_dry_run_shows_the_plan_and_leaves_nothing(finetune, published, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    repo, commit = published
    argv = ["spectrogram_cnn.yaml", "--dataset_name", repo, "--output_dir", "run", *TINY, "--num_train_epochs", "2"]
    finetune.main([*argv, "--dry-run"])
    said = capsys.readouterr().out
    assert f"{repo} at {commit[:12]}" in said and "2, 1 an epoch, each of 16 crops" in said and not files(tmp_path)
    finetune.main(argv)
    before = files(tmp_path)
    capsys.readouterr()
    finetune.main([*argv, "--dry_run", "--num_train_epochs", "5"])
    assert "going on from run/checkpoint-2" in capsys.readouterr().out and files(tmp_path) == before


def test_a_stream_and_a_preloaded_dataset_are_trained_on(finetune, local, tmp_path, capsys):
    argv = ["spectrogram_cnn.yaml", "--dataset_name", local, *TINY, "--num_train_epochs", "2"]
    argv += ["--per_device_train_batch_size", "4", "--oversample", "no"]
    for how in ("plain", "preload", "streaming"):
        finetune.main([*argv, "--output_dir", str(tmp_path / how), *([] if how == "plain" else [f"--{how}"])])
        assert Scores.load(tmp_path / how).videos == 3
    assert same(weights(tmp_path / "plain"), weights(tmp_path / "preload")), "the same crops in the same order"
    assert not same(weights(tmp_path / "plain"), weights(tmp_path / "streaming")), "another order"
    assert capsys.readouterr().out.count("epoch 2/2") == 3


def test_a_probe_fits_the_head_alone_and_is_recorded_and_scored(finetune, local, tmp_path, capsys):
    argv = ["spectrogram_cnn.yaml", "--dataset_name", local, *TINY, "--output_dir", str(tmp_path / "run"), "--probe"]
    finetune.main(argv)
    said = capsys.readouterr().out
    assert "test: accuracy" in said and "12 of 18 crops embedded" in said and "validation macro-F1" in said
    run = TrainingRun.load(tmp_path / "run")
    assert 0 < run.trainable_parameters < run.parameters and any("eval_macro_f1" in entry for entry in run.history)
    new, _, _ = finetune.make_model(finetune.read_settings(argv), LABELS)
    fitted = weights(tmp_path / "run")
    changed = {name.split(".")[0] for name, value in new.state_dict().items() if not torch.equal(value, fitted[name])}
    assert changed == {"projector", "classifier"}, "the backbone is as it was"


def test_what_may_bring_accuracy_is_wired(finetune, local, tmp_path):
    argv = ["spectrogram_cnn.yaml", "--dataset_name", local, *TINY, "--output_dir", str(tmp_path), "--max_steps", "2"]
    argv += [
        "--head_first",
        "--oversample",
        "no",
        "--class_weights",
        "balanced",
        "--mixup_alpha",
        "0.4",
        "--gain_db",
        "6",
        "--ema_decay",
    ]
    argv += ["0.9", "--time_shift_s", "0.1", "--validation_crops", "2", "--head_learning_rate", "1e-2"]
    finetune.main([*argv, "--label_smoothing_factor", "0.1", "--price_per_hour", "3 EUR"])
    run = TrainingRun.load(tmp_path)
    assert run.history[-1]["step"] == 2 and run.settings["ema_decay"] == 0.9 and run.price.endswith("EUR at 3 an hour")
    assert (tmp_path / "checkpoint-2" / "averaged_weights.safetensors").exists()


def test_a_head_fitted_first_is_where_training_begins_and_a_resume_does_not_fit_it_again(
    finetune, local, tmp_path, capsys
):
    def launch(folder: str, epochs: int, *more: str) -> str:
        argv = ["--model_name_or_path", "wav2vec2", "--model_config", json.dumps(CALM), "--dataset_name", local]
        argv += ["--crop_seconds", "1.5", "--use_cpu", "--lr_scheduler_type", "constant"]  # clips are as long
        argv += ["--head_learning_rate", "1e-2"]
        argv += ["--output_dir", str(tmp_path / folder), "--num_train_epochs", str(epochs), *more]
        finetune.main([*argv, "--metric_for_best_model", "loss", "--no_greater_is_better"])
        return capsys.readouterr().out

    def losses(folder: str) -> list[float]:
        return [entry["loss"] for entry in TrainingRun.load(tmp_path / folder).history if "loss" in entry]

    assert "crops embedded" in launch("whole", 2, "--head_first")
    launch("cold", 1)
    assert losses("whole")[0] < 0.5 * losses("cold")[0], "training goes on from the fitted head"
    assert "crops embedded" in launch("cut", 1, "--head_first")
    again = launch("cut", 2, "--head_first")
    assert "going on from" in again and "crops embedded" not in again
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "cut"))


def test_a_class_may_be_absent_and_a_split_may_be_one_video(finetune, tmp_path, capsys):
    data = dataset_folder(tmp_path / "data", {"train": 2, "validation": 1, "test": 1}) / "dataset"
    argv = ["spectrogram_cnn.yaml", "--dataset_name", str(data), *TINY, "--output_dir", str(tmp_path / "run")]
    finetune.main([*argv, "--num_train_epochs", "1"])
    assert Scores.load(tmp_path / "run").videos == 1 and "test: accuracy" in capsys.readouterr().out
    assert TrainingRun.load(tmp_path / "run").labels == LABELS


def test_tensorboard_has_the_curves(finetune, local, tmp_path, capsys):
    pytest.importorskip("tensorboardX")
    argv = ["spectrogram_cnn.yaml", "--dataset_name", local, *TINY, "--output_dir", str(tmp_path), "--max_steps", "1"]
    finetune.main([*argv, "--report_to", "tensorboard"])
    (events,) = tmp_path.rglob("events.out.tfevents.*")
    assert b"eval/macro_f1" in events.read_bytes() and "Tensorboard" not in capsys.readouterr().out


NO_ROOM = """
import resource, sys
sys.path.insert(0, sys.argv[1])
import finetune, torch
from ytaudio.training import plans, probing, supplies
used = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmData"))
resource.setrlimit(resource.RLIMIT_DATA, (used + 120_000_000,) * 2)
finetune.main(sys.argv[2:])
"""


@pytest.mark.slow
def test_too_little_memory_is_one_sentence_that_says_what_to_lower_and_checkpoints_are_kept(finetune, local, tmp_path):
    argv = ["spectrogram_cnn.yaml", "--dataset_name", local, "--output_dir", str(tmp_path), "--use_cpu"]
    argv += ["--model_config", json.dumps({"width": 32, "hidden_size": 8}), "--crop_seconds", "4"]
    argv += ["--per_device_train_batch_size", "12", "--per_device_eval_batch_size", "2", "--num_train_epochs"]
    finetune.main([*argv, "1"])
    command = [sys.executable, "-c", NO_ROOM, str(RECIPES), *argv, "2"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "too little memory" in line]
    assert "12 crops of 4 s" in line and "Traceback" not in done.stderr
    assert "--per_device_train_batch_size 6 --gradient_accumulation_steps 2" in line
    assert "going on from step 1 of 2" in done.stdout and (tmp_path / "checkpoint-1" / "model.safetensors").is_file()


def test_a_dataset_without_validation_is_refused(finetune, tmp_path, capsys):
    data = dataset_folder(tmp_path, {"train": 3, "test": 3}) / "dataset"
    with pytest.raises(SystemExit) as left:
        finetune.main(["spectrogram_cnn.yaml", "--dataset_name", str(data), "--output_dir", str(tmp_path / "run")])
    assert left.value.code == 2 and "has no validation split" in capsys.readouterr().err


def test_a_refused_token_is_told_before_training(finetune, local, hub, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    argv = ["spectrogram_cnn.yaml", "--dataset_name", local, "--output_dir", str(tmp_path / "run"), *TINY]
    with pytest.raises(SystemExit) as left:
        finetune.main([*argv, "--push_to_hub", "--hub_model_id", "tester/never"])
    assert left.value.code == 2 and "refused the token" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("recipe", ["wav2vec2", "spectrogram_cnn"])
def test_every_line_of_the_published_settings_is_a_setting_of_the_right_type(finetune, recipe, tmp_path):
    argv = [f"{recipe}.yaml", "--dataset_name", "a/b", "--output_dir", str(tmp_path)]
    read = finetune.read_settings(argv)
    run, args, settings = read.run, read.args, read.given
    assert isinstance(args.learning_rate, float) and 0 < args.warmup_steps < 1
    assert args.load_best_model_at_end and args.metric_for_best_model == "macro_f1" and args.greater_is_better
    assert settings["learning_rate"] == args.learning_rate and json.loads(json.dumps(settings)) == settings
    assert (run.model_name_or_path == "spectrogram_cnn") == (recipe == "spectrogram_cnn")
