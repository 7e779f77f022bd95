"""A YoutubeDL that stops reading pages when the time for finding one video is over, on the thread that reads them."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from yt_dlp import YoutubeDL
from yt_dlp.networking import Response
from yt_dlp.networking.exceptions import TransportError

_thread = threading.local()
_PIECE_BYTES = 1 << 20  # asked for at once where a page is read whole


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let this thread's PatientDL read pages for so long, all of them together; after that each is a TransportError.

    A socket's own patience begins anew with every byte, so a server that sends one now and then would hold a thread for
    ever, and every further page has a patience of its own.
    """
    _thread.deadline, _thread.seconds = time.monotonic() + seconds, seconds
    try:
        yield
    finally:
        _thread.deadline = None


def _check() -> None:
    deadline = getattr(_thread, "deadline", None)
    if deadline is not None and time.monotonic() > deadline:
        raise TransportError(f"the site's pages took longer than {_thread.seconds:g} s together")


class PatientDL(YoutubeDL):
    """A YoutubeDL whose requests and answers know of the deadline."""

    def urlopen(self, req: Any) -> Response:
        """As YoutubeDL's.

        Raises:
            TransportError: the time is over, before the request or, out of a read, before the end of its answer.
        """
        _check()
        response = super().urlopen(req)
        if getattr(_thread, "deadline", None) is not None and hasattr(response.fp, "read1"):
            response.fp = _Timely(response.fp)
        return response


class _Timely:
    """The stream of an answer, which looks at the clock between the pieces that arrive."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def read(self, amt: int | None = None, **more: Any) -> bytes:
        """Up to `amt` bytes, or all there are; read1 returns with what has come, where read would wait for the rest."""
        data = bytearray()
        while amt is None or len(data) < amt:
            _check()
            piece = self._stream.read1(_PIECE_BYTES if amt is None else amt - len(data), **more)
            if not piece:
                break
            data += piece
        return bytes(data)
