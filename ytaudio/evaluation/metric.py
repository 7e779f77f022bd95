"""Accuracy, macro-F1 and F1 by category as a metric of the library `evaluate` that needs no network."""

import importlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
import numpy as np

from ytaudio.intervals import accuracy, counts_of, f1, macro_f1

if TYPE_CHECKING:
    import evaluate


def _library() -> Any:
    """The library `evaluate`, although recipes/evaluate.py hides it from every script that lies beside that one."""
    script_folder = sys.path[0] if sys.path else ""
    if "evaluate" in sys.modules or not (Path(script_folder) / "evaluate.py").is_file():
        return importlib.import_module("evaluate")
    sys.path.remove(script_folder)
    try:
        return importlib.import_module("evaluate")
    finally:
        sys.path.insert(0, script_folder)


if not TYPE_CHECKING:
    evaluate = _library()


class TopicMetric(evaluate.Metric):
    """Accuracy, macro-F1 and F1 by category as an `evaluate` metric that needs no network.

    `TopicMetric().compute(predictions=[...], references=[...], labels=[...])`: classes as numbers, `labels` being their
    names in order. Macro-F1 is the mean over the classes that occur among predictions or references.
    """

    def _info(self) -> evaluate.MetricInfo:
        numbers = datasets.Features({"predictions": datasets.Value("int64"), "references": datasets.Value("int64")})
        return evaluate.MetricInfo(
            description="Accuracy, macro-F1 and F1 by category of a classification.",
            citation="",
            inputs_description="predictions and references: class numbers; labels: the classes' names in order.",
            features=numbers,
        )

    def _compute(
        self, predictions: Sequence[int], references: Sequence[int], labels: Sequence[str] | None = None
    ) -> Mapping[str, Any]:
        size = len(labels) if labels else 1 + max([*predictions, *references])
        names = labels or [str(number) for number in range(size)]
        counts = counts_of(range(len(references)), references, predictions, len(references), size).sum(axis=0)
        by_label = {name: round(float(score), 6) for name, score in zip(names, f1(counts), strict=True)}
        return {
            "accuracy": round(float(accuracy(counts)), 6),
            "macro_f1": round(float(macro_f1(counts)), 6),
            "f1_by_category": {name: score for name, score in by_label.items() if not np.isnan(score)},
        }
