"""What lies at the shared place of a run on many machines: launches, their tasks, how each ended, who is at work."""

import fcntl
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ytaudio.errors import UserError, writing_to
from ytaudio.media import Failure, Reason
from ytaudio.places import Place

LAUNCHES = "launches"  # in the shared place: a folder for each, and in it one for each task
SLURM_JOB = "slurm_job"  # of a launch: the id of its job
ENDED = "ended.json"  # of a task
BUSY = "busy"  # of a task: a file that it holds locked while it is at work
PATIENCE_S = 20.0  # for the end of a task whose machine is given up, before its work is taken over


@dataclass(frozen=True, slots=True)
class Ended:
    """What a task left behind when it ended by itself."""

    node: str  # the machine's address or name
    stopped_by: Failure | None = None  # the wall that ended it, if one did
    trouble: str = ""  # a sentence for the user, if there was something to mend on that machine


def task_place(launch: Place, rank: int) -> Place:
    """Where task `rank` of a launch finds its share and keeps its own ledger and clips."""
    return launch / f"{rank:05d}"


def write_ended(task: Place, ended: Ended) -> None:
    """Note that a task ended by itself."""
    wall = ended.stopped_by
    told = wall and {"reason": wall.reason.value, "detail": wall.detail, "retry_after_s": wall.retry_after_s}
    record = {"node": ended.node, "stopped_by": told, "trouble": ended.trouble}
    task.write(ENDED, json.dumps(record, ensure_ascii=False).encode())


def read_ended(task: Place) -> Ended | None:
    """How a task ended; None if it did not, or was killed."""
    content = task.read(ENDED)
    if content is None:
        return None
    record = json.loads(content)
    told = record["stopped_by"]
    wall = told and Failure("", Reason(told["reason"]), told["detail"], told["retry_after_s"])
    return Ended(record["node"], wall, record["trouble"])


def tasks_in(shared: Place) -> Iterator[Place]:
    """Every task of every launch so far, the oldest first."""
    for name in (shared / LAUNCHES).names():
        launch = shared / LAUNCHES / name
        yield from (launch / rank for rank in launch.names() if rank.isdigit())


@contextmanager
def alone(path: Path, patience_s: float = 0.0) -> Iterator[None]:
    """Hold a file locked.

    Raises:
        UserError: another process still holds it after `patience_s`.
    """
    with writing_to(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    until = time.monotonic() + patience_s
    with file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise UserError(f"Another launch is at work in {path.parent}: wait for it, or end it.") from None
                time.sleep(0.2)
        yield


def refuse_if_at_work(shared: str | Path) -> None:
    """See whether tasks of any launch are queued or at work, as far as the place and this machine can tell.

    Raises:
        UserError: some are.
    """
    place = Place.at(shared)
    for name in (place / LAUNCHES).names():
        launch = place / LAUNCHES / name
        left = [launch / rank for rank in launch.names() if rank.isdigit() and read_ended(launch / rank) is None]
        job = launch.read(SLURM_JOB) if left else None
        if job and slurm_has(job.decode()):
            raise UserError(f"Tasks of Slurm job {job.decode()} are queued or at work: wait for them, or scancel it.")
        for folder in (task.folder for task in left):
            if folder and (folder / BUSY).exists():
                with alone(folder / BUSY, PATIENCE_S):
                    continue


def slurm_has(job: str) -> bool:
    """Whether any task of a Slurm job is queued or at work; False too where there is no squeue to ask."""
    try:
        asked = subprocess.run(["squeue", "--noheader", "--jobs", job], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return False
    return asked.returncode == 0 and bool(asked.stdout.strip())
