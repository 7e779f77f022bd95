import hashlib
from dataclasses import replace

import numpy as np
import pytest
from media.wire import Wire, answer

from ytaudio import clips, media
from ytaudio.catalog import Video
from ytaudio.clips import Window, spread_windows
from ytaudio.ledger import Settings
from ytaudio.media import Media, Reason
from ytaudio.media.access import remember
from ytaudio.testing import MediaSite, make_videos
from ytaudio.visits import clip_path, visit

SETTINGS = Settings(clips_per_video=3, clip_seconds=4.0)
RATE = 16_000


@pytest.fixture(scope="module")
def site():
    with MediaSite() as running:
        yield running


def sound(site, name, waveform):
    """A file on the site, and what finds it."""
    url = site.add_file(name, clips.encode(waveform.astype(np.float32)), "audio/flac")
    video = Video("u0123456789abcdef", url, "", "", "food")
    return video, lambda asked: Media(asked.id, url, {}, waveform.size / RATE, "A title", "UC1", "", "", "")


def noise(seconds, level=0.2, seed=0):
    return level * np.random.default_rng(seed).standard_normal(int(seconds * RATE)).clip(-3, 3)


def test_a_silent_window_is_moved_inside_its_share_of_the_video(site, tmp_path):
    waveform = noise(60)
    waveform[18 * RATE : 33 * RATE] = 0.0  # the second window, 28 to 32 s, and more
    video, locate = sound(site, "partly.flac", waveform)
    outcome = visit(video, tmp_path, SETTINGS, locate)
    wanted = [window.start_s for window in spread_windows(60.0, 3, 4.0)]
    starts = [clip.start_s for clip in outcome.clips]
    assert wanted == [8.0, 28.0, 48.0] and starts == [8.0, 32.0, 48.0]
    assert all(clip.dbfs > -20 for clip in outcome.clips) and [clip.index for clip in outcome.clips] == [0, 1, 2]
    for clip in outcome.clips:
        heard = clips.decode(clip_path(tmp_path, video.id, clip.index).read_bytes())
        true = waveform[round(clip.start_s * RATE) :][: heard.size]
        assert heard.size == 4 * RATE and np.abs(heard - true).max() < 1e-3


def test_a_video_without_sound_is_silent_after_every_place_was_tried(site, tmp_path):
    video, locate = sound(site, "silent.flac", noise(60, level=1e-5))
    outcome = visit(video, tmp_path, SETTINGS, locate)
    assert outcome.failure.reason is Reason.SILENT and "dBFS" in outcome.failure.detail
    assert not list(tmp_path.rglob("*.flac")) and outcome.failure.video_id == video.id


@pytest.mark.parametrize(("seconds", "reason"), [(0.4, Reason.TOO_SHORT), (0.999, Reason.TOO_SHORT), (1.0, None)])
def test_less_than_a_second_of_sound_is_too_short(seconds, reason, site, tmp_path):
    video, locate = sound(site, f"short{seconds}.flac", noise(seconds))
    outcome = visit(video, tmp_path, SETTINGS, locate)
    assert (outcome.failure.reason if outcome.failure else None) is reason
    if reason is None:
        assert [clip.samples for clip in outcome.clips] == [RATE]


def test_given_windows_keep_their_numbers_and_are_not_moved(site, tmp_path):
    waveform = noise(60)
    waveform[20 * RATE : 30 * RATE] = 0.0
    video, locate = sound(site, "given.flac", waveform)
    outcome = visit(video, tmp_path, SETTINGS, locate, [Window(1.5, 2.0), Window(22.0, 2.0), Window(40.0, 2.0)])
    assert [(clip.index, clip.start_s) for clip in outcome.clips] == [(0, 1.5), (2, 40.0)]


def test_a_visit_that_fails_in_the_middle_leaves_no_file(site, tmp_path):
    (made,) = make_videos(("food",), 1, seed=3, duration_s=(300, 300))
    site.add(made)
    site.misbehave(made.id, "404", times=9, after=2)
    video = Video(made.id, f"https://youtu.be/{made.id}", "", "", "food")
    outcome = visit(video, tmp_path, SETTINGS, lambda one: media.locate(one))
    assert outcome.failure.reason is Reason.SERVER_ERROR and outcome.bytes_read > 0
    assert not list((tmp_path / "clips").iterdir())


def test_an_address_that_expired_is_found_anew_once(site, tmp_path):
    (made,) = make_videos(("food",), 1, seed=4, duration_s=(60, 60))
    site.add(made)
    site.misbehave(made.id, "403", times=1)
    located = []
    video = Video(made.id, f"https://youtu.be/{made.id}", "", "", "food")
    outcome = visit(video, tmp_path, SETTINGS, lambda one: located.append(one) or media.locate(one))
    assert len(located) == 2 and len(outcome.clips) == 3


@pytest.mark.parametrize(("retry_after", "times"), [("60", 1), ("", 2)])
def test_a_server_that_names_a_time_is_not_asked_again_at_once(retry_after, times, tmp_path):
    with Wire(lambda head: answer("503 Service Unavailable", Retry_After=retry_after)) as wire:
        found = Media("u0123456789abcdef", f"{wire.url}/talk.wav", {}, 60.0, "", "", "", "", "")

        def locate(video):
            remember(media.Access(retries=0))
            return found

        outcome = visit(Video(found.video_id, found.stream_url, "", "", "food"), tmp_path, SETTINGS, locate)
    assert outcome.failure.reason is Reason.SERVER_ERROR and len(wire.asked) == times


def test_a_record_says_what_the_file_holds(site, tmp_path):
    video, locate = sound(site, "one.flac", noise(60, seed=5))
    outcome = visit(video, tmp_path, replace(SETTINGS, clips_per_video=1), locate)
    (clip,) = outcome.clips
    flac = clip_path(tmp_path, video.id, 0).read_bytes()
    assert clip.sha256 == hashlib.sha256(flac).hexdigest() and clip.samples == clips.frames(flac) == 4 * RATE
    assert (outcome.title, outcome.channel_id, outcome.duration_s) == ("A title", "UC1", 60.0)
    assert outcome.read_with == media.VERSION and outcome.bytes_read > 0
