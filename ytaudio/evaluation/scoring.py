"""Model x split to scores with intervals: crops averaged to clips, clips to videos."""

import itertools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from ytaudio.catalog import normalize_category
from ytaudio.clips import crop_starts, decode, decode_from, repeat_to
from ytaudio.errors import UserError
from ytaudio.evaluation.floors import encoded_clips, keys_of
from ytaudio.evaluation.floors import floors as floors_of
from ytaudio.evaluation.scores import (
    Scores,
    by_video,
    figures,
)
from ytaudio.training.checkpoints import load_for_inference, revision_of
from ytaudio.training.data import ClipCollator, open_dataset
from ytaudio.training.runs import trained_crop_seconds
from ytaudio.training.streaming import open_stream


def score_model(
    model: str,
    dataset_name: str,
    *,
    revision: str | None = None,
    model_revision: str | None = None,
    split: str | None = None,
    crop_seconds: float | None = None,
    crops: int = 3,
    batch_size: int = 16,
    trust_remote_code: bool = False,
    floors: bool = True,
    streaming: bool = False,
    bf16: bool = False,
) -> Scores:
    """Score an audio classifier on a split of a dataset.

    Each clip is heard as up to `crops` crops of one fixed length, spread evenly; a clip's probabilities are the mean
    over its crops, a video's the mean over its clips. Model and dataset are matched by the labels' names; where the
    model knows labels that the dataset lacks, their probability is shared out among the others.

    Args:
        model: a folder or a Hub repo id, of any checkpoint of AutoModelForAudioClassification.
        dataset_name: a folder or a Hub repo id.
        revision: of the dataset; None for the newest.
        model_revision: of the model; None for the newest.
        split: None for "test" if there is one, else "validation".
        crop_seconds: None for what the model was trained on, as its training_run.json says, else 5.
        crops: of each clip, at the most.
        batch_size: crops at once.
        trust_remote_code: run the model's own code from the Hub.
        floors: work out the floors as well; they need the split "train".
        streaming: keep nothing of the dataset on disk: clips are read as they are scored, and floors learn from at most
            floors.STREAMED clips of train (and read the scored split again).
        bf16: compute in bfloat16, where the last digits of a probability are the machine's.

    Raises:
        UserError: no such split, labels that do not cover the dataset's, a dataset or model that cannot be read, a
            model that answers NaN.
    """
    dataset, sha, labels = _opened(dataset_name, revision, streaming)
    names, split = tuple(labels), _split(dataset_name, dataset, split)
    network, extractor = load_for_inference(model, model_revision, trust_remote_code)
    columns = _columns(model, network.config.id2label or {}, dataset_name, names)
    seconds = crop_seconds or trained_crop_seconds(model, revision_of(network) or None)
    started = time.monotonic()
    collator = ClipCollator(extractor, seconds)
    heard = _listen(network, collator, encoded_clips(dataset[split]), crops, batch_size, bf16)[:, columns]
    if not np.isfinite(heard).all():
        raise UserError(f"{model} answers some clips with no number (NaN): train it again, at a lower learning rate.")
    urls = list(dataset[split]["url"]) if "url" in dataset[split].column_names else ()
    predictions = by_video(keys_of(dataset[split]), heard / heard.sum(axis=1, keepdims=True), names, urls)
    took = time.monotonic() - started
    return Scores(
        model_id=str(model),
        model_revision=revision_of(network),
        dataset_id=str(dataset_name),
        dataset_revision=sha or "",
        split=split,
        labels=names,
        floors=floors_of(dataset, split, names, str(dataset_name), sha or "") if floors else {},
        predictions=predictions,
        crop_seconds=seconds,
        crops=crops,
        seconds=round(took, 2),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions={name: version(name) for name in ("ytaudio", "transformers", "datasets", "torch", "numpy")},
        **figures(predictions, names),
    )


def _opened(name: str, revision: str | None, streaming: bool) -> tuple[Mapping[str, Any], str, Sequence[str]]:
    """The splits, the commit and the labels."""
    if not streaming:
        return open_dataset(name, revision)
    streamed = open_stream(name, revision)
    return streamed.splits, streamed.commit, streamed.labels


def _split(dataset_name: str, found: Mapping[str, Any], wanted: str | None) -> str:
    """The split to score, which has rows and a label for each."""
    for candidate in (wanted,) if wanted else ("test", "validation"):
        if candidate in found:
            if min(found[candidate]["label"], default=-1) < 0:
                raise UserError(
                    f"The split {candidate} of {dataset_name} is empty or lacks labels: score another --split."
                )
            return candidate
    raise UserError(
        f"{dataset_name} has no split {wanted or 'test or validation'}: give one of {', '.join(found)} as --split."
    )


def _columns(model: str, id2label: Mapping[Any, str], dataset_name: str, labels: Sequence[str]) -> list[int]:
    """Which of the model's outputs each label of the dataset is, by name; case, blanks and hyphens do not matter."""
    known = {normalize_category(str(name)): int(number) for number, name in id2label.items()}
    missing = [label for label in labels if normalize_category(label) not in known]
    if missing:
        names = ", ".join(sorted(map(str, id2label.values()))[:8])
        raise UserError(
            f"{model} does not know the label {', '.join(missing[:5])} of {dataset_name} (it knows {names}): "
            "score it on a dataset with its labels, or fine-tune it on this one."
        )
    return [known[normalize_category(label)] for label in labels]


def _listen(
    network: Any, collator: ClipCollator, rows: Iterable[bytes], crops: int, batch_size: int, bf16: bool = False
) -> np.ndarray:
    """Probabilities of every clip, float64 (clips, classes), each the mean over its crops of the collator's length."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = network.to(device).eval()
    heard: list[np.ndarray] = []
    owners: list[int] = []
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        for clips, inputs in _ahead(_batches(collator, rows, crops, batch_size)):
            logits = network(**{collator.name: inputs.to(device)}).logits
            heard.append(logits.float().softmax(-1).double().cpu().numpy())
            owners += clips
    shares, counts = np.concatenate(heard), np.bincount(owners)
    summed = np.zeros((len(counts), shares.shape[1]))
    np.add.at(summed, owners, shares)
    return summed / counts[:, None]


def _batches(
    collator: ClipCollator, rows: Iterable[bytes], crops: int, batch_size: int
) -> Iterator[tuple[list[int], torch.Tensor]]:
    """Crops as the model is fed them, a batch at a time, with each one's clip's number."""
    pieces = ((clip, crop) for clip, flac in enumerate(rows) for crop in _cut(flac, collator.samples, crops))
    while batch := list(itertools.islice(pieces, batch_size)):
        yield [clip for clip, _ in batch], collator.features([crop for _, crop in batch])


def _ahead(batches: Iterator[Any]) -> Iterator[Any]:
    """The same batches, the next being read while one is computed."""
    with ThreadPoolExecutor(1) as reader:
        reading = reader.submit(next, batches, None)
        while (batch := reading.result()) is not None:
            reading = reader.submit(next, batches, None)
            yield batch


def _cut(flac: bytes, samples: int, crops: int) -> Iterator[np.ndarray]:
    """Crops of one length, nothing else being decoded; a clip that is shorter is repeated up to it."""
    starts: list[int] = []

    def first(length: int) -> int:
        starts.extend(crop_starts(length, samples, crops))
        return starts[0]

    yield repeat_to(decode_from(flac, first, samples), samples)
    for start in starts[1:]:
        yield repeat_to(decode(flac, start, samples), samples)
