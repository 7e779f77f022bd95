"""Text from elsewhere as Markdown that nothing in it can break, and the templates it is set in."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import constants
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ytaudio.intervals import Interval

PACKAGE = Path(__file__).resolve().parents[1]


def text(value: object) -> str:
    """Any string as plain text in a Markdown line or table cell: one line, nothing of it markup."""
    line = "".join(c if c.isprintable() else " " for c in str(value))
    line = " ".join(line.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"(?<!\w)_|_(?!\w)|[\\`*{}\[\]|#~$!]", r"\\\g<0>", line)


def fenced(content: str, language: str) -> str:
    """A code block that no backticks inside can close."""
    fence = "`" * (1 + max([2, *(len(run) for run in re.findall(r"`+", content))]))
    return f"{fence}{language}\n{content.rstrip()}\n{fence}"


def redacted(content: str) -> str:
    """Without access tokens, wherever they stand."""
    return re.sub(r"\b(hf|api_org)_[A-Za-z0-9]{8,}\b", r"\1_***", content)


def listed(labels: Sequence[str]) -> str:
    """Labels in one line, the first twenty of them."""
    names = ", ".join(text(label) for label in labels[:20])
    return names if len(labels) <= 20 else f"{names} and {len(labels) - 20} more"


def _share(value: float, interval: Interval) -> str:
    return f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


def _percent(value: float, interval: Interval) -> str:
    return f"{100 * value:.0f} % ({100 * interval[0]:.0f} to {100 * interval[1]:.0f})"


def render(template: str, **values: Any) -> str:
    """A template of hub_cards with these values; a value that it names and is not given is an error."""
    folder = next(path for path in (PACKAGE / "hub_cards", PACKAGE.parent / "hub_cards") if path.is_dir())
    environment = Environment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # Markdown, not HTML: every value goes through the filter `text`
    )
    environment.globals["hub"] = constants.ENDPOINT
    environment.filters |= {"text": text, "fenced": fenced, "share": _share, "percent": _percent}
    return re.sub(r"\n{3,}", "\n\n", environment.get_template(template).render(**values))
