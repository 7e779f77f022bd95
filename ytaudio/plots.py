"""The pictures on the cards, as PNG."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ytaudio.channels import Spread
from ytaudio.drawing import as_png, new_figure, short_name
from ytaudio.evaluation.calibration import Calibration

MOST_LABELS = 40  # drawn; the commonest ones where there are more
TABLE_UP_TO = 20  # labels with their numbers written into the confusion's cells
BLUE, ORANGE, GREEN, GREY = "#3b6ea5", "#e08a3c", "#5b9a68", "#dcdfe4"
_CHANNEL_SIZES = ((1, 1), (2, 2), (3, 5), (6, 10), (11, 20), (21, 1 << 62))  # videos of a channel, from and to


def classes(splits: Mapping[str, Mapping[str, Mapping[str, int]]], labels: Sequence[str]) -> bytes:
    """Videos and channels of each class, stacked by split; `splits` as in the build's report."""
    totals = {label: sum(split.get(label, {}).get("videos", 0) for split in splits.values()) for label in labels}
    shown = sorted(labels, key=lambda label: -totals[label])[:MOST_LABELS]
    figure, axes = new_figure(9, 1.8 + 0.32 * len(shown), 2)
    where = np.arange(len(shown))
    for axis, what in zip(axes, ("videos", "channels"), strict=True):
        left = np.zeros(len(shown))
        for (split, counts), color in zip(splits.items(), (BLUE, ORANGE, GREEN), strict=False):
            width = np.asarray([counts.get(label, {}).get(what, 0) for label in shown])
            axis.barh(where, width, left=left, label=split, color=color)
            left += width
        axis.set_yticks(where, [short_name(label) for label in shown] if axis is axes[0] else [""] * len(shown))
        axis.invert_yaxis()
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_xlabel(what)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    return as_png(figure)


def channels(all_of_them: Spread, by_label: Mapping[str, Spread]) -> bytes:
    """The share of each class's videos that its largest channels hold, and how many channels have how many videos."""
    shown = sorted(by_label, key=lambda label: (-by_label[label].videos, label))[:MOST_LABELS]
    figure, (held, sizes) = new_figure(9, max(2.8, 1.5 + 0.32 * len(shown)), 2)
    where, left = np.arange(len(shown)), np.zeros(len(shown))
    for up_to, name, color in ((1, "largest channel", BLUE), (5, "2nd to 5th", "#8fb0d3"), (None, "all others", GREY)):
        share = np.asarray([by_label[label].share(up_to) if up_to else 1.0 for label in shown]) * 100
        held.barh(where, share - left, left=left, label=name, color=color)
        left = share
    held.set_yticks(where, [short_name(label) for label in shown])
    held.invert_yaxis()
    held.set_xlim(0, 100)
    held.set_xlabel("% of the category's videos")
    counts = np.asarray(all_of_them.sizes)
    bars = [int(np.sum((counts >= low) & (counts <= high))) for low, high in _CHANNEL_SIZES]
    names = [f"{low}" if low == high else f"{low}–{high}" for low, high in _CHANNEL_SIZES[:-1]]
    sizes.bar(range(len(bars)), bars, color=BLUE)
    sizes.set_xticks(range(len(bars)), [*names, f"{_CHANNEL_SIZES[-1][0]}+"])
    sizes.yaxis.set_major_locator(MaxNLocator(integer=True))
    sizes.set_xlabel("videos of a channel")
    sizes.set_ylabel("channels")
    figure.legend(*held.get_legend_handles_labels(), loc="outside upper left", ncols=3, frameon=False)
    return as_png(figure)


def confusion(matrix: Sequence[Sequence[int]], labels: Sequence[str]) -> bytes:
    """Videos by true label (rows) and predicted label (columns), shaded by the share of the row."""
    counts = np.asarray(matrix)
    shown = np.argsort(-counts.sum(axis=1), kind="stable")[:MOST_LABELS]
    shown.sort()
    counts, names = counts[np.ix_(shown, shown)], [short_name(labels[number]) for number in shown]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    cell = 0.45 if len(shown) <= 12 else max(0.2, 5.4 / len(shown) + 0.05)  # inches: many classes fit a page too
    size, font = 2.4 + cell * len(shown), 10 if len(shown) <= 12 else 8
    figure, (axis,) = new_figure(size + 1, size)
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axis.set_xticks(range(len(shown)), names, rotation=45, ha="right", rotation_mode="anchor", fontsize=font)
    axis.set_yticks(range(len(shown)), names, fontsize=font)
    axis.set_xlabel("predicted")
    axis.set_ylabel("true")
    for row, column in np.ndindex(counts.shape) if len(shown) <= TABLE_UP_TO else ():
        color = "white" if shares[row, column] > 0.5 else "black"
        axis.text(column, row, str(counts[row, column]), ha="center", va="center", color=color, fontsize=font)
    return as_png(figure)


def f1(values: Mapping[str, float], intervals: Mapping[str, tuple[float, float]], counts: Mapping[str, int]) -> bytes:
    """F1 of each class as a dot with its 95 % interval, the best on top, beside the classes' number of videos."""
    shown = sorted(values, key=lambda label: -counts.get(label, 0))[:MOST_LABELS]
    shown.sort(key=lambda label: -values[label])
    figure, (axis,) = new_figure(7.5, 1.1 + 0.3 * max(len(shown), 2))
    where, middle = np.arange(len(shown)), np.asarray([values[label] for label in shown])
    ends = np.asarray([intervals[label] for label in shown]).T
    axis.hlines(where, *ends, color=BLUE, linewidth=2, alpha=0.55)
    axis.plot(middle, where, "o", color=BLUE, markersize=6)
    mean = float(np.mean(list(values.values())))
    axis.axvline(mean, color=ORANGE, linewidth=1, linestyle="--", zorder=0, label=f"macro-F1 {mean:.2f}")
    axis.set_yticks(where, [f"{short_name(label)} ({counts.get(label, 0)})" for label in shown])
    axis.set_ylim(len(shown) - 0.5, -0.5)
    axis.set_xlim(-0.02, 1.02)
    axis.grid(axis="x", alpha=0.3)
    axis.set_xlabel("F1 over videos, with 95 % intervals (number of videos)")
    figure.legend(loc="outside upper right", frameon=False)
    return as_png(figure)


def reliability(measured: Calibration) -> bytes:
    """Share of right answers by their probability, with numbers of videos: on the diagonal they mean what they say."""
    figure = Figure(figsize=(5.2, 5.6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axis, below = figure.subplots(2, 1, sharex=True, height_ratios=(3.2, 1))
    centres = np.asarray([(one.low + one.high) / 2 for one in measured.bins])
    accuracy = np.asarray([one.accuracy for one in measured.bins])
    ends = np.asarray([one.accuracy_interval for one in measured.bins]).T
    axis.plot([0, 1], [0, 1], color="grey", linestyle="--", linewidth=1, label="calibrated")
    confidence = [one.confidence for one in measured.bins]
    axis.vlines(confidence, *ends, color=BLUE, linewidth=2, alpha=0.55)
    axis.plot(confidence, accuracy, "o", color=BLUE, markersize=6, label="this model, 95 % intervals")
    axis.set_ylim(-0.02, 1.02)
    axis.set_ylabel("share of right answers")
    axis.legend(frameon=False, loc="upper left", fontsize=9)
    axis.set_title(f"ECE {measured.ece:.3f}, by chance up to {measured.ece_by_chance:.3f}", loc="left", fontsize=10)
    most = max(one.videos for one in measured.bins)
    below.bar(centres, [one.videos for one in measured.bins], width=0.09, color=BLUE, alpha=0.55)
    for centre, one in zip(centres, measured.bins, strict=True):
        below.text(centre, one.videos + 0.03 * most, str(one.videos), ha="center", va="bottom", fontsize=8)
    below.set_ylim(0, 1.25 * most)
    below.set_xlim(0, 1)
    below.set_ylabel("videos")
    below.set_xlabel("probability of the answer")
    for one in (axis, below):
        one.spines[["top", "right"]].set_visible(False)
    return as_png(figure)


def training(history: Sequence[Mapping[str, float]]) -> bytes:
    """Loss on train and validation, and validation's macro-F1, by epoch; `history` as Trainer logs it."""
    lines = (
        (0, "loss", BLUE, "train"),
        (0, "eval_loss", ORANGE, "validation"),
        (1, "eval_macro_f1", ORANGE, "macro-F1"),
        (1, "eval_accuracy", GREEN, "accuracy"),
    )
    found = [
        (panel, color, name, points)
        for panel, key, color, name in lines
        if (points := [(entry["epoch"], entry[key]) for entry in history if key in entry and "epoch" in entry])
    ]
    panels = 1 + any(panel for panel, *_ in found)
    figure, axes = new_figure(4.5 * panels, 3.2, panels)
    for panel, color, name, points in found:
        axes[panel].plot(*zip(*points, strict=True), color=color, label=name, marker="." if len(points) < 40 else "")
        if name == "macro-F1":
            epoch, best = max(points, key=lambda point: point[1])
            axes[panel].plot(epoch, best, "o", color=color, markersize=9, fillstyle="none", label=f"best {best:.2f}")
    for axis, title in zip(axes, ("loss", "validation"), strict=False):
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_title(title, loc="left", fontsize=10)
        if axis.get_lines():
            axis.legend(frameon=False)
    axes[0].set_ylim(bottom=0)
    if panels > 1:
        axes[1].set_ylim(0, 1.02)
    return as_png(figure)
