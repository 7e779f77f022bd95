"""The same `collect` on many machines, on datatrove (Slurm, Ray): a wall is put up against one machine's address."""

import os
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from datatrove.pipeline.base import PipelineStep
from multiprocess import parent_process  # of datatrove's processes

from ytaudio import launches, media, shares
from ytaudio.catalog import Video
from ytaudio.clips import Window
from ytaudio.collect import collect
from ytaudio.errors import UserError, writing_to
from ytaudio.launches import BUSY, SLURM_JOB, Ended, alone, task_place, tasks_in
from ytaudio.ledger import Ledger, Outcome, Settings, open_ledger
from ytaudio.manners import Manners
from ytaudio.media import Access, Failure, Reason
from ytaudio.places import EVERY_S, Mirror, Place
from ytaudio.schedulers import ENGINES, TaskStopped
from ytaudio.shares import Need

LAUNCHING = "launching"  # a file of the shared place that a launcher holds locked
LOGS = "logs"  # of a launch: datatrove's


@dataclass(frozen=True, slots=True)
class Machines:
    """Where tasks run, and how each of them works."""

    engine: str  # "local", "ray" or "slurm"
    tasks: int  # at most; each takes every so-many-th video of what is left
    shared: str | Path | None = None  # a folder or an fsspec URL that all machines reach; the folder built in if None
    threads: int = 16  # videos read at a time by each task
    manners: Manners = field(default_factory=Manners)  # of each task
    access: Access = field(default_factory=Access)  # cookies must lie at the same path on every machine
    every_s: float = EVERY_S  # seconds between two mirrors of a task to a place that is not on a disk
    slurm: Mapping[str, Any] = field(default_factory=dict)  # from schedulers.slurm_options


@dataclass(frozen=True, slots=True)
class Job:
    """What every task of a launch is told; its videos lie at the launch's place, however long the catalogue is."""

    launch: Place
    settings: Settings
    wanted: Mapping[str, int | None]  # category to the good videos that a task looks for; None visits its whole share
    threads: int
    manners: Manners
    access: Access
    every_s: float


@dataclass(frozen=True, slots=True)
class Launched:
    """How tasks ended, or that they are queued."""

    tasks: int  # launched; 0 if there was nothing left for them
    queued: str = ""  # the id of the Slurm job that holds them
    stopped_by: Failure | None = None  # the wall that ended a task, if one did; the detail names the machine


class CollectShare(PipelineStep):
    """One task: its share of the videos to a ledger and clips of its own, resumed by that ledger."""

    name, type = "collect", "ytaudio"

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.job = job

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        """Collect the share of task `rank`.

        Raises:
            TaskStopped: a wall or something to mend on this machine ended it, and is noted at the task's place.
        """
        if parent_process():  # of a pool, as on Ray
            threading.Thread(target=_end_with_parent, args=(os.getppid(),), name="parent", daemon=True).start()
        task = task_place(self.job.launch, rank)
        node = os.environ.get("DATATROVE_NODE_IPS", "")
        try:
            ended = Ended(node, self._collect(task))
        except UserError as error:
            ended = Ended(node, trouble=str(error))
        launches.write_ended(task, ended)
        if ended.stopped_by or ended.trouble:
            raise TaskStopped(f"task {rank} on {node}: {ended.stopped_by or ended.trouble}")
        yield from data or ()

    def _collect(self, task: Place) -> Failure | None:
        """Visit the share; the wall that ended it, if one did.

        Raises:
            UserError: this machine lacks something, or another is at work on the share.
        """
        job = self.job
        if job.access.cookies and not Path(job.access.cookies).is_file():
            raise UserError(f"There are no cookies at {job.access.cookies} on a machine: put the file there on each.")
        videos, windows = shares.read_share(task)
        alike: dict[int | None, list[Video]] = {}
        for video in videos:
            alike.setdefault(job.wanted[video.category], []).append(video)
        with _workplace(task, job.every_s) as folder, writing_to(folder), open_ledger(folder, job.settings) as ledger:
            for wanted, some in alike.items():
                ended = collect(
                    some,
                    ledger,
                    job.settings,
                    per_category=wanted,
                    threads=job.threads,
                    windows=windows,
                    manners=job.manners,
                    locate=partial(media.locate, access=job.access),
                    online=partial(media.online, access=job.access),
                )
                if ended.stopped_by:
                    return ended.stopped_by
            self.stat_update("videos", value=len(ledger.outcomes))
        return None


def _end_with_parent(number: int) -> None:
    """End this process as a kill would when its parent is gone, before now too: its work is given to another then."""
    while os.getppid() == number and (parent := parent_process()) and parent.is_alive():
        time.sleep(0.5)
    os._exit(1)


@contextmanager
def _workplace(task: Place, every_s: float) -> Iterator[Path]:
    """The folder to collect into: the task's own, for one at a time, or one on this machine's disk that is mirrored."""
    if folder := task.folder:
        with alone(folder / BUSY, launches.PATIENCE_S):
            yield folder
        return
    with (
        tempfile.TemporaryDirectory(prefix="ytaudio-", ignore_cleanup_errors=True) as scratch,
        Mirror(Path(scratch), task, every_s),
    ):
        yield Path(scratch)


def collect_on(
    machines: Machines,
    videos: Iterable[Video],
    ledger: Ledger,
    settings: Settings,
    *,
    per_category: int | None = None,
    retry: Collection[Reason] = (),
    windows: Mapping[str, Sequence[Window]] | None = None,
    tell: Callable[[str], object] = lambda sentence: None,
) -> Launched:
    """Deal what a build still lacks to tasks on other machines; `shares.merge` brings home what they have done.

    Every launch deals anew what neither a launch before it nor the ledger has settled, so another number of tasks, a
    longer catalogue, or tasks that were killed need no care, and what is finished is not fetched again. Where this
    waits for the tasks (not on Slurm), it launches again for videos whose places dead ones left open.

    Args:
        machines: where, how many, and how.
        videos: the catalogue's.
        ledger: of the folder built in, which stays open, and so locked, meanwhile.
        settings: of the clips.
        per_category: good videos aimed at.
        retry: reasons whose videos are tried again although they are settled.
        windows: video id to the windows to read, where they are given.
        tell: is told of each launch, in a sentence.

    Raises:
        UserError: no such engine, tasks are still at work, other settings, or something to mend on a machine.
    """
    if machines.engine not in ENGINES:
        raise UserError(f"There is no engine {machines.engine}: give --engine local, ray or slurm.")
    machines = replace(machines, access=_elsewhere(machines.access, machines.engine))
    place = Place.at(machines.shared or ledger.path.parent)
    needed = partial(shares.still_needed, tuple(videos), seed=settings.seed, per_category=per_category, retry=retry)
    launched, tried = 0, set[str]()
    with _launching(place):
        known = dict(ledger.outcomes)
        _learn(known, tasks_in(place), settings)
        while needs := needed(known, tried=tried):
            dealt = shares.deal(needs, min(machines.tasks, sum(len(need.videos) for need in needs.values())))
            launch = shares.new_launch(place, dealt, windows)
            launched += len(dealt)
            tell(f"{sum(map(len, dealt))} videos are dealt to {len(dealt)} tasks; their logs: {launch.url}/{LOGS}")
            if queued := _run(machines, launch, settings, needs, len(dealt)):
                return Launched(launched, queued)
            tasks = [task_place(launch, rank) for rank in range(len(dealt))]
            if wall := _wall(launch, tasks):
                return Launched(launched, stopped_by=wall)
            tried |= _learn(known, tasks, settings)
    return Launched(launched)


def _run(machines: Machines, launch: Place, settings: Settings, needs: Mapping[str, Need], tasks: int) -> str:
    """Run a launch until its tasks have ended, or queue it: the job's id then, else ""."""
    wanted = {category: None if n.wanted is None else -(-n.wanted // tasks) for category, n in needs.items()}
    job = Job(launch, settings, wanted, machines.threads, machines.manners, machines.access, machines.every_s)
    queued = ENGINES[machines.engine](CollectShare(job), tasks, f"{launch.url}/{LOGS}", machines.slurm)
    if queued:
        launch.write(SLURM_JOB, queued.encode())
    return queued


def _elsewhere(access: Access, engine: str) -> Access:
    """The access as other machines can use it."""
    if access.cookies_from_browser and engine != "local":
        raise UserError("Other machines have no such browser: give --cookies a file that lies on all of them.")
    if access.proxy and "@" in access.proxy:
        raise UserError(
            "A proxy's password would lie in the launch's files, for all to read: leave --proxy out and set the "
            "variables http_proxy and https_proxy on the machines."
        )
    return replace(access, cookies=Path(access.cookies).absolute()) if access.cookies else access


def _learn(known: dict[str, Outcome], tasks: Iterable[Place], settings: Settings) -> set[str]:
    """Take over what tasks have done into `known`; returns the ids of the videos they visited."""
    visited: set[str] = set()
    for _, outcomes in shares.outcomes_of(tasks, settings):
        visited |= outcomes.keys()
        known |= {name: o for name, o in outcomes.items() if shares.worth(o) > shares.worth(known.get(name))}
    return visited


def _wall(launch: Place, tasks: Sequence[Place]) -> Failure | None:
    """The wall that ended one of the tasks.

    Raises:
        UserError: there is something to mend on a machine, or a task said nothing at its end.
    """
    ends = [launches.read_ended(task) for task in tasks]
    if troubles := {end.trouble: end.node for end in ends if end and end.trouble}:
        raise UserError(" ".join(f"{trouble} (on {node})" for trouble, node in troubles.items()))
    if silent := [str(rank) for rank, end in enumerate(ends) if end is None]:
        raise UserError(
            f"Task {', '.join(silent)} ended without a word, its machine was lost or it met a bug (see "
            f"{launch.url}/{LOGS}/logs): what was done is kept, and the same command again deals out the rest."
        )
    walls = [replace(e.stopped_by, detail=f"on {e.node}: {e.stopped_by.detail}") for e in ends if e and e.stopped_by]
    return walls[0] if walls else None


@contextmanager
def _launching(place: Place) -> Iterator[None]:
    """One launch at a time, and none while tasks of an earlier one are at work, as far as the place can tell.

    Raises:
        UserError: another is at work.
    """
    with alone(place.folder / LAUNCHING) if place.folder else nullcontext():
        launches.refuse_if_at_work(place.url)
        yield
