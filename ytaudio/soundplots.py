"""A picture of an answer, as PNG: what a model makes of each part of a sound."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ytaudio.drawing import as_png, new_figure, short_name

if TYPE_CHECKING:
    from ytaudio.classifier import Timeline

_COLORS = ("#3b6ea5", "#e08a3c", "#5b9a68", "#a05195", "#c2453c", "#7a6a53")
_OTHERS = "#c4c9d0"


def timeline(timeline: "Timeline", title: str = "") -> bytes:
    """The probabilities of each part, stacked over time, the silent parts left blank, as PNG."""
    parts = timeline.parts
    named = [label for label, _ in sorted(timeline.answer.probabilities.items(), key=lambda pair: -pair[1])]
    firsts = {part.label for part in parts if part.label}
    shown = sorted(named, key=lambda label: label not in firsts)[: len(_COLORS)]  # what leads somewhere, then the rest
    shown.sort(key=named.index)
    figure, [axis] = new_figure(9, 3)
    scale, unit = _unit(timeline.duration_s)
    where = np.asarray([part.start_s for part in parts]) / scale
    widths = np.asarray([part.seconds for part in parts]) / scale
    below = np.zeros(len(parts))
    for label, color in zip(shown, _COLORS, strict=False):
        heights = np.asarray([part.probabilities.get(label, 0.0) for part in parts])
        axis.bar(where, heights, widths, below, align="edge", color=color, label=short_name(label), linewidth=0)
        below += heights
    if len(named) > len(shown):
        rest = np.asarray([float(bool(part.probabilities)) for part in parts]) - below
        axis.bar(where, rest.clip(0), widths, below, align="edge", color=_OTHERS, label="others", linewidth=0)
    silent = np.asarray([not part.probabilities for part in parts])
    if silent.any():
        axis.bar(
            where[silent], 1, widths[silent], align="edge", color="none", edgecolor=_OTHERS, hatch="///", label="silent"
        )
    axis.set_xlim(0, timeline.duration_s / scale)
    axis.set_ylim(0, 1)
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
    axis.xaxis.set_major_locator(MaxNLocator(10))
    axis.set_xlabel(unit)
    axis.set_title(short_name(title, 90), loc="left", fontsize=10)
    figure.legend(loc="outside right upper", frameon=False)
    return as_png(figure)


def _unit(duration_s: float) -> tuple[float, str]:
    """What the time is shown in: seconds of one, and its name."""
    if duration_s >= 7200:
        return 3600.0, "hours"
    return (60.0, "minutes") if duration_s >= 120 else (1.0, "seconds")
