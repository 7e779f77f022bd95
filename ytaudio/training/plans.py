"""What a training will be, told before it is: data, model, steps, learning rates, memory and time."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console, Group
from rich.table import Table
from torch import nn

from ytaudio.clips import SAMPLING_RATE
from ytaudio.errors import UserError
from ytaudio.training.data import ClipCollator, Oversampled
from ytaudio.training.fitting import videos_of
from ytaudio.training.freezing import head_parameter_names
from ytaudio.training.memory import (
    MemoryEstimate,
    available,
    estimate,
    warning,
)
from ytaudio.training.probing import EPOCHS, LEARNING_RATE
from ytaudio.training.records import resume_point
from ytaudio.training.supplies import Supply

_LISTED = 12  # labels whose videos are counted one by one


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """One split of the dataset."""

    name: str
    clips: int
    videos: int  # rows where the dataset names no videos
    videos_by_label: dict[str, int]  # every label, 0 where it is absent


@dataclass(frozen=True, slots=True)
class Plan:
    """A training before it begins."""

    dataset: str
    dataset_revision: str  # the commit, or ""
    splits: tuple[SplitPlan, ...]
    model: str
    model_revision: str  # the commit, or ""
    backbone: tuple[int, int]  # parameters, and how many of them are trained
    head: tuple[int, int]
    freeze: str
    crop_seconds: float
    validation_crops: int  # a clip
    batch_size: int  # crops of one process at once
    accumulation: int  # batches of a process in a step
    processes: int
    steps_per_epoch: int  # of the optimiser
    steps: int
    learning_rate: float
    head_learning_rate: float | None  # where it differs
    schedule: str
    precision: str
    device: str
    output_dir: str
    checkpoint: str | None  # gone on from
    memory: MemoryEstimate
    memory_available: int | None  # bytes
    probe: bool = False  # the head alone, on embeddings computed once

    @property
    def crops_a_step(self) -> int:
        """The effective batch size."""
        return self.batch_size * self.accumulation * self.processes

    @property
    def seconds(self) -> float:
        """Estimated length of the training steps alone: without reading, evaluation and what processes exchange."""
        return self.memory.seconds * self.accumulation * self.steps


def steps_per_epoch(clips: int, batch_size: int, accumulation: int, processes: int, drop_last: bool = False) -> int:
    """Steps of the optimiser in an epoch, as Trainer counts them: every process gets as many batches."""
    batches = clips // batch_size if drop_last else math.ceil(clips / batch_size)
    each = batches // processes if drop_last else math.ceil(batches / processes)
    return max(math.ceil(each / accumulation), 1)


def split_plan(name: str, split: Any, labels: Sequence[str]) -> SplitPlan:
    """Clips and videos of one split; of its sound nothing is read."""
    of_video = dict(zip(videos_of(split), split["label"], strict=True))  # all clips of a video have its label
    counts = np.bincount(list(of_video.values()), minlength=len(labels)).tolist()
    return SplitPlan(name, len(split), len(of_video), dict(zip(labels, counts, strict=True)))


def parameters_by_part(model: nn.Module) -> tuple[tuple[int, int], tuple[int, int]]:
    """Backbone and head, each as (parameters, how many of them are trained)."""
    head, counts = head_parameter_names(model), {True: [0, 0], False: [0, 0]}  # type: ignore[arg-type]
    for name, parameter in model.named_parameters():
        counts[name in head][0] += parameter.numel()
        counts[name in head][1] += parameter.numel() * parameter.requires_grad
    return (counts[False][0], counts[False][1]), (counts[True][0], counts[True][1])


def plan_of(
    run: Any, args: Any, choices: Any, supply: Supply, model: Any, collator: ClipCollator, *, checkpoint: str | None
) -> Plan:
    """The plan of a training with the recipe's settings: its RunArguments, TrainingArguments and AccuracyArguments.

    Runs the model forwards and backwards over two crops, on the device of `args`, for memory and time.
    """
    learnt = Oversampled(supply.train, supply.train["label"]) if choices.oversample else supply.train
    clips, per_step = len(learnt), (args.per_device_train_batch_size, args.gradient_accumulation_steps)
    each = steps_per_epoch(clips, *per_step, args.world_size, args.dataloader_drop_last)
    backbone, head = parameters_by_part(model)
    steps = args.max_steps if args.max_steps > 0 else math.ceil(args.num_train_epochs * each)
    return Plan(
        dataset=run.dataset_name,
        dataset_revision=supply.revision,
        splits=tuple(split_plan(name, split, supply.labels) for name, split in supply.splits.items()),
        model=run.model_name_or_path,
        model_revision=getattr(model.config, "_commit_hash", None) or "",
        backbone=backbone,
        head=head,
        freeze=run.freeze,
        crop_seconds=collator.samples / SAMPLING_RATE,
        validation_crops=choices.validation_crops,
        batch_size=args.per_device_train_batch_size,
        accumulation=args.gradient_accumulation_steps,
        processes=args.world_size,
        steps_per_epoch=each,
        steps=steps,
        learning_rate=(choices.head_learning_rate or LEARNING_RATE) if run.probe else args.learning_rate,
        head_learning_rate=None if run.probe else choices.head_learning_rate,
        schedule=str(getattr(args.lr_scheduler_type, "value", args.lr_scheduler_type)),
        precision=precision_of(args),
        device=str(args.device),
        output_dir=args.output_dir,
        checkpoint=checkpoint,
        memory=memory_of(args, choices, supply, model, collator),
        memory_available=available(args.device),
        probe=run.probe,
    )


def memory_of(args: Any, choices: Any, supply: Supply, model: Any, collator: ClipCollator) -> MemoryEstimate:
    """What a training needs, estimated from the first two clips; the model moves to the device of `args`."""
    batch = collator([supply.train[0], supply.train[len(supply.train) - 1]])
    model.to(args.device)
    inputs = {name: tensor.to(args.device) for name, tensor in batch.items()}
    most = min(args.per_device_train_batch_size, len(supply.train))
    return estimate(model, inputs, batch_size=most, args=args, averaged=choices.ema_decay > 0)


def precision_of(args: Any) -> str:
    """The numbers a training computes with, in words."""
    kind = "bf16 (autocast)" if args.bf16 else "fp16 (autocast)" if args.fp16 else "float32"
    return kind + (", compiled" if args.torch_compile else "")


def in_words(seconds: float) -> str:
    """A length of time: 50 s, 12 min, 3.4 h."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def size(count: int) -> str:
    """Bytes in words: 1.5 GB."""
    return f"{count / 1e9:.2f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def price_of(per_hour: str, seconds: float) -> str:
    """What a length of time costs: "2.00 EUR" an hour and 720 s are "0.40 EUR at 2.00 an hour"; nothing for nothing.

    Raises:
        UserError: the price is not a number and a currency.
    """
    if not per_hour.strip():
        return ""
    number, _, currency = per_hour.strip().partition(" ")
    try:
        cost = float(number) * seconds / 3600
    except ValueError:
        raise UserError(f"price_per_hour is {per_hour!r}: give a number and a currency, as in '2.00 EUR'.") from None
    return f"{cost:.2f} {currency.strip()}".strip() + f" at {number} an hour"


def _at(name: str, revision: str) -> str:
    return f"{name} at {revision[:12]}" if revision else name


def _splits(plan: Plan) -> Table:
    labels = list(plan.splits[0].videos_by_label)[:_LISTED] if plan.splits else []
    table = Table("split")
    for column in ("clips", "videos", *(f"videos of {label}" for label in labels)):
        table.add_column(column, justify="right")
    for split in plan.splits:
        counts = [str(split.videos_by_label[label]) for label in labels]
        table.add_row(split.name, f"{split.clips:,}", f"{split.videos:,}", *counts)
    return table


def plan_text(plan: Plan) -> Group:
    """The plan for a person, to be printed by rich."""
    lines = Table.grid(padding=(0, 2))
    head_rate = "" if plan.head_learning_rate is None else f", head {plan.head_learning_rate:g}"
    memory, left = plan.memory, plan.memory_available
    trained = plan.backbone[1] + plan.head[1]
    rows = {
        "dataset": _at(plan.dataset, plan.dataset_revision),
        "model": _at(plan.model, plan.model_revision),
        "parameters": f"{plan.backbone[0] + plan.head[0]:,}, trained {trained:,}: backbone {plan.backbone[1]:,} of "
        f"{plan.backbone[0]:,}, head {plan.head[1]:,} of {plan.head[0]:,} (freeze {plan.freeze})",
        "crops": f"{plan.crop_seconds:g} s, one of a clip in training, {plan.validation_crops} in validation",
        "steps": f"{plan.steps:,}, {plan.steps_per_epoch:,} an epoch, each of {plan.crops_a_step} crops: "
        f"{plan.batch_size} at once x {plan.accumulation} accumulated x {plan.processes} in parallel",
        "learning rate": f"{plan.learning_rate:g}{head_rate}, {plan.schedule}",
        "computed on": f"{plan.device}, {plan.precision}",
        "goes to": plan.output_dir + (f", going on from {plan.checkpoint}" if plan.checkpoint else ""),
        "memory": f"about {size(memory.total)} a process: weights {size(memory.weights)}, gradients "
        f"{size(memory.gradients)}, optimiser {size(memory.optimiser)}, activations {size(memory.activations)}"
        + (f"; {size(left)} available" if left is not None else ""),
        "time": f"about {in_words(plan.seconds)} of training steps, from one timed pass over two crops; reading, "
        "validation and checkpoints come on top",
    }
    if plan.probe:
        seen = sum(split.clips for split in plan.splits if split.name in ("train", "validation"))
        rows |= {
            "steps": f"{seen:,} clips are embedded once, then {EPOCHS} epochs over the embeddings",
            "learning rate": f"{plan.learning_rate:g}",
            "time": f"about {in_words(memory.seconds / plan.batch_size * seen)} to embed, less without a backward pass",
        }
    for name, words in rows.items():
        lines.add_row(name, words)
    note = "Memory and time are estimates; nothing was trained or written."
    return Group(lines, "", _splits(plan), "", note)


def look_ahead(run: Any, choices: Any, args: Any, supply: Supply, model: Any, extractor: Any, crop_s: float) -> None:
    """Print the plan of a dry run; of another only a warning if its memory may not be there.

    The warning is for a CPU, whose kernel ends a process that takes too much without a word.
    """
    collator, console = (
        ClipCollator(extractor, crop_s),
        Console(highlight=False, width=None if sys.stdout.isatty() else 120),
    )
    if run.dry_run:
        checkpoint = None if run.overwrite else resume_point(args.resume_from_checkpoint, args.output_dir)
        console.print(plan_text(plan_of(run, args, choices, supply, model, collator, checkpoint=checkpoint)))
    elif args.device.type == "cpu" and not run.probe:
        said = warning(memory_of(args, choices, supply, model, collator), args, crop_s)
        if said:
            console.print(said, markup=False)
