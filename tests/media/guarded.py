"""Two loopback addresses, one of them called public, and a YoutubeDL that may reach that one alone."""

import io
import socket
import threading
from collections import Counter

from yt_dlp import YoutubeDL
from yt_dlp.networking.common import _REQUEST_HANDLERS, _RH_PREFERENCES

from ytaudio.media import Access
from ytaudio.media.access import new_youtube_dl
from ytaudio.media.guard import Guard

PUBLIC, PRIVATE = "127.0.0.2", "127.0.0.1"
ONCE = Access(timeout_s=5.0, retries=0, backoff_s=0.0, allow_private_hosts=False)
HANDLERS = ("Requests", "Urllib")  # of yt-dlp, the second where the package requests is missing


def called_public(address) -> bool:
    return str(address) == PUBLIC


class Names:
    """Lookups that answer with one list of addresses after the other, and the last for ever; others are numbers."""

    def __init__(self, **known: list[list[str]]) -> None:
        self._known = {name.replace("_", "."): answers for name, answers in known.items()}
        self.asked: Counter[str] = Counter()

    def __call__(self, host, port, family=0, kind=0):
        self.asked[host] += 1
        if host not in self._known:
            return socket.getaddrinfo(host, port, family, kind, flags=socket.AI_NUMERICHOST)
        answers = self._known[host]
        addresses = answers[min(self.asked[host], len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]


def guarded_dl(handler: str = "Requests", names: Names | None = None, access: Access = ONCE) -> YoutubeDL:
    """A YoutubeDL that speaks HTTP by this handler of yt-dlp alone."""
    ydl = new_youtube_dl(access, Guard(called_public, names or socket.getaddrinfo))
    ydl._request_director = ydl.build_request_director([_REQUEST_HANDLERS[handler]], _RH_PREFERENCES)
    return ydl


class Socks:
    """A SOCKS5 proxy that notes what it is asked for and reaches nothing."""

    def __init__(self) -> None:
        self._listener = socket.create_server((PRIVATE, 0))
        self.address = f"{PRIVATE}:{self._listener.getsockname()[1]}"
        self.wanted: list[bytes] = []

    def __enter__(self) -> "Socks":
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb", buffering=0) as file:
                _answer(file, self.wanted)


def _answer(file: io.RawIOBase, wanted: list[bytes]) -> None:
    """RFC 1928: no authentication, the name or address asked for, and that it is not allowed."""
    _, methods = file.read(2) or (0, 0)
    file.read(methods)
    file.write(b"\x05\x00")
    head = file.read(4) or bytes(4)
    size = {1: 4, 4: 16}.get(head[3]) or file.read(1)[0]
    wanted.append(file.read(size) or b"")
    file.read(2)
    file.write(b"\x05\x02\x00\x01" + bytes(6))
