"""The same `collect` on many machines, on datatrove (Slurm, Ray): a wall is put up against one machine's address."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from datatrove.executor import LocalPipelineExecutor
from datatrove.executor.base import PipelineExecutor
from datatrove.pipeline.base import PipelineStep

from ytaudio import media
from ytaudio.catalog import Video
from ytaudio.collect import collect, visiting_order
from ytaudio.errors import UserError
from ytaudio.ledger import Settings, open_ledger
from ytaudio.shares import task_folder

LOGS = "engine_logs"


@dataclass(frozen=True, slots=True)
class Job:
    """What every task of a run needs to know; it travels to the machines pickled."""

    videos: tuple[Video, ...]
    folder: Path  # on a file system that all machines share
    settings: Settings
    per_category: int | None
    threads: int  # a task
    access: media.Access


def share(videos: tuple[Video, ...], settings: Settings, rank: int, tasks: int) -> list[Video]:
    """The videos of task `rank`: every `tasks`-th of each category's visiting order."""
    return [v for queue in visiting_order(videos, settings.seed).values() for v in queue[rank::tasks]]


class CollectShare(PipelineStep):
    """One task of a run: its share of the videos into its own folder, resumed by its own ledger."""

    name, type = "collect", "ytaudio"

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.job = job

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        """Collect the share of task `rank` of `world_size`; datatrove marks the task done when this ends.

        Raises:
            RuntimeError: a wall ended it; the same launch again goes on with the tasks that are not done.
        """
        job = self.job
        wanted = None if job.per_category is None else -(-job.per_category // world_size)
        with open_ledger(task_folder(job.folder, rank), job.settings) as ledger:
            ended = collect(
                share(job.videos, job.settings, rank, world_size),
                ledger,
                job.settings,
                per_category=wanted,
                threads=job.threads,
                locate=partial(media.locate, access=job.access),
            )
            self.stat_update("videos", value=len(ledger.outcomes))
        if ended.stopped_by:
            raise RuntimeError(f"a wall ended task {rank}: {ended.stopped_by.detail}")
        yield from data or ()


def _executor(engine: str, step: CollectShare, tasks: int, folder: Path, slurm: dict[str, Any]) -> PipelineExecutor:
    logs = str(folder / LOGS)
    if engine == "local":
        return LocalPipelineExecutor([step], tasks=tasks, logging_dir=logs)
    if engine == "ray":
        from datatrove.executor import RayPipelineExecutor

        return RayPipelineExecutor([step], tasks=tasks, logging_dir=logs)
    if engine == "slurm":
        from datatrove.executor import SlurmPipelineExecutor

        options = {"time": "24:00:00", "partition": "cpu", "job_name": "ytaudio", **slurm}
        return SlurmPipelineExecutor([step], tasks=tasks, logging_dir=logs, mail_type="NONE", **options)
    raise UserError(f"There is no engine {engine}: give --engine local, ray or slurm.")


def collect_on(engine: str, job: Job, tasks: int, **slurm: Any) -> None:
    """Run `collect` as `tasks` tasks of a datatrove executor; Slurm's are queued and this returns at once.

    `slurm` goes to SlurmPipelineExecutor (partition, time, cpus_per_task, sbatch_args, ...). Tasks that are done are
    skipped when the same run is launched again.

    Raises:
        UserError: no such engine.
    """
    _executor(engine, CollectShare(job), tasks, job.folder, slurm).run()
