"""The pictures on the cards, as PNG."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

MOST_LABELS = 40  # drawn; the commonest ones where there are more
TABLE_UP_TO = 20  # labels with their numbers written into the confusion's cells
BLUE, ORANGE, GREEN = "#3b6ea5", "#e08a3c", "#5b9a68"


def _figure(width: float, height: float, panels: int = 1) -> tuple[Figure, list[Any]]:
    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(np.atleast_1d(figure.subplots(1, panels)))
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _name(label: str) -> str:
    """A label as a tick: short, in one line, and nothing of it read as mathematics."""
    line = " ".join(str(label).split()).replace("\\", "\\\\").replace("$", r"\$")
    return line if len(line) <= 28 else f"{line[:27]}…"


def classes(splits: Mapping[str, Mapping[str, Mapping[str, int]]], labels: Sequence[str]) -> bytes:
    """Videos and channels of each class, stacked by split; `splits` as in the build's report."""
    totals = {label: sum(split.get(label, {}).get("videos", 0) for split in splits.values()) for label in labels}
    shown = sorted(labels, key=lambda label: -totals[label])[:MOST_LABELS]
    figure, axes = _figure(9, 1.8 + 0.32 * len(shown), 2)
    where = np.arange(len(shown))
    for axis, what in zip(axes, ("videos", "channels"), strict=True):
        left = np.zeros(len(shown))
        for (split, counts), color in zip(splits.items(), (BLUE, ORANGE, GREEN), strict=False):
            width = np.asarray([counts.get(label, {}).get(what, 0) for label in shown])
            axis.barh(where, width, left=left, label=split, color=color)
            left += width
        axis.set_yticks(where, [_name(label) for label in shown] if axis is axes[0] else [""] * len(shown))
        axis.invert_yaxis()
        axis.set_xlabel(what)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    return _png(figure)


def confusion(matrix: Sequence[Sequence[int]], labels: Sequence[str]) -> bytes:
    """Videos by true label (rows) and predicted label (columns), shaded by the share of the row."""
    counts = np.asarray(matrix)
    shown = np.argsort(-counts.sum(axis=1), kind="stable")[:MOST_LABELS]
    shown.sort()
    counts, names = counts[np.ix_(shown, shown)], [_name(labels[number]) for number in shown]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 2.4 + 0.45 * len(shown)
    figure, (axis,) = _figure(size + 1, size)
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axis.set_xticks(range(len(shown)), names, rotation=45, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(shown)), names)
    axis.set_xlabel("predicted")
    axis.set_ylabel("true")
    for row, column in np.ndindex(counts.shape) if len(shown) <= TABLE_UP_TO else ():
        color = "white" if shares[row, column] > 0.5 else "black"
        axis.text(column, row, str(counts[row, column]), ha="center", va="center", color=color)
    return _png(figure)


def training(history: Sequence[Mapping[str, float]]) -> bytes:
    """Loss on train and validation, and validation's macro-F1, by epoch; `history` as Trainer logs it."""
    figure, axes = _figure(9, 3.2, 2)
    panels = (
        (axes[0], "loss", BLUE, "train"),
        (axes[0], "eval_loss", ORANGE, "validation"),
        (axes[1], "eval_macro_f1", ORANGE, "macro-F1"),
        (axes[1], "eval_accuracy", GREEN, "accuracy"),
    )
    for axis, key, color, name in panels:
        points = [(entry["epoch"], entry[key]) for entry in history if key in entry and "epoch" in entry]
        if points:
            axis.plot(*zip(*points, strict=True), color=color, label=name, marker="." if len(points) < 40 else "")
    for axis, title in zip(axes, ("loss", "validation"), strict=True):
        axis.set_xlabel("epoch")
        axis.set_title(title, loc="left", fontsize=10)
        if axis.get_lines():
            axis.legend(frameon=False)
    axes[0].set_ylim(bottom=0)
    axes[1].set_ylim(0, 1.02)
    return _png(figure)
