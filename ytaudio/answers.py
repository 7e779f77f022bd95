"""Answers as a person reads them, in a table and a timeline, and as programs do, in JSON."""

import json
import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from ytaudio.catalog import parse_link
from ytaudio.media import Failure
from ytaudio.printing import plain

if TYPE_CHECKING:
    from rich.table import Table

    from ytaudio.answering import Result
    from ytaudio.classifier import Answer, Part, Timeline

_NEXT_BEST = 3  # labels told beside the answer
_LABEL = 24  # characters of a label
_NAME = (12, 60)  # characters of an input's name, at least and at most
_BAR = 20  # characters of a bar


class AnswerTable:
    """A table whose rows are printed one by one, so that its columns are as wide as the first row says.

    Args:
        names: of the inputs there will be.
        labels: of the model.
        width: of the page, in characters.
    """

    def __init__(self, names: Sequence[str], labels: Sequence[str], width: int) -> None:
        label = min(_LABEL, max((len(plain(one)) for one in labels), default=0))
        self._answer, self._agree = min(label + len(" 100 %"), width // 3), len("crops agree")
        room = width - self._answer - self._agree - 6
        longest = max((len(plain(name)) for name in names), default=0)
        self._name = max(_NAME[0], min(longest, _NAME[1], room // 2))
        self._others = max(1, room - self._name)

    def head(self) -> "Table":
        """The line of the columns' names."""
        return self._line("input", "answer", "next best", "crops agree", style="bold")

    def row(self, name: str, answer: "Answer") -> "Table":
        """The line of one input."""
        first, *others = _ranked(answer.probabilities)
        fitting = others[:_NEXT_BEST]
        while len(", ".join(fitting)) > self._others and len(fitting) > 1:
            fitting.pop()
        return self._line(name, first, ", ".join(fitting), f"{answer.agreeing} of {answer.crops}")

    def _line(self, name: str, first: str, others: str, agreeing: str, style: str = "") -> "Table":
        from rich.table import Table

        line = Table.grid(padding=(0, 2, 0, 0))
        line.add_column(width=self._name, overflow="fold", style=style)
        line.add_column(width=self._answer, overflow="fold", style="bold")
        line.add_column(width=self._others, no_wrap=True, overflow="ellipsis", style=style)
        line.add_column(width=self._agree, style=style)
        line.add_row(plain(name), first, others, agreeing)
        return line


def timeline_lines(name: str, timeline: "Timeline") -> list[str]:
    """A heading and a line for each stretch of one label: from when to when, a bar, the label and its probability."""
    answer = timeline.answer
    label, length = _ranked(answer.probabilities)[0], clock(timeline.duration_s, timeline.duration_s)
    lines = [f"{plain(name)}, {length}: {label}; {answer.agreeing} of {answer.crops} parts agree"]
    for start_s, end_s, label, probability in stretches(timeline):
        when = f"{clock(start_s, timeline.duration_s)} to {clock(end_s, timeline.duration_s)}"
        bar = "█" * round(_BAR * probability)
        said = f"{short(label)} {100 * probability:.0f} %" if label else "silent"
        lines.append(f"  {when}  {bar:{_BAR}}  {said}")
    return lines


def stretches(timeline: "Timeline") -> list[tuple[float, float, str, float]]:
    """Neighbouring parts of one label made one: (start in seconds, end, label, mean probability); "" is silence."""
    found = []
    for label, group in groupby(timeline.parts, key=lambda part: part.label):
        parts: list[Part] = list(group)
        probability = sum(part.probabilities.get(label, 0.0) for part in parts) / len(parts)
        found.append((parts[0].start_s, parts[-1].start_s + parts[-1].seconds, label, probability))
    return found


def clock(time_s: float, of_s: float) -> str:
    """A time as hours, minutes and seconds, as fine as the length of the whole asks for."""
    if of_s < 120:
        return f"{int(round(time_s, 1) // 60)}:{round(time_s, 1) % 60:04.1f}"
    minutes, seconds = divmod(round(time_s), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}" if of_s >= 3600 else f"{minutes}:{seconds:02}"


def short(label: str) -> str:
    """A label in one line that fits a column."""
    line = plain(label)
    return line if len(line) <= _LABEL else f"{line[: _LABEL - 1]}…"


def json_line(result: "Result", model: str, revision: str, *, timeline: bool = False, png: str = "") -> str:
    """A result as one line of JSON, in ASCII.

    Always `input`, `model` and `revision` (the commit of the Hub, "" for a folder). Of an answer `title`,
    `duration_s`, `label`, `probability`, `probabilities` (label to probability, the model's order), `crops` (heard),
    `agreeing` (of them), with a timeline `timeline` (objects with `start_s`, `seconds`, `dbfs`, `label` and
    `probabilities`, whose last two are "" and {} where it is silent) and with a picture its path, `png`. Of a failure
    `reason` (a word of ytaudio.media.Reason) and `detail`.
    """
    line: dict[str, Any] = {"input": result.input, "model": model, "revision": revision}
    if isinstance(result.outcome, Failure):
        line |= {"reason": result.outcome.reason.value, "detail": result.outcome.detail}
        return json.dumps(line)
    answer = result.outcome.answer
    line |= {"title": result.title, "duration_s": round(result.outcome.duration_s, 3)}
    line |= {"label": answer.label, "probability": round(answer.probability, 6)}
    line |= {"probabilities": _rounded(answer.probabilities), "crops": answer.crops, "agreeing": answer.agreeing}
    if timeline:
        line["timeline"] = [_part(part) for part in result.outcome.parts]
    return json.dumps(line | ({"png": png} if png else {}))


def picture_name(name: str, taken: set[str]) -> str:
    """A file name for the picture of an input, of plain letters, that is not taken yet; it is then."""
    try:
        stem = parse_link(name)[0]
    except ValueError:
        stem = PurePath(name).stem
    plain_stem = re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-")[:60] or "input"
    found, number = plain_stem, 1
    while found.casefold() in taken:
        number += 1
        found = f"{plain_stem}-{number}"
    taken.add(found.casefold())
    return f"{found}.png"


def _part(part: "Part") -> dict[str, Any]:
    told = {"start_s": round(part.start_s, 3), "seconds": round(part.seconds, 3), "dbfs": round(part.dbfs, 1)}
    return {**told, "label": part.label, "probabilities": _rounded(part.probabilities)}


def _rounded(probabilities: dict[str, float]) -> dict[str, float]:
    return {label: round(probability, 6) for label, probability in probabilities.items()}


def _ranked(probabilities: dict[str, float]) -> list[str]:
    """Labels with their probabilities, the likeliest first."""
    order = sorted(probabilities, key=lambda label: -probabilities[label])
    return [f"{short(label)} {100 * probabilities[label]:.0f} %" for label in order]
