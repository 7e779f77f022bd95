"""Ctrl-C and SIGTERM at any moment: an end within seconds, one sentence that says how to go on, a rerun that does."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
from crash.world import OPTIONS, made_of
from waiting import until

from ytaudio.testing import MediaSite

SOON_S = 3.0
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
BOTH = pytest.mark.parametrize("number", CODES, ids=["ctrl-c", "sigterm"])
# where both take the same way to the same end, one is enough for the suite's time
CTRL_C = pytest.mark.parametrize("number", [signal.SIGINT], ids=["ctrl-c"])
SIGTERM = pytest.mark.parametrize("number", [signal.SIGTERM], ids=["sigterm"])


def says_how_to_go_on(code: int, stderr: str, number: int) -> None:
    assert code == CODES[number], stderr
    assert "Traceback" not in stderr and len(stderr.strip().splitlines()) == 1, stderr
    assert "same command" in stderr


def interrupt(world, child: int, number: int) -> None:
    """Send the signal, and see the run end soon and well."""
    began = time.monotonic()
    os.kill(child, number)
    ended = world.forge.wait()
    assert time.monotonic() - began < SOON_S
    said = ended.stderr.splitlines(keepends=True)
    assert len(said) == 1 or said[0].startswith("A wall: all wait ")
    says_how_to_go_on(ended.code, said[-1], number)


def completes(world, folder) -> None:
    again = world.build(folder)
    assert again.code == 0, again.stderr
    assert made_of(folder) == world.clean


@BOTH
def test_at_any_change_of_the_folder(world, tmp_path, number):
    rng, folders = random.Random(number), set()
    for n in range(4):
        moment = int(world.moments * (n + rng.random()) / 4)
        folder = tmp_path / str(moment)
        began = time.monotonic()
        ended = world.build(folder, watched=str(folder), die_at=moment, signal=number)
        assert time.monotonic() - began < SOON_S
        if ended.code or ended.moments > moment:  # else it ended before that moment came
            says_how_to_go_on(ended.code, ended.stderr, number)
        folders.add(folder)
    for folder in sorted(folders)[::2]:
        completes(world, folder)


@SIGTERM
def test_while_pages_are_slow(world, tmp_path, number):
    world.site.reset_counts()
    world.site.latency_s = 0.2
    try:
        child = world.start(tmp_path / "out")
        until(lambda: world.site.requests)
        interrupt(world, child, number)
    finally:
        world.site.latency_s = 0.0
    completes(world, tmp_path / "out")


@CTRL_C
def test_while_every_reader_hangs_in_a_stalled_answer(world, tmp_path, number):
    with MediaSite([world.site.video(one) for one in world.ids]) as stalling:  # a site of its own: it notes stalls late
        for one in world.visited:
            stalling.media(one)
            stalling.misbehave(one, "stall")
        child = world.start(tmp_path / "out", environment=stalling.environment())
        until(lambda: stalling.requests >= 3)  # the first one is gone, two more are being read
        time.sleep(0.3)  # for their readers to hang: a stalled answer leaves no trace
        interrupt(world, child, number)
    completes(world, tmp_path / "out")


@SIGTERM
def test_while_waiting_at_a_wall(world, tmp_path, number):
    with world.walled():
        world.site.reset_counts()
        child = world.start(tmp_path / "out", "--patience", 1000)
        until(lambda: world.site.requests >= 2)
        time.sleep(0.2)  # for the pause to begin, which leaves no trace
        interrupt(world, child, number)
    completes(world, tmp_path / "out")


STARTING = """
import sys
from ytaudio.cli import main
print("ready", flush=True)
main()
"""


@BOTH
def test_while_everything_is_being_imported(world, tmp_path, number):
    """A real start, which takes about a second, interrupted at several moments of it."""
    rng = random.Random(number)
    words = ["build", str(world.csv), str(tmp_path / "out"), *map(str, OPTIONS)]
    for n in range(4):
        child = subprocess.Popen(
            [sys.executable, "-c", STARTING, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **world.site.environment()},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        assert child.stdout.readline() == "ready\n"
        time.sleep(0.8 * (n + rng.random()) / 4)
        began = time.monotonic()
        child.send_signal(number)
        _, said = child.communicate()
        assert time.monotonic() - began < 2 * SOON_S  # no fork: a busy machine is slow to import
        says_how_to_go_on(child.returncode, said, number)
    completes(world, tmp_path / "out")
