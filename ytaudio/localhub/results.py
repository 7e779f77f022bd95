"""Evaluation results that models report: `.eval_results/*.yaml` and `model-index`, read whatever their form."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ytaudio.localhub import info
from ytaudio.localhub.errors import HubError
from ytaudio.localhub.repo import Repo
from ytaudio.localhub.web import Call

_INTERVAL = re.compile(r"95 ?% (?:confidence )?interval:? (-?\d+(?:\.\d+)?) to (-?\d+(?:\.\d+)?)")
_SPLIT = re.compile(r"\bsplit \"?([\w.-]+)")
_RESULTS_MAX = 200  # of one model that are shown


@dataclass(frozen=True, slots=True)
class Result:
    """One measure of a model on a dataset."""

    dataset: str  # repo id, or whatever name the card gives
    task: str
    value: float
    interval: tuple[float, float] | None  # 95 %, as the notes say
    split: str
    revision: str  # of the dataset; empty where it is not said
    date: str
    notes: str
    filename: str

    @property
    def shown(self) -> str:
        """The value in a few digits."""
        return _digits(self.value)

    @property
    def span(self) -> str:
        """The interval in a few digits."""
        return "{} to {}".format(*map(_digits, self.interval)) if self.interval else ""


def results_of(described: dict[str, Any]) -> list[Result]:
    """A model's results, by dataset; `model-index` where no `.eval_results` speak of the same dataset."""
    found = [result for entry in described.get("evalResults") or [] if (result := _of_entry(entry))]
    known = {result.dataset for result in found}
    found += [result for result in _of_index(described.get("model-index") or []) if result.dataset not in known]
    return sorted(found[:_RESULTS_MAX], key=lambda result: result.dataset)


def _of_entry(entry: dict[str, Any]) -> Result | None:
    data = entry.get("data") or {}
    dataset, value, notes = data.get("dataset") or {}, _number(data.get("value")), _text(data.get("notes"))
    if value is None:
        return None
    interval, split = _INTERVAL.search(notes), _SPLIT.search(notes)
    return Result(
        dataset=_text(dataset.get("id")),
        task=_text(dataset.get("task_id")),
        value=value,
        interval=(float(interval[1]), float(interval[2])) if interval else None,
        split=split[1] if split else "",
        revision=_text(dataset.get("revision")),
        date=_text(data.get("date"))[:10],
        notes=notes,
        filename=entry["filename"],
    )


def _of_index(index: list[dict[str, Any]]) -> Iterator[Result]:
    for entry in index:
        for item in filter(_is_mapping, _list(entry.get("results"))):
            dataset = item.get("dataset")
            if not isinstance(dataset, dict):
                continue
            for metric in filter(_is_mapping, _list(item.get("metrics"))):
                value = _number(metric.get("value"))
                if value is not None:
                    yield Result(
                        dataset=_text(dataset.get("type") or dataset.get("name")),
                        task=_text(metric.get("name") or metric.get("type")),
                        value=value,
                        interval=None,
                        split=_text(dataset.get("split")),
                        revision=_text(dataset.get("revision")),
                        date="",
                        notes="",
                        filename="README.md",
                    )


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: Any) -> float | None:
    """A value that can be ranked; a truth or a number beyond all measure is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= 1e15:
        return None
    return float(value)


def _text(value: Any) -> str:
    return str(value)[:300] if isinstance(value, (str, int, float)) else ""


def _digits(value: float) -> str:
    return f"{value:.3f}" if math.fabs(value) < 100 else f"{value:,.1f}"


def reported_on(call: Call, dataset_id: str, *, only_base: bool = False) -> list[tuple[Repo, Result, dict[str, Any]]]:
    """What models that the visitor may read report on a dataset: (model, result, the entry as it was written)."""

    def look(model: Repo) -> list[tuple[Repo, Result, dict[str, Any]]]:
        described = info.summary(call.store.objects, model, model.resolve("main"))
        if only_base and described["cardData"].get("base_model"):
            return []
        entries = [(result, entry) for entry in described["evalResults"] if (result := _of_entry(entry))]
        return [(model, result, entry["data"]) for result, entry in entries if result.dataset == dataset_id]

    return [row for rows in call.of_each("model", look) for row in rows]


def check_has_leaderboard(dataset: Repo) -> None:
    """Nothing, when a dataset has an eval.yaml.

    Raises:
        HubError: 404.
    """
    if dataset.kind != "dataset" or "eval.yaml" not in dataset.tree(dataset.resolve("main")):
        raise HubError(404, "This dataset has no leaderboard: it has no eval.yaml.")
