import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import replace

import pytest
from waiting import until

from ytaudio.catalog import Video
from ytaudio.engine import Machines, collect_on
from ytaudio.errors import UserError
from ytaudio.launches import read_ended, refuse_if_at_work, slurm_has, tasks_in
from ytaudio.ledger import Settings, open_ledger
from ytaudio.manners import Manners
from ytaudio.places import Place
from ytaudio.schedulers import slurm_options
from ytaudio.shares import merge, outcomes_of
from ytaudio.testing import MediaSite, make_videos

SETTINGS = Settings(clips_per_video=1, clip_seconds=2.0, seed=0)


@pytest.fixture
def site():
    made = make_videos(("food", "travel"), 5, channels_per_category=3, seed=4, duration_s=(10, 20))
    with MediaSite(made) as running:
        running.videos = tuple(Video(v.id, f"https://www.youtube.com/watch?v={v.id}", "", "", v.category) for v in made)
        yield running


def launch(site, folder, engine, tasks=2, per_category=None, **options):
    with open_ledger(folder, SETTINGS) as ledger:
        machines = Machines(engine, tasks, threads=1, **options)
        return collect_on(machines, site.videos, ledger, SETTINGS, per_category=per_category)


def merged(folder):
    with open_ledger(folder, SETTINGS) as ledger:
        merge(folder, ledger, SETTINGS)
        return dict(ledger.outcomes)


def visits(site):
    return Counter(r.path.rsplit("/", 1)[-1] for r in list(site.log) if r.path.startswith("/api/video/"))


# Slurm's commands as the generated script meets them: sbatch keeps the script and what it was asked for, and a test
# runs the tasks of the array one by one, as slurmd would.
COMMANDS = {
    "sbatch": """
import pathlib, sys
queue = pathlib.Path(__file__).parent.parent / "queue"
queue.mkdir(exist_ok=True)
number = len(list(queue.iterdir())) + 1
(queue / str(number)).write_text(sys.argv[1] + chr(10) + pathlib.Path(sys.argv[-1]).read_text())
print("Submitted batch job", number)
""",
    "squeue": """
import pathlib, sys
job = pathlib.Path(__file__).parent.parent / "queue" / sys.argv[sys.argv.index("--jobs") + 1]
print(job.name) if job.exists() else sys.exit("slurm_load_jobs error: Invalid job id specified")
""",
    "scontrol": """
import pathlib, sys
asked = sys.argv[1:]
print("node-7") if asked[:2] == ["show", "hostnames"] else pathlib.Path("requeued").write_text(" ".join(asked))
""",
    "srun": """
import os, pathlib, sys
pathlib.Path("pid").write_text(str(os.getpid()))
command = next(n for n, word in enumerate(sys.argv) if word == "launch_pickled_pipeline")
os.execvp(sys.argv[command], sys.argv[command:])
""",
}


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A folder whose `queue` holds what sbatch was given."""
    commands = tmp_path / "slurm" / "bin"
    commands.mkdir(parents=True)
    for name, text in COMMANDS.items():
        (commands / name).write_text(f"#!{sys.executable}\n{text}")
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(commands), prepend=os.pathsep)
    return tmp_path / "slurm"


def start_task(slurm, job, rank):
    """A task of a job array in a shell of its own, as Slurm starts it."""
    told = {"SLURM_ARRAY_TASK_ID": str(rank), "SLURM_NODELIST": "node-7", "SLURM_JOB_ID": job, "RUN_OFFSET": "0"}
    body = (slurm / "queue" / job).read_text().split("\n", 1)[1]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(["bash", "-c", body], env={**os.environ, **told}, cwd=slurm, **pipes)


def run_array(slurm, job, ranks):
    """The exit codes of a job's tasks, run one by one, and what they printed."""
    codes, texts = [], []
    for rank in ranks:
        with start_task(slurm, job, rank) as task:
            texts.append(task.communicate()[0])
        codes.append(task.returncode)
    return codes, "".join(texts)


@pytest.mark.slow
def test_slurm_runs_the_queued_script_task_by_task_and_the_next_launch_takes_what_a_wall_left(site, slurm, tmp_path):
    out, before = tmp_path / "out", site.video(site.videos[0].id)
    site.add(replace(before, state="bot_check"))
    options = slurm_options(["time=2:00:00", "account=lab", "exclusive=", "cpus-per-task=3", "partition=big"])
    launched = launch(site, out, "slurm", slurm=options, manners=Manners(patience_s=0.0))
    assert (launched.tasks, launched.queued) == (2, "1") and site.requests == 0
    lines = [line.removeprefix("#SBATCH --") for line in (slurm / "queue" / "1").read_text().splitlines()]
    assert {"array=0-1", "time=2:00:00", "account=lab", "exclusive", "cpus-per-task=3", "partition=big"} <= set(lines)
    assert "signal=USR1@120" in lines and not [line for line in lines if line.startswith(("qos", "mail"))]
    assert [p.name for p in (slurm / "queue").iterdir()] == ["1"], "no job waits for the success of all"
    for asking in (lambda: launch(site, out, "slurm"), lambda: refuse_if_at_work(out)):
        with pytest.raises(UserError, match="Slurm job 1 are queued"):
            asking()

    codes, text = run_array(slurm, "1", [0, 1])
    assert codes.count(0) == 1 and "not a bot" in text
    assert {end.node for end in map(read_ended, tasks_in(Place.at(out)))} == {"node-7"}
    site.add(before)
    done = merged(out)
    site.reset_counts()
    again = launch(site, out, "slurm")
    assert again.tasks and "partition" not in (slurm / "queue" / "2").read_text()
    codes, text = run_array(slurm, "2", range(again.tasks))
    assert not any(codes), text
    assert visits(site).keys() == {v.id for v in site.videos} - done.keys()
    assert all(outcome.clips for outcome in merged(out).values())
    assert launch(site, out, "slurm").tasks == 0


@pytest.mark.slow
def test_a_slurm_task_whose_time_is_up_is_queued_again_and_goes_on(site, slurm, tmp_path):
    launch(site, tmp_path / "out", "slurm", tasks=1)
    site.latency_s = 0.1
    with start_task(slurm, "1", 0) as task:
        until(lambda: task.poll() is not None or len(visits(site)) >= 4)
        os.kill(int((slurm / "pid").read_text()), signal.SIGUSR1)
        text = task.communicate()[0]
    assert task.returncode != 0 and (slurm / "requeued").read_text() == "requeue 1", text
    site.latency_s = 0.0
    done = merged(tmp_path / "out")
    assert 0 < len(done) < len(site.videos)
    site.reset_counts()
    codes, text = run_array(slurm, "1", [0])
    assert codes == [0], text
    assert visits(site).keys() == {v.id for v in site.videos} - done.keys()


def test_slurm_that_is_not_here_or_refuses_is_one_sentence(site, slurm, tmp_path, monkeypatch):
    (slurm / "bin" / "sbatch").write_text("#!/bin/sh\necho invalid partition >&2\nexit 1\n")
    with pytest.raises(UserError, match=r"sbatch refused .*launch_script.slurm"):
        launch(site, tmp_path / "out", "slurm")
    with pytest.raises(UserError, match="blank"):
        launch(site, tmp_path / "my out", "slurm")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match="no sbatch here"):
        launch(site, tmp_path / "out", "slurm")
    assert not slurm_has("1")


def test_slurm_options_that_are_none_are_named():
    assert slurm_options(["--workers=8", "mem-per-cpu-gb=4"]) == {"workers": 8, "mem_per_cpu_gb": 4}
    assert slurm_options(["gres=gpu:0", "mail-user=a@b"]) == {"sbatch_args": {"gres": "gpu:0", "mail-user": "a@b"}}
    for wrong in ("time", "=x"):
        with pytest.raises(UserError, match="KEY=VALUE"):
            slurm_options([wrong])
    with pytest.raises(UserError, match="whole number"):
        slurm_options(["workers=many"])


@pytest.fixture
def ray_nodes(site, monkeypatch):
    """A Ray cluster of two machines on loopback, a CPU each, begun inside the site's block to know of it."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 80_000_000, "include_dashboard": False}
    # not 127.0.0.1, which Ray replaces by the machine's address on its network
    cluster = Cluster(initialize_head=True, head_node_args={**node, "node_ip_address": "127.0.0.2"})
    try:
        second = cluster.add_node(**node, node_ip_address="127.0.0.3")
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        yield cluster, second
    finally:
        cluster.shutdown()


@pytest.mark.slow
def test_ray_runs_tasks_on_two_machines_and_goes_on_when_one_is_lost(site, ray_nodes, tmp_path):
    cluster, second = ray_nodes
    out = tmp_path / "out"
    assert launch(site, out, "ray", per_category=1).stopped_by is None
    assert {end.node for end in map(read_ended, tasks_in(Place.at(out)))} == {"127.0.0.2", "127.0.0.3"}
    before = merged(out)
    assert before.keys() == visits(site).keys() and len(before) < len(site.videos)

    site.reset_counts()
    site.latency_s = 0.5
    done: set[str] = set()
    begun = threading.Event()

    def lose_the_second() -> None:
        while not begun.wait(0.05):
            tasks = [outcomes.keys() for _, outcomes in outcomes_of(tasks_in(Place.at(out)), SETTINGS)][2:]
            if len(tasks) == 2 and all(tasks):
                done.update(*tasks)
                cluster.remove_node(second, allow_graceful=False)
                site.latency_s = 0.0
                begun.set()

    watching = threading.Thread(target=lose_the_second)
    watching.start()
    launched = launch(site, out, "ray")
    begun.set()
    watching.join()
    assert launched.tasks == 2 and launched.stopped_by is None and 2 <= len(done) < len(site.videos) - len(before)
    assert [end.node for end in map(read_ended, tasks_in(Place.at(out)))][2:] == ["127.0.0.2"] * 2
    assert len(merged(out)) == len(site.videos)
    assert {visits(site)[name] for name in done} == {1}, "nothing that was finished is read twice"
    assert launch(site, out, "ray").tasks == 0


def test_ray_that_is_not_there_is_one_sentence(site, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "nonsense")
    with pytest.raises(UserError, match="No Ray cluster answers"):
        launch(site, tmp_path, "ray")
