"""What a model's answers are worth: predictions to accuracy and macro-F1 with intervals, kept as scores.json."""

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import RemoteEntryNotFoundError

from ytaudio.errors import UserError
from ytaudio.hub_errors import hub_errors
from ytaudio.intervals import (
    RESAMPLES,
    SEED,
    Interval,
    accuracy,
    counts_of,
    f1,
    interval,
    macro_f1,
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


@dataclass(frozen=True, slots=True)
class Floor:
    """What a classifier that hears nothing, or next to nothing, reaches on the same videos; shares from 0 to 1."""

    description: str
    accuracy: float
    accuracy_interval: Interval
    macro_f1: float
    macro_f1_interval: Interval


@dataclass(frozen=True, slots=True)
class Scores:
    """A model on a split: video-level first, clip-level beside it; shares from 0 to 1, intervals of 95 % over videos.

    Macro-F1 is the mean over the labels that are true or predicted in the split; a label absent from both has no entry
    in f1_by_category. Clip-level intervals resample whole videos too, since clips of one video are not independent.
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

    def save(self, folder: str | Path) -> Path:
        """Write scores.json into a folder, made if need be, and give its path."""
        path = Path(folder) / SCORES_FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.to_json(), encoding="utf-8")
        return path

    def to_json(self) -> str:
        """What scores.json holds."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def load(cls, path: str | Path) -> "Scores":
        """Read scores.json, by its own path or by its folder's.

        Raises:
            ValueError: not a file of scores.
        """
        path = Path(path)
        read = json.loads((path / SCORES_FILE if path.is_dir() else path).read_text(encoding="utf-8"))
        if not isinstance(read, dict) or {field.name for field in fields(cls)} - read.keys():
            raise ValueError(f"{path} holds no scores of this version: score the model again.")
        read = {field.name: read[field.name] for field in fields(cls)}
        return cls(
            **{name: _tuples(value) for name, value in read.items() if name not in ("floors", "predictions")},
            floors={name: Floor(**_tuples(floor)) for name, floor in read["floors"].items()},
            predictions=tuple(Prediction(**_tuples(prediction)) for prediction in read["predictions"]),
        )


def predictions_parquet(scores: Scores) -> bytes:
    """A Parquet table of the predictions, a video a row, with a column p_LABEL for each label's probability."""
    predictions = scores.predictions
    columns: dict[str, list[Any]] = {
        name: [getattr(prediction, name) for prediction in predictions]
        for name in ("video_id", "channel_id", "label", "predicted")
    }
    for number, label in enumerate(scores.labels):
        columns[f"p_{label}"] = [prediction.probabilities[number] for prediction in predictions]
    columns["clips_predicted"] = [list(prediction.clips_predicted) for prediction in predictions]
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def _tuples(value: Any) -> Any:
    """JSON's lists as the tuples they were."""
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return value


def by_video(
    keys: Sequence[tuple[str, str, int]], probabilities: np.ndarray, labels: Sequence[str]
) -> tuple[Prediction, ...]:
    """Average clips to videos.

    Args:
        keys: video id, channel id and index of the true label of every clip.
        probabilities: of every clip, (clips, labels).
        labels: names in the order of the probabilities' columns.
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


def figures(predictions: Sequence[Prediction], labels: Sequence[str], resamples: int = RESAMPLES) -> dict[str, Any]:
    """Every figure of Scores that follows from the predictions, by its field's name."""
    from ytaudio.metric import TopicMetric  # the library `evaluate` takes seconds to import

    index = {label: number for number, label in enumerate(labels)}
    counts, clips = video_counts(predictions, labels), clip_counts(predictions, labels)
    metric = TopicMetric(keep_in_memory=True)
    truth, predicted = [index[p.label] for p in predictions], [index[p.predicted] for p in predictions]
    points = metric.compute(predictions=predicted, references=truth, labels=list(labels))
    by_label, involved = resample(counts, f1, resamples, SEED), np.maximum(counts[:, 0], counts[:, 1]).sum(axis=0)
    confusion = np.zeros((len(labels), len(labels)), dtype=int)
    np.add.at(confusion, (truth, predicted), 1)
    found: dict[str, Any] = {
        "videos": len(predictions),
        "clips": int(clips[:, 0].sum()),
        "accuracy": points["accuracy"],
        "macro_f1": points["macro_f1"],
        "f1_by_category": points["f1_by_category"],
        "f1_by_category_interval": {
            label: interval(value, by_label[:, index[label]], int(involved[index[label]]))
            for label, value in points["f1_by_category"].items()
        },
        "confusion": tuple(tuple(int(cell) for cell in row) for row in confusion),
        "clip_accuracy": round(float(accuracy(clips.sum(axis=0))), 6),
        "clip_macro_f1": round(float(macro_f1(clips.sum(axis=0))), 6),
    }
    for level, table in (("", counts), ("clip_", clips)):
        for name, statistic in (("accuracy", accuracy), ("macro_f1", macro_f1)):
            drawn = resample(table, statistic, resamples, SEED)
            found[f"{level}{name}_interval"] = interval(found[f"{level}{name}"], drawn, len(predictions))
    return found


def floor_of(description: str, predictions: Sequence[Prediction], labels: Sequence[str]) -> Floor:
    """A floor from its predictions."""
    found = figures(predictions, labels)
    wanted = {field.name for field in fields(Floor)} & found.keys()
    return Floor(description=description, **{name: found[name] for name in wanted})


def load_scores(model: str, revision: str | None = None) -> Scores:
    """The scores that travel with a model: scores.json of a folder or of a Hub repo.

    Raises:
        UserError: there are none, or the Hub cannot be asked.
    """
    if Path(model).exists():
        path = Path(model) / SCORES_FILE if Path(model).is_dir() else Path(model)
        if not path.is_file():
            raise UserError(f"{model} has no {SCORES_FILE}: score it first, with recipes/evaluate.py.")
        return _read_scores(path)
    with hub_errors(f"model {model}"):
        try:
            return _read_scores(Path(hf_hub_download(model, SCORES_FILE, revision=revision)))
        except RemoteEntryNotFoundError:
            raise UserError(f"{model} has no {SCORES_FILE}: score it with recipes/evaluate.py --push_to_hub.") from None


def _read_scores(path: Path) -> Scores:
    try:
        return Scores.load(path)
    except (ValueError, TypeError) as error:
        raise UserError(f"{path} cannot be read as scores ({error}): score the model again.") from None
