"""A head fitted on a frozen backbone: each crop is embedded once, and epochs take moments."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from torch import Tensor
from transformers import EvalPrediction, PreTrainedModel, TrainingArguments

from ytaudio.errors import UserError
from ytaudio.training.choices import AccuracyArguments
from ytaudio.training.data import ClipCollator
from ytaudio.training.embedding import (
    Cut,
    EmbeddingStore,
    Progress,
    backbone_key,
    embed_split,
)
from ytaudio.training.fitting import clip_loss, videos_of
from ytaudio.training.losses import ClipLoss
from ytaudio.training.trainer import LAYER_WEIGHTS, VideoMetrics

EPOCHS = 100
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 0.01
CACHE = "embeddings"  # the folder of an output folder where embeddings are kept
_HEAD_BATCH = 64  # embeddings a step


@dataclass(frozen=True, slots=True)
class Probe:
    """How a head was fitted."""

    history: tuple[dict[str, float], ...]  # an entry an epoch, named as Trainer's log_history names them
    best_epoch: int  # whose head the model has now; the last one where there was no validation
    best_macro_f1: float | None  # over videos of the validation split
    crops: int  # of both splits
    embedded: int  # of them, in this run; the others were kept from before
    embedding_seconds: float
    epoch_seconds: float  # of one epoch, on average, with its validation


@contextmanager
def _quietly(model: PreTrainedModel) -> Iterator[None]:
    """The whole model in eval mode, and as it was afterwards."""
    before = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


def _groups(head: dict[str, torch.nn.Parameter]) -> list[dict[str, Any]]:
    """The head's parameters for the optimiser; layer weights and biases do not decay."""
    groups: dict[float, list[Tensor]] = {0.0: [], WEIGHT_DECAY: []}
    for name, value in head.items():
        still = name.endswith(LAYER_WEIGHTS) or value.dim() < 2
        groups[0.0 if still else WEIGHT_DECAY].append(value)
    return [{"params": values, "weight_decay": decay} for decay, values in groups.items() if values]


def _judge_of(cut: Cut, split: tuple[Tensor, Tensor], videos: Sequence[Any]) -> Callable[[], dict[str, float]]:
    """What scores the head, as it is when called, on a split's embeddings and labels, in Trainer's names."""
    (embeddings, labels), metrics = split, VideoMetrics(videos)

    def judge() -> dict[str, float]:
        with _quietly(cut.model), torch.no_grad():
            logits = torch.cat([cut.classify(part) for part in embeddings.split(1024)])
        loss = float(ClipLoss()(logits, labels).mean())
        found = metrics(EvalPrediction(predictions=logits.cpu().numpy(), label_ids=labels.cpu().numpy()))
        return {"eval_loss": loss, **{f"eval_{name}": value for name, value in found.items()}}

    return judge


def _fit(
    cut: Cut,
    train: tuple[Tensor, Tensor],
    judge: Callable[[], dict[str, float]] | None,
    loss: ClipLoss,
    epochs: int,
    learning_rate: float,
) -> tuple[list[dict[str, float]], int]:
    """Fit the head on embeddings and labels, and give it the weights of its best epoch: (history, that epoch)."""
    optimizer = torch.optim.AdamW(_groups(cut.head), lr=learning_rate)
    embeddings, labels = train
    history: list[dict[str, float]] = []
    best, kept, chosen = (-1.0, 0.0), {}, 0
    for epoch in range(1, epochs + 1):
        cut.model.train()
        total = 0.0
        for places in torch.randperm(len(labels)).split(_HEAD_BATCH):
            chunk = places.to(labels.device)
            losses = loss(cut.classify(embeddings[chunk]), labels[chunk])
            optimizer.zero_grad()
            losses.mean().backward()
            optimizer.step()
            total += float(losses.detach().sum())
        entry = {"epoch": float(epoch), "loss": total / len(labels), **(judge() if judge else {})}
        history.append(entry)
        # of two epochs that are as often right, the one that is surer of it; without validation the last
        merit = (entry["eval_macro_f1"], -entry["eval_loss"]) if judge else (float(epoch), 0.0)
        if merit > best:
            best, chosen = merit, epoch
            kept = {name: value.detach().clone() for name, value in cut.head.items()}
    with torch.no_grad():
        for name, value in kept.items():
            cut.head[name].copy_(value)
    return history, chosen


def _placed(model: PreTrainedModel, train: Any, device: torch.device | str | None) -> None:
    """The model on its device, if the training split can be gone through at all."""
    if not hasattr(train, "__len__"):
        raise UserError("A probe reads the clips once and keeps their embeddings: leave out --streaming.")
    model.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))  # type: ignore[arg-type]


def fit_on_embeddings(
    model: PreTrainedModel,
    extractor: Any,
    train: Any,
    validation: Any = None,
    *,
    crop_seconds: float,
    crops: int = 1,
    validation_crops: int = 1,
    epochs: int = EPOCHS,
    learning_rate: float = LEARNING_RATE,
    loss: ClipLoss | None = None,
    seed: int = 0,
    cache: Path | None = None,
    batch_size: int = 16,
    workers: int = 0,
    device: torch.device | str | None = None,
    progress: Progress | None = None,
) -> Probe:
    """Fit the head of a model on embeddings of whole splits, and leave the best one in the model.

    The backbone is held still and in eval mode: the model is what training its head alone would have made of it.

    Args:
        model, extractor: from load_classifier.
        train: rows with audio and label.
        validation: such rows, with video_id, to choose the best epoch by its macro-F1 over videos; None keeps the last.
        crop_seconds: length of the crops.
        crops, validation_crops: how many of each clip, spread evenly over it; probabilities are averaged.
        epochs, learning_rate, loss, seed: of AdamW over the embeddings; plain cross entropy where there is no loss.
        cache: a folder to keep embeddings in, for a run that goes on or another one; None keeps none.
        batch_size, workers, device: of the embedding; no device is a GPU if there is one.
        progress: told how many crops are embedded.

    Raises:
        UserError: a head that needs more than an embedding, a stream, or a folder that cannot be written.
    """
    _placed(model, train, device)
    cut, collator, judge, began = Cut(model), ClipCollator(extractor, crop_seconds), None, time.monotonic()
    store = EmbeddingStore(cache, backbone_key(model, extractor, collator.samples) if cache else "")
    embed = partial(embed_split, cut, collator, batch_size=batch_size, workers=workers, progress=progress)
    with _quietly(model):
        learnt, count, fresh = embed(train, store, crops=crops)
        if validation is not None:
            judged, more, new = embed(validation, store, crops=validation_crops)
            count, fresh = count + more, fresh + new
            judge = _judge_of(cut, judged, np.repeat(videos_of(validation), validation_crops).tolist())
        embedded_s, began = time.monotonic() - began, time.monotonic()
        with cut.headed(), torch.random.fork_rng():
            torch.manual_seed(seed)
            history, best = _fit(cut, learnt, judge, loss or ClipLoss(), epochs, learning_rate)
    return Probe(
        history=tuple(history),
        best_epoch=best,
        best_macro_f1=history[best - 1].get("eval_macro_f1"),
        crops=count,
        embedded=fresh,
        embedding_seconds=round(embedded_s, 3),
        epoch_seconds=round((time.monotonic() - began) / epochs, 5),
    )


def fit_head(
    model: PreTrainedModel,
    extractor: Any,
    train: Any,
    validation: Any,
    args: TrainingArguments,
    choices: AccuracyArguments,
    crop_seconds: float,
    *,
    epochs: int = EPOCHS,
    learning_rate: float | None = None,
    cache: Path | None = None,
) -> Probe:
    """`fit_on_embeddings` with a recipe's settings, and a bar on a terminal.

    Epochs cost next to nothing here, so `args` does not say how many; the rate is head_learning_rate, else
    LEARNING_RATE: one that suits a backbone would not get a head anywhere. Embeddings are kept in `cache`, or in the
    folder CACHE of output_dir, where a run that was cut short finds them.

    Raises:
        UserError: as `fit_on_embeddings`.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=console, disable=args.disable_tqdm or not console.is_terminal) as bars:
        task = bars.add_task("embedding crops", total=None)
        return fit_on_embeddings(
            model,
            extractor,
            train,
            validation,
            crop_seconds=crop_seconds,
            validation_crops=choices.validation_crops,
            epochs=epochs,
            learning_rate=learning_rate or choices.head_learning_rate or LEARNING_RATE,
            loss=clip_loss(args, choices, train["label"], model.config.num_labels or 2),
            seed=args.seed,
            cache=cache or Path(args.output_dir or ".") / CACHE,
            batch_size=args.per_device_eval_batch_size,
            workers=args.dataloader_num_workers,
            device=args.device,
            progress=lambda done, total: bars.update(task, completed=done, total=total),
        )
