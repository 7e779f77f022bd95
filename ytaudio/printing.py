"""What the verbs print: lines and tables for a person, as wide as the terminal or as a file needs."""

import io
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ytaudio.assemble import BuildReport
    from ytaudio.evaluation.scores import Scores

_LISTED = 40  # categories, and sentences on them
_WIDTH = 132  # of a file or a pipe
_COLUMNS = 8  # categories side by side


def say(*lines: object) -> None:
    """Print for a person: as wide as the terminal, and in a file or a pipe as wide as a table needs."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else _WIDTH)
    for line in lines:
        console.print(line)


def page_width() -> int:
    """How wide what `say` prints is, in characters."""
    from rich.console import Console

    return Console().width if sys.stdout.isatty() else _WIDTH


def say_above(*lines: object) -> None:
    """As `say`, while a bar is shown: rich's own consoles would write across it."""
    from rich.console import Console

    is_terminal, width = sys.stdout.isatty(), page_width()
    console = Console(highlight=False, markup=False, width=width, file=io.StringIO(), force_terminal=is_terminal)
    with console.capture() as captured:
        for line in lines:
            console.print(line)
    text = captured.get()
    sys.stdout.write(text if is_terminal else "".join(f"{line.rstrip()}\n" for line in text.splitlines()))
    sys.stdout.flush()


def as_lines(*lines: object) -> str:
    """What `say` prints to a file, as a string."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, width=_WIDTH, file=io.StringIO())
    with console.capture() as captured:
        for line in lines:
            console.print(line)
    return captured.get()


def plain(text: object) -> str:
    """Text from elsewhere without what would steer a terminal or break a line."""
    return "".join(c if c.isprintable() else " " for c in str(text))


def report_lines(report: "BuildReport", out: Path) -> list[Any]:
    """What became of every line of a catalogue, as lines and a table."""
    from rich.table import Table

    from ytaudio.rebuilt import rebuilt_lines

    table = Table(title=f"{report.clips} clips, {report.hours:.2f} hours", title_justify="left")
    table.add_column("videos")
    for split in report.splits:
        table.add_column(split, justify="right")
    for label in report.labels[:_LISTED]:
        table.add_row(label, *(str(counts.get(label, {}).get("videos", 0)) for counts in report.splits.values()))
    if len(report.labels) > _LISTED:
        table.add_row(f"... {len(report.labels) - _LISTED} more")
    visits = ", ".join(f"{label} {n['visited']} for {n['good']}" for label, n in report.attempts.items())
    return [
        f"requested   {report.requested} lines",
        f"rejected    {sum(report.rejected.values())} lines ({_counts(report.rejected)})",
        *(
            f"            line {line['line']}: {line['reason']} {plain(line['value'])}"
            for line in report.rejected_lines[:5]
        ),
        *([f"            ... all in {out / 'dataset' / 'report.json'}"] if len(report.rejected_lines) > 5 else []),
        f"visited     {report.attempted} videos ({visits or 'none'}), {report.unvisited} were not needed",
        f"failed      {sum(report.failed.values())} videos ({_counts(report.failed)})",
        *(
            f"            {reason}: {textwrap.shorten(plain(said[0]), 112, placeholder=' ...')}"
            for reason, said in sorted(report.failed_examples.items())
            if said
        ),
        *_try_again(report),
        *_may_open(report),
        *_left(report),
        f"collected   {report.collected} videos, {report.used} used; {report.bytes_read / 1e6:.1f} MB were read",
        *_twins(report),
        *(plain(line) for line in (rebuilt_lines(report.rebuilt) if report.rebuilt else ())),
        table,
        *report.missing[:_LISTED],
        *([f"... {len(report.missing) - _LISTED} more in report.json"] if len(report.missing) > _LISTED else []),
        f"The dataset is in {out / 'dataset'}; publish it: ytaudio push dataset {out} USER/NAME",
    ]


def _counts(numbers: "Mapping[str, int]") -> str:
    return ", ".join(f"{name} {n}" for name, n in sorted(numbers.items())) or "none"


def _try_again(report: "BuildReport") -> list[str]:
    """What the same command would try again."""
    from ytaudio.media import Reason

    passing = [reason for reason in sorted(report.failed) if Reason(reason).kind == "temporary"]
    return [f"            the same command tries {', '.join(passing)} again"] if passing else []


def _may_open(report: "BuildReport") -> list[str]:
    """What an account may see and a stranger does not."""
    closed = [reason for reason in ("age_restricted", "members_only") if reason in report.failed]
    if not closed:
        return []
    again = " ".join(f"--retry {reason}" for reason in closed)
    return [f"            an account may be let in: add --cookies FILE {again}"]


def _left(report: "BuildReport") -> list[str]:
    """Videos that met a wall while others were answered."""
    if not report.left:
        return []
    return [
        f"            {len(report.left)} met a wall that others did not: the same command tries them another day",
        f"            {textwrap.shorten(plain(report.left[0]), 112, placeholder=' ...')}",
    ]


def _twins(report: "BuildReport") -> list[str]:
    """Videos under two ids whose sound is one."""
    if not report.duplicate_pairs:
        return []
    named = ", ".join(f"{pair['a']} and {pair['b']}" for pair in report.duplicates[:3])
    more = ", ..." if report.duplicate_pairs > 3 else ""
    return [
        f"            of one sound under two ids, and so on one side of the split: {report.duplicate_pairs} "
        f"({plain(named)}{more})"
    ]


def scores_table(all_scores: "list[Scores]", groups: "Sequence[str]" = ()) -> Any:
    """Models and floors, one a row, as a rich table; with the letters of models that cannot be told apart, if given."""
    from rich.table import Table

    def percent(value: float, interval: tuple[float, float]) -> str:
        return f"{100 * value:.1f} % ({100 * interval[0]:.0f} to {100 * interval[1]:.0f})"

    first = all_scores[0]
    title = f"{first.sample} ({first.clips} clips) of {plain(first.dataset_id)}, split {plain(first.split)}"
    caption = f"95 % intervals, from resampling the {first.units}"
    if groups:
        caption += "; models that share a letter cannot be told apart"
    table = Table(title=title, title_justify="left", caption=caption, caption_justify="left")
    names = ("model", *(["group"] if groups else []), "accuracy by video", "macro-F1 by video", "accuracy by clip")
    for column in names:
        if column == "model":
            table.add_column(column, overflow="fold")  # a folder's path may be long, and figures are not cut
        else:
            table.add_column(column, justify="left" if column == "group" else "right", no_wrap=True)
    for number, s in enumerate(all_scores):
        table.add_row(
            plain(s.model_id),
            *([groups[number]] if groups else []),
            percent(s.accuracy, s.accuracy_interval),
            percent(s.macro_f1, s.macro_f1_interval),
            percent(s.clip_accuracy, s.clip_accuracy_interval),
        )
    for name, floor in first.floors.items():
        table.add_row(
            f"floor: {plain(name)}",
            *([""] if groups else []),
            percent(floor.accuracy, floor.accuracy_interval),
            percent(floor.macro_f1, floor.macro_f1_interval),
            "",
        )
    return table


def category_table(scores: "Scores") -> Any:
    """F1 of each category, and what its videos were said to be where the columns fit a page, as a rich table."""
    from rich.table import Table

    columns = scores.labels if len(scores.labels) <= _COLUMNS else ()
    table = Table("category", "videos", "F1 by video", *(f"as {plain(label)}" for label in columns))
    for column in table.columns[1:]:
        column.justify = "right"
    for label, row in list(zip(scores.labels, scores.confusion, strict=True))[:_LISTED]:
        f1 = "absent"
        if label in scores.f1_by_category:
            low, high = scores.f1_by_category_interval[label]
            f1 = f"{100 * scores.f1_by_category[label]:.1f} % ({100 * low:.0f} to {100 * high:.0f})"
        table.add_row(plain(label), str(sum(row)), f1, *(map(str, row) if columns else ()))
    if len(scores.labels) > _LISTED:
        table.add_row(f"... {len(scores.labels) - _LISTED} more")
    return table
