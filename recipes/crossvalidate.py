"""Cross-validate an audio classifier on a dataset of the Hub: the honest answer for a few hundred videos.

    python recipes/crossvalidate.py recipes/spectrogram_cnn.yaml --dataset_name USER/DATASET --folds 5 --seeds 0 1 2 \\
        --output_dir cv

All splits of the dataset are pooled and cut anew into folds, no channel on two sides; every video is tested once a
seed. Settings and YAML files are those of finetune.py, whose seed gives way to --seeds. A run that was cut short goes
on with the next fold when it is launched again. With several GPUs launch it on each, with its own --seeds and one
folder, then once with all of them.
"""

import copy
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import TrainingArguments

from ytaudio.errors import mendable
from ytaudio.training.arguments import SettingsError, parse_settings
from ytaudio.training.choices import AccuracyArguments, ModelArguments
from ytaudio.training.manual import help_text, refuse, wants_help
from ytaudio.training.processes import launched

HERE = Path(__file__).resolve().parent
NOT_TRAINING = {"output_dir", "seeds", "seed", "name", "dataset_name", "dataset_revision", "folds", "validation"}
NOT_HERE = {"resume_from_checkpoint": "a launch goes on with the first fold that is not done"}
CHANNELS, NONE = "channels", "none"  # where validation clips come from


@dataclass
class CrossArguments(ModelArguments):
    """How to cross-validate, beside TrainingArguments; ModelArguments say which model and which clips."""

    folds: str = field(default="5", metadata={"help": "How many folds, or groups: one for every channel."})
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2], metadata={"help": "Of folds, weights and crops."})
    validation: str = field(
        default=CHANNELS,
        metadata={"help": "channels: a fifth of those not tested chooses the best epoch; none: all epochs, the last."},
    )
    crops: int = field(default=3, metadata={"help": "Crops of a tested clip, whose probabilities are averaged."})
    name: str = field(default="", metadata={"help": "What the table calls the model."})


@dataclass
class FoldArguments(TrainingArguments):
    """TrainingArguments with the defaults of finetune.py."""

    output_dir: str = field(default="", metadata={"help": "Where folds are kept and the table is left."})
    eval_strategy: str = "epoch"
    save_strategy: str = "epoch"
    save_total_limit: int | None = 1
    load_best_model_at_end: bool = True
    metric_for_best_model: str | None = "macro_f1"
    greater_is_better: bool | None = True
    logging_strategy: str = "epoch"
    remove_unused_columns: bool = False
    disable_tqdm: bool | None = True


KINDS = (CrossArguments, AccuracyArguments, FoldArguments)


@dataclass(frozen=True)
class Settings:
    """All that a run is told."""

    run: CrossArguments
    choices: AccuracyArguments
    args: FoldArguments
    given: dict[str, Any]  # what was set, for the record


# 1. Settings: the YAML file, and the command line over it.
def read_settings(argv: Sequence[str]) -> Settings:
    """All settings, checked before anything is loaded; else a SettingsError."""
    import torch
    from transformers.trainer_utils import IntervalStrategy, SaveStrategy

    from ytaudio.training.records import progress_bars

    if launched() > 1:
        raise SettingsError(
            "One process cross-validates: launch it with python, once for each GPU with its own --seeds and the same "
            "--output_dir."
        )
    (run, choices, args), given = parse_settings(KINDS, argv, beside=HERE)
    refuse(given, NOT_HERE)
    if not args.output_dir:
        raise SettingsError("Where shall the folds go? Give --output_dir FOLDER.")
    if args.push_to_hub or args.hub_token:
        raise SettingsError("Folds leave figures and no model: publish with finetune.py, and set HF_TOKEN to read.")
    if not run.folds.isdigit() and run.folds != "groups":
        raise SettingsError(f"folds is {run.folds}: give a number, or groups.")
    if run.validation not in (CHANNELS, NONE):
        raise SettingsError(f"validation is {run.validation}: choose {CHANNELS} or {NONE}.")
    if len(set(run.seeds)) < len(run.seeds) or run.crops < 1:
        raise SettingsError("Give --seeds that differ, and 1 or more --crops.")
    if run.validation == NONE:
        args.eval_strategy, args.save_strategy = IntervalStrategy.NO, SaveStrategy.NO
        args.load_best_model_at_end = False
    progress_bars()
    args.dataloader_pin_memory &= torch.cuda.is_available()
    settings = {name: value for name, value in given.items() if name not in NOT_TRAINING} | {"crops": run.crops}
    return Settings(run, choices, args, json.loads(json.dumps(settings, default=str)))


# 2. The dataset: all its splits together, decoded.
def read_dataset(run: CrossArguments) -> Any:
    """The pool that folds are cut from; else a DatasetError."""
    from ytaudio.evaluation.crossvalidation import pool
    from ytaudio.training.data import open_dataset

    dataset, revision, labels = open_dataset(run.dataset_name, run.dataset_revision)
    return pool(dataset, run.dataset_name, revision, labels)


# 3. One fold: a new model trained on its train part, its best epoch chosen on validation, then asked about test.
def learn(settings: Settings, labels: Sequence[str], train: Any, validation: Any, test: Any, seed: int) -> Any:
    """Probabilities of test's clips, (clips, labels)."""
    from tempfile import TemporaryDirectory

    from transformers import EarlyStoppingCallback, PrinterCallback

    from ytaudio.evaluation.crossvalidation import answers
    from ytaudio.training.fitting import clip_trainer, new_model
    from ytaudio.training.probing import fit_head

    run, choices, args = settings.run, settings.choices, copy.copy(settings.args)
    model, extractor, crop_seconds = new_model(run, choices, labels, seed)
    with TemporaryDirectory(dir=settings.args.output_dir, prefix="training-") as checkpoints:
        args.seed, args.output_dir = seed, settings.args.output_dir if run.probe else checkpoints
        if run.probe or choices.head_first:
            fit_head(model, extractor, train, validation, args, choices, crop_seconds)
        if not run.probe:
            stops = [EarlyStoppingCallback(run.early_stopping_patience)] if validation is not None else []
            trainer = clip_trainer(
                model, extractor, args, choices, train, validation, crop_seconds=crop_seconds, callbacks=stops
            )
            trainer.remove_callback(PrinterCallback)
            trainer.train()
    return answers(model, extractor, test, crop_seconds, run.crops, args.per_device_eval_batch_size)


@mendable()
def main(argv: Sequence[str] | None = None) -> None:
    """All chapters in order; the user's mistakes are one sentence and exit code 2."""
    argv = sys.argv[1:] if argv is None else list(argv)
    if wants_help(argv):
        own = ("folds", "seeds", "validation", "crops", "name")
        print(help_text(KINDS, argv, __doc__ or "", own, without={"seed", *NOT_HERE}))
        return
    settings = read_settings(argv)
    run, folder = settings.run, Path(settings.args.output_dir)
    from functools import partial

    from ytaudio.evaluation.crossscores import table
    from ytaudio.evaluation.crossvalidation import cross_validate

    pooled = read_dataset(run)
    print(f"{len(pooled.videos)} videos of all splits of {run.dataset_name} together")
    cross = cross_validate(
        pooled,
        partial(learn, settings, pooled.labels),
        folder,
        name=run.name or run.model_name_or_path,
        k=int(run.folds) if run.folds.isdigit() else run.folds,
        seeds=run.seeds,
        settings=settings.given,
        validation=run.validation == CHANNELS,
    )
    (folder / "crossvalidation.md").write_text(table(cross), encoding="utf-8")
    print(f"\n{table(cross)}\n{folder / 'crossvalidation.json'}")


if __name__ == "__main__":
    main()
