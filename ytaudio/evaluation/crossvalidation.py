"""Cross-validation: every video of a dataset tested once a seed; kept fold by fold, so that a kill costs one fold."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import DatasetDict, concatenate_datasets
from torch.utils.data import Dataset as TorchDataset

from ytaudio.clips import crop_starts
from ytaudio.durable import write_whole
from ytaudio.errors import UserError, writing_to
from ytaudio.evaluation.crossscores import MODEL, CrossValidation
from ytaudio.evaluation.floors import (
    MAJORITY,
    MFCC,
    encoded_clips,
    keys_of,
    logistic,
    mfcc_statistics,
)
from ytaudio.evaluation.folds import Fold, grouped_folds
from ytaudio.evaluation.scores import Prediction, by_video
from ytaudio.training.data import ClipCollator
from ytaudio.training.preloading import preload

SETTINGS_FILE = "settings.json"
FLOORS_FILE = "floors.json"


class Rows(TorchDataset):
    """Some rows of a split, by their numbers; it reads as datasets.Dataset does where training needs it."""

    def __init__(self, whole: Any, places: Sequence[int]) -> None:
        self.whole, self.places = whole, list(places)

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.places)

    def __getitem__(self, place: Any) -> Any:
        """A row by its number among these, or a column by its name, as a list."""
        if isinstance(place, str):
            column = self.whole[place]
            return [column[number] for number in self.places]
        return self.whole[self.places[place]]

    @property
    def column_names(self) -> list[str]:
        """Of the whole."""
        return list(self.whole.column_names)


@dataclass(frozen=True)
class Pool:
    """All clips of a dataset, decoded in memory, and the videos they are of."""

    dataset_id: str
    dataset_revision: str
    labels: tuple[str, ...]
    rows: Any  # a clip each
    keys: tuple[tuple[str, str, int], ...]  # of each clip: its video, channel and label's number
    mfcc: Callable[[], np.ndarray]  # statistics of each clip, float32 (clips, features), for the floor

    @property
    def videos(self) -> tuple[tuple[str, str, int], ...]:
        """Video id, channel id and label's number, sorted by id: what folds number."""
        return tuple(sorted(set(self.keys)))

    def clips(self, videos: Sequence[int]) -> list[int]:
        """The rows that are of some of the videos."""
        wanted = {self.videos[number][0] for number in videos}
        return [row for row, (video, _, _) in enumerate(self.keys) if video in wanted]


Learn = Callable[[Rows, Rows | None, Rows, int], np.ndarray]


def pool(dataset: DatasetDict, dataset_id: str, revision: str, labels: Sequence[str]) -> Pool:
    """All splits of a dataset together, decoded.

    Raises:
        UserError: clips without labels, one class only, a video with two labels or channels, too little memory.
    """
    rows = concatenate_datasets([dataset[split] for split in dataset])
    keys = tuple(keys_of(rows))
    names = {video for video, _, _ in keys}
    if not keys or min(label for _, _, label in keys) < 0 or len({label for _, _, label in keys}) < 2:
        raise UserError(f"{dataset_id} has no two classes of labelled clips: there is nothing to tell apart.")
    if len(names) < len(set(keys)):
        raise UserError(
            f"{dataset_id} gives one video several labels or channels: mend its columns and publish it again."
        )
    statistics: list[np.ndarray] = []

    def mfcc() -> np.ndarray:
        if not statistics:
            statistics.append(mfcc_statistics(encoded_clips(rows)))
        return statistics[0]

    return Pool(dataset_id, revision, tuple(labels), preload(rows, name="all"), keys, mfcc)


def folds_of(pooled: Pool, k: int | str, seed: int, validation: bool) -> tuple[Fold, ...]:
    """The folds of a seed, by channel; a video without a known one is a group by itself."""
    groups = [("channel", channel) if channel else ("video", video) for video, channel, _ in pooled.videos]
    return grouped_folds([label for _, _, label in pooled.videos], groups, k, seed, validation=validation)


def _begin(folder: Path, settings: dict[str, Any]) -> None:
    """Note what is being cross-validated in a folder, and keep it from going on with other settings.

    Raises:
        UserError: the folder holds folds of others; it names what changed.
    """
    path = folder / SETTINGS_FILE
    if path.is_file():
        before = json.loads(path.read_text())
        changed = [name for name in sorted({*before, *settings}) if before.get(name) != settings.get(name)]
        if changed:
            changes = ", ".join(f"{name} was {before.get(name)} and is now {settings.get(name)}" for name in changed)
            raise UserError(f"{folder} holds folds of other settings ({changes}): give a new --output_dir.")
        return
    with writing_to(folder):
        write_whole(path, (json.dumps(settings, indent=1, sort_keys=True) + "\n").encode())


def fold_path(folder: Path, seed: int, number: int) -> Path:
    """Where what a fold gave is kept."""
    return folder / f"seed-{seed}" / f"fold-{number:03d}.json"


def cross_validate(
    pooled: Pool,
    learn: Learn,
    folder: Path,
    *,
    name: str,
    k: int | str,
    seeds: Sequence[int],
    settings: dict[str, Any],
    validation: bool = True,
    say: Callable[[str], None] = print,
) -> CrossValidation:
    """Train and test every fold of every seed that the folder does not hold yet, then score all of them.

    Each seed draws its folds anew and begins from other weights. A fold's answers are written whole when it is done; an
    interrupted run goes on with the next one. Several processes may work in one folder at a time on different seeds.

    Args:
        pooled: from `pool`.
        learn: (train, validation or None, test, seed) to probabilities of test's clips, (clips, labels).
        folder: where folds are kept and crossvalidation.json is left.
        name: of what is trained, for the table.
        k: number of folds, or "groups".
        seeds: one after the other.
        settings: of the training; a folder keeps to them.
        validation: set a fifth of the other channels aside, to choose the best epoch by.
        say: told a line each fold.

    Raises:
        UserError: too few channels, or a folder that holds folds of other settings.
    """
    kept = {**settings, "folds": str(k), "validation": validation}
    cut = {seed: folds_of(pooled, k, seed, validation) for seed in seeds}
    _begin(folder, {**kept, "dataset": pooled.dataset_id, "dataset_revision": pooled.dataset_revision})
    todo = [(seed, fold) for seed in seeds for fold in cut[seed] if not fold_path(folder, seed, fold.number).is_file()]
    of, began = sum(map(len, cut.values())), time.monotonic()
    if len(todo) < of:
        say(f"{of - len(todo)} of {of} trainings are done already")
    for done, (seed, fold) in enumerate(todo, 1):
        predictions, seconds = _one(pooled, learn, folder, seed, fold)
        right = np.mean([p.predicted == p.label for p in predictions])
        left = (time.monotonic() - began) / done * (len(todo) - done)
        say(
            f"seed {seed}, fold {fold.number + 1} of {len(cut[seed])}: {right:.0%} of {len(predictions)} videos right, "
            f"{seconds:.0f} s; {of - len(todo) + done} of {of} trainings, about {_clock(left)} left"
        )
    cross = _gathered(pooled, folder, name, str(k), cut, kept)
    cross.save(folder)
    return cross


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min" if minutes >= 10 else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _one(pooled: Pool, learn: Learn, folder: Path, seed: int, fold: Fold) -> tuple[tuple[Prediction, ...], float]:
    """Train and test one fold, and keep what it gave."""
    began, places = time.monotonic(), pooled.clips(fold.test)
    train, chosen = (Rows(pooled.rows, pooled.clips(part)) for part in (fold.train, fold.validation))
    shares = learn(train, chosen if len(chosen) else None, Rows(pooled.rows, places), seed)
    if not np.isfinite(shares).all():
        raise UserError(
            f"The model of seed {seed}, fold {fold.number} answers with no number (NaN): lower learning_rate."
        )
    predictions = by_video([pooled.keys[place] for place in places], shares, pooled.labels)
    seconds = time.monotonic() - began
    content = {
        "seed": seed,
        "fold": fold.number,
        "seconds": round(seconds, 1),
        "predictions": [*map(asdict, predictions)],
    }
    with writing_to(folder):
        write_whole(fold_path(folder, seed, fold.number), (json.dumps(content) + "\n").encode())
    return predictions, seconds


def _gathered(
    pooled: Pool, folder: Path, name: str, k: str, cut: dict[int, tuple[Fold, ...]], settings: dict[str, Any]
) -> CrossValidation:
    """All folds of all seeds as one result, beside the floors on the same folds."""
    videos, shares, seconds = pooled.videos, [], 0.0
    for seed, folds in cut.items():
        parts = [json.loads(fold_path(folder, seed, fold.number).read_text()) for fold in folds]
        seconds += sum(part["seconds"] for part in parts)
        found = {one["video_id"]: tuple(one["probabilities"]) for part in parts for one in part["predictions"]}
        shares.append(tuple(found[video] for video, _, _ in videos))
    own = tuple(tuple(int(np.argmax(row)) for row in rows) for rows in shares)
    return CrossValidation(
        name=name,
        dataset_id=pooled.dataset_id,
        dataset_revision=pooled.dataset_revision,
        labels=pooled.labels,
        folds=k,
        seeds=tuple(cut),
        settings=settings,
        videos=tuple(video for video, _, _ in videos),
        channels=tuple(channel for _, channel, _ in videos),
        truth=tuple(label for _, _, label in videos),
        answers={MODEL: own, **_floors(pooled, folder, cut)},
        probabilities=tuple(shares),
        seconds=round(seconds, 1),
    )


def _floors(pooled: Pool, folder: Path, cut: dict[int, tuple[Fold, ...]]) -> dict[str, tuple[tuple[int, ...], ...]]:
    """What the floors answer on the same folds, of each seed; worked out once for a seed and kept."""
    path = folder / FLOORS_FILE
    known: dict[str, dict[str, list[int]]] = json.loads(path.read_text()) if path.is_file() else {}
    for seed, folds in cut.items():
        if str(seed) not in known:
            known[str(seed)] = {floor: list(answers) for floor, answers in _floor_answers(pooled, folds)}
    with writing_to(folder):
        write_whole(path, (json.dumps(known) + "\n").encode())
    return {floor: tuple(tuple(known[str(seed)][floor]) for seed in cut) for floor in (MAJORITY, MFCC)}


def _floor_answers(pooled: Pool, folds: Sequence[Fold]) -> Iterator[tuple[str, list[int]]]:
    """Each floor with its answer to every video; it learns on all that a fold does not test."""
    truth, count = np.asarray([label for _, _, label in pooled.keys]), len(pooled.labels)
    shares = {floor: np.zeros((len(truth), count)) for floor in (MAJORITY, MFCC)}
    for fold in folds:
        rest, tested = pooled.clips((*fold.train, *fold.validation)), pooled.clips(fold.test)
        shares[MAJORITY][tested] = np.bincount(truth[rest], minlength=count) / len(rest)
        known = np.unique(truth[rest])
        if len(known) > 1:
            heard = logistic(pooled.mfcc()[rest], truth[rest], pooled.mfcc()[tested])
            shares[MFCC][np.asarray(tested)[:, None], known] = heard
        else:
            shares[MFCC][tested, known[0]] = 1.0
    for floor, spread in shares.items():
        found = {p.video_id: pooled.labels.index(p.predicted) for p in by_video(pooled.keys, spread, pooled.labels)}
        yield floor, [found[video] for video, _, _ in pooled.videos]


def answers(model: Any, extractor: Any, rows: Rows, crop_seconds: float, crops: int, batch_size: int) -> np.ndarray:
    """What a model says of clips: float64 (clips, labels), each the mean over up to `crops` crops, spread evenly."""
    collator = ClipCollator(extractor, crop_seconds)
    pieces: list[tuple[int, int, int]] = []  # clip, crop's number, how many the clip has
    for place in range(len(rows)):
        of = len(crop_starts(len(rows[place]["audio"]["waveform"]), collator.samples, crops))
        pieces += [(place, number, of) for number in range(of)]
    model.eval()
    summed = np.zeros((len(rows), len(model.config.id2label)))
    for begin in range(0, len(pieces), batch_size):
        part = pieces[begin : begin + batch_size]
        batch = collator([{**rows[place], "part": (number, of)} for place, number, of in part])
        with torch.inference_mode():
            logits = model(**{collator.name: batch[collator.name].to(model.device)}).logits
        shares = logits.float().softmax(-1).double().cpu().numpy() / np.asarray([[of] for _, _, of in part])
        np.add.at(summed, [place for place, _, _ in part], shares)
    return summed
