"""Scores that somebody else may have written: every value of its type, and nothing that contradicts the rest."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from ytaudio.evaluation.scores import Prediction, Scores


def checked(scores: Scores) -> Scores:
    """The scores, if they can be compared and shown.

    Raises:
        ValueError: a field is not of its type, or the predictions are not of the labels; it names the field.
    """
    for wrong in _wrong_types(scores, type(scores).__name__):
        raise ValueError(f"{wrong} is of another type")
    labels = set(scores.labels)
    if not labels or len(labels) < len(scores.labels) or not scores.predictions:
        raise ValueError("its labels are not distinct, or it has no predictions")
    if not {*scores.f1_by_category} | {*scores.f1_by_category_interval} <= labels:
        raise ValueError("f1_by_category names another label")
    if [len(scores.labels)] * len(scores.labels) != [len(row) for row in scores.confusion]:
        raise ValueError("confusion is not square")
    for prediction in scores.predictions:
        _check(prediction, labels)
    videos = {prediction.video_id for prediction in scores.predictions}
    for floor in scores.floors.values():
        if floor.predicted and not (videos <= floor.predicted.keys() and {*floor.predicted.values()} <= labels):
            raise ValueError("a floor's predictions are not of the same videos or labels")
    return scores


def _check(prediction: Prediction, labels: set[str]) -> None:
    if not {prediction.label, prediction.predicted, *prediction.clips_predicted} <= labels:
        raise ValueError("a prediction names another label")
    shares = (prediction.probabilities, *prediction.clips_probabilities)
    if not prediction.clips_predicted or any(len(share) != len(labels) for share in shares):
        raise ValueError("a prediction has no clip, or not one probability for each label")
    if any(not 0 <= one <= 1.001 for share in shares for one in share):
        raise ValueError("a probability is not between 0 and 1")


def _wrong_types(value: Any, path: str) -> Iterator[str]:
    """The fields of a dataclass, and of those in it, whose values are not what their types say."""
    hints = get_type_hints(type(value))
    for field in fields(value):
        if not _fits(getattr(value, field.name), hints[field.name]):
            yield f"{path}.{field.name}"


def _fits(value: Any, kind: Any) -> bool:
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in args)
    if origin is tuple:
        kinds = args[:1] * len(value) if isinstance(value, tuple) and args[-1] is Ellipsis else args
        return isinstance(value, tuple) and len(value) == len(kinds) and all(map(_fits, value, kinds))
    if origin is dict:
        return isinstance(value, Mapping) and all(_fits(k, args[0]) and _fits(v, args[1]) for k, v in value.items())
    if isinstance(kind, type) and is_dataclass(kind):
        return isinstance(value, kind) and not any(_wrong_types(value, ""))
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and not math.isinf(value)
    if kind is int:
        return type(value) is int and abs(value) < 1 << 53
    return kind is None or kind is Any or isinstance(value, kind)
