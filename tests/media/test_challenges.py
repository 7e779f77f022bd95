"""Walls in a page's dress: no video is to blame for them, whatever status they come with."""

import pytest
from media import real_files
from media.wire import Then, Wire, answer

from ytaudio.catalog import Video
from ytaudio.clips import Window
from ytaudio.media import Access, Failure, Media, Reason, locate, online, open_media
from ytaudio.media.access import youtube_dl
from ytaudio.media.challenges import asked_for_a_person, sent_elsewhere

ONCE = Access(timeout_s=0.5, retries=0, backoff_s=0.0)
NOT_A_BOT = b"<html><title>Sorry</title><p>Please show that you are not a robot</p>" + b"x" * 200_000
HTML = {"Content_Type": "text/html; charset=utf-8"}


def sent(place: str):
    """A redirect to a place that answers with a page that says nothing of itself."""

    def say(head: str) -> bytes:
        if head.split()[1].startswith(place):
            return answer("200 OK", b"<html><form action=/go></form></html>", **HTML)
        return answer("302 Found", Location=f"{place}?continue=x")

    return say


WALLS = {
    "403": lambda head: answer("403 Forbidden", NOT_A_BOT, **HTML),
    "503": lambda head: answer("503 Service Unavailable", b"<b>Our systems have detected unusual traffic", **HTML),
    "sorry": sent("/sorry/index"),
    "captcha": sent("/verify/captcha"),
}


@pytest.mark.parametrize("name", WALLS)
def test_a_page_that_asks_for_a_person_is_a_wall_while_a_video_is_looked_for(name):
    with Wire(WALLS[name]) as wire:
        found = locate(Video("v", f"{wire.url}/talk", "", "", ""), access=ONCE)
    assert found.reason is Reason.BOT_CHECK and found.reason.kind == "wall" and "the site" in found.detail


@pytest.mark.parametrize("name", [*WALLS, "200"])
def test_a_page_that_asks_for_a_person_is_a_wall_in_the_middle_of_a_window_too(name):
    data = real_files.encoded("wav")
    walled = WALLS.get(name, lambda head: answer("200 OK", NOT_A_BOT, **HTML))
    up = []

    def say(head: str) -> bytes:
        if up or "Range: bytes=" not in head:
            return walled(head)
        start, stop = map(int, head.partition("Range: bytes=")[2].split("\r\n")[0].split("-"))
        told = f"bytes {start}-{min(stop, len(data) - 1)}/{len(data)}"
        return answer("206 Partial Content", data[start : stop + 1], Content_Range=told)

    with Wire(say) as wire, open_media(Media("v", f"{wire.url}/a", {}, 60.0, "", "", "", "", ""), ONCE) as reader:
        assert reader.window(Window(5.0, 1.0)).size == 16_000
        up.append(True)
        before, asked = reader.bytes_read, len(wire.asked)
        found = reader.window(Window(40.0, 1.0))
        assert isinstance(found, Failure) and found.reason is Reason.BOT_CHECK
        assert reader.bytes_read == before and len(wire.asked) <= asked + 2


def test_a_page_in_the_place_of_sound_that_asks_for_nobody_is_no_lasting_failure():
    with Wire(lambda head: answer("200 OK", b"<html>Welcome to the hotel's network</html>", **HTML)) as wire:
        found = open_media(Media("v", f"{wire.url}/a", {}, 60.0, "", "", "", "", ""), ONCE)
    assert found.reason is Reason.SERVER_ERROR and "page" in found.detail


@pytest.mark.parametrize("name", ["sorry", "403"])
def test_a_challenge_that_an_extractor_can_do_without_does_no_harm(name):
    class Stubborn:
        """Asks for a page, and knows the sound without it."""

        def extract_info(self, url, download):
            try:
                youtube_dl(ONCE).urlopen(url).read()
            except OSError as error:
                raise AssertionError from error
            except Exception as error:
                assert "403" in str(error)
            return {"url": "http://127.0.0.1:9/x", "protocol": "http", "duration": 5.0}

    with Wire(WALLS[name]) as wire:
        assert isinstance(locate(Video("v", f"{wire.url}/talk", "", "", ""), Stubborn(), access=ONCE), Media)


def test_what_was_looked_at_can_be_read_all_the_same_and_what_trickles_is_not_waited_for(monkeypatch):
    monkeypatch.setattr("ytaudio.media.patience._LOOK_S", 0.3)
    body = b"<html>" + bytes(range(256)) * 1000
    with Wire(lambda head: answer("200 OK", body, **HTML)) as wire:
        assert youtube_dl(ONCE).urlopen(f"{wire.url}/page").read() == body
        with youtube_dl(ONCE).urlopen(f"{wire.url}/page") as response:
            assert b"".join(iter(lambda: response.read(50_000), b"")) == body

    def trickle(head: str):
        yield answer("403 Forbidden", Content_Type="text/html", Content_Length="100000")
        while True:
            yield Then.WAIT
            yield b"<"

    with Wire(trickle) as wire:
        found = open_media(Media("v", f"{wire.url}/a", {}, 60.0, "", "", "", "", ""), ONCE)
    assert found.reason is Reason.SERVER_ERROR and "403" in found.detail


def test_who_asks_for_a_person_is_within_reach():
    with Wire(sent("/sorry/index")) as wire:
        assert online([wire.url], ONCE)


def test_words_and_addresses_of_challenges():
    assert sent_elsewhere("https://a.example/x", "https://consent.a.example/m?continue=x")
    assert not sent_elsewhere("https://consent.a.example/m", "https://consent.a.example/m")
    assert not sent_elsewhere("https://a.example/x", "https://a.example/consent-and-captivity")
    assert "you're not a bot" in asked_for_a_person(b"<p>Sign in to confirm <b>you're not a bot</b>")
    assert not asked_for_a_person(b"<html><script src=recaptcha.js></script><h1>Forbidden</h1>")
