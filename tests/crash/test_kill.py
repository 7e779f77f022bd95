"""kill -9 at any moment: a rerun ends with the same files, and reads nothing again that was finished.

YTAUDIO_KILLS=10 kills ten times as often.
"""

import os
import random
import shutil
import signal
import time

import pytest
from crash.forge import digests
from crash.world import made_of

from ytaudio.ledger import read_ledger

TIMES = int(os.environ.get("YTAUDIO_KILLS", "1"))
BY_MOMENT, BY_CLOCK, IN_A_ROW = 13 * TIMES, 4 * TIMES, 5


def finished(folder) -> set[str]:
    """The videos that the ledger's whole lines have settled."""
    ledger = folder / "ledger.jsonl"
    if not ledger.exists() or b"\n" not in ledger.read_bytes():
        return set()
    return {one for one, outcome in read_ledger(folder)[1].items() if outcome.settled}


def stage(folder) -> str:
    """How far a killed run came."""
    known = finished(folder)
    if (folder / "dataset").exists():
        return "moved"
    if (folder / "dataset.part").exists():
        return "assembling"
    return "reading" if known else "beginning"


def goes_on(world, folder) -> None:
    """The ledger speaks of no clip that is not there, and the same command again ends as if nothing had happened."""
    known = finished(folder)
    for one in known:
        for clip in read_ledger(folder)[1][one].clips:
            assert made_of(folder)[f"clips/{one}/{clip.index}.flac"] == clip.sha256
    world.site.reset_counts()
    again = world.build(folder)
    assert again.code == 0, again.stderr
    assert made_of(folder) == world.clean
    assert not known & world.asked(), "read again although it was finished"
    assert set(read_ledger(folder)[1]) == set(world.visited)
    assert sorted(path.name for path in folder.iterdir()) == ["clips", "dataset", "ledger.jsonl", "lock"]


@pytest.mark.slow
def test_killed_before_any_change_of_its_folder_a_run_goes_on(world, tmp_path):
    rng = random.Random(3)
    share = world.moments / BY_MOMENT
    moments = [0, world.moments - 1, *(int((k + rng.random()) * share) for k in range(BY_MOMENT - 2))]
    stages = set()
    for moment in moments:
        folder = tmp_path / f"at{moment}"
        killed = world.build(folder, watched=str(folder), die_at=moment)
        assert killed.code == -signal.SIGKILL or killed.moments <= moment, f"{moment}: {killed}"
        stages.add(stage(folder))
        goes_on(world, folder)
    assert stages >= {"beginning", "reading", "assembling"}


@pytest.mark.slow
def test_killed_at_random_times_a_run_goes_on(world, tmp_path):
    rng = random.Random(4)
    began = time.monotonic()
    world.build(tmp_path / "whole")
    whole_s = time.monotonic() - began
    for n in range(BY_CLOCK):
        folder = tmp_path / str(n)
        child = world.start(folder)
        time.sleep(whole_s * (n + rng.random()) / BY_CLOCK)  # the moment is what is under test
        os.kill(child, signal.SIGKILL)
        assert world.forge.wait().code in (-signal.SIGKILL, 0)
        goes_on(world, folder)


def test_killed_again_and_again_in_one_folder_a_run_ends_all_the_same(world, tmp_path):
    folder = tmp_path / "out"
    known: set[str] = set()
    for n in range(IN_A_ROW):
        world.site.reset_counts()
        killed = world.build(folder, watched=str(folder), die_at=5 + 3 * n)
        assert killed.code == -signal.SIGKILL
        assert not known & world.asked(), "read again although it was finished"
        known = finished(folder)
    goes_on(world, folder)


def test_killed_while_a_dataset_is_replaced_it_is_there_whole_or_not_at_all(world, tmp_path):
    """Whoever publishes a folder after a kill must not publish half of it."""
    shutil.copytree(world.csv.parent / "clean", tmp_path / "whole")
    counted = world.build(tmp_path / "whole", watched=str(tmp_path / "whole")).moments
    whole = set(digests(tmp_path / "whole" / "dataset"))
    for moment in range(counted):
        folder = tmp_path / str(moment)
        shutil.copytree(world.csv.parent / "clean", folder)
        assert world.build(folder, watched=str(folder), die_at=moment).code == -signal.SIGKILL
        assert set(digests(folder / "dataset")) in (whole, set()), f"half a dataset at moment {moment}"
        assert not (folder / "dataset").exists() or made_of(folder) == world.clean
    goes_on(world, folder)
