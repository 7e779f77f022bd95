"""What all pictures share: figures without a screen, PNG, and names that are words whatever stands in them."""

import io
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def new_figure(width: float, height: float, panels: int = 1) -> tuple[Figure, list[Any]]:
    """A figure of so many inches with panels side by side, and the axes of each."""
    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(np.atleast_1d(figure.subplots(1, panels)))
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def as_png(figure: Figure) -> bytes:
    """The figure as a PNG file, the same bytes for the same picture."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def short_name(label: str, most: int = 28) -> str:
    """A text as matplotlib draws it: of at most so many characters, in one line, nothing of it read as mathematics."""
    line = " ".join("".join(c if c.isprintable() else " " for c in label).split())
    line = line if len(line) <= most else f"{line[: most - 1]}…"
    return line.replace("\\", "\\\\").replace("$", r"\$")
