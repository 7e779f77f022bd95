"""Text from elsewhere as Markdown that nothing in it can break, and the templates it is set in."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import constants
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ytaudio.intervals import Interval

from .reasons import failed, refused

PACKAGE = Path(__file__).resolve().parents[1]


def text(value: object) -> str:
    """Any string as plain text in a Markdown line or table cell: one line, nothing of it markup."""
    line = "".join(c if c.isprintable() else " " for c in str(value))
    line = " ".join(line.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"(?<!\w)_|_(?!\w)|[\\`*{}\[\]|#~$!]", r"\\\g<0>", line)


def short(value: object, most: int = 60) -> str:
    """One line of at most `most` characters, cut where it is longer."""
    line = " ".join(str(value).split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def said(example: str) -> str:
    """What a site said of a video, without yt-dlp's way of naming both and its advice on cookies."""
    line = " ".join(example.split())
    line = re.sub(r"^(\S+: )\[[^\]]*\] \S+: ", r"\1", line)
    return short(line.split(" Use --cookies")[0], 120)


def linked(words: object, address: str) -> str:
    """Words as a link, or as plain text where the address is none that a table cell can hold."""
    if not re.fullmatch(r"https?://[\w.~:/?#@!&'()*+,;=%-]+", address, re.ASCII):
        return text(words)
    return f"[{text(words) or 'link'}](<{address}>)"


def fenced(content: str, language: str) -> str:
    """A code block that no backticks inside can close."""
    fence = "`" * (1 + max([2, *(len(run) for run in re.findall(r"`+", content))]))
    return f"{fence}{language}\n{content.rstrip()}\n{fence}"


def listed(labels: Sequence[str]) -> str:
    """Labels in one line, the first twenty of them."""
    names = ", ".join(text(label) for label in labels[:20])
    return names if len(labels) <= 20 else f"{names} and {len(labels) - 20} more"


def _share(value: float, interval: Interval) -> str:
    return f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


def _whole(value: float) -> str:
    return f"{100 * value:.0f} %"


def _clock(seconds: float) -> str:
    """A place in a video: 83 s is "1:23"."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


def _bytes(number: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}"
        number /= 1000
    return f"{number:,.1f} GB"


def _hours(number: float) -> str:
    if number >= 2:
        return f"{number:,.1f} hours"
    return f"{60 * number:.0f} minutes" if 60 * number >= 2 else f"{3600 * number:.0f} seconds"


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
    environment.filters |= {
        "text": text,
        "short": short,
        "linked": linked,
        "listed": listed,
        "fenced": fenced,
        "said": said,
    }
    environment.filters |= {"share": _share, "percent": _percent, "whole": _whole}
    environment.filters |= {"clock": _clock, "bytes": _bytes, "hours": _hours}
    environment.filters |= {"refused": refused, "failed": failed}
    return re.sub(r"\n{3,}", "\n\n", environment.get_template(template).render(**values))
