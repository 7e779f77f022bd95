"""A wall through the command: exit code 75, no video blamed, and the same dataset once it is lifted."""

import pytest
from crash.world import made_of
from waiting import until

from ytaudio.ledger import read_ledger


@pytest.mark.parametrize(("state", "when"), [("bot_check", "some hours"), ("rate_limited", "an hour")])
def test_a_wall_from_the_beginning(world, tmp_path, state, when):
    with world.walled(state):
        walled = world.build(tmp_path / "out")
    assert walled.code == 75, walled
    assert len(walled.stderr.strip().splitlines()) == 1 and "Traceback" not in walled.stderr
    for part in (state, "no video is blamed", f"wait {when}", "same command", "--cookies", "--proxy"):
        assert part in walled.stderr
    assert read_ledger(tmp_path / "out")[1] == {}
    assert not (tmp_path / "out" / "dataset").exists()
    assert world.build(tmp_path / "out").code == 0
    assert made_of(tmp_path / "out") == world.clean


def test_a_wall_in_the_middle_keeps_what_was_done(world, tmp_path):
    with world.walled("bot_check", world.visited[::2]):
        walled = world.build(tmp_path / "out")
    assert walled.code == 75, walled
    done = read_ledger(tmp_path / "out")[1]
    assert not set(done) & set(world.visited[::2])
    world.site.reset_counts()
    assert world.build(tmp_path / "out").code == 0
    assert made_of(tmp_path / "out") == world.clean
    assert not set(done) & world.asked()


def test_a_wall_that_is_lifted_while_the_run_waits(world, tmp_path):
    with world.walled("rate_limited"):
        world.site.reset_counts()
        world.start(tmp_path / "out", "--patience", 1)
        until(lambda: any(request.status == 429 for request in list(world.site.log)))
    ended = world.forge.wait()
    assert ended.code == 0, ended.stderr
    assert made_of(tmp_path / "out") == world.clean


def test_a_site_that_names_its_time_is_left_alone_until_then(world, tmp_path, monkeypatch):
    monkeypatch.setattr(world.site, "retry_after", "5400")
    with world.walled("rate_limited"):
        world.site.reset_counts()
        walled = world.build(tmp_path / "out", "--patience", 600)
    assert walled.code == 75 and "left alone until" in walled.stderr, walled
    assert world.site.requests <= 2, "each thread met it once, and none of them again"


def test_a_machine_without_network_blames_no_video(world, tmp_path):
    nowhere = {"YTAUDIO_MEDIA_SITE": "http://127.0.0.1:9"}
    offline = world.build(tmp_path / "out", environment=nowhere)
    assert offline.code == 75, offline
    assert len(offline.stderr.strip().splitlines()) == 1 and "Traceback" not in offline.stderr
    for part in ("offline", "no video is blamed", "same command", "when the network is back"):
        assert part in offline.stderr
    assert read_ledger(tmp_path / "out")[1] == {}
    assert world.build(tmp_path / "out").code == 0
    assert made_of(tmp_path / "out") == world.clean
