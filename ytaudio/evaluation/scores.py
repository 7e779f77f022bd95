"""What a model's answers are worth: predictions to accuracy and macro-F1 with intervals, kept as scores.json."""

import json
from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from ytaudio.evaluation.calibration import Bin, Calibration, calibration
from ytaudio.intervals import (
    RESAMPLES,
    SEED,
    Interval,
    accuracy_and_macro_f1,
    counts_of,
    f1,
    grouped,
    interval,
    resample,
)

SCORES_FILE = "scores.json"


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says of one video."""

    video_id: str
    channel_id: str  # "" where the dataset does not say
    label: str  # the truth
    predicted: str
    probabilities: tuple[float, ...]  # in the order of the labels, averaged over the video's clips
    clips_predicted: tuple[str, ...]  # the answer to each clip by itself
    clips_probabilities: tuple[tuple[float, ...], ...] = ()  # of each clip, averaged over its crops; () in older files
    url: str = ""  # where the dataset names it; titles are other people's words and stay in the dataset


@dataclass(frozen=True, slots=True)
class Floor:
    """What a classifier that hears nothing, or next to nothing, reaches on the same videos; shares from 0 to 1."""

    description: str
    accuracy: float
    accuracy_interval: Interval
    macro_f1: float
    macro_f1_interval: Interval
    predicted: dict[str, str] = field(default_factory=dict)  # video id to its answer; {} in older files


@dataclass(frozen=True, slots=True)
class Scores:
    """A model on a split: video-level first, clip-level beside it; shares from 0 to 1, intervals of 95 %.

    Macro-F1 is the mean over the labels that are true or predicted in the split; a label absent from both has no entry
    in f1_by_category. Intervals resample whole channels, or videos where no channels are known, at clip level too:
    clips of one video, and videos of one channel, are not independent.
    """

    model_id: str
    model_revision: str  # commit on the Hub, or "" for a folder
    dataset_id: str
    dataset_revision: str  # the commit scored on, or "" for a folder
    split: str
    labels: tuple[str, ...]
    videos: int
    clips: int
    accuracy: float
    accuracy_interval: Interval
    macro_f1: float
    macro_f1_interval: Interval
    f1_by_category: dict[str, float]
    f1_by_category_interval: dict[str, Interval]
    confusion: tuple[tuple[int, ...], ...]  # videos; a row for each true label, a column for each predicted one
    clip_accuracy: float
    clip_accuracy_interval: Interval
    clip_macro_f1: float
    clip_macro_f1_interval: Interval
    floors: dict[str, Floor]
    predictions: tuple[Prediction, ...]
    crop_seconds: float
    crops: int  # of each clip, at the most
    seconds: float  # wall time of scoring the model, floors left out
    created: str  # when, ISO 8601 in UTC
    versions: dict[str, str]  # package to version
    channels: int = 0  # that were resampled, a video without a known one being its own; 0: an older file, over videos
    calibration: Calibration | None = None  # None in older files

    @property
    def units(self) -> str:
        """What the intervals resample, with its number: "12 channels" or "44 videos"."""
        if 0 < self.channels < self.videos:
            return f"{self.channels} channel{'s' if self.channels > 1 else ''}"
        return f"{self.videos} videos"

    @property
    def sample(self) -> str:
        """What there was to score on: "44 videos of 12 channels" or "44 videos"."""
        return f"{self.videos} videos" + (f" of {self.units}" if "channel" in self.units else "")

    def save(self, folder: str | Path) -> Path:
        """Write scores.json into a folder, made if need be, and give its path."""
        path = Path(folder) / SCORES_FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.to_json(), encoding="utf-8")
        return path

    def to_json(self) -> str:
        """What scores.json holds; a video's prediction is one line."""
        head = asdict(self)
        lines = [json.dumps(prediction, ensure_ascii=False) for prediction in head.pop("predictions")]
        body = json.dumps(head, indent=1, ensure_ascii=False).removesuffix("\n}")
        return f'{body},\n "predictions": [\n  ' + ",\n  ".join(lines) + "\n ]\n}\n"

    @classmethod
    def load(cls, path: str | Path) -> "Scores":
        """Read scores.json, by its own path or by its folder's.

        Raises:
            ValueError: not a file of scores.
        """
        path = Path(path)
        read = json.loads((path / SCORES_FILE if path.is_dir() else path).read_text(encoding="utf-8"))
        needed = {field.name for field in fields(cls) if field.default is MISSING}
        if not isinstance(read, dict) or needed - read.keys():
            raise ValueError(f"{path} holds no scores of this version: score the model again.")
        return cls.from_dict(read)

    @classmethod
    def from_dict(cls, read: dict[str, Any]) -> "Scores":
        """What scores.json holds, as read; keys of a later version are passed over."""
        read = {field.name: read[field.name] for field in fields(cls) if field.name in read}
        nested = ("floors", "predictions", "calibration")
        measured = read.get("calibration")
        return cls(
            **{name: _tuples(value) for name, value in read.items() if name not in nested},
            floors={name: Floor(**_tuples(floor)) for name, floor in read["floors"].items()},
            predictions=tuple(Prediction(**_tuples(prediction)) for prediction in read["predictions"]),
            calibration=measured
            and Calibration(**_tuples({**measured, "bins": [Bin(**_tuples(one)) for one in measured["bins"]]})),
        )


def _tuples(value: Any) -> Any:
    """JSON's lists as the tuples they were."""
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return value


def by_video(
    keys: Sequence[tuple[str, str, int]], probabilities: np.ndarray, labels: Sequence[str], urls: Sequence[str] = ()
) -> tuple[Prediction, ...]:
    """Average clips to videos.

    Args:
        keys: video id, channel id and index of the true label of every clip.
        probabilities: of every clip, (clips, labels).
        labels: names in the order of the probabilities' columns.
        urls: of every clip's video, where the dataset tells them.
    """
    clips: dict[str, list[int]] = {}
    for row, (video_id, _, _) in enumerate(keys):
        clips.setdefault(video_id, []).append(row)
    predictions = []
    for video_id, rows in clips.items():
        mean = probabilities[rows].mean(axis=0)
        predictions.append(
            Prediction(
                video_id=video_id,
                channel_id=keys[rows[0]][1],
                label=labels[keys[rows[0]][2]],
                predicted=labels[int(mean.argmax())],
                probabilities=tuple(round(float(share), 6) for share in mean),
                clips_predicted=tuple(labels[int(best)] for best in probabilities[rows].argmax(axis=1)),
                clips_probabilities=tuple(tuple(round(float(p), 6) for p in probabilities[row]) for row in rows),
                url=(urls[rows[0]] or "") if urls else "",
            )
        )
    return tuple(predictions)


def video_counts(predictions: Sequence[Prediction], labels: Sequence[str]) -> np.ndarray:
    """Counts at video level, int (videos, 3, labels), for `intervals`."""
    index = {label: number for number, label in enumerate(labels)}
    truth, predicted = ([index[getattr(p, name)] for p in predictions] for name in ("label", "predicted"))
    return counts_of(range(len(predictions)), truth, predicted, len(predictions), len(labels))


def clip_counts(predictions: Sequence[Prediction], labels: Sequence[str]) -> np.ndarray:
    """Counts at clip level, one group a video, int (videos, 3, labels), for `intervals`."""
    index = {label: number for number, label in enumerate(labels)}
    said = [(n, index[p.label], index[clip]) for n, p in enumerate(predictions) for clip in p.clips_predicted]
    groups, truth, predicted = zip(*said, strict=True)
    return counts_of(groups, truth, predicted, len(predictions), len(labels))


def channels_of(predictions: Sequence[Prediction]) -> list[tuple[str, str]]:
    """What every video is resampled with: its channel, or itself where that is not known."""
    return [("channel", p.channel_id) if p.channel_id else ("video", p.video_id) for p in predictions]


def figures(predictions: Sequence[Prediction], labels: Sequence[str], resamples: int = RESAMPLES) -> dict[str, Any]:
    """Every figure of Scores that follows from the predictions, by its field's name."""
    index = {label: number for number, label in enumerate(labels)}
    channels = channels_of(predictions)
    videos, clips = (grouped(counts(predictions, labels), channels) for counts in (video_counts, clip_counts))
    by_label, points = resample(videos, f1, resamples, SEED), f1(videos.sum(axis=0))
    involved = np.maximum(videos[:, 0], videos[:, 1]).astype(bool).sum(axis=0)
    known = [label for label in labels if not np.isnan(points[index[label]])]
    truth, predicted = [index[p.label] for p in predictions], [index[p.predicted] for p in predictions]
    confusion = np.zeros((len(labels), len(labels)), dtype=int)
    np.add.at(confusion, (truth, predicted), 1)
    found: dict[str, Any] = {
        "videos": len(predictions),
        "clips": int(clips[:, 0].sum()),
        "channels": len(videos),
        "f1_by_category": {label: round(float(points[index[label]]), 6) for label in known},
        "f1_by_category_interval": {
            label: interval(points[index[label]], by_label[:, index[label]], int(involved[index[label]]))
            for label in known
        },
        "confusion": tuple(tuple(int(cell) for cell in row) for row in confusion),
        "calibration": calibration([p.probabilities for p in predictions], truth, channels),
    }
    return found | _shares(videos, resamples) | {f"clip_{name}": one for name, one in _shares(clips, resamples).items()}


def _shares(counts: np.ndarray, resamples: int = RESAMPLES) -> dict[str, Any]:
    """Accuracy and macro-F1 with their intervals, from counts by channel."""
    found: dict[str, Any] = {}
    values, drawn = accuracy_and_macro_f1(counts.sum(axis=0)), resample(counts, accuracy_and_macro_f1, resamples, SEED)
    for name, value, samples in zip(("accuracy", "macro_f1"), values, drawn.T, strict=True):
        found[name] = round(float(value), 6)
        found[f"{name}_interval"] = interval(found[name], samples, len(counts))
    return found


def floor_of(description: str, predictions: Sequence[Prediction], labels: Sequence[str]) -> Floor:
    """A floor from its predictions."""
    counts = grouped(video_counts(predictions, labels), channels_of(predictions))
    return Floor(description, **_shares(counts), predicted={p.video_id: p.predicted for p in predictions})
