"""Every wrong answer of a server, while the header is read and while a window is."""

import gzip
import re
import threading
import time
from dataclasses import dataclass, replace

import pytest
from media import real_files
from media.wire import Then, Wire, answer

from ytaudio.catalog import Video
from ytaudio.clips import Window
from ytaudio.media import Access, Failure, Media, Reason, locate, open_media, ranges

ONCE = Access(timeout_s=0.4, retries=0, backoff_s=0.0)
WINDOW = Window(30.0, 0.5)


@dataclass(frozen=True)
class Asked:
    """A range of the file that was asked for."""

    data: bytes  # of the whole file
    start: int
    stop: int

    def right(self, status: str = "206 Partial Content", total: object = None, shift: int = 0, **more: str):
        body, end = self.data[self.start : self.stop], min(self.stop, len(self.data)) - 1
        told = f"bytes {self.start + shift}-{end + shift}/{total or len(self.data)}"
        return answer(status, body, **{"Content_Range": told, **more})

    def cut(self, missing: int):
        return self.right()[:-missing]

    def trickled(self):
        whole = self.right()
        head = whole.index(b"\r\n\r\n") + 4
        yield whole[:head]
        for byte in whole[head:]:
            yield Then.WAIT
            yield bytes([byte])

    def in_parts(self):
        part = f"--x\r\nContent-Range: bytes {self.start}-{self.stop - 1}/{len(self.data)}\r\n\r\n".encode()
        body = part + self.data[self.start : self.stop] + b"\r\n--x--\r\n"
        return answer("206 Partial Content", body, Content_Type="multipart/byteranges; boundary=x")

    def packed(self):
        body, told = gzip.compress(self.data[self.start : self.stop]), f"bytes {self.start}-{self.stop - 1}"
        return answer("206 P", body, Content_Range=f"{told}/{len(self.data)}", Content_Encoding="gzip")


SERVER, NETWORK, UNSUPPORTED = Reason.SERVER_ERROR, Reason.NETWORK, Reason.UNSUPPORTED
# name: the answer, its reason, a part of the detail
WRONG = {
    "the whole file": (lambda a: answer("200 OK", a.data), UNSUPPORTED, "whole files only"),
    "an old server": (lambda a: answer("200 OK", a.data, version="HTTP/1.0"), UNSUPPORTED, "whole files only"),
    "no content": (lambda a: answer("204 No Content"), UNSUPPORTED, "204"),
    "another range": (lambda a: a.right(shift=100), SERVER, "got 'bytes"),
    "an earlier range": (lambda a: a.right(shift=-100), SERVER, "bytes"),
    "no range told": (lambda a: a.right(Content_Range=""), SERVER, "no usable Content-Range"),
    "a range of nonsense": (lambda a: a.right(Content_Range="bytes 9-1"), SERVER, "no usable Content-Range"),
    "a range of 5000 digits": (lambda a: a.right(total="9" * 5000), SERVER, "no usable Content-Range"),
    "a range beyond the end": (lambda a: a.right(total=a.start + 10), SERVER, "got 'bytes"),
    "empty and no range told": (lambda a: answer("206 Partial Content"), SERVER, "no usable Content-Range"),
    "several parts": (lambda a: a.in_parts(), SERVER, "no usable Content-Range"),
    "packed": (lambda a: a.packed(), SERVER, "packed"),
    "empty": (lambda a: a.cut(min(a.stop, len(a.data)) - a.start), NETWORK, ""),
    "half": (lambda a: a.cut(1000), NETWORK, ""),
    "half and reset": (lambda a: [a.cut(1000), Then.RESET], NETWORK, ""),
    "half and silence": (lambda a: [a.cut(1000), Then.SILENCE], NETWORK, ""),
    "reset": (lambda a: [Then.RESET], NETWORK, ""),
    "nothing": (lambda a: b"", NETWORK, ""),
    "no HTTP": (lambda a: b"220 mail.example ESMTP\r\n", NETWORK, ""),
    "silence": (lambda a: [Then.SILENCE], NETWORK, ""),
    "in a circle": (lambda a: answer("302 Found", Location="/media"), SERVER, "redirect loop"),
    "to nowhere": (lambda a: answer("302 Found", Location="http://127.0.0.1:9/"), NETWORK, ""),
    "401": (lambda a: answer("401 Unauthorized"), SERVER, "401"),
    "403": (lambda a: answer("403 Forbidden"), SERVER, "403"),
    "404": (lambda a: answer("404 Not Found"), SERVER, "404"),
    "407": (lambda a: answer("407 Proxy Authentication Required"), NETWORK, "407"),
    "410": (lambda a: answer("410 Gone"), SERVER, "410"),
    "416": (lambda a: answer("416 Range Not Satisfiable", Content_Range="bytes */5"), SERVER, "416"),
    "429": (lambda a: answer("429 Too Many Requests"), Reason.RATE_LIMITED, "429"),
    "500": (lambda a: answer("500 Internal Server Error"), SERVER, "500"),
    "503": (lambda a: answer("503 Service Unavailable"), SERVER, "503"),
}
AT_A_WINDOW = {
    "a changed size": (lambda a: a.right(total=len(a.data) + 1), SERVER, "of 10584"),
    "trickle": (lambda a: a.trickled(), NETWORK, "expected"),
}


class Server(Wire):
    """A sound as a WAV file, answered rightly as long as `how` is None."""

    def __init__(self, how=None):
        self.how, self.data = how, real_files.encoded("wav")
        super().__init__(self.reply)
        self.media = Media("v", f"{self.url}/media", {}, 60.0, "", "", "", "", "")

    def reply(self, head: str):
        start, stop = map(int, re.search(r"Range: bytes=(\d+)-(\d+)", head).groups())
        return (self.how or Asked.right)(Asked(self.data, start, stop + 1))


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_at_the_header_is_a_failure(name):
    how, reason, part = WRONG[name]
    with Server(how) as server:
        found = open_media(server.media, ONCE)
    assert isinstance(found, Failure) and found.reason is reason and part in found.detail and len(found.detail) > 8
    assert len(server.asked) == 1 or "circle" in name


@pytest.mark.parametrize("name", WRONG | AT_A_WINDOW)
def test_a_wrong_answer_at_a_window_is_a_failure_of_that_window_alone(name, monkeypatch):
    monkeypatch.setattr(ranges, "SLOWEST", 1e6)  # for the trickle, which would be waited for as long as for the sound
    how, reason, part = (WRONG | AT_A_WINDOW)[name]
    with Server() as server, open_media(server.media, ONCE) as reader:
        before, asked, server.how = reader.bytes_read, len(server.asked), how
        found = reader.window(WINDOW)
        assert isinstance(found, Failure) and found.reason is reason and part in found.detail
        assert reader.bytes_read - before < 400_000 and (len(server.asked) == asked + 1 or "circle" in name)
        server.how = None
        assert reader.window(WINDOW).shape == (8_000,)


RIGHT = {
    "HTTP/1.0": lambda a: a.right().replace(b"HTTP/1.1", b"HTTP/1.0", 1),
    "a redirect": lambda a: answer("307 Temporary Redirect", Location="/elsewhere"),
    "packed as it is": lambda a: a.right(Content_Encoding="identity"),
    "no size told, which is known": lambda a: a.right(total="*"),
    "no length told": lambda a: a.right(Content_Length=""),
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_unusual_and_right_is_read(name):
    with Server() as server, open_media(server.media, ONCE) as reader:
        undisturbed = reader.window(WINDOW)
        reader.window(replace(WINDOW, start_s=10.0))
        reader.window(replace(WINDOW, start_s=50.0))
        asked, how = len(server.asked), RIGHT[name]
        server.how = lambda a: Asked.right(a) if "/elsewhere" in server.asked[-1] else how(a)
        assert (reader.window(WINDOW) == undisturbed).all() and len(server.asked) > asked


def test_a_size_that_is_never_told_is_a_failure():
    with Server(lambda a: a.right(total="*")) as server:
        found = open_media(server.media, ONCE)
    assert found.reason is Reason.UNSUPPORTED and "size" in found.detail


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
def test_a_server_that_asks_for_time_is_heard_and_not_asked_again(status):
    patient = replace(ONCE, retries=3, backoff_s=9.0)
    with Server(lambda a: answer(status, Retry_After="77")) as server:
        assert open_media(server.media, patient).retry_after_s == 77.0
        assert len(server.asked) == 1
        server.how = None
        with open_media(server.media, patient) as reader:
            server.how = lambda a: answer(status, Retry_After="Fri, 31 Dec 2100 23:59:59 GMT")
            assert reader.window(WINDOW).retry_after_s == 86_400.0


def slow_page(head: str):
    yield answer("200 OK", Content_Type="text/html", Content_Length="100000")
    while True:
        yield Then.WAIT
        yield b"<"


@pytest.mark.parametrize("say", [slow_page, lambda head: [Then.SILENCE]], ids=["trickle", "silence"])
def test_a_page_that_never_ends_does_not_hold_a_thread(say):
    threads, began = threading.active_count(), time.monotonic()
    with Wire(say) as wire:
        found = locate(Video("v", f"{wire.url}/talk", "", "", ""), access=replace(ONCE, pages_s=1.0))
        assert found.reason is Reason.NETWORK and time.monotonic() - began < 10
    assert threading.active_count() <= threads + 2 + len(wire.asked), "beyond those of the server"


@pytest.mark.parametrize("status", ["200 OK", "403 Forbidden"])
def test_a_page_as_large_as_a_film_is_not_read(status, monkeypatch):
    monkeypatch.setattr("ytaudio.media.patience.MOST_BYTES", 1 << 20)
    sent = []

    def film(head: str):
        yield answer(status, Content_Type="text/html", Content_Length=str(1 << 40))
        for _ in range(1000):
            sent.append(1 << 16)
            yield b"<p>" + bytes((1 << 16) - 3)

    with Wire(film) as wire:
        found = locate(Video("v", f"{wire.url}/talk", "", "", ""), access=ONCE)
    assert isinstance(found, Failure) and sum(sent) < 16 << 20, "what the sockets hold, and no more"
    assert found.reason is UNSUPPORTED and "larger than 1 MB" in found.detail


def test_time_for_pages_is_counted_over_all_of_them_and_anew_for_each_video(site):
    access = replace(ONCE, pages_s=0.0, timeout_s=5.0)
    url = site.add_file("talk.wav", real_files.encoded("wav"), "audio/x-wav")
    found = locate(Video("v", url, "", "", ""), access=access)
    assert found.reason is Reason.NETWORK and "longer than 0 s" in found.detail
    assert isinstance(locate(Video("v", url, "", "", ""), access=replace(access, pages_s=30.0)), Media)
