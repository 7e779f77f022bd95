import io
import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import av
import numpy as np
import pytest
import soxr
from media import real_files

from ytaudio.catalog import Video
from ytaudio.clips import Window, dbfs
from ytaudio.media import Failure, Media, Reason, local_file, locate, open_media, read_window
from ytaudio.media.mp3 import COUNTED_BYTES
from ytaudio.testing import make_videos

(WEBM,) = make_videos(("history",), 1, seed=21, mp4=0.0)
(MP4,) = make_videos(("travel",), 1, seed=22, mp4=1.0)
BOTH = pytest.mark.parametrize("video", [WEBM, MP4], ids=["webm", "mp4"])
HOUR_S = 3600.0
LOOP_S = 28.8  # after which a made-up video repeats


def lag_s(heard: np.ndarray, truth: np.ndarray, start: int) -> float:
    """How much later the heard sound stands in the true one than it should, in seconds, looked for within 100 ms."""
    lags = range(max(-1600, -1600 - start), 1601)
    middle = heard[1600:-1600]
    matches = [float(np.dot(middle, truth[start + 1600 + lag :][: middle.size])) for lag in lags]
    return lags[int(np.argmax(matches))] / 16_000


def direct(url: str, duration_s: float = real_files.SECONDS) -> Media:
    return Media("direct", url, {}, duration_s, "", "", "", "", "")


@pytest.mark.parametrize("kind", real_files.KINDS)
def test_a_window_of_any_real_file_is_the_right_stretch_of_its_sound(kind, site):
    media = direct(site.add_file(f"sound.{kind}", real_files.encoded(kind)))
    truth = soxr.resample(real_files.source().mean(axis=0), real_files.RATE, 16_000)
    with open_media(media) as reader:
        assert reader.duration_s == pytest.approx(real_files.SECONDS, abs=0.05)
        for window in (Window(41.3, 10.0), Window(1.0, 5.0), Window(20.017, 3.5)):
            heard = reader.window(window)
            assert heard.dtype == np.float32 and heard.shape == (round(window.seconds * 16_000),)
            # fragments carry no edit list, so every player hears AAC's priming of 1024 samples: 23 ms
            allowed = 0.025 if kind.endswith("mp4") else 0.002
            assert abs(lag_s(heard, truth, round(window.start_s * 16_000))) <= allowed
            assert np.std(heard) == pytest.approx(np.std(truth), rel=0.2), "mono is not the mean of the channels"
        rest = reader.window(Window(57.0, 10.0))
        assert rest.size == pytest.approx(3.0 * 16_000, abs=800), "the last window is as long as the media"


@pytest.mark.parametrize("kind", ["mp3", "plain.mp3", "vbr.mp3"])
def test_an_mp3_is_aligned_to_the_sample_wherever_it_is_read(kind, site):
    data = real_files.encoded(kind)
    with av.open(io.BytesIO(data)) as file:
        frames = [frame.to_ndarray().mean(axis=0) for frame in file.decode(audio=0)]
    whole = soxr.resample(np.concatenate(frames), real_files.RATE, 16_000)
    with open_media(direct(site.add_file(kind, data))) as reader:
        for start_s in (51.0, 2.0, 17.0, 33.0, 44.5):
            assert lag_s(reader.window(Window(start_s, 4.0)), whole, round(start_s * 16_000)) == 0.0
        assert reader.bytes_read <= len(data), "what varies in rate is counted through once"


def test_a_large_mp3_of_varying_rate_is_not_read_through(site):
    data = real_files.encoded("vbr.mp3")
    sound = data[data.index(b"Xing") + 2_000 :]
    url = site.add_file("large.mp3", data + sound * (COUNTED_BYTES // len(sound)))
    with open_media(direct(url, 0.0)) as reader:
        assert reader.window(Window(30.0, 4.0)).shape == (64_000,)
        assert reader.bytes_read < 1 << 20


@pytest.mark.parametrize("told_s", [600.0, 1e9, 5.0, 0.0])
@pytest.mark.parametrize("kind", ["webm", "bare.mp4", "m4a", "mp3", "ogg"])
def test_a_file_tells_its_length_whatever_the_page_says(kind, told_s, site):
    with open_media(direct(site.add_file(kind, real_files.encoded(kind)), told_s)) as reader:
        assert reader.duration_s == pytest.approx(real_files.SECONDS, abs=0.05)
        assert reader.window(Window(50.0, 5.0)).shape == (80_000,)


def test_a_file_that_does_not_tell_its_length(site):
    plain = site.add_file("plain", real_files.encoded("plain.mp3"))
    with open_media(direct(plain, 61.0)) as reader:
        assert reader.duration_s == 61.0, "a guess from the bit rate came before the page's word"
    with open_media(direct(plain, 0.0)) as reader:
        assert reader.duration_s == pytest.approx(real_files.SECONDS, abs=0.5)


@pytest.mark.parametrize("kind", ["bare.mp4", "dash.mp4"])
def test_fragments_are_found_by_the_table_at_the_end(kind, site):
    data = real_files.encoded(kind)
    assert data.find(b"mfra") > len(data) - 2000
    with open_media(direct(site.add_file(kind, data), duration_s=0.0)) as reader:
        assert reader.requests <= 3 and reader.bytes_read <= 160 << 10 < len(data) / 4
        assert reader.duration_s == pytest.approx(real_files.SECONDS, abs=0.05), "that of the first fragment"
        opened, requests = reader.bytes_read, reader.requests
        assert reader.window(Window(30.0, 5.0)).shape == (80_000,)
        assert reader.requests == requests + 1 and reader.bytes_read - opened < len(data) * 15 / real_files.SECONDS


@pytest.mark.parametrize("place", [-4, -8, -16, -30, -60])
def test_a_broken_table_of_fragments_breaks_nothing(place, site):
    data = bytearray(real_files.encoded("bare.mp4"))
    data[place : place + 4] = b"\xff\xff\xff\x7f"
    heard = read_window(direct(site.add_file("broken.mp4", bytes(data))), Window(30.0, 5.0))
    assert isinstance(heard, Failure) or heard.shape == (80_000,)


@BOTH
def test_a_window_equals_the_same_stretch_of_a_full_decode(video, site, put):
    media = locate(put(replace(video, duration_s=100.0)))
    with av.open(media.stream_url) as file:
        frames = list(file.decode(audio=0))
    whole = soxr.resample(np.concatenate([f.to_ndarray().mean(axis=0) for f in frames]), frames[0].sample_rate, 16_000)
    for window in (Window(0.0, 4.0), Window(9.5, 12.0), Window(61.234, 7.5)):
        heard = read_window(media, window)
        start = round(window.start_s * 16_000)
        assert lag_s(heard, whole, start) == 0.0
        assert np.abs(heard - whole[start : start + heard.size])[800:-800].max() < 0.03


def test_opus_is_aligned_to_the_sample_though_its_clock_ticks_in_milliseconds(site):
    data = real_files.encoded("webm")
    with av.open(io.BytesIO(data)) as file:
        frames = [frame.to_ndarray().mean(axis=0) for frame in file.decode(audio=0)]
    whole = soxr.resample(np.concatenate(frames), 48_000, 16_000)
    with open_media(direct(site.add_file("webm", data))) as reader:
        for start_s in (0.0, 0.25, 9.0, 30.5, 55.0):
            heard = reader.window(Window(start_s, 10.0))
            true = whole[round(start_s * 16_000) :][:160_000]
            assert heard.size == true.size and np.abs(heard - true)[160:-160].max() < 0.002


@BOTH
def test_the_middle_of_eleven_hours_is_where_it_should_be(video, put):
    media = locate(put(replace(video, duration_s=11 * HOUR_S)))
    begin_s = 700 * LOOP_S + 5.0  # the same place of the loop as 5 s + one loop
    with open_media(media) as reader:
        early, late = reader.window(Window(LOOP_S + 5.0, 8.0)), reader.window(Window(begin_s, 8.0))
        assert early.shape == late.shape == (128_000,)
        assert lag_s(late, early, 0) == 0.0
        assert np.corrcoef(early, late)[0, 1] > 0.99


@BOTH
def test_the_order_of_reading_changes_nothing(video, put):
    media = locate(put(replace(video, duration_s=400.0)))
    windows = [Window(0.0, 5.0), Window(150.0, 5.0), Window(152.0, 9.0), Window(391.0, 9.0)]
    alone = {window: read_window(media, window) for window in windows}
    for order in itertools.islice(itertools.permutations(windows), 0, 24, 5):
        with open_media(media) as reader:
            for window in order:
                assert np.array_equal(reader.window(window), alone[window])


@BOTH
def test_bytes_and_requests_do_not_grow_with_the_video(video, site, put):
    beyond = []
    for duration_s in (60.0, HOUR_S, 11 * HOUR_S):
        media = locate(put(replace(video, duration_s=duration_s)))
        file = site.media(video.id)
        site.reset_counts()
        with open_media(media) as reader:
            assert reader.window(Window(duration_s / 2 - 15, 30.0)).size == 480_000
            assert (reader.bytes_read, reader.requests) == (site.bytes_sent, site.requests)
        window_bytes = 30.0 * file.size / file.duration_s
        assert site.requests <= 4
        assert site.bytes_sent <= 1.5 * (window_bytes + file.index_bytes)
        beyond.append(site.bytes_sent - file.index_bytes)
    assert max(beyond) < min(beyond) * 1.3


def test_several_windows_share_one_header(site, put):
    media = locate(put(replace(WEBM, duration_s=11 * HOUR_S)))
    site.reset_counts()
    with open_media(media) as reader:
        header = reader.bytes_read, reader.requests
        for start_s in (100.0, 20_000.0, 39_000.0):
            reader.window(Window(start_s, 10.0))
        assert reader.requests - header[1] == 3, "one request a window"
        assert reader.bytes_read - header[0] < 3 * 22 * 8_200


def test_many_threads_read_at_once_what_one_reads_alone(site, put):
    videos = [put(video) for video in make_videos(per_category=2, seed=23)]
    alone = {video.id: read_window(locate(video), Window(20.0, 5.0)) for video in videos}

    def read(video: Video) -> bool:
        return np.array_equal(read_window(locate(video), Window(20.0, 5.0)), alone[video.id])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, videos * 3))


def test_a_local_file_is_media_too(tmp_path):
    path = tmp_path / "a sound #1.wav"
    path.write_bytes(real_files.encoded("wav"))
    media = local_file(path)
    assert media.duration_s == pytest.approx(real_files.SECONDS, abs=0.05) and media.title == "a sound #1"
    with open_media(media) as reader:
        assert reader.window(Window(30.0, 2.0)).shape == (32_000,)
        assert reader.bytes_read == reader.requests == 0


def test_a_link_to_a_plain_file_goes_through_yt_dlp(site):
    url = site.add_file("talk.mp3", real_files.encoded("mp3"), "audio/mpeg")
    media = locate(Video("u1", url, "", "", "history"))
    assert media.duration_s == pytest.approx(real_files.SECONDS, abs=0.05), "no page told it, the file did"
    assert read_window(media, Window(5.0, 2.0)).shape == (32_000,)


def test_sound_that_begins_after_the_pictures_has_its_own_length(tmp_path):
    path = tmp_path / "late"
    with av.open(str(path), "w", format="mp4") as file:
        pictures, sound = file.add_stream("mpeg4", rate=1), file.add_stream("aac", rate=44_100, layout="mono")
        pictures.width = pictures.height = 16
        for second in range(20):
            picture = av.VideoFrame(16, 16, "yuv420p")
            picture.pts = second
            file.mux(pictures.encode(picture))
        frame = av.AudioFrame.from_ndarray(real_files.source()[:1, : 15 * 44_100].copy(), "fltp", "mono")
        frame.sample_rate, frame.pts = 44_100, 0
        for piece in av.AudioResampler("fltp", "mono", 44_100, frame_size=1024).resample(frame):
            piece.pts += 5 * 44_100
            file.mux(sound.encode(piece))
        file.mux([*pictures.encode(None), *sound.encode(None)])
    with open_media(local_file(path)) as reader:
        assert reader.duration_s == pytest.approx(15.0, abs=0.1)
        assert reader.window(Window(12.5, 2.0)).size == 32_000
        assert dbfs(reader.window(Window(0.0, 1.0))) > -40


def test_what_is_no_sound_is_a_failure(site, tmp_path):
    assert (
        read_window(direct(site.add_file("text", b"no sound at all " * 999)), Window(0, 1)).reason is Reason.UNSUPPORTED
    )
    (tmp_path / "script.py").write_text("print('hello')\n" * 50)
    assert isinstance(local_file(tmp_path / "script.py"), Failure)
    assert local_file(tmp_path / "nowhere.wav").reason is Reason.UNSUPPORTED


def test_a_picture_without_sound_is_no_audio(tmp_path):
    with av.open(str(tmp_path / "silent.mp4"), "w") as file:
        stream = file.add_stream("mpeg4", rate=10, options={})
        stream.width, stream.height = 32, 32
        for _ in range(3):
            file.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
        file.mux(stream.encode(None))
    assert local_file(tmp_path / "silent.mp4").reason is Reason.NO_AUDIO
