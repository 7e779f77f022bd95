import json

import numpy as np
import pytest
import torch
from making import LABELS, dataset_folder, training_run
from test_checkpoints import TINY_CNN, TINY_WAV2VEC2
from transformers import EvalPrediction, TrainerCallback, TrainingArguments

from ytaudio.errors import UserError
from ytaudio.training import (
    ClipCollator,
    ClipTrainer,
    SettingsError,
    TrainingRun,
    already_done,
    begin,
    compute_metrics,
    last_checkpoint,
    load_classifier,
    open_dataset,
    remove_checkpoints,
    versions,
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return open_dataset(dataset_folder(tmp_path_factory.mktemp("data"), {"train": 6, "validation": 3}) / "dataset")[0]


def trainer_of(folder, dataset, kind="spectrogram_cnn", config=None, callbacks=(), **changes) -> ClipTrainer:
    torch.manual_seed(0)
    model, extractor = load_classifier(kind, LABELS, config=config or TINY_CNN)
    settings = {"per_device_train_batch_size": 4, "report_to": "none", "remove_unused_columns": False, "seed": 0}
    quiet = {"disable_tqdm": True, "dataloader_pin_memory": False, "use_cpu": True, "logging_steps": 1}
    return ClipTrainer(
        model=model,
        args=TrainingArguments(str(folder), **(settings | quiet | changes)),
        train_dataset=dataset["train"],
        eval_dataset=dataset["validation"],
        data_collator=ClipCollator(extractor, 1.0, random=True),
        eval_collator=ClipCollator(extractor, 1.0),
        compute_metrics=compute_metrics,
        callbacks=list(callbacks),
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
    trainer = trainer_of(tmp_path, dataset, num_train_epochs=2, save_strategy="no")
    seen = []
    original = trainer.data_collator.start
    trainer.data_collator.start = lambda flac: seen.append((flac, original(flac))) or seen[-1][1]
    trainer.train()
    half = len(seen) // 2
    assert half == len(dataset["train"])
    first, second = dict(seen[:half]), dict(seen[half:])
    assert first.keys() == second.keys()
    assert sum(first[flac] != second[flac] for flac in first) > half // 2
    assert trainer.evaluate()["eval_loss"] == trainer.evaluate()["eval_loss"]
    assert len(seen) == 2 * half, "evaluation draws no random crops"
    assert trainer.get_eval_dataloader().collate_fn is trainer.eval_collator


def test_evaluation_tells_accuracy_and_macro_f1(dataset, tmp_path):
    scores = trainer_of(tmp_path, dataset).evaluate()
    assert {"eval_loss", "eval_accuracy", "eval_macro_f1"} <= scores.keys()


def test_metrics_of_clips():
    logits = np.array([[9, 0, 0], [9, 0, 0], [0, 9, 0], [9, 0, 0]])
    scores = compute_metrics(EvalPrediction((logits, None), np.array([0, 0, 1, 1])))
    assert scores["accuracy"] == 0.75
    assert scores["macro_f1"] == pytest.approx((0.8 + 2 / 3 + 0) / 3)


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
