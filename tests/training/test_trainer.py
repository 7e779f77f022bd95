import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import stepping
import torch
from making import LABELS, dataset_folder, tone
from safetensors.torch import load_file
from test_checkpoints import TINY_CNN, TINY_WAV2VEC2
from transformers import EvalPrediction, TrainerCallback, TrainingArguments

from ytaudio.clips import encode
from ytaudio.training.arguments import SettingsError
from ytaudio.training.checkpoints import load_classifier, load_for_inference
from ytaudio.training.data import ClipCollator, open_dataset
from ytaudio.training.losses import ClipLoss
from ytaudio.training.records import last_checkpoint
from ytaudio.training.trainer import ClipTrainer, VideoMetrics


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return open_dataset(dataset_folder(tmp_path_factory.mktemp("data"), {"train": 6, "validation": 3}) / "dataset")[0]


TINY = {"spectrogram_cnn": TINY_CNN, "wav2vec2": TINY_WAV2VEC2}


def trainer_of(folder, dataset, kind="spectrogram_cnn", config=None, callbacks=(), own=(), **changes) -> ClipTrainer:
    torch.manual_seed(0)
    model, extractor = load_classifier(
        kind, LABELS, config=config or (TINY_CNN if kind == "spectrogram_cnn" else TINY_WAV2VEC2)
    )
    settings = {"per_device_train_batch_size": 4, "report_to": "none", "remove_unused_columns": False, "seed": 0}
    quiet = {"disable_tqdm": True, "dataloader_pin_memory": False, "use_cpu": True, "logging_steps": 1}
    return ClipTrainer(
        model=model,
        args=TrainingArguments(str(folder), **(settings | quiet | changes)),
        processing_class=extractor,
        train_dataset=dataset["train"],
        eval_dataset=dataset["validation"],
        data_collator=ClipCollator(extractor, 1.0, random=True),
        eval_collator=ClipCollator(extractor, 1.0),
        compute_metrics=VideoMetrics(dataset["validation"]["video_id"]),
        callbacks=list(callbacks),
        **dict(own),
    )


class Gradients(TrainerCallback):
    """The gradients of the first step, before they are clipped away."""

    def __init__(self):
        self.seen = {}

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        self.seen = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


STILL = {  # whatever is random in training, off
    "spectrogram_cnn": TINY_CNN | {"dropout": 0.0, "apply_spec_augment": False},
    "wav2vec2": TINY_WAV2VEC2
    | {"apply_spec_augment": False, "layerdrop": 0.0}
    | dict.fromkeys(["hidden_dropout", "attention_dropout", "feat_proj_dropout", "activation_dropout"], 0.0),
}


@pytest.mark.parametrize("kind", STILL)
def test_loss_and_gradients_with_accumulation_equal_those_without(kind, dataset, tmp_path):
    # Each micro batch holds the same two clips, so that the batch norms of the CNN see the same statistics.
    pairs = {"train": dataset["train"].select([0, 2] * 4), "validation": dataset["validation"]}
    seen = []
    for batch, steps in ((8, 1), (2, 4)):
        gradients = Gradients()
        trainer = trainer_of(
            tmp_path,
            pairs,
            kind,
            STILL[kind],
            [gradients],
            per_device_train_batch_size=batch,
            gradient_accumulation_steps=steps,
            max_steps=1,
            max_grad_norm=0.0,
            train_sampling_strategy="sequential",
            save_strategy="no",
        )
        trainer.train()
        seen.append((trainer.state.log_history[0]["loss"], gradients.seen))
    (loss, whole), (accumulated_loss, accumulated) = seen
    assert accumulated_loss == pytest.approx(loss, rel=1e-4)
    assert whole.keys() == accumulated.keys() and len(whole) > 10
    assert sum(float(g.norm()) for g in whole.values()) > 0.1
    for name, gradient in whole.items():
        assert torch.allclose(accumulated[name], gradient, rtol=1e-3, atol=1e-5), name


def weights(trainer) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in trainer.model.state_dict().items()}


@pytest.mark.parametrize("cut", [3, 5], ids=["at the end of an epoch", "within an epoch"])
def test_a_resumed_training_ends_as_one_that_was_not_cut(dataset, tmp_path, cut):
    def settings(steps):
        return {"max_steps": steps, "save_steps": cut, "lr_scheduler_type": "constant", "learning_rate": 1e-3}

    straight = trainer_of(tmp_path / "straight", dataset, **settings(7))
    straight.train()
    trainer_of(tmp_path / "cut", dataset, **settings(cut)).train()
    resumed = trainer_of(tmp_path / "cut", dataset, **settings(7))
    fresh = weights(resumed)
    resumed.train(resume_from_checkpoint=last_checkpoint(tmp_path / "cut"))
    assert resumed.state.global_step == 7
    for name, value in weights(straight).items():
        assert torch.equal(weights(resumed)[name], value), name
    assert any(not torch.equal(value, fresh[name]) for name, value in weights(resumed).items())


def test_training_crops_change_each_epoch_and_evaluation_crops_do_not(dataset, tmp_path):
    seen = []

    class Watched(ClipCollator):
        def start(self, length, row, generator):
            seen.append((row["audio"]["bytes"], super().start(length, row, generator)))
            return seen[-1][1]

    trainer = trainer_of(tmp_path, dataset, num_train_epochs=2, save_strategy="no")
    trainer.data_collator.__class__ = Watched
    trainer.train()
    half = len(seen) // 2
    assert half == len(dataset["train"])
    first, second = dict(seen[:half]), dict(seen[half:])
    assert first.keys() == second.keys()
    assert sum(first[flac] != second[flac] for flac in first) > half // 2
    assert trainer.evaluate()["eval_loss"] == trainer.evaluate()["eval_loss"]
    assert len(seen) == 2 * half, "evaluation draws no random crops"
    assert trainer.get_eval_dataloader().collate_fn is trainer.eval_collator


def test_evaluation_tells_accuracy_and_macro_f1_of_videos(dataset, tmp_path):
    scores = trainer_of(tmp_path, dataset).evaluate()
    assert round(3 * scores["eval_accuracy"], 6) in {0, 1, 2, 3}, "shares of three videos"
    assert "eval_macro_f1" in scores


def test_metrics_average_the_clips_of_a_video():
    metrics = VideoMetrics(["a", "a", "b", "b", "c", "c"])
    logits = np.array([[2, 0, 0], [0, 1, 0], [0, 3, 0], [0, 0, 2], [4, 0, 0], [0, 0, 1]])
    scores = metrics(EvalPrediction((logits, None), np.array([0, 0, 1, 1, 2, 2])))
    assert scores["accuracy"] == pytest.approx(2 / 3)
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    alone = metrics(EvalPrediction(logits[:, :2], np.array([0, 0, 1, 1, 1, 1])))
    assert alone["macro_f1"] == pytest.approx((2 / 3 + 2 / 3) / 2)


@pytest.mark.parametrize("kind", ["wav2vec2"])
def test_micro_batches_of_uneven_sizes_make_the_step_of_one_batch(kind, dataset, tmp_path):
    """Six crops at once, and as four and two: means of means would weigh the last two double."""
    six = {"train": dataset["train"].select([0, 2, 4, 6, 8, 11]), "validation": dataset["validation"]}
    seen = []
    for batch, steps in ((6, 1), (4, 2)):
        gradients = Gradients()
        settings = {"max_steps": 1, "max_grad_norm": 0.0, "train_sampling_strategy": "sequential"}
        batches = {"per_device_train_batch_size": batch, "gradient_accumulation_steps": steps}
        loss = {"loss": ClipLoss(torch.tensor([0.5, 1.0, 3.0]), label_smoothing=0.1)}
        trainer_of(
            tmp_path, six, kind, STILL[kind], [gradients], loss, save_strategy="no", **settings, **batches
        ).train()
        seen.append(gradients.seen)
    for name, gradient in seen[0].items():
        assert torch.allclose(seen[1][name], gradient, rtol=1e-3, atol=1e-6), name


def test_two_processes_take_the_very_steps_of_one_and_share_a_stream(tmp_path):
    """Three steps of four crops: all in one process, and two in each of two processes over gloo."""
    data = dataset_folder(tmp_path, {"train": 6, "validation": 3}, seconds=1.2) / "dataset"
    part = data / "data" / "train-00000-of-00001.parquet"
    pq.write_table(pq.read_table(part), part, row_group_size=2)
    stepping.main(str(data), str(tmp_path / "one"), "4")
    both = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", stepping.__file__]
    command = [*both, str(data), str(tmp_path / "two"), "2"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    heard = [json.loads(path.read_text()) for path in (tmp_path / "two").glob("heard-*.json")]
    assert len(heard) == 2 and sorted(heard[0] + heard[1]) == sorted(2 * [f"trai{n:06d}" for n in range(6)])
    assert not set(heard[0]) & set(heard[1]), "a row group of two clips is a video: neither fetched what the other did"
    one, two = (json.loads((tmp_path / name / "told.json").read_text()) for name in ("one", "two"))
    assert (one["processes"], two["processes"]) == (1, 2)
    assert two["losses"] == pytest.approx(one["losses"], rel=1e-4)
    assert two["eval_loss"] == pytest.approx(one["eval_loss"], rel=1e-4)
    for kind in ("gradients", "weights"):
        ours, theirs = (load_file(tmp_path / name / f"{kind}.safetensors") for name in ("one", "two"))
        assert ours.keys() == theirs.keys() and sum(float(value.norm()) for value in ours.values()) > 0.1
        for name, value in ours.items():
            assert torch.allclose(theirs[name], value, rtol=1e-3, atol=2e-5), f"{kind} of {name}"


@pytest.mark.parametrize("kind", STILL)
def test_the_same_seed_trains_the_same_weights_and_another_does_not(kind, dataset, tmp_path):
    trained = []
    for seed in (0, 0, 1):
        own = {"mixup_alpha": 0.4}
        trainer = trainer_of(tmp_path, dataset, kind, None, (), own, max_steps=2, save_strategy="no", seed=seed)
        trainer.train()
        trained.append(weights(trainer))
    assert all(torch.equal(trained[0][name], trained[1][name]) for name in trained[0])
    assert any(not torch.equal(trained[0][name], trained[2][name]) for name in trained[0])


@pytest.mark.parametrize("kind", STILL)
def test_a_reload_answers_the_same(kind, dataset, tmp_path):
    trainer = trainer_of(tmp_path, dataset, kind, STILL[kind], max_steps=2, save_strategy="no")
    trainer.train()
    trainer.save_model()
    again, _ = load_for_inference(tmp_path)
    batch = next(iter(trainer.get_eval_dataloader()))
    del batch["labels"]
    with torch.inference_mode():
        assert torch.equal(trainer.model.eval()(**batch).logits, again.eval()(**batch).logits)


@pytest.mark.parametrize("kind", STILL)
def test_inputs_of_a_tenth_of_a_second_and_of_ten_minutes_train(kind, dataset, tmp_path):
    long = encode(np.tile(tone(1, 1, 60.0), 10))
    rows = [{"audio": {"bytes": encode(tone(0, n, 0.1)), "path": None}, "label": 0} for n in range(3)]
    rows.append({"audio": {"bytes": long, "path": None}, "label": 1})
    trainer = trainer_of(tmp_path, {**dataset, "train": rows}, kind, max_steps=2, save_strategy="no", max_grad_norm=0.0)
    before = weights(trainer)
    trainer.train()
    assert all(torch.isfinite(value).all() for value in weights(trainer).values())
    assert any(not torch.equal(value, before[name]) for name, value in weights(trainer).items())


def test_a_class_absent_from_a_split_is_no_trouble(dataset, tmp_path):
    train = dataset["train"].filter(lambda label: label != 1, input_columns="label")
    validation = dataset["validation"].filter(lambda label: label != 2, input_columns="label")
    assert set(train["label"]) == {0, 2} and set(validation["label"]) == {0, 1}
    trainer = trainer_of(
        tmp_path, {"train": train, "validation": validation}, num_train_epochs=1, eval_strategy="epoch"
    )
    trainer.train()
    assert trainer.model.config.num_labels == 3
    assert 0 <= trainer.evaluate()["eval_macro_f1"] <= 1


def test_the_head_and_layer_weights_learn_at_rates_of_their_own(dataset, tmp_path):
    config = TINY_WAV2VEC2 | {"use_weighted_layer_sum": True}
    own = {"head_learning_rate": 0.5}
    trainer = trainer_of(tmp_path, dataset, "wav2vec2", config, (), own, learning_rate=0.25, weight_decay=0.1)
    names = {id(parameter): name for name, parameter in trainer.model.named_parameters()}
    found = {
        names[id(p)]: (g["lr"], g["weight_decay"]) for g in trainer.create_optimizer().param_groups for p in g["params"]
    }
    assert found.keys() == set(names.values())
    assert found["classifier.weight"] == (0.5, 0.1) and found["classifier.bias"] == (0.5, 0.0)
    assert found["layer_weights"] == (0.5, 0.0)
    assert found["wav2vec2.encoder.layers.0.attention.k_proj.weight"] == (0.25, 0.1)
    plain = trainer_of(tmp_path, dataset, "wav2vec2", config, learning_rate=1e-5).create_optimizer()
    assert sorted({group["lr"] for group in plain.param_groups}) == [1e-5, 1e-3], "layer weights would hardly move"


class Touch:
    """What makes a file when it is unpickled."""

    def __init__(self, flag):
        self.flag = flag

    def __reduce__(self):
        return Path.touch, (self.flag,)


def test_a_checkpoint_of_somebody_else_runs_nothing(dataset, tmp_path):
    trainer_of(tmp_path / "run", dataset, max_steps=1, save_steps=1).train()
    flag = tmp_path / "ran"
    for name in ("rng_state.pth", "optimizer.pt", "scheduler.pt"):
        forged = shutil.copytree(tmp_path / "run" / "checkpoint-1", tmp_path / name)
        (forged / name).write_bytes(pickle.dumps(Touch(flag), protocol=2))
        with pytest.raises(SettingsError, match="holds more than a training's state") as told:
            trainer_of(tmp_path / "on", dataset, max_steps=2).train(resume_from_checkpoint=str(forged))
        assert "weights_only" not in str(told.value)
    assert not flag.exists()


def test_averaged_weights_are_evaluated_kept_and_resumed(dataset, tmp_path):
    own = {"ema_decay": 0.9}
    settings = {"eval_strategy": "steps", "eval_steps": 3, "save_steps": 3, "lr_scheduler_type": "constant"}
    settings |= {"learning_rate": 1e-2, "save_total_limit": 4}

    def run(folder, steps, resume=None, **more):
        trainer = trainer_of(tmp_path / folder, dataset, own=own, max_steps=steps, **settings, **more)
        trainer.train(resume_from_checkpoint=resume)
        return trainer

    straight = run("straight", 7)
    run("cut", 3)
    resumed = run("cut", 7, last_checkpoint(tmp_path / "cut"))
    for name, value in weights(straight).items():
        assert torch.equal(weights(resumed)[name], value), name
    kept = load_file(tmp_path / "straight" / "checkpoint-6" / "averaged_weights.safetensors")
    raw = load_file(tmp_path / "straight" / "checkpoint-6" / "model.safetensors")
    assert any(not torch.equal(kept[name], raw[name]) for name in raw)
    best = {"load_best_model_at_end": True, "metric_for_best_model": "loss", "greater_is_better": False}
    chosen = run("best", 6, **best)
    assert chosen.evaluate()["eval_loss"] == pytest.approx(chosen.state.best_metric, rel=1e-6)
