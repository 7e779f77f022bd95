"""The tasks of a run on many machines: each has a share and a folder of its own; merged, they are one."""

import shutil
from pathlib import Path

from ytaudio.collect import CLIPS
from ytaudio.errors import UserError
from ytaudio.ledger import LEDGER, Ledger, Settings, read_ledger

TASKS = "tasks"


def task_folder(folder: Path, rank: int) -> Path:
    """Where task `rank` keeps its own ledger and clips."""
    return folder / TASKS / f"{rank:05d}"


def merge(folder: Path, ledger: Ledger, settings: Settings) -> int:
    """Move what the tasks of a run have done so far into the folder's own ledger and clips; returns the videos moved.

    Safe to repeat at any time, and to be killed in: clips are moved before the line that speaks of them is written.
    """
    moved = 0
    for task in sorted((folder / TASKS).glob("*")):
        if not (task / LEDGER).is_file() or not (task / LEDGER).stat().st_size:
            continue  # a task that has not begun
        found, outcomes = read_ledger(task)
        if found != settings:
            raise UserError(f"{task} was collected with other settings: repeat those, or build into a new folder.")
        for video_id, outcome in outcomes.items():
            known = ledger.outcomes.get(video_id)
            if known and known.settled:
                continue
            if outcome.clips and (task / CLIPS / video_id).is_dir():
                (folder / CLIPS).mkdir(exist_ok=True)
                shutil.rmtree(folder / CLIPS / video_id, ignore_errors=True)  # of a visit that was cut short
                (task / CLIPS / video_id).rename(folder / CLIPS / video_id)
            ledger.append(outcome)
            moved += 1
    return moved
