import hashlib
import pickle
import signal
import subprocess
import sys
import time
from collections import Counter, deque
from dataclasses import replace
from pathlib import Path

import pytest
from object_store import Objects

from ytaudio.assemble import assemble
from ytaudio.catalog import Catalog, Video
from ytaudio.collect import collect
from ytaudio.engine import LAUNCHING, CollectShare, Job, Machines, collect_on
from ytaudio.errors import UserError
from ytaudio.launches import BUSY, alone, read_ended, task_place, tasks_in
from ytaudio.ledger import LEDGER, Settings, open_ledger
from ytaudio.manners import Manners
from ytaudio.media import Access, Reason
from ytaudio.places import PARTS, Place, read_parts
from ytaudio.schedulers import TaskStopped
from ytaudio.shares import deal, merge, new_launch, still_needed
from ytaudio.splits import protocol_named
from ytaudio.testing import MediaSite, make_videos
from ytaudio.turns import visiting_order

SETTINGS = Settings(clips_per_video=1, clip_seconds=2.0, seed=0)
CATEGORIES, LIMIT = ("food", "travel"), 4
AT_ONCE = Manners(patience_s=0.0)  # a wall ends a task without waiting


@pytest.fixture(scope="module")
def site():
    """Twenty videos; those of one of two tasks are dead at first, so that the other's alone are not enough."""
    made = make_videos(CATEGORIES, 10, channels_per_category=5, seed=4, duration_s=(10, 20))
    videos = tuple(Video(v.id, f"https://www.youtube.com/watch?v={v.id}", "", "", v.category) for v in made)
    dead = {video.id for queue in visiting_order(videos, 0).values() for video in queue[0:6:2]}
    with MediaSite([replace(v, state="private") if v.id in dead else v for v in made]) as running:
        running.videos, running.dead = videos, dead
        yield running


def launch(site, folder, engine="local", tasks=2, per_category=None, retry=(), **options):
    with open_ledger(folder, SETTINGS) as ledger:
        machines = Machines(engine, tasks, **{"threads": 2, **options})
        return collect_on(machines, site.videos, ledger, SETTINGS, per_category=per_category, retry=retry)


def finished(site, folder, shared=None, per_category=None):
    """Merge, collect and assemble as `ytaudio build` does: the Parquet files' hashes, and the videos visited alone."""
    with open_ledger(folder, SETTINGS) as ledger:
        merge(shared or folder, ledger, SETTINGS)
        ended = collect(site.videos, ledger, SETTINGS, threads=2, per_category=per_category)
        plan, catalog = protocol_named("default"), Catalog(site.videos, ())
        assemble(folder, catalog, ledger.outcomes, SETTINGS, protocol=plan, per_category=per_category, source="x.csv")
    data = folder / "dataset" / "data"
    files = {str(p.relative_to(data)): hashlib.sha256(p.read_bytes()).hexdigest() for p in data.rglob("*.parquet")}
    assert files
    return files, ended.attempted


def visits(site):
    """How often each video's page was asked for."""
    return Counter(r.path.rsplit("/", 1)[-1] for r in list(site.log) if r.path.startswith("/api/video/"))


def ends(folder):
    return [read_ended(task) for task in tasks_in(Place.at(folder))]


def test_a_job_carries_no_videos(site, tmp_path):
    step = CollectShare(Job(Place.at(tmp_path), SETTINGS, {"food": 1}, 2, Manners(), Access(), 30.0))
    assert len(pickle.dumps(step)) < 2000


def test_tasks_merged_equal_one_machine_though_the_failures_are_all_in_one(site, tmp_path):
    site.reset_counts()
    launched = launch(site, tmp_path / "many", per_category=LIMIT)
    assert launched.tasks > 2 and launched.stopped_by is None, "a second round for what the dead ones left open"
    assert set(visits(site).values()) == {1} and len(visits(site)) < len(site.videos)
    many, alone = finished(site, tmp_path / "many", per_category=LIMIT)
    assert alone == 0, "the launches left nothing over"
    assert many == finished(site, tmp_path / "one", per_category=LIMIT)[0]
    site.reset_counts()
    assert launch(site, tmp_path / "many", per_category=LIMIT).tasks == 0 and site.requests == 0


def test_a_launch_over_an_object_store_equals_one_machine_and_another_number_of_tasks_goes_on(site, tmp_path):
    with Objects(tmp_path / "packages") as store:
        shared = "objects://bucket/run"
        some = [v for v in site.videos if v.id not in site.dead][:4]
        with open_ledger(tmp_path / "many", SETTINGS) as ledger:
            collect_on(Machines("local", 1, shared), some, ledger, SETTINGS)
        site.reset_counts()
        assert launch(site, tmp_path / "many", shared=shared, tasks=2).tasks == 2
        assert visits(site).keys() == {v.id for v in site.videos} - {v.id for v in some}, "a longer catalogue"
        many, alone = finished(site, tmp_path / "many", shared)
        assert alone == 0 and not [name for name in store.names() if name.endswith(f"/{LEDGER}")]
        with open_ledger(tmp_path / "many", SETTINGS) as ledger:
            assert merge(shared, ledger, SETTINGS) == 0
    assert many == finished(site, tmp_path / "one")[0]


TASK = """
import pickle, sys
from collections import deque
deque(pickle.load(open(sys.argv[1], "rb")).run(None, 0, 1), maxlen=0)
"""


def test_a_task_killed_far_from_its_place_goes_on_from_its_last_mirror(site, tmp_path):
    with Objects(tmp_path / "packages") as store:
        needs = still_needed(site.videos, {}, 0)
        made = new_launch(Place.at("objects://bucket/run"), deal(needs, 1))
        job = Job(made, SETTINGS, dict.fromkeys(CATEGORIES), 1, Manners(), Access(), 0.05)
        (tmp_path / "step").write_bytes(pickle.dumps(CollectShare(job)))
        child = subprocess.Popen([sys.executable, "-c", TASK, str(tmp_path / "step")])
        with store.changed:
            assert store.changed.wait_for(lambda: len(store.names(".flac")) >= 3, timeout=60)
        child.send_signal(signal.SIGKILL)
        child.wait()
        kept = {line.split(b'"')[3].decode() for line in read_parts(task_place(made, 0)).splitlines()[1:]}
        assert 0 < len(kept) < len(site.videos)
        site.reset_counts()
        deque(CollectShare(job).run(None, 0, 1), maxlen=0)
        assert visits(site).keys() == {v.id for v in site.videos} - kept
        assert len({name for name in store.names(".jsonl") if f"/{PARTS}/" in name}) >= 2
        many, alone = finished(site, tmp_path / "many", "objects://bucket/run")
    assert alone == 0 and many == finished(site, tmp_path / "one")[0]


def test_a_wall_ends_one_task_and_the_next_launch_deals_out_what_it_left(site, tmp_path):
    walled = next(v for v in site.videos if v.id not in site.dead)
    before = site.video(walled.id)
    site.add(replace(before, state="bot_check"))
    try:
        launched = launch(site, tmp_path, threads=1, manners=AT_ONCE)
    finally:
        site.add(before)
    assert launched.stopped_by.reason is Reason.BOT_CHECK and "on localhost: " in launched.stopped_by.detail
    assert sorted(bool(end.stopped_by) for end in ends(tmp_path)) == [False, True], "the other task went on"
    with open_ledger(tmp_path, SETTINGS) as ledger:
        merge(tmp_path, ledger, SETTINGS)
        done = set(ledger.outcomes)
    assert walled.id not in done and 10 <= len(done) < 20
    site.reset_counts()
    assert launch(site, tmp_path).stopped_by is None
    assert visits(site).keys() == {v.id for v in site.videos} - done
    assert finished(site, tmp_path)[1] == 0


def test_temporary_failures_are_tried_by_the_next_launch_and_reasons_asked_for_too(site, tmp_path):
    live = next(v for v in site.videos if v.id not in site.dead)
    before = site.video(live.id)
    site.add(replace(before, state="live"))
    try:
        assert launch(site, tmp_path, tasks=1).tasks == 1, "it is not tried twice by one launch"
    finally:
        site.add(before)
    site.reset_counts()
    assert launch(site, tmp_path).tasks == 1 and set(visits(site)) == {live.id}
    site.reset_counts()
    launch(site, tmp_path, tasks=1, retry={Reason.PRIVATE})
    assert visits(site).keys() == site.dead


def test_what_a_machine_lacks_is_said_by_its_name(site, tmp_path):
    with pytest.raises(UserError, match=r"no cookies at .*cookies.txt on a machine.*\(on localhost\)"):
        launch(site, tmp_path, tasks=1, access=Access(cookies=tmp_path / "cookies.txt"))
    with pytest.raises(UserError, match="no such browser"):
        launch(site, tmp_path, engine="ray", access=Access(cookies_from_browser="firefox"))


def test_a_second_launch_refuses_and_so_does_one_over_a_task_at_work(site, tmp_path, monkeypatch):
    with open_ledger(tmp_path / "out", SETTINGS) as ledger:
        with alone(tmp_path / "shared" / LAUNCHING), pytest.raises(UserError, match=r"at work in .*shared"):
            collect_on(Machines("local", 2, tmp_path / "shared"), site.videos, ledger, SETTINGS)
        made = new_launch(Place.at(tmp_path / "shared"), [site.videos])
        monkeypatch.setattr("ytaudio.launches.PATIENCE_S", 0.0)
        with alone(task_place(made, 0).folder / BUSY), pytest.raises(UserError, match=r"at work in .*00000"):
            collect_on(Machines("local", 2, tmp_path / "shared"), site.videos, ledger, SETTINGS)


def test_other_settings_are_refused_and_named(site, tmp_path):
    launch(site, tmp_path / "shared", tasks=1, per_category=1)
    other = replace(SETTINGS, clip_seconds=3.0)
    with open_ledger(tmp_path / "out", other) as ledger, pytest.raises(UserError, match=r"--clip-seconds was 2.0 and"):
        collect_on(Machines("local", 2, tmp_path / "shared"), site.videos, ledger, other)


LAUNCHER = """
import sys
from pathlib import Path
from ytaudio.catalog import Video
from ytaudio.engine import Machines, collect_on
from ytaudio.ledger import Settings, open_ledger

if __name__ == "__main__":
    videos = [Video(i, f"https://www.youtube.com/watch?v={i}", "", "", "food") for i in sys.argv[2:]]
    settings = Settings(clips_per_video=1, clip_seconds=2.0, seed=0)
    with open_ledger(Path(sys.argv[1]), settings) as ledger:
        collect_on(Machines("local", 2, threads=1), videos, ledger, settings, tell=lambda told: print(told, flush=True))
"""


@pytest.mark.slow
def test_a_launcher_that_is_killed_leaves_neither_its_locks_nor_processes(site, tmp_path):
    (tmp_path / "launcher.py").write_text(LAUNCHER)
    ids = [video.id for video in site.videos]
    with subprocess.Popen(
        [sys.executable, tmp_path / "launcher.py", tmp_path / "many", *ids],
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as launcher:
        assert launcher.stdout.readline()
        while (
            len((Path("/proc") / str(launcher.pid) / "task" / str(launcher.pid) / "children").read_text().split()) < 3
        ):
            time.sleep(0.02)  # two tasks and what tracks their semaphores
        launcher.kill()
        assert launcher.communicate(timeout=60)[0] == b"", "all that have its output open are gone"
    launched = launch(site, tmp_path / "many", tasks=3)
    assert launched.tasks and launched.stopped_by is None


def test_an_unknown_engine_is_one_sentence(site, tmp_path):
    with pytest.raises(UserError, match="no engine kubernetes"):
        launch(site, tmp_path, engine="kubernetes")


def test_a_task_stopped_is_told_to_datatrove(site, tmp_path):
    made = new_launch(Place.at(tmp_path), [site.videos])
    job = Job(made, SETTINGS, dict.fromkeys(CATEGORIES), 1, Manners(), Access(cookies="/nowhere/cookies.txt"), 30.0)
    with pytest.raises(TaskStopped, match="no cookies"):
        deque(CollectShare(job).run(None, 0, 1))
    assert "no cookies" in read_ended(task_place(made, 0)).trouble
