"""Fine-tune an audio classifier on a dataset of the Hub, score it, and publish it.

    accelerate launch recipes/finetune.py recipes/spectrogram_cnn.yaml --dataset_name USER/DATASET \\
        --output_dir runs/cnn --push_to_hub --hub_model_id USER/MODEL

The YAML file holds the settings of a run, every one of them also an option of the command line, which wins. --help
tells them, --dry-run what a run would be. A run that was cut short goes on from its last checkpoint when it is launched
again; one that is done is only scored and published. Chapters import what they need, so that a mistake is told soon.
"""

import json
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import TrainingArguments

from ytaudio.training.arguments import parse_settings
from ytaudio.training.choices import AccuracyArguments, ModelArguments
from ytaudio.training.manual import help_text, wants_help
from ytaudio.training.memory import enough_memory
from ytaudio.training.processes import (
    join_on_cpu,
    mendable_together,
    part,
    share_weights,
)

NOT_TRAINING = {"output_dir", "overwrite", "resume_from_checkpoint", "push_to_hub", "hub_model_id", "public", "dry_run"}
NOT_TRAINING |= {"price_per_hour", "report_to", "run_name", "preload"}


@dataclass
class RunArguments(ModelArguments):
    """What to train on what, beside TrainingArguments; ModelArguments say which model and which clips."""

    streaming: bool = field(default=False, metadata={"help": "Read clips from the Hub while training; keep none."})
    preload: bool = field(default=False, metadata={"help": "Decode all clips into memory before the first epoch."})
    overwrite: bool = field(default=False, metadata={"help": "Begin anew although output_dir holds a training."})
    dry_run: bool = field(default=False, metadata={"help": "Show the plan of the run, and neither train nor write."})
    price_per_hour: str = field(default="", metadata={"help": "What the machine costs, for the card: '2.00 EUR'."})
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


KINDS = (RunArguments, AccuracyArguments, FinetuneArguments)


@dataclass(frozen=True)
class Settings:
    """All that a run is told."""

    run: RunArguments
    choices: AccuracyArguments
    args: FinetuneArguments
    given: dict[str, Any]  # what was set, for the record


# 1. Settings: the YAML file, and the command line over it.
def read_settings(argv: Sequence[str]) -> Settings:
    """All settings, checked before anything is loaded; else a SettingsError."""
    from ytaudio.training.checks import check_settings

    join_on_cpu()
    (run, choices, args), given = parse_settings(KINDS, argv, beside=Path(__file__).parent)
    check_settings(run, args, given)
    settings = {name: value for name, value in given.items() if name not in NOT_TRAINING}
    return Settings(run, choices, args, json.loads(json.dumps(settings, default=str)))


# 2. The model, with a head for the dataset's labels, and how long its crops are.
def make_model(settings: Settings, labels: Sequence[str]) -> tuple[Any, Any, float]:
    """Model, feature extractor and the length of the crops in seconds; new weights follow from the seed."""
    from ytaudio.training.fitting import new_model

    return new_model(settings.run, settings.choices, labels, settings.args.seed)


# 3. Training: random crops, validation scored after each epoch, the best epoch kept; or the head alone on embeddings.
def fit(settings: Settings, supply: Any, model: Any, extractor: Any, crop_seconds: float) -> Any:
    """Train to the end, from the last checkpoint if there is one, and save the model: the history of the training."""
    from transformers import EarlyStoppingCallback, PrinterCallback, ProgressCallback

    from ytaudio.training.epochs import EpochLines, told
    from ytaudio.training.fitting import clip_trainer
    from ytaudio.training.probing import fit_head
    from ytaudio.training.records import resume_point

    run, choices, args, data = settings.run, settings.choices, settings.args, (supply.train, supply.validation)
    checkpoint = resume_point(args.resume_from_checkpoint, args.output_dir)
    if run.probe or (choices.head_first and not checkpoint):
        probe = None if args.process_index else told(fit_head(model, extractor, *data, args, choices, crop_seconds))
        share_weights(model, args.device)
    if run.probe:
        for one in (model, extractor) if probe else ():
            one.save_pretrained(args.output_dir)
        return probe.history if probe else ()
    watching = [EpochLines(), *([EarlyStoppingCallback(run.early_stopping_patience)] * args.load_best_model_at_end)]
    trainer = clip_trainer(model, extractor, args, choices, *data, crop_seconds=crop_seconds, callbacks=watching)
    for callback in (PrinterCallback, ProgressCallback):  # EpochLines tells it in their place
        trainer.remove_callback(callback)
    trainer.train(resume_from_checkpoint=checkpoint)
    trainer.save_model()
    return trainer.state.log_history


# 4. The record of how the weights came to be; training_run.json is written last.
def train(settings: Settings, supply: Any, loaded: tuple[Any, Any, float], command: str) -> None:
    """Fit the model, and leave model, extractor and TrainingRun in output_dir."""
    from ytaudio.training.checkpoints import revision_of
    from ytaudio.training.energy import Meter
    from ytaudio.training.plans import price_of
    from ytaudio.training.records import hardware, versions
    from ytaudio.training.runs import TrainingRun
    from ytaudio.training.supplies import in_memory

    (model, _, crop_seconds), run, began, meter = loaded, settings.run, time.monotonic(), Meter()
    with meter:
        history = fit(settings, in_memory(supply) if run.preload else supply, *loaded)
    if settings.args.process_index > 0:
        return
    seconds, parameters = time.monotonic() - began, [(p.numel(), p.requires_grad) for p in model.parameters()]
    TrainingRun(
        base_model=run.model_name_or_path,
        base_revision=revision_of(model),
        dataset_id=run.dataset_name,
        dataset_revision=supply.revision,
        labels=supply.labels,
        settings=settings.given,
        command=command,
        history=tuple(history),
        seconds=round(seconds, 1),
        parameters=sum(size for size, _ in parameters),
        trainable_parameters=sum(size for size, trainable in parameters if trainable),
        crop_seconds=crop_seconds,
        hardware=hardware(),
        versions=versions(),
        energy_wh=meter.wh,
        energy_source=meter.source,
        price=price_of(run.price_per_hour, seconds),
    ).save(settings.args.output_dir)


# 5. and 6. Score on the split that nothing was chosen by, and publish.
def score_and_publish(settings: Settings, split: str, revision: str, repo_id: str | None) -> None:
    """Write scores.json beside the model, print the result, and push the folder to repo_id if there is one."""
    from ytaudio.evaluation.scoring import score_model
    from ytaudio.hub import push_model

    run, args, folder = settings.run, settings.args, settings.args.output_dir
    scores = score_model(
        folder,
        run.dataset_name,
        revision=revision or None,
        split=split,
        batch_size=args.per_device_eval_batch_size,
        trust_remote_code=run.trust_remote_code,
        streaming=run.streaming,
    )
    scores.save(folder)
    print(f"{split}: accuracy {scores.accuracy:.3f}, macro-F1 {scores.macro_f1:.3f} over videos; {folder}")
    if split == "validation":
        print("There is no test split: these are the videos the best epoch was chosen by, and the figures flatter.")
    if repo_id:
        print(f"published {push_model(folder, repo_id, private=not run.public)}")


# All chapters in order.
def run_all(settings: Settings, command: str) -> None:
    """What is done already is not done again; processes but the first take part in training alone."""
    from ytaudio.training.plans import look_ahead
    from ytaudio.training.records import already_done, begin
    from ytaudio.training.supplies import open_supply

    run, args, given = settings.run, settings.args, settings.given
    repo_id = args.hub_model_id if args.push_to_hub else None
    supply = open_supply(run.dataset_name, run.dataset_revision, streaming=run.streaming, seed=args.seed)
    if run.dry_run or run.overwrite or not already_done(args.output_dir, given, supply.revision):
        if args.process_index == 0 and not run.dry_run:
            begin(args.output_dir, given, supply.revision, resume=args.resume_from_checkpoint, overwrite=run.overwrite)
        args.distributed_state.wait_for_everyone()  # until what is not to be gone on from is away
        loaded = make_model(settings, supply.labels)
        if args.process_index == 0:
            look_ahead(run, settings.choices, args, supply, *loaded)
        if run.dry_run:
            return
        train(settings, supply, loaded, command)
    elif args.process_index == 0:
        print(f"{args.output_dir} holds this training already; --overwrite begins anew")
    part()
    if args.process_index == 0:
        score_and_publish(settings, supply.scored, supply.revision, repo_id)


@mendable_together()
def main(argv: Sequence[str] | None = None) -> None:
    """The user's mistakes are one sentence and exit code 2."""
    argv = sys.argv[1:] if argv is None else list(argv)
    if wants_help(argv):
        print(help_text(KINDS, argv))
        return
    settings = read_settings(argv)
    with enough_memory(settings.args, settings.run.crop_seconds):
        run_all(settings, "accelerate launch recipes/finetune.py " + shlex.join(argv))


if __name__ == "__main__":
    main()
