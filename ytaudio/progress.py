"""Progress of long work on a terminal; silence elsewhere."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ytaudio.collect import Progress as Standing


@contextmanager
def collecting(categories: Sequence[str]) -> Iterator[Callable[["Standing"], None]]:
    """A bar a category while videos are collected; gives the callable that `collect` calls with how it stands."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, TextColumn("{task.fields[note]}"), console=console, disable=not console.is_terminal
    ) as bars:
        tasks = {category: bars.add_task(category, total=None, note="") for category in categories}

        def show(standing: "Standing") -> None:
            for category, task in tasks.items():
                bars.update(task, completed=standing.good.get(category, 0), total=standing.wanted.get(category))
            note = f"{standing.failed} failed, {standing.bytes_read / 1e6:.0f} MB"
            if standing.waiting_s:
                note = f"a wall: waiting {standing.waiting_s:.0f} s"
                if not console.is_terminal:  # a log that says nothing for minutes looks like one of a run that hangs
                    console.print(f"A wall: all wait {standing.waiting_s:.0f} s, then go on; no video is blamed.")
            bars.update(tasks[categories[-1]], note=note)

        yield show


@contextmanager
def answering(inputs: int) -> Iterator[Callable[[], None]]:
    """A bar while several inputs are heard; gives the callable that counts one more. Printed lines stay above it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("heard"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    shown = console.is_terminal and inputs > 1
    # a line for a file or a pipe must get there, and not to the terminal that shows the bar
    above = sys.stdout.isatty()
    with Progress(*columns, console=console, disable=not shown, transient=True, redirect_stdout=above) as bars:
        task = bars.add_task("heard", total=inputs)
        yield lambda: bars.advance(task)
