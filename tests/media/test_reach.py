import pytest
from media.wire import Then, Wire, answer, nobody

from ytaudio.media import Access, online, reach


@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "404 Not Found", "405 No", "429 Slow", "503 Later"])
def test_any_status_is_an_answer(status):
    with Wire(lambda head: answer(status)) as wire:
        assert online([f"{wire.url}/watch?v=x"])
        assert wire.asked[0].startswith("HEAD / ")


def test_a_site_that_redirects_answers(site):
    there = {"Location": f"{site.url}/elsewhere"}
    with Wire(lambda head: answer("302 Found", **there)) as wire:
        assert online([wire.url])


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", [Then.RESET]], ids=["nothing", "ssh", "reset"])
def test_what_is_no_http_is_no_answer(said):
    with Wire(lambda head: said) as wire:
        assert not online([wire.url])


def test_silence_is_no_answer(monkeypatch):
    monkeypatch.setattr(reach, "_PATIENCE_S", 0.3)
    with Wire(lambda head: [Then.SILENCE]) as wire:
        assert not online([wire.url], Access(timeout_s=60))


def test_one_origin_that_answers_is_enough_and_three_are_asked(site):
    dead = [f"{nobody()}/{k}" for k in range(2)]
    assert online([*dead, dead[0], dead[1], f"{site.url}/x"])
    assert not online([*dead, nobody(), f"{site.url}/x"])


def test_a_file_is_always_in_reach_and_what_is_no_address_never():
    assert online([nobody(), "file:///tmp/x.wav"])
    assert not online([])
    assert not online(["", "not a link", "http://", "http://[", "rtmp://127.0.0.1/x"])
    assert not online(["https://nowhere.invalid/watch?v=x"])


@pytest.mark.parametrize("status, reached", [("404 Not Found", True), ("502 Bad", False), ("407 Who", False)])
def test_a_proxy_does_not_answer_for_the_origin(status, reached):
    with Wire(lambda head: answer(status)) as proxy:
        assert online(["http://origin.invalid/x"], Access(proxy=proxy.url)) is reached
        assert proxy.asked[0].startswith("HEAD http://origin.invalid/ ")


def test_through_a_proxy_that_refuses_or_is_away_nothing_is_reached():
    with Wire(lambda head: answer("503 Unreachable")) as proxy:
        assert not online(["https://origin.invalid/x"], Access(proxy=proxy.url))
        assert proxy.asked[0].startswith("CONNECT origin.invalid:443 ")
    assert not online(["http://origin.invalid/x"], Access(proxy=nobody()))
