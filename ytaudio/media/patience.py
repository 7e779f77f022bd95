"""A YoutubeDL with limits: pages end with the time for finding one video, and a wall in a page's dress is an error."""

import http.client
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import urllib3
from yt_dlp import YoutubeDL
from yt_dlp.networking import Request, Response
from yt_dlp.networking.exceptions import HTTPError, RequestError, TransportError

from .challenges import BEGINNING_BYTES, REFUSALS, ChallengeError, asked_for_a_person, sent_elsewhere
from .guard import Guard, check_scheme
from .handlers import guarded

_thread = threading.local()
_PIECE_BYTES = 1 << 20  # asked for at once where a page is read whole
MOST_BYTES = 64 << 20  # of the pages it takes to find one video: a film is no page
_LOOK_S = 5.0  # for the beginning of a page that came in the place of what was asked for


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let this thread's PatientDL read pages for so long, all of them together; after that each is a TransportError.

    A socket's own patience begins anew with every byte, so a server that sends one now and then would hold a thread for
    ever, and every further page has a patience of its own.
    """
    _thread.deadline, _thread.seconds = time.monotonic() + seconds, seconds
    _thread.challenge, _thread.bytes = "", 0
    try:
        yield
    finally:
        _thread.deadline = None


def challenge_met() -> str:
    """What the site said when, in the last search on this thread, it asked for a person; "" if it did not.

    An extractor may do without that page, so it is for whoever searches to judge.
    """
    return getattr(_thread, "challenge", "")


def _deadline() -> float | None:
    return getattr(_thread, "deadline", None)


def _check(deadline: float | None) -> None:
    if deadline is not None and time.monotonic() > deadline:
        raise TransportError(f"the site's pages took longer than {getattr(_thread, 'seconds', _LOOK_S):g} s together")


def _spend(size: int) -> None:
    if _deadline() is not None:
        _thread.bytes += size
        if _thread.bytes > MOST_BYTES:
            raise RequestError(f"the site's pages are larger than {MOST_BYTES >> 20} MB together")


class PatientDL(YoutubeDL):
    """A YoutubeDL whose requests and answers know of the deadline, and of pages that ask for a person.

    Only HTTP is followed, and by the user's own proxies if by any. With a guard it reaches public addresses alone.
    """

    def __init__(self, params: dict[str, Any], guard: Guard | None = None) -> None:
        self._guard = guard
        super().__init__(params)

    def build_request_director(self, handlers: Iterable[Any], preferences: Any = None) -> Any:
        """As YoutubeDL's, of handlers that the guard stands in."""
        if self._guard:
            handlers = guarded(handlers, self._guard, self.proxies.values())
        return super().build_request_director(handlers, preferences)

    def urlopen(self, req: Any) -> Response:
        """As YoutubeDL's.

        Raises:
            LinkRefused: it is no request over HTTP.
            PrivateHost: it, or a redirect, leads into this machine or a private network.
            TransportError: the time is over, before the request or, out of a read, before the end of its answer.
            RequestError: out of a read: the pages are larger than any are.
            ChallengeError: in the place of sound, the site asks for a person.
        """
        deadline = _deadline()
        _check(deadline)
        request = Request(req) if isinstance(req, str) else req
        check_scheme(request.url if isinstance(request, Request) else request.full_url)
        if isinstance(request, Request):
            _keep_proxies(request, self.proxies)
        try:
            response = super().urlopen(request)
        except HTTPError as error:
            _make_timely(error.response, deadline)
            _look_for_challenge(request, error.response, look=error.status in REFUSALS)
            raise
        _make_timely(response, deadline)
        # outside of the search for a video it is sound that was asked for, so that a page is looked at
        _look_for_challenge(request, response, look=deadline is None)
        return response


def _keep_proxies(request: Request, known: Mapping[str, str | None]) -> None:
    """Leave no proxy to a request but the user's own: a link can carry headers, and one of yt-dlp's names a proxy."""
    request.headers.pop("Ytdl-Request-Proxy", None)
    allowed = (None, *known.values())
    request.proxies = {scheme: proxy for scheme, proxy in request.proxies.items() if proxy in allowed}


def _make_timely(response: Response, deadline: float | None) -> None:
    if deadline is not None and hasattr(response.fp, "read1"):
        response.fp = _Timely(response.fp, deadline)


def _look_for_challenge(request: Any, response: Response, *, look: bool) -> None:
    """Note the wall that an answer is, by its address or, with `look`, its body; where sound was asked for, raise."""
    if not isinstance(request, Request):  # urllib's, which old extractors use
        return
    said = sent_elsewhere(request.url, response.url or request.url)
    page = hasattr(response.fp, "read1") and "html" in response.headers.get("Content-Type", "").casefold()
    if not said and look and page and request.method != "HEAD":
        said = asked_for_a_person(_beginning(response))
    if said and _deadline() is None:
        response.close()
        raise ChallengeError(said)
    _thread.challenge = said or challenge_met()


def _beginning(response: Response) -> bytes:
    """The first bytes of an answer, which can be read again."""
    stream = response.fp
    more = {"decode_content": True} if hasattr(stream, "decode_content") else {}  # urllib3 unpacks when it is told to
    try:
        head = _Timely(stream, time.monotonic() + _LOOK_S).read(BEGINNING_BYTES, **more)
    except (RequestError, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError):
        head = b""  # what it says does not come in time
    response.fp = _Again(head, stream)
    return head


class _Again:
    """A stream whose first bytes have been read already, and are given once more."""

    def __init__(self, head: bytes, stream: Any) -> None:
        self._head, self._stream = head, stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def closed(self) -> bool:
        """Whether nothing is left of it."""
        return not self._head and self._stream.closed

    def read(self, amt: int | None = None, **more: Any) -> bytes:
        """Up to `amt` bytes; all there are without it."""
        if amt is None:
            head, self._head = self._head, b""
            return head + bytes(self._stream.read(**more))
        head, self._head = self._head[:amt], self._head[amt:]
        return head or bytes(self._stream.read(amt, **more))

    read1 = read


class _Timely:
    """The stream of an answer, which looks at the clock between the pieces that arrive."""

    def __init__(self, stream: Any, deadline: float) -> None:
        self._stream, self._deadline = stream, deadline

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def read(self, amt: int | None = None, **more: Any) -> bytes:
        """Up to `amt` bytes, or all there are; read1 returns with what has come, where read would wait for the rest."""
        data = bytearray()
        while amt is None or len(data) < amt:
            _check(self._deadline)
            piece = self._stream.read1(_PIECE_BYTES if amt is None else amt - len(data), **more)
            if not piece:
                break
            _spend(len(piece))
            data += piece
        return bytes(data)
