"""Fine-tune an audio classifier on a dataset of the Hub, score it, and publish it.

    accelerate launch recipes/finetune.py recipes/wav2vec2.yaml --dataset_name USER/DATASET --output_dir runs/wav2vec2
    accelerate launch recipes/finetune.py recipes/spectrogram_cnn.yaml --dataset_name USER/DATASET \\
        --output_dir runs/cnn --push_to_hub --hub_model_id USER/MODEL

The YAML file holds the settings of a run, every one of them also an option of the command line, which wins. Beside
the ones below, every setting of transformers.TrainingArguments is taken. A run that was cut short goes on from its
last checkpoint when it is launched again; one that is done is only scored and published again.
"""

import json
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from datasets import DatasetDict
from huggingface_hub import HfApi
from transformers import EarlyStoppingCallback, PreTrainedModel, TrainingArguments, set_seed

from ytaudio.errors import mendable
from ytaudio.hub_errors import hub_errors
from ytaudio.training import (
    ClipCollator,
    ClipTrainer,
    DatasetError,
    SettingsError,
    TrainingRun,
    already_done,
    begin,
    compute_metrics,
    freeze,
    hardware,
    load_classifier,
    open_dataset,
    parse_mapping,
    parse_settings,
    progress_bars,
    resume_point,
    revision_of,
    versions,
)

HERE = Path(__file__).resolve().parent
NOT_TRAINING = {"output_dir", "overwrite", "resume_from_checkpoint", "push_to_hub", "hub_model_id", "public"}


@dataclass
class RunArguments:
    """What to train on what, beside TrainingArguments."""

    dataset_name: str = field(metadata={"help": "Dataset: USER/NAME on the Hub, or a folder."})
    dataset_revision: str | None = field(default=None, metadata={"help": "Branch, tag or commit of the dataset."})
    model_name_or_path: str = field(
        default="facebook/wav2vec2-base",
        metadata={"help": "Any audio classification checkpoint, or a model type to begin anew: spectrogram_cnn."},
    )
    model_revision: str | None = field(default=None, metadata={"help": "Branch, tag or commit of the model."})
    model_config: str = field(default="{}", metadata={"help": "Settings of the model's config, as JSON."})
    trust_remote_code: bool = field(default=False, metadata={"help": "Run the code that the model's repo brings."})
    attn_implementation: str | None = field(default=None, metadata={"help": "eager, sdpa or flash_attention_2."})
    freeze: str = field(default="none", metadata={"help": "none, feature_encoder or backbone."})
    crop_seconds: float = field(default=5.0, metadata={"help": "Length of the crops, in seconds; at least 1."})
    early_stopping_patience: int = field(default=3, metadata={"help": "Epochs without a better validation score."})
    overwrite: bool = field(default=False, metadata={"help": "Begin anew although output_dir holds a training."})
    public: bool = field(default=False, metadata={"help": "Publish for everybody; private without it."})


@dataclass
class FinetuneArguments(TrainingArguments):
    """TrainingArguments with the defaults of this recipe: the best epoch on validation is the one kept."""

    output_dir: str = field(default="", metadata={"help": "Where the model and its checkpoints go."})
    eval_strategy: str = "epoch"
    save_strategy: str = "epoch"
    save_total_limit: int | None = 2
    load_best_model_at_end: bool = True
    metric_for_best_model: str | None = "macro_f1"
    greater_is_better: bool | None = True
    logging_strategy: str = "epoch"
    remove_unused_columns: bool = False  # the collator, not the model, takes the dataset's columns
    resume_from_checkpoint: str | None = field(default="auto", metadata={"help": "auto, none, or a checkpoint folder."})


# 1. Settings: the YAML file, and the command line over it.
def read_settings(argv: Sequence[str]) -> tuple[RunArguments, FinetuneArguments, dict[str, Any]]:
    """The two argument dataclasses, and the settings that were given, for the record; else a SettingsError."""
    (run, args), given = parse_settings((RunArguments, FinetuneArguments), argv, beside=HERE)
    if not args.output_dir:
        raise SettingsError("Where shall the model go? Give --output_dir FOLDER.")
    if args.hub_token:
        raise SettingsError("A token in the settings would be published with them: set HF_TOKEN instead of hub_token.")
    resume_point(args.resume_from_checkpoint, args.output_dir)  # refused now rather than after loading
    if args.push_to_hub and not args.hub_model_id:
        raise SettingsError("Where shall the model be published? Give --hub_model_id USER/MODEL with --push_to_hub.")
    if run.crop_seconds <= 0:
        raise SettingsError(f"crop_seconds is {run.crop_seconds}: give a length above 0.")
    if args.push_to_hub:
        with hub_errors(f"model {args.hub_model_id}"):  # better now than after hours of training
            HfApi().whoami()
    args.disable_tqdm = not progress_bars()
    args.dataloader_pin_memory &= torch.cuda.is_available()
    settings = {name: value for name, value in given.items() if name not in NOT_TRAINING}
    return run, args, json.loads(json.dumps(settings, default=str))


# 2. The dataset, at one commit.
def read_dataset(run: RunArguments) -> tuple[DatasetDict, str, list[str]]:
    """The splits, the commit they were read at, the labels; else a DatasetError."""
    dataset, revision, labels = open_dataset(run.dataset_name, run.dataset_revision)
    for split in ("train", "validation"):
        if split not in dataset or not len(dataset[split]):
            raise DatasetError(f"{run.dataset_name} has no {split} split: publish one with train and validation.")
    if len(labels) < 2:
        raise DatasetError(f"{run.dataset_name} has one class only, {labels[0]}: there is nothing to tell apart.")
    return dataset, revision, labels


# 3. The model, with a head for these labels.
def make_model(run: RunArguments, labels: Sequence[str], seed: int) -> tuple[PreTrainedModel, Any]:
    """Model and feature extractor; new weights follow from the seed."""
    set_seed(seed)
    model, extractor = load_classifier(
        run.model_name_or_path,
        labels,
        revision=run.model_revision,
        trust_remote_code=run.trust_remote_code,
        attn_implementation=run.attn_implementation,
        config=parse_mapping("model_config", run.model_config),
    )
    freeze(model, run.freeze)
    return model, extractor


# 4. Training: random crops, centre crops of the validation split after each epoch, the best epoch kept.
def make_trainer(
    run: RunArguments, args: FinetuneArguments, dataset: DatasetDict, model: PreTrainedModel, extractor: Any
) -> ClipTrainer:
    """A Trainer that chooses by the validation split alone; it publishes nothing by itself."""
    args.push_to_hub = False
    return ClipTrainer(
        model=model,
        args=args,
        processing_class=extractor,
        train_dataset=dataset["train"].select_columns(["audio", "label"]),
        eval_dataset=dataset["validation"].select_columns(["audio", "label"]),
        data_collator=ClipCollator(extractor, run.crop_seconds, random=True, seed=args.seed),
        eval_collator=ClipCollator(extractor, run.crop_seconds),
        compute_metrics=compute_metrics,
        callbacks=[EarlyStoppingCallback(run.early_stopping_patience)] if args.load_best_model_at_end else [],
    )


def train(args: FinetuneArguments, trainer: ClipTrainer) -> float:
    """Train from the last checkpoint, if there is one, to the end: the wall time in seconds."""
    trainer.accelerator.wait_for_everyone()
    checkpoint = resume_point(args.resume_from_checkpoint, args.output_dir)
    if checkpoint and trainer.is_world_process_zero():
        print(f"going on from {checkpoint}")
    began = time.monotonic()
    trainer.train(resume_from_checkpoint=checkpoint)
    return time.monotonic() - began


# 5. The record: the best weights, the extractor, and how they came to be; training_run.json is written last.
def record(
    trainer: ClipTrainer, run: RunArguments, settings: dict[str, Any], revision: str, argv: Sequence[str], took_s: float
) -> None:
    """Save model, extractor and TrainingRun into output_dir."""
    output, model = Path(trainer.args.output_dir or "."), trainer.accelerator.unwrap_model(trainer.model)
    trainer.save_model()
    if not trainer.is_world_process_zero():
        return
    parameters = [(p.numel(), p.requires_grad) for p in model.parameters()]
    TrainingRun(
        base_model=run.model_name_or_path,
        base_revision=revision_of(model),
        dataset_id=run.dataset_name,
        dataset_revision=revision,
        labels=tuple(model.config.id2label.values()),
        settings=settings,
        command="accelerate launch recipes/finetune.py " + shlex.join(argv),
        history=tuple(trainer.state.log_history),
        seconds=round(took_s, 1),
        parameters=sum(size for size, _ in parameters),
        trainable_parameters=sum(size for size, trainable in parameters if trainable),
        crop_seconds=run.crop_seconds,
        hardware=hardware(),
        versions=versions(),
    ).save(output)


# 6. and 7. Score on the split that nothing was chosen by, and publish.
def score_and_publish(
    run: RunArguments, args: FinetuneArguments, split: str, revision: str, repo_id: str | None
) -> None:
    """Write scores.json beside the model, print the result, and push the folder to repo_id if there is one."""
    from ytaudio.evaluation import score_model

    scores = score_model(
        args.output_dir,
        run.dataset_name,
        revision=revision or None,
        split=split,
        crop_seconds=run.crop_seconds,
        batch_size=args.per_device_eval_batch_size,
        trust_remote_code=run.trust_remote_code,
    )
    scores.save(args.output_dir)
    print(f"{split}: accuracy {scores.accuracy:.3f}, macro-F1 {scores.macro_f1:.3f} over videos; {args.output_dir}")
    if split == "validation":
        print("There is no test split: these are the videos the best epoch was chosen by, and the figures flatter.")
    if repo_id:
        from ytaudio.hub import push_model

        print(f"published {push_model(args.output_dir, repo_id, private=not run.public)}")


@mendable()
def main(argv: Sequence[str] | None = None) -> None:
    """All chapters in order; the user's mistakes are one sentence and exit code 2."""
    argv = sys.argv[1:] if argv is None else list(argv)
    run, args, settings = read_settings(argv)
    repo_id = args.hub_model_id if args.push_to_hub else None
    dataset, revision, labels = read_dataset(run)
    if not run.overwrite and already_done(args.output_dir, settings, revision):
        print(f"{args.output_dir} holds this training already; --overwrite begins anew")
    else:
        if args.process_index == 0:
            begin(args.output_dir, settings, revision, resume=args.resume_from_checkpoint, overwrite=run.overwrite)
        model, extractor = make_model(run, labels, args.seed)
        trainer = make_trainer(run, args, dataset, model, extractor)
        took_s = train(args, trainer)
        record(trainer, run, settings, revision, argv, took_s)
    if args.process_index == 0:
        score_and_publish(run, args, "test" if "test" in dataset else "validation", revision, repo_id)


if __name__ == "__main__":
    main()
