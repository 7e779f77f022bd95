"""Files without an index: live recordings in Matroska and WebM, MP4 of fragments."""

import itertools
from pathlib import Path

import av
import numpy as np
import pytest
import soxr
from media import real_files
from media.test_windows import direct, lag_s

from ytaudio.clips import Window
from ytaudio.media import Failure, Reason, local_file, open_media, read_window

KINDS = ("live.webm", "live.mkv", "live.film.mkv", "blind.mp4", "absolute.mp4", "blind.film.mp4")
HOUR = (24_000,) * 120 + (128_000,) * 60  # two thirds of an hour of little, then much


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("remote", [True, False], ids=["remote", "local"])
def test_windows_are_those_of_a_full_decode(kind, remote, site, tmp_path):
    data = real_files.encoded(kind)
    (tmp_path / kind).write_bytes(data)
    with av.open(str(tmp_path / kind)) as file:
        frames = list(file.decode(audio=0))
    if frames[1].time == frames[0].time:  # AAC's first packet, before the beginning of the film
        frames = frames[1:]
    sound = np.concatenate([frame.to_ndarray().mean(axis=0) for frame in frames])
    whole = soxr.resample(sound, frames[0].sample_rate, 16_000)
    media = direct(site.add_file(kind, data), 0.0) if remote else local_file(tmp_path / kind)
    with open_media(media) as reader:
        assert reader.duration_s == pytest.approx(real_files.SECONDS, abs=0.05)
        for start_s in (41.3, 1.0, 20.017, 55.0, 0.0):
            heard, start = reader.window(Window(start_s, 4.0)), round(start_s * 16_000)
            # at its very beginning a film in MP4 brings a packet of AAC's priming that the clock does not count
            off = 0.0 if start or "film.mp4" not in kind else 0.024
            assert heard.shape == (64_000,) and abs(lag_s(heard, whole, start)) <= off
            assert off or np.abs(heard - whole[start : start + 64_000])[160:-160].max() < 0.03
        assert reader.window(Window(58.0, 4.0)).size == pytest.approx(32_000, abs=800)
        beyond = reader.window(Window(100.0, 4.0))
        assert isinstance(beyond, Failure) or beyond.size == 0


@pytest.mark.parametrize("kind", ["live.webm", "blind.mp4"])
def test_in_an_hour_of_uneven_rate_few_looks_find_a_time(kind, site):
    data, stretch_s = real_files.long(kind, HOUR)
    with open_media(direct(site.add_file(kind, data), 0.0)) as reader:
        assert reader.duration_s == pytest.approx(180 * stretch_s, abs=0.05)
        assert reader.requests <= 2 and reader.bytes_read <= 128 << 10
        first = reader.window(Window(stretch_s + 3.0, 8.0))
        for number in (18, 60, 117, 121, 150, 178):
            before = reader.requests, reader.bytes_read
            heard = reader.window(Window(number * stretch_s + 3.0, 8.0))
            assert heard.shape == (128_000,) and abs(lag_s(heard, first, 0)) <= 0.001
            assert reader.requests - before[0] <= 6 and reader.bytes_read - before[1] < 1 << 20


@pytest.mark.parametrize("kind", ["live.webm", "blind.mp4"])
def test_the_order_of_reading_changes_nothing(kind, site):
    data, _ = real_files.long(kind, HOUR)
    media = direct(site.add_file(kind, data), 0.0)
    windows = [Window(0.0, 3.0), Window(1500.0, 3.0), Window(1501.5, 5.0), Window(3000.0, 3.0)]
    alone = {window: read_window(media, window) for window in windows}
    for order in itertools.islice(itertools.permutations(windows), 1, 24, 9):
        with open_media(media) as reader:
            assert all(np.array_equal(reader.window(window), alone[window]) for window in order)


@pytest.mark.parametrize("kind", ["live.webm", "blind.mp4"])
def test_a_file_whose_end_tells_no_time_is_refused_and_not_read_through(kind, site):
    data = real_files.encoded(kind) + bytes(20 << 20)
    site.reset_counts()
    found = open_media(direct(site.add_file(kind, data)))
    assert found.reason is Reason.UNSUPPORTED and "without an index" in found.detail
    assert site.bytes_sent < 6 << 20


def test_a_recording_with_noise_in_its_middle_is_read_around_it(site):
    data, stretch_s = real_files.long("live.webm", HOUR)
    broken = bytearray(data)
    third = len(data) // 3
    broken[third : third + (1 << 20)] = np.random.default_rng(5).bytes(1 << 20)
    with open_media(direct(site.add_file("noise", bytes(broken)), 0.0)) as reader:
        first = reader.window(Window(stretch_s + 3.0, 8.0))
        heard = reader.window(Window(170 * stretch_s + 3.0, 8.0))
        assert abs(lag_s(heard, first, 0)) <= 0.001


def test_a_matroska_whose_cues_were_cut_off_is_read_without_them(site):
    data = real_files.encoded("webm")
    assert data.find(b"\x1c\x53\xbb\x6b", len(data) // 2) > 0
    with open_media(direct(site.add_file("cut", data[: len(data) // 2]), 0.0)) as reader:
        assert reader.duration_s == pytest.approx(real_files.SECONDS / 2, rel=0.1)
        assert reader.window(Window(20.0, 4.0)).shape == (64_000,)


def test_a_live_recording_on_this_machine_tells_its_length(tmp_path: Path):
    (tmp_path / "live.webm").write_bytes(real_files.encoded("live.webm"))
    assert local_file(tmp_path / "live.webm").duration_s == pytest.approx(real_files.SECONDS, abs=0.05)
