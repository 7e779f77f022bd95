"""What the verbs print: lines and tables for a person, as wide as the terminal or as a file needs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ytaudio.assemble import BuildReport
    from ytaudio.scores import Scores


def say(*lines: object) -> None:
    """Print for a person: as wide as the terminal, and in a file or a pipe as wide as a table needs."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 132)
    for line in lines:
        console.print(line)


def plain(text: object) -> str:
    """Text from elsewhere without what would steer a terminal or break a line."""
    return "".join(c if c.isprintable() else " " for c in str(text))


def report_lines(report: "BuildReport", out: Path) -> list[Any]:
    """What became of every line of a catalogue, as lines and a table."""
    from rich.table import Table

    table = Table(title=f"{report.clips} clips, {report.hours:.2f} hours", title_justify="left")
    table.add_column("split")
    for label in report.labels:
        table.add_column(label, justify="right")
    for split, counts in report.splits.items():
        table.add_row(split, *(f"{counts.get(label, {}).get('videos', 0)} videos" for label in report.labels))
    refused = ", ".join(f"{reason} {n}" for reason, n in sorted(report.rejected.items())) or "none"
    failed = ", ".join(f"{reason} {n}" for reason, n in sorted(report.failed.items())) or "none"
    return [
        f"asked for   {report.requested} lines",
        f"refused     {sum(report.rejected.values())} lines ({refused})",
        *(
            f"            line {line['line']}: {line['reason']} {plain(line['value'])}"
            for line in report.rejected_lines[:5]
        ),
        f"visited     {report.attempted} videos, {report.unvisited} were not needed",
        f"gone        {sum(report.failed.values())} videos ({failed})",
        f"collected   {report.collected} videos, {report.used} used; {report.bytes_read / 1e6:.1f} MB were read",
        table,
        *report.missing,
        f"The dataset is in {out / 'dataset'}; publish it: ytaudio push dataset {out} USER/NAME",
    ]


def scores_table(all_scores: "list[Scores]") -> Any:
    """Models and floors, one a row, as a rich table."""
    from rich.table import Table

    def percent(value: float, interval: tuple[float, float]) -> str:
        return f"{100 * value:.1f} % ({100 * interval[0]:.0f} to {100 * interval[1]:.0f})"

    first = all_scores[0]
    title = f"{first.videos} videos ({first.clips} clips) of {first.dataset_id}, split {first.split}"
    table = Table(
        title=title, title_justify="left", caption="95 % bootstrap intervals over videos", caption_justify="left"
    )
    for column in ("model", "accuracy by video", "macro-F1 by video", "accuracy by clip"):
        table.add_column(column, justify="left" if column == "model" else "right", no_wrap=True)
    for s in all_scores:
        table.add_row(
            s.model_id,
            percent(s.accuracy, s.accuracy_interval),
            percent(s.macro_f1, s.macro_f1_interval),
            percent(s.clip_accuracy, s.clip_accuracy_interval),
        )
    for name, floor in first.floors.items():
        table.add_row(
            f"floor: {name}",
            percent(floor.accuracy, floor.accuracy_interval),
            percent(floor.macro_f1, floor.macro_f1_interval),
            "",
        )
    return table
