"""A ranking as text for a terminal, as Markdown for a document, as JSON for a program."""

import json
from pathlib import Path
from typing import Any

from ytaudio.errors import UserError, writing_to
from ytaudio.evaluation.comparison import Comparison, against_best_floor, p_text
from ytaudio.evaluation.ranking import Ranking
from ytaudio.evaluation.scores import Floor, Scores
from ytaudio.intervals import Interval
from ytaudio.printing import as_lines, category_table, plain, scores_table

FORMATS = ("text", "markdown", "json")
_SUFFIXES = {".md": "markdown", ".json": "json"}
_PAIRS = 45  # shown in a document: those of ten models


def format_of(named: str | None, output: Path | None) -> str:
    """The format that was asked for, by name or by the file's ending; text where neither says.

    Raises:
        UserError: there is no such format.
    """
    found = named or _SUFFIXES.get(output.suffix.lower() if output else "", "text")
    if found not in FORMATS:
        raise UserError(f"There is no format {found}: choose one of {', '.join(FORMATS)}.")
    return found


def as_text(ranking: Ranking) -> list[Any]:
    """A rich table and lines, for `printing.say`."""
    return [
        scores_table(list(ranking.models), ranking.groups if len(ranking.models) > 2 else ()),
        *map(plain, ranking.sentences),
    ]


def scored_lines(scores: Scores) -> list[Any]:
    """One model's scores for `printing.say`: beside its floors, by category, and the sentences on them."""
    floor = against_best_floor(scores)
    said = [floor.verdict] if floor else []
    said += [scores.calibration.verdict] if scores.calibration else []
    return [scores_table([scores]), category_table(scores), *map(plain, said)]


def as_markdown(ranking: Ranking) -> str:
    """A table of models and floors, the sentences, and a table of pairs where there are more than one."""
    from ytaudio.cards.markup import text

    first, many = ranking.models[0], len(ranking.models) > 2
    lines = [
        f"{first.sample} ({first.clips} clips) of {text(first.dataset_id)}, split {text(first.split)}; "
        f"95 % intervals from resampling the {first.units}",
        "",
        f"| model |{' group |' if many else ''} accuracy | macro-F1 | accuracy by clip |",
        f"|---|{'---|' if many else ''}---:|---:|---:|",
    ]
    for model, group in zip(ranking.models, ranking.groups, strict=True):
        cells = [_percent(model.accuracy, model.accuracy_interval), _percent(model.macro_f1, model.macro_f1_interval)]
        cells.append(_percent(model.clip_accuracy, model.clip_accuracy_interval))
        lines.append(f"| {text(model.model_id)} |{f' {group} |' if many else ''} {' | '.join(cells)} |")
    for name, floor in first.floors.items():
        cells = [_percent(floor.accuracy, floor.accuracy_interval), _percent(floor.macro_f1, floor.macro_f1_interval)]
        lines.append(f"| floor: {text(name)} |{' |' if many else ''} {' | '.join(cells)} | |")
    lines += ["", *([f"{_GROUPS}.", ""] if many else []), *(f"- {text(said)}" for said in ranking.sentences)]
    if many:
        lines += ["", "| A | B | A - B, points | 95 % interval | p |", "|---|---|---:|---:|---:|"]
        lines += [f"| {' | '.join(map(text, _row(pair)))} |" for pair in ranking.pairs[:_PAIRS]]
        if len(ranking.pairs) > _PAIRS:
            lines += ["", f"... and {len(ranking.pairs) - _PAIRS} pairs more, all of them in the JSON."]
    return "\n".join(lines) + "\n"


_GROUPS = "Models that share a letter cannot be told apart"


def _row(pair: Comparison) -> tuple[str, ...]:
    low, high = pair.accuracy_interval
    span = f"{100 * low:+.0f} to {100 * high:+.0f}"
    return pair.a.model_id, pair.b.model_id, f"{100 * pair.accuracy_difference:+.1f}", span, p_text(pair.p)


def _percent(value: float, interval: Interval) -> str:
    return f"{100 * value:.1f} % ({100 * interval[0]:.0f} to {100 * interval[1]:.0f})"


def as_json(ranking: Ranking) -> str:
    """Every figure, every pair and every sentence; shares from 0 to 1, differences A minus B."""
    first = ranking.models[0]
    told = {
        "split": first.split,
        "videos": first.videos,
        "resampled": first.units,
        "labels": list(first.labels),
        "models": [
            {**_model(model), "group": group, "videos_left_out": out, "against_best_floor": floor and _pair(floor)}
            for model, group, floor, out in zip(
                ranking.models, ranking.groups, ranking.floors, ranking.left_out, strict=True
            )
        ],
        "floors": {name: _figures(floor) | {"description": floor.description} for name, floor in first.floors.items()},
        "pairs": [_pair(pair) for pair in ranking.pairs],
        "sentences": list(ranking.sentences),
    }
    return json.dumps(told, indent=1) + "\n"


def _figures(scored: Scores | Floor) -> dict[str, Any]:
    names = ("accuracy", "accuracy_interval", "macro_f1", "macro_f1_interval")
    return {name: getattr(scored, name) for name in names}


def _model(scores: Scores) -> dict[str, Any]:
    names = ("model_id", "model_revision", "dataset_id", "dataset_revision", "clip_accuracy", "clip_accuracy_interval")
    measured = scores.calibration
    known = {name: getattr(measured, name) for name in ("brier", "nll", "ece")} if measured else {}
    return {
        **{name: getattr(scores, name) for name in names},
        **_figures(scores),
        **known,
        "f1_by_category": scores.f1_by_category,
        "f1_by_category_interval": scores.f1_by_category_interval,
    }


def _pair(pair: Comparison) -> dict[str, Any]:
    names = ("accuracy_difference", "accuracy_interval", "macro_f1_difference", "macro_f1_interval", "only_a", "only_b")
    return {
        "a": pair.a.model_id,
        "b": pair.b.model_id,
        **{name: getattr(pair, name) for name in (*names, "p", "test", "told", "verdict")},
    }


def in_format(ranking: Ranking, named: str) -> str:
    """A ranking as one of FORMATS."""
    return {"text": lambda r: as_lines(*as_text(r)), "markdown": as_markdown, "json": as_json}[named](ranking)


def write(ranking: Ranking, named: str, output: Path) -> None:
    """Keep a ranking in a file, as one of FORMATS.

    Raises:
        UserError: it cannot be written there.
    """
    content = in_format(ranking, named)
    with writing_to(output.parent):
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(content, encoding="utf-8")
