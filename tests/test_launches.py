import subprocess
import sys

import pytest

from ytaudio import launches
from ytaudio.errors import UserError
from ytaudio.launches import (
    BUSY,
    LAUNCHES,
    SLURM_JOB,
    Ended,
    alone,
    read_ended,
    refuse_if_at_work,
    slurm_has,
    task_place,
    tasks_in,
    write_ended,
)
from ytaudio.media import Failure, Reason
from ytaudio.places import Place


@pytest.fixture
def task(tmp_path):
    """The only task of the only launch, which has not begun."""
    made = task_place(Place.at(tmp_path) / LAUNCHES / "20260102T030405-abcdef", 0)
    made.write("videos.jsonl", b"")
    return made


def test_tasks_are_found_by_launch_and_rank(tmp_path):
    shared = Place.at(tmp_path)
    assert list(tasks_in(shared)) == []
    for launch in ("20260102T030405-abcdef", "20251231T235959-012345"):
        for rank in (11, 0, 7):
            task_place(shared / LAUNCHES / launch, rank).write("videos.jsonl", b"")
        (shared / LAUNCHES / launch).write("logs/stats.json", b"{}")
    found = [task.url.split("/")[-2:] for task in tasks_in(shared)]
    assert found == sorted(found) and [rank for _, rank in found] == ["00000", "00007", "00011"] * 2


def test_how_a_task_ended_comes_back(task):
    assert read_ended(task) is None
    for ended in (
        Ended("10.0.0.7", Failure("", Reason.RATE_LIMITED, "HTTP Error 429", 60.0)),
        Ended("node-7", trouble="There are no cookies."),
        Ended(""),
    ):
        write_ended(task, ended)
        assert read_ended(task) == ended


HOLD = "import fcntl, sys; file = open(sys.argv[1], 'w'); fcntl.flock(file, fcntl.LOCK_EX); print(flush=True); input()"


def test_a_task_at_work_is_waited_for_and_then_refused(task, tmp_path, monkeypatch):
    holding = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(task.folder / BUSY)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holding:
        holding.stdout.readline()
        monkeypatch.setattr(launches, "PATIENCE_S", 0.0)
        with pytest.raises(UserError, match=r"at work in .*00000"):
            refuse_if_at_work(tmp_path)
        holding.kill()
    refuse_if_at_work(tmp_path)  # which it no longer is
    with alone(task.folder / BUSY), pytest.raises(UserError, match="at work"):
        refuse_if_at_work(tmp_path)
    with alone(task.folder / BUSY):
        write_ended(task, Ended("node-7"))
        refuse_if_at_work(tmp_path)  # it has said that it is done


def test_where_there_is_no_squeue_nothing_is_known_of_a_job(task, tmp_path, monkeypatch):
    (Place.at(tmp_path) / LAUNCHES / "20260102T030405-abcdef").write(SLURM_JOB, b"1")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not slurm_has("1")
    refuse_if_at_work(tmp_path)
