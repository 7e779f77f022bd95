"""What a cross-validation says: mean and deviation over seeds, intervals over channels and seeds, paired differences.

A figure is worked out for each seed over all videos, whichever fold tested them, then averaged over the seeds. Its
interval has to tell of both, other videos and other seeds, which are crossed: every seed has answered every video. So
each resample draws channels with all their videos, and, independently, seeds (the pigeonhole bootstrap: Owen, The
Pigeonhole Bootstrap, Annals of Applied Statistics 1, 2007). Both are widened as `intervals` says for few channels. Two
systems on the same folds are resampled together, so what they share falls out of their difference. What no interval of
one dataset tells: trainings of different folds share most of their clips, so they are less independent than they look
(Bengio and Grandvalet, No Unbiased Estimator of the Variance of K-Fold Cross-Validation, 2004).
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from ytaudio.durable import write_whole
from ytaudio.errors import UserError
from ytaudio.intervals import (
    RESAMPLES,
    SEED,
    Interval,
    accuracy,
    balanced_accuracy,
    counts_of,
    grouped,
    interval,
    macro_f1,
    percentiles,
    resample,
)

FILE = "crossvalidation.json"
MODEL = "model"
CHANNELS, VIDEOS = (
    "channels",
    "videos",
)  # what intervals can be over; of videos of one channel the first alone is honest
MEASURES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "accuracy": accuracy,
    "macro_f1": macro_f1,
    "balanced_accuracy": balanced_accuracy,
}


@dataclass(frozen=True, slots=True)
class Measured:
    """A share, or a difference of two."""

    value: float  # the mean over the seeds
    deviation: float | None  # over the seeds, with n - 1; None for one seed
    interval: Interval  # of 95 %, over channels and seeds

    def __str__(self) -> str:
        """As a table shows it."""
        spread = "" if self.deviation is None else f" ± {self.deviation:.3f}"
        return f"{self.value:.3f}{spread} ({self.interval[0]:.3f} to {self.interval[1]:.3f})"


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """Every video's answers, one a seed, by a model that did not train on its channel; and the floors' on the same."""

    name: str  # of what was trained
    dataset_id: str
    dataset_revision: str
    labels: tuple[str, ...]
    folds: str  # how many, or "groups"
    seeds: tuple[int, ...]
    settings: dict[str, Any]
    videos: tuple[str, ...]
    channels: tuple[str, ...]  # of each video
    truth: tuple[int, ...]  # label's number of each video
    answers: dict[
        str, tuple[tuple[int, ...], ...]
    ]  # system ("model" or a floor) to a row for each seed, of label numbers
    probabilities: tuple[tuple[tuple[float, ...], ...], ...]  # the model's: (seeds, videos, labels)
    seconds: float  # of all trainings, with their tests

    def save(self, folder: str | Path) -> Path:
        """Write crossvalidation.json into a folder, whole or not at all, and give its path."""
        path = Path(folder) / FILE
        figures = {
            system: {name: asdict(one) for name, one in measures(self, system).items()} for system in self.answers
        }
        write_whole(path, (json.dumps({"figures": figures, **asdict(self)}) + "\n").encode())
        return path

    @classmethod
    def load(cls, path: str | Path) -> "CrossValidation":
        """Read crossvalidation.json, by its own path or by its folder's.

        Raises:
            UserError: there is none, or it is not one.
        """
        path = Path(path) / FILE if Path(path).is_dir() else Path(path)
        try:
            read = json.loads(path.read_text(encoding="utf-8"))
            read = {field.name: read[field.name] for field in fields(cls)}
        except (OSError, ValueError, KeyError, TypeError):
            raise UserError(f"{path} holds no finished cross-validation: run recipes/crossvalidate.py first.") from None
        kept = {"settings": read.pop("settings"), "answers": read.pop("answers")}
        answers = {system: _tuples(rows) for system, rows in kept["answers"].items()}
        return cls(**{name: _tuples(value) for name, value in read.items()}, settings=kept["settings"], answers=answers)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def counts(cross: CrossValidation, system: str, over: str = CHANNELS) -> np.ndarray:
    """Counts of a system's answers, int (channels or videos, seeds, 3, labels), as `intervals` has them."""
    videos, labels = len(cross.videos), len(cross.labels)
    units = [channel or f"video {video}" for channel, video in zip(cross.channels, cross.videos, strict=True)]
    rows = cross.answers[system]
    each = np.stack([counts_of(range(videos), cross.truth, row, videos, labels) for row in rows], axis=1)
    return grouped(each, units) if over == CHANNELS else each


def _measured(found: np.ndarray, weights: Sequence[float], bounds: Interval, statistic: Any) -> Measured:
    """A weighted sum over systems of a statistic of counts, int (channels, systems, seeds, 3, labels)."""
    by_seed = np.tensordot(weights, statistic(found.sum(axis=0)), axes=1)  # (seeds,)
    seeds = len(by_seed)
    drawn = np.tensordot(resample(found, statistic, RESAMPLES, SEED), weights, axes=(1, 0))  # (resamples, seeds)
    shares = np.random.default_rng(SEED + 1).multinomial(seeds, np.full(seeds, 1 / seeds), size=len(drawn)) / seeds
    mean, samples, units = float(by_seed.mean()), (drawn * shares).sum(axis=1), len(found)
    share = bounds == (0.0, 1.0)  # and not a difference
    span = interval(mean, samples, units) if share else percentiles(samples, units, bounds)
    deviation = round(float(by_seed.std(ddof=1)), 6) if seeds > 1 else None
    return Measured(round(mean, 6), deviation, span)


def measures(cross: CrossValidation, system: str = MODEL, over: str = CHANNELS) -> dict[str, Measured]:
    """Accuracy, macro-F1 and balanced accuracy of the model or of a floor."""
    found = counts(cross, system, over)[:, None]
    return {name: _measured(found, [1.0], (0.0, 1.0), statistic) for name, statistic in MEASURES.items()}


def difference(
    a: CrossValidation, b: CrossValidation, system_a: str = MODEL, system_b: str = MODEL, over: str = CHANNELS
) -> dict[str, Measured]:
    """A minus B, video by video and seed by seed; `b` may be `a` itself, to compare its model with a floor.

    Raises:
        UserError: they were not made on the same folds.
    """
    same = ("labels", "folds", "seeds", "videos", "channels", "truth", "dataset_revision")
    unlike = [name for name in same if getattr(a, name) != getattr(b, name)]
    if unlike or a.settings.get("validation") != b.settings.get("validation"):
        raise UserError(
            f"{a.name} and {b.name} were not cross-validated on the same folds "
            f"({', '.join(unlike) or 'validation'} differ): give both the same dataset, folds and seeds."
        )
    found = np.stack([counts(a, system_a, over), counts(b, system_b, over)], axis=1)
    return {name: _measured(found, [1.0, -1.0], (-1.0, 1.0), statistic) for name, statistic in MEASURES.items()}


def table(cross: CrossValidation) -> str:
    """Model and floors as a Markdown table, with what it says of."""
    seeds, channels = len(cross.seeds), len(set(cross.channels))
    lines = [
        f"| | {' | '.join(name.replace('_', ' ').replace(' f1', '-F1') for name in MEASURES)} |",
        f"|---|{'---|' * len(MEASURES)}",
    ]
    for system in cross.answers:
        shown = cross.name if system == MODEL else system
        lines.append(f"| {shown} | {' | '.join(map(str, measures(cross, system).values()))} |")
    for floor in [system for system in cross.answers if system != MODEL]:
        lines.append(
            f"| {cross.name} minus {floor} | {' | '.join(map(str, difference(cross, cross, MODEL, floor).values()))} |"
        )
    cut = "one channel at a time" if cross.folds == "groups" else f"{cross.folds} folds"
    said = (
        f"{len(cross.videos)} videos of {channels} channels, each tested once a seed by a model that has not heard its "
        f"channel ({cut}); {seeds} seed{'s' if seeds > 1 else ''}. Mean over the seeds"
        f"{' ± standard deviation' if seeds > 1 else ''}, and in brackets the 95 % interval over channels and seeds "
        f"(pigeonhole bootstrap). {cross.seconds:.0f} s of training and testing."
    )
    return "\n".join([*lines, "", said]) + "\n"
