"""Pictures of sound, as PNG: its spectrogram, and what a model makes of each of its parts."""

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ytaudio.clips import SAMPLING_RATE

if TYPE_CHECKING:
    from ytaudio.classifier import Timeline

_COLORS = ("#3b6ea5", "#e08a3c", "#5b9a68", "#a05195", "#c2453c", "#7a6a53")
_OTHERS = "#c4c9d0"
_FRAME, _HOP = 1024, 256  # samples
_COLUMNS = 1200  # of a spectrogram, at most
_RANGE_DB = 80.0  # below the loudest


def spectrogram(waveform: np.ndarray) -> bytes:
    """The power of each frequency over time, float32 (samples,) at 16 kHz, in dB below the loudest, as PNG."""
    padded = np.pad(waveform.astype(np.float32), (0, max(0, _FRAME - waveform.size)))
    hop = max(_HOP, -(-(padded.size - _FRAME + 1) // _COLUMNS))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::hop]
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(_FRAME).astype(np.float32)))).T
    decibels = 10 * np.log10(np.maximum(power, 1e-10))
    figure, axis = _figure(7.5, 2.8)
    top, seconds = float(decibels.max()), max(waveform.size, 1) / SAMPLING_RATE
    shown = axis.imshow(
        decibels - top,
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=-_RANGE_DB,
        vmax=0,
        extent=(0, seconds, 0, SAMPLING_RATE / 2000),
    )
    axis.set_xlabel("seconds")
    axis.set_ylabel("kHz")
    figure.colorbar(shown, ax=axis, label="dB, of the loudest 0", pad=0.01)
    return _png(figure)


def timeline(timeline: "Timeline", title: str = "") -> bytes:
    """The probabilities of each part, stacked over time, the silent parts left blank, as PNG."""
    parts = timeline.parts
    named = [label for label, _ in sorted(timeline.answer.probabilities.items(), key=lambda pair: -pair[1])]
    firsts = {part.label for part in parts if part.label}
    shown = sorted(named, key=lambda label: label not in firsts)[: len(_COLORS)]  # what leads somewhere, then the rest
    shown.sort(key=named.index)
    figure, axis = _figure(9, 3)
    scale, unit = _unit(timeline.duration_s)
    where = np.asarray([part.start_s for part in parts]) / scale
    widths = np.asarray([part.seconds for part in parts]) / scale
    below = np.zeros(len(parts))
    for label, color in zip(shown, _COLORS, strict=False):
        heights = np.asarray([part.probabilities.get(label, 0.0) for part in parts])
        axis.bar(where, heights, widths, below, align="edge", color=color, label=_name(label), linewidth=0)
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
    axis.set_title(_name(title, 90), loc="left", fontsize=10)
    figure.legend(loc="outside right upper", frameon=False)
    return _png(figure)


def _unit(duration_s: float) -> tuple[float, str]:
    """What the time is shown in: seconds of one, and its name."""
    if duration_s >= 7200:
        return 3600.0, "hours"
    return (60.0, "minutes") if duration_s >= 120 else (1.0, "seconds")


def _name(label: str, most: int = 28) -> str:
    """A text as matplotlib draws it: short, in one line, and nothing of it read as mathematics."""
    line = " ".join("".join(c if c.isprintable() else " " for c in label).split())
    line = line if len(line) <= most else f"{line[: most - 1]}…"
    return line.replace("\\", "\\\\").replace("$", r"\$")


def _figure(width: float, height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    axis.spines[["top", "right"]].set_visible(False)
    return figure, axis


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
