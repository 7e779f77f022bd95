"""The pieces of the quickstart; the whole of it is README's first block, which CI runs."""

import os
import socket
import time

import pytest
import soundfile

from ytaudio import quickstart
from ytaudio.errors import UserError
from ytaudio.quickstart import Session


@pytest.fixture
def session(tmp_path):
    return Session(tmp_path, dict(os.environ), time.monotonic())


def test_its_site_has_enough_good_videos_a_long_one_and_dead_ones():
    videos, fresh = quickstart.made_up_site(10)
    assert max(video.duration_s for video in videos) == 11 * 3600
    assert {"private", "removed"} <= {video.state for video in videos}
    for category in quickstart.CATEGORIES:
        assert sum(video.category == category and video.state == "ok" for video in videos) >= 10
    assert {video.category for video in fresh} == set(quickstart.CATEGORIES)
    assert not {video.channel_id for video in fresh} & {video.channel_id for video in videos}


def test_a_folder_with_other_things_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="give a new folder"):
        quickstart.run(tmp_path, 8)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_or_another_number_of_videos_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="Cannot write to"):
        quickstart.run(tmp_path / "file", 8)
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / quickstart.MARK).write_text("24")
    with pytest.raises(UserError, match="begun with --videos 24"):
        quickstart.run(tmp_path / "begun", 8)


def test_a_step_is_shown_run_in_the_folder_and_stops_the_rest_when_it_fails(session, capfd):
    (session.folder / "step.py").write_text("import sys; print('in', sys.argv[1]); sys.exit(int(sys.argv[1]))")
    session.do("python step.py 0")
    with pytest.raises(UserError, match="exit code 3"):
        session.do("python step.py 3")
    out = capfd.readouterr().out
    assert "$ python step.py 0" in out and "in 0" in out


def test_verbs_run_through_this_interpreter(session, capfd):
    session.do("ytaudio --version")
    assert "ytaudio " in capfd.readouterr().out


def test_the_fresh_clip_is_five_seconds_at_16_khz(tmp_path):
    _, fresh = quickstart.made_up_site(8)
    quickstart.write_fresh_clip(fresh[0], tmp_path / "fresh.wav")
    info = soundfile.info(tmp_path / "fresh.wav")
    assert (info.samplerate, info.frames, info.channels) == (16_000, 80_000, 1)
    quickstart.write_day([tmp_path / "fresh.wav"] * 3, tmp_path / "day.wav")
    assert soundfile.info(tmp_path / "day.wav").frames == 3 * 80_000


def test_the_farewell_names_the_recipes_of_the_checkout_it_runs_in(tmp_path, monkeypatch, capsys):
    (tmp_path / "recipes").mkdir()
    for place, near in ((tmp_path, quickstart.recipes_folder()), (quickstart.recipes_folder().parent, "recipes")):
        monkeypatch.chdir(place)
        quickstart._farewell(tmp_path, "local", 1.0)
        assert f"accelerate launch {near}/finetune.py {near}/wav2vec2.yaml " in capsys.readouterr().out


def test_the_hub_has_the_port_that_is_named_afterwards_unless_it_is_taken(tmp_path, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setattr(quickstart, "PORT", taken.getsockname()[1])
        taken.listen()
        assert quickstart._port() == 0
    assert quickstart._port() == quickstart.PORT
