"""What a model said of every video, as a Parquet table that travels with it, and the scores of a folder or Hub id."""

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from huggingface_hub import HfApi, hf_hub_download

from ytaudio.errors import UserError
from ytaudio.evaluation.checking import checked
from ytaudio.evaluation.scores import (
    SCORES_FILE,
    Floor,
    Prediction,
    Scores,
    figures,
    floor_of,
)
from ytaudio.hub_errors import hub_errors, name_and_revision

FOLDER = "predictions"  # of a model, a file for each split
_RECORD = b"ytaudio"  # the key of the table's metadata that holds what no column does, as JSON
_PROBABILITY, _FLOOR = "p_", "floor: "  # what the names of such columns begin with, before the label or the floor
_UNKNOWN: dict[str, Any] = {
    **dict.fromkeys(("model_id", "model_revision", "dataset_id", "dataset_revision", "split", "created"), ""),
    "crop_seconds": 0.0,
    "crops": 0,
    "seconds": 0.0,
    "versions": {},
}


def predictions_path(split: str) -> str:
    """Where the predictions on a split lie in a model's repository or folder."""
    return f"{FOLDER}/{split}.parquet"


def predictions_parquet(scores: Scores) -> bytes:
    """A Parquet table of the predictions, a video a row, from which every figure of the scores can be worked out again.

    A column p_LABEL holds each label's probability, clips_probabilities those of every clip, "floor: NAME" what a floor
    said of the video; the table's metadata says which model, dataset, revision and split it is about.
    """
    predictions = scores.predictions
    columns: dict[str, list[Any]] = {
        name: [getattr(prediction, name) for prediction in predictions]
        for name in ("video_id", "channel_id", "url", "label", "predicted")
        if name != "url" or any(prediction.url for prediction in predictions)
    }
    for number, label in enumerate(scores.labels):
        columns[f"{_PROBABILITY}{label}"] = [prediction.probabilities[number] for prediction in predictions]
    columns["clips_predicted"] = [list(prediction.clips_predicted) for prediction in predictions]
    if all(prediction.clips_probabilities for prediction in predictions):
        columns["clips_probabilities"] = [list(map(list, p.clips_probabilities)) for p in predictions]
    for name, floor in scores.floors.items():
        if floor.predicted:
            columns[f"{_FLOOR}{name}"] = [floor.predicted[prediction.video_id] for prediction in predictions]
    known = {name: getattr(scores, name) for name in _UNKNOWN}
    known["floors"] = {name: {**asdict(floor), "predicted": {}} for name, floor in scores.floors.items()}
    table = pa.table(columns).replace_schema_metadata({_RECORD: json.dumps(known, ensure_ascii=False).encode()})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def read_predictions(path: Path, **known: Any) -> Scores:
    """Scores from a table of predictions: every figure worked out anew.

    Args:
        path: of a Parquet file; of its columns video_id, label and p_LABEL for each label must be there.
        known: fields of Scores that the file may not tell itself (an older file, or somebody else's).

    Raises:
        ValueError: it is not such a table.
    """
    table = pq.read_table(path)
    record = json.loads((table.schema.metadata or {}).get(_RECORD, b"{}"))
    labels = tuple(name.removeprefix(_PROBABILITY) for name in table.column_names if name.startswith(_PROBABILITY))
    if not labels or not {"video_id", "label"} <= set(table.column_names) or not table.num_rows:
        raise ValueError("it lacks the columns video_id, label and p_LABEL, or a row")
    rows = table.to_pylist()
    predictions = tuple(_prediction(row, labels) for row in rows)
    if unknown := {name for p in predictions for name in (p.label, p.predicted, *p.clips_predicted)} - set(labels):
        raise ValueError(f"it lacks the column p_{min(unknown)}")
    told = {name: Floor(**_floor(floor)) for name, floor in record.get("floors", {}).items()}
    columns = [name for name in table.column_names if name.startswith(_FLOOR)]
    for name in (column.removeprefix(_FLOOR) for column in columns):
        said = [replace(p, predicted=row[f"{_FLOOR}{name}"]) for p, row in zip(predictions, rows, strict=True)]
        told[name] = floor_of(told[name].description if name in told else "", said, labels)
    head = {name: record.get(name, known.get(name, unknown)) for name, unknown in _UNKNOWN.items()}
    return Scores(**head, labels=labels, predictions=predictions, floors=told, **figures(predictions, labels))


def _prediction(row: dict[str, Any], labels: Sequence[str]) -> Prediction:
    shares = tuple(float(row[f"{_PROBABILITY}{label}"]) for label in labels)
    predicted = row.get("predicted") or labels[max(range(len(labels)), key=shares.__getitem__)]
    return Prediction(
        video_id=row["video_id"],
        channel_id=row.get("channel_id") or "",
        label=row["label"],
        predicted=predicted,
        probabilities=shares,
        clips_predicted=tuple(row.get("clips_predicted") or (predicted,)),
        clips_probabilities=tuple(map(tuple, row.get("clips_probabilities") or ())),
        url=row.get("url") or "",
    )


def _floor(read: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in read.items()}


def load_scores(model: str, revision: str | None = None, split: str | None = None) -> Scores:
    """The scores that travel with a model, of a folder or of a Hub repo: scores.json, else made from predictions/.

    Args:
        model: a folder, a file of scores or of predictions, or a Hub repo id, USER/NAME or USER/NAME@REVISION.
        revision: of the Hub repo; None for what the id says, else the newest.
        split: None for the one that scores.json is about, else "test" if there is that, else the only one.

    Raises:
        UserError: there are none, or the Hub cannot be asked.
    """
    here = Path(model)
    if here.is_file():
        return _of_split(_read(here, model), split, model, [])
    if here.is_dir():
        names = [path.relative_to(here).as_posix() for path in (here / SCORES_FILE, *here.glob(f"{FOLDER}/*.parquet"))]
        return _chosen([name for name in names if (here / name).is_file()], model, split, lambda name: here / name)
    repo, named = name_and_revision(model)
    revision = revision or named
    with hub_errors(f"model {repo}"):
        names = HfApi().list_repo_files(repo, revision=revision)
        found = _chosen(names, model, split, lambda name: Path(hf_hub_download(repo, name, revision=revision)))
    return replace(found, model_id=model) if named else found


def load_all(models: Sequence[str], split: str | None = None) -> list[Scores]:
    """`load_scores` of each, under the names given where two files say the same name.

    Raises:
        UserError: one has none, or the Hub cannot be asked.
    """
    found = [load_scores(model, split=split) for model in models]
    names = [one.model_id for one in found]
    return [
        replace(one, model_id=given) if names.count(one.model_id) > 1 else one
        for given, one in zip(models, found, strict=True)
    ]


def _chosen(names: Sequence[str], model: str, split: str | None, fetch: Any) -> Scores:
    """The scores on a split among a repository's files, `fetch` giving the path of one."""
    if SCORES_FILE in names:
        scores = _read(fetch(SCORES_FILE), model)
        if split in (None, scores.split):
            return scores
    splits = sorted(Path(name).stem for name in names if Path(name).match(f"{FOLDER}/*.parquet"))
    wanted = split or ("test" if "test" in splits else splits[0] if len(splits) == 1 else None)
    if wanted in splits:
        return _of_split(_read(fetch(predictions_path(str(wanted))), model, str(wanted)), split, model, splits)
    if not splits and SCORES_FILE not in names:
        raise UserError(
            f"{model} has no {SCORES_FILE} and no {FOLDER}/: score it with recipes/evaluate.py [--push_to_hub]."
        )
    there = splits or [scores.split]
    raise UserError(f"{model} has scores on {', '.join(there)}: choose with --split, or score it on {split or 'one'}.")


def _of_split(scores: Scores, split: str | None, model: str, splits: Sequence[str]) -> Scores:
    if split and scores.split and scores.split != split:
        raise UserError(f"{model} has scores on {scores.split}, not on {split}: choose another --split, or score it.")
    return scores


def _read(path: Path, model: str, split: str = "") -> Scores:
    try:
        if path.suffix == ".parquet":
            return checked(read_predictions(path, model_id=model, split=split or path.stem))
        return checked(Scores.load(path))
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        raise UserError(f"{path} cannot be read as scores ({error}): score the model again.") from None
