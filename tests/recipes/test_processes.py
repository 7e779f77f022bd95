"""The whole recipe in two processes, as recipes/accelerate/cpu.yaml launches it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.utils import DistributedType
from huggingface_hub import HfApi
from making import RECIPES, dataset_folder, load_recipe
from safetensors.torch import load_file
from stepping import STILL
from test_checkpoints import TINY_WAV2VEC2

from ytaudio.errors import UserError
from ytaudio.evaluation.scores import Scores
from ytaudio.training.checkpoints import load_for_inference
from ytaudio.training.processes import check_joined
from ytaudio.training.runs import TrainingRun

# layer norm, no dropout and no masks: nothing depends on how crops are dealt out
CONFIG = {**TINY_WAV2VEC2, **STILL, "feat_extract_norm": "layer", "apply_spec_augment": False}


@pytest.fixture(scope="module")
def data(hub, tmp_path_factory) -> str:
    """A dataset on the Hub: its floors are worked out once for all that score on it."""
    videos = {"train": 6, "validation": 3, "test": 3}
    folder = dataset_folder(tmp_path_factory.mktemp("data"), videos, seconds=1.5) / "dataset"
    repo = HfApi().create_repo("tester/shared-out", repo_type="dataset", exist_ok=True).repo_id
    HfApi().upload_folder(repo_id=repo, repo_type="dataset", folder_path=folder)
    return repo


def settings(data: str, *more: str) -> list[str]:
    """With the published settings of wav2vec2, of which a model type of random weights takes the checkpoint's place."""
    argv = [str(RECIPES / "wav2vec2.yaml"), "--model_name_or_path", "wav2vec2", "--model_config", json.dumps(CONFIG)]
    argv += ["--dataset_name", data, "--output_dir", "run", "--crop_seconds", "1", "--learning_rate", "1e-3"]
    argv += ["--gradient_accumulation_steps", "1", "--warmup_steps", "0", "--seed", "3"]
    return [*argv, "--lr_scheduler_type", "constant", *more]


def launch(folder: Path, argv: list[str], script: Path = RECIPES / "finetune.py") -> subprocess.CompletedProcess:
    """The recipe, or a script of a test's own, in two processes."""
    command = [sys.executable, "-m", "accelerate.commands.launch"]
    command += ["--config_file", str(RECIPES / "accelerate" / "cpu.yaml"), str(script), *argv]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200)


@pytest.mark.slow
def test_two_processes_train_as_one_does_with_the_same_crops_a_step_and_after_a_resume(data, tmp_path, monkeypatch):
    one = tmp_path / "one"
    one.mkdir()
    monkeypatch.chdir(one)
    load_recipe("finetune").main(
        [*settings(data, "--per_device_train_batch_size", "4"), "--num_train_epochs", "2", "--use_cpu"]
    )

    two = tmp_path / "two"
    two.mkdir()
    argv = settings(data, "--per_device_train_batch_size", "2")  # without --use_cpu: there is no GPU to choose
    first = launch(two, [*argv, "--num_train_epochs", "1"])
    assert first.returncode == 0, first.stderr
    assert first.stdout.count("epoch 1/1") == first.stdout.count("test: accuracy") == 1
    found = {path.name for path in (two / "run" / "checkpoint-3").iterdir()}
    assert {"rng_state_0.pth", "rng_state_1.pth"} <= found, "a state for each process"
    second = launch(two, [*argv, "--num_train_epochs", "2"])
    assert second.returncode == 0, second.stderr
    assert second.stdout.count("going on from step 3 of 6") == second.stdout.count("epoch 2/2") == 1
    assert Scores.load(two / "run").videos == 3
    run = TrainingRun.load(two / "run")
    assert run.settings["per_device_train_batch_size"] == 2 and run.settings["freeze"] == "feature_encoder"
    assert 0 < run.trainable_parameters < run.parameters and "it/s" not in first.stdout + first.stderr
    assert load_for_inference(two / "run")[0].config.model_type == "wav2vec2"

    for name in ("checkpoint-6", ""):
        weights, same = (load_file(where / "run" / name / "model.safetensors") for where in (one, two))
        assert weights.keys() == same.keys()
        for key, value in weights.items():
            assert torch.allclose(value, same[key], atol=2e-5), key


def test_a_mistake_in_two_processes_is_told_once_and_nothing_hangs(tmp_path):
    script = tmp_path / "recipe.py"
    script.write_text(
        "from ytaudio.errors import writing_to\nfrom ytaudio.training.processes import mendable_together\n\n"
        "with mendable_together(), writing_to('run'):\n    open('run/new', 'w')\n"
    )
    (tmp_path / "run").write_text("a file where a folder should be")
    done = launch(tmp_path, [], script)
    assert done.returncode != 0
    lines = done.stderr.splitlines()
    sentence = next(line for line in lines if line.startswith("Cannot write to run"))
    assert lines.count(sentence) == 1 and not any("recipe.py" in line and "line " in line for line in lines)
    assert sentence in lines[-2], "what torch's launcher says last of the cause is the same sentence"


@pytest.mark.parametrize("name, processes", [("one_gpu", 1), ("several_gpus", 8), ("two_nodes", 16), ("cpu", 2)])
def test_accelerate_reads_every_launch_configuration(name, processes):
    config = load_config_from_file(str(RECIPES / "accelerate" / f"{name}.yaml"))
    assert config.num_processes == processes and config.mixed_precision == "no"
    assert config.distributed_type == (DistributedType.NO if processes == 1 else DistributedType.MULTI_GPU)
    assert (config.num_machines == 2) == (name == "two_nodes") and config.use_cpu == (name == "cpu")


def test_processes_that_did_not_find_each_other_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="started 2 processes and 1 found each other"):
        check_joined(1)
    check_joined(2)
    assert os.environ["WORLD_SIZE"] == "2"
