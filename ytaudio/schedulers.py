"""datatrove's executors, each made fit for tasks that end at walls: in this machine's processes, on Ray, by Slurm."""

import io
import logging
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

from datatrove.executor import LocalPipelineExecutor, RayPipelineExecutor, SlurmPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.utils.logging import logger
from datatrove.utils.stats import PipelineStats
from multiprocess import get_context  # of datatrove's processes

from ytaudio.errors import UserError

_EXECUTORS: dict[str, Callable[[str], object]] = {  # options of datatrove's executor; all others are sbatch's own
    **dict.fromkeys(("cpus_per_task", "mem_per_cpu_gb", "workers", "max_array_size", "tasks_per_job"), int),
    **dict.fromkeys(("time", "partition", "qos", "job_name", "env_command", "venv_path", "condaenv"), str),
}
_LEVEL = "LOGURU_LEVEL"  # the variable that loguru, datatrove's logger, reads when it is imported


class TaskStopped(RuntimeError):
    """A task ended before its share was done, and has said why: datatrove marks it failed."""


class LocalTasks(LocalPipelineExecutor):
    """Tasks as processes: datatrove's pool ends all of them when one fails, here the others go on."""

    def run(self) -> None:
        """Run all tasks at once.

        datatrove's own would fork a process to count them, which outlives a launcher that is killed, with its locks.
        Nor is it a fork server, which would give later tasks its own old environment.
        """
        self.save_executor_as_json()
        if self.tasks == 1:
            self._run_for_rank(0)
            return
        with get_context("spawn").Pool(self.workers) as pool:
            for _ in pool.imap_unordered(self._run_for_rank, range(self.tasks)):
                pass

    def _run_for_rank(self, rank: int, local_rank: int = 0, node_rank: int = -1) -> PipelineStats:
        # datatrove prints an error with every variable on the way to it; the task's log file has that, too
        with redirect_stderr(io.StringIO()):
            try:
                return super()._run_for_rank(rank, 1, node_rank)
            except TaskStopped:
                return PipelineStats()


class SlurmTasks(SlurmPipelineExecutor):
    """Tasks as a job array."""

    def launch_merge_stats(self) -> None:
        """Queue nothing: a job that depends on all tasks' success would wait for ever behind one that met a wall."""

    def get_sbatch_args(self, max_array: int = 1) -> dict[str, Any]:
        """The options of the script; without a partition Slurm takes its default one."""
        return {name: value for name, value in super().get_sbatch_args(max_array).items() if value is not None}


def slurm_options(given: Iterable[str]) -> dict[str, Any]:
    """Options KEY=VALUE, as `--slurm time=12:00:00 --slurm account=lab`, as keyword arguments of SlurmTasks.

    Those of datatrove's executor go to it; any other is a line `#SBATCH --KEY=VALUE` of the script, KEY= one without a
    value.

    Raises:
        UserError: one is not KEY=VALUE, or not a number where one belongs.
    """
    options: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        name = key.strip().lstrip("-").replace("-", "_")
        if not equals or not name:
            raise UserError(f"--slurm {text} is not KEY=VALUE: give for example --slurm time=12:00:00.")
        if name not in _EXECUTORS:
            options.setdefault("sbatch_args", {})[name.replace("_", "-")] = value
            continue
        try:
            options[name] = _EXECUTORS[name](value)
        except ValueError:
            raise UserError(f"--slurm {text} is not a whole number: give for example --slurm {key}=2.") from None
    return options


def run_local(step: PipelineStep, tasks: int, logs: str, options: Mapping[str, Any]) -> str:
    """All tasks at once, as processes of this machine; returns when they have ended."""
    with _warnings_only():
        LocalTasks([step], tasks=tasks, logging_dir=logs).run()
    return ""


def run_ray(step: PipelineStep, tasks: int, logs: str, options: Mapping[str, Any]) -> str:
    """A CPU and 1 GB of a Ray cluster for each task; returns when they have ended.

    A task whose machine is lost is given to another one, three times at most.
    """
    with _warnings_only(), _ray_cluster():
        RayPipelineExecutor([step], tasks=tasks, logging_dir=logs, mem_per_cpu_gb=1).run()
    return ""


@contextmanager
def _warnings_only() -> Iterator[None]:
    """Let datatrove print warnings and errors only, here and in processes it starts; its log files tell the rest."""
    before = os.environ.get(_LEVEL)
    os.environ[_LEVEL] = "WARNING"
    logger.remove()
    logger.add(sys.stderr, level="WARNING", format="{message}")
    try:
        yield
    finally:
        logger.remove()
        logger.add(sys.stderr)
        os.environ.pop(_LEVEL) if before is None else os.environ.update({_LEVEL: before})


@contextmanager
def _ray_cluster() -> Iterator[None]:
    try:
        import ray
    except ModuleNotFoundError:
        raise UserError("--engine ray needs Ray on every machine: pip install 'ytaudio[ray]'.") from None
    if ray.is_initialized():
        yield
        return
    try:
        ray.init(address="auto", log_to_driver=False, logging_level=logging.WARNING)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise UserError(
            f"No Ray cluster answers ({str(error).splitlines()[0]}): start one with `ray start --head`, let the other "
            "machines join it, and name it in RAY_ADDRESS if it is not on this one."
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


def run_slurm(step: PipelineStep, tasks: int, logs: str, options: Mapping[str, Any]) -> str:
    """Queue the tasks as a job array and return its id at once.

    The script finds this Python's commands first. Two minutes before its time is up a task is told (USR1), and
    datatrove queues it again.
    """
    if logs.split() != [logs]:
        raise UserError(f"{logs} has a blank in its name, which datatrove's script for sbatch cannot hold: rename it.")
    sbatch = {"signal": "USR1@120", **options.get("sbatch_args", {})}
    ours = {"time": "24:00:00", "partition": None, "qos": None, "job_name": "ytaudio"}
    if not options.keys() & {"env_command", "venv_path", "condaenv"}:
        ours["env_command"] = f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"
    made = SlurmTasks([step], tasks=tasks, logging_dir=logs, **{**ours, **options, "sbatch_args": sbatch})
    try:
        with _warnings_only():
            made.run()
    except FileNotFoundError as error:
        if error.filename != "sbatch":
            raise
        raise UserError("There is no sbatch here: give the command on a login node of the Slurm cluster.") from None
    except subprocess.CalledProcessError as error:
        raise UserError(
            f"sbatch refused {logs}/launch_script.slurm (exit code {error.returncode}, its reason is above): mend the "
            "script with --slurm KEY=VALUE."
        ) from None
    return str(made.job_id)


# a step, the number of tasks, where to log and options of Slurm to the id of the job that holds them, or "" when done
Engine = Callable[[PipelineStep, int, str, Mapping[str, Any]], str]
ENGINES: dict[str, Engine] = {"local": run_local, "ray": run_ray, "slurm": run_slurm}
