import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from media.misbehaviour import EXPECTED

from ytaudio.clips import Window
from ytaudio.media import Access, Failure, Media, Reason, locate, open_media
from ytaudio.media.access import youtube_dl
from ytaudio.testing import make_videos

(VIDEO,) = make_videos(("art_music",), 1, seed=41, mp4=0.0)
LONG = replace(VIDEO, duration_s=11 * 3600.0)
WINDOW = Window(20_000.0, 5.0)
QUICK = Access(timeout_s=30.0, retries=1, backoff_s=0.0)
HASTY = replace(QUICK, timeout_s=1.0)  # only where a server stalls: a busy machine may take half a second to answer
TRIED_AGAIN = {"500", "truncate", "stall"}


@pytest.fixture
def located(put):
    return locate(put(LONG))


def test_every_misbehaviour_is_tried():
    from ytaudio.testing.shelf import MISBEHAVIOURS

    assert {*EXPECTED, "trickle"} == set(MISBEHAVIOURS)


@pytest.mark.parametrize("how", EXPECTED)
def test_a_server_that_misbehaves_at_the_header_is_a_failure(how, site, located):
    site.misbehave(VIDEO.id, how, times=5)
    site.reset_counts()
    opened = open_media(located, HASTY if how == "stall" else QUICK)
    assert isinstance(opened, Failure) and opened.reason is EXPECTED[how] and opened.video_id == VIDEO.id
    assert site.requests <= (2 if how in TRIED_AGAIN else 1)


@pytest.mark.parametrize("how", EXPECTED)
def test_a_server_that_misbehaves_at_a_window_is_a_failure_of_that_window(how, site, located):
    with open_media(located, HASTY if how == "stall" else QUICK) as reader:
        header = reader.bytes_read
        site.misbehave(VIDEO.id, how, times=2)
        heard = reader.window(WINDOW)
        assert isinstance(heard, Failure) and heard.reason is EXPECTED[how] and len(heard.detail) > 10
        assert reader.bytes_read - header < 400_000, "a wrong answer was read to its end"
        reader.window(WINDOW)  # of two wrong answers ordered, one may still have been to come
        assert reader.window(WINDOW).shape == (80_000,)


@pytest.mark.parametrize("how", sorted(TRIED_AGAIN))
def test_what_passes_is_tried_again(how, site, located):
    with open_media(located, QUICK) as reader:
        undisturbed = reader.window(WINDOW)
    with open_media(located, HASTY if how == "stall" else QUICK) as reader:
        site.misbehave(VIDEO.id, how, times=1)
        assert np.array_equal(reader.window(WINDOW), undisturbed)


def test_a_server_that_trickles_does_not_hold_a_thread(site):
    media = Media("slow", site.add_file("slow", bytes(3000)), {}, 60.0, "", "", "", "", "")
    site.misbehave("slow", "trickle")
    began = time.monotonic()
    opened = open_media(media, replace(HASTY, retries=0))
    assert opened.reason is Reason.NETWORK and "3000 expected" in opened.detail
    assert time.monotonic() - began < 30, "all 3000 bytes, at ten a second, were waited for"


def test_requests_share_a_connection(site, located):
    with open_media(located, QUICK) as reader:
        for start_s in (100.0, 20_000.0):
            assert reader.window(Window(start_s, 5.0)).size
    asked = [request for request in site.log if request.range]
    assert len(asked) >= 3 and len({request.port for request in asked}) == 1


def test_an_empty_file_has_no_sound_for_ever(site):
    opened = open_media(Media("empty", site.add_file("empty", b""), {}, 60.0, "", "", "", "", ""), QUICK)
    assert opened.reason is Reason.NO_AUDIO and opened.reason.kind == "permanent"


def test_patience_is_bounded(site, located):
    with open_media(located, replace(QUICK, retries=3)) as reader:
        site.reset_counts()
        site.misbehave(VIDEO.id, "500", times=10)
        assert reader.window(WINDOW).reason is Reason.SERVER_ERROR
        assert site.requests == 4


def test_a_server_that_is_gone_is_a_network_failure(site, located):
    site.close()
    assert open_media(located, QUICK).reason is Reason.NETWORK


def test_a_whole_download_never_happens_silently(site, located):
    with open_media(located, QUICK) as reader:
        heard = reader.window(Window(0.0, 2 * 3600.0))
        assert isinstance(heard, Failure) and heard.reason is Reason.UNSUPPORTED and "16 MB" in heard.detail
        assert reader.bytes_read < 1 << 20
        assert reader.window(WINDOW).shape == (80_000,), "one refused window spoils the next"


def test_the_users_cookies_and_headers_travel_with_every_range(site, located, tmp_path):
    host = site.url.split("//")[1].split(":")[0]
    jar = tmp_path / "cookies.txt"
    jar.write_text(f"# Netscape HTTP Cookie File\n{host}\tFALSE\t/\tFALSE\t0\tLOGIN\tsecret\n")
    media = replace(located, http_headers={**located.http_headers, "X-Test": "yes"})
    with open_media(media, replace(QUICK, cookies=jar)) as reader:
        assert reader.window(WINDOW).shape == (80_000,)
    sent = site.log[-1].headers
    assert sent["Cookie"] == "LOGIN=secret" and sent["X-Test"] == "yes" and sent["Range"].startswith("bytes=")


def test_a_thread_keeps_its_youtube_dl():
    first = Access(timeout_s=11)
    assert youtube_dl(first) is youtube_dl(Access(timeout_s=11))
    assert youtube_dl(first) is not youtube_dl(Access(timeout_s=12))
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(youtube_dl, first).result() is not youtube_dl(first)


def test_a_video_is_read_with_the_access_it_was_located_with(site, put):
    impatient = Access(timeout_s=1.0, retries=0)
    video = put(LONG)
    site.media(VIDEO.id)  # made in advance: rendering takes longer than this access waits
    media = locate(video, access=impatient)
    site.misbehave(VIDEO.id, "stall")
    site.reset_counts()
    assert open_media(media).reason is Reason.NETWORK
    assert site.requests <= 1, "it was tried again, as the default access does"
    assert isinstance(locate(video), type(media)) and open_media(media).bytes_read > 0
