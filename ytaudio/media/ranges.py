"""A remote file read by ranges through yt-dlp's own networking, so with the user's cookies, proxy and headers."""

import http.client
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

import urllib3
from yt_dlp import YoutubeDL
from yt_dlp.networking import Request, Response
from yt_dlp.networking.exceptions import HTTPError, RequestError, TransportError

from .access import Access
from .challenges import ChallengeError
from .failures import explain, retry_after_s
from .guard import LinkRefused, PrivateHost
from .kinds import Reason
from .processor import waiting

FIRST_BYTES = 32 << 10  # the header of a file of an hour and the beginning of its sound
TOP_UP_BYTES = 64 << 10  # what a read outside the plan fetches; doubled for each one that goes on from it
LONGEST_BYTES = 10 << 20  # of one request; YouTube slows down longer ones
SLOWEST = 8_000  # bytes/s of a body, after the patience for its beginning; sound itself is as fast
CAP_BYTES = 16 << 20  # for one window, or for one header: never a silent whole download


class StreamError(Exception):
    """A stream that cannot be read on; it becomes a Failure."""

    def __init__(self, reason: Reason, detail: str, *, passing: bool = False, retry_after_s: float = 0.0) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail
        self.passing = passing  # worth another try at once
        self.retry_after_s = retry_after_s  # seconds the server asked to be left alone; 0 where it named none


@dataclass(slots=True)
class _Span:
    start: int
    data: bytes
    kept: bool  # part of the header, kept for every window

    @property
    def stop(self) -> int:
        return self.start + len(self.data)


class RangeFile:
    """A file object for PyAV that fetches few and fitting ranges, and counts them."""

    def __init__(self, ydl: YoutubeDL, url: str, headers: Mapping[str, str], access: Access) -> None:
        self._ydl, self._url, self._access = ydl, url, access
        self._headers = {**headers, "Accept-Encoding": "identity"}
        self._spans: list[_Span] = []
        self._position = 0
        self._plan = (0, FIRST_BYTES)
        self._step = TOP_UP_BYTES
        self._left = CAP_BYTES
        self._opening = True
        self.keep_all = False  # for a file that each window reads from its beginning
        self.size: int | None = None  # bytes, known from the first answer on
        self.requests = 0
        self.bytes_read = 0
        self.failure: StreamError | None = None  # why reading ended; of one window

    def begin_window(self) -> None:
        """Forget the ranges of the window before the last one, and give the byte cap anew."""
        recent = [span for span in self._spans if not span.kept]
        self._spans = [span for span in self._spans if span.kept] + recent[-2:]
        self._opening, self._left, self.failure = False, CAP_BYTES, None

    def expect(self, start: int, stop: int) -> None:
        """Say which bytes will be read: they are then fetched with one request."""
        self._plan, self._step = (start, stop), TOP_UP_BYTES

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes from the position; nothing at the end of the file, or after a failure.

        A failure is kept in `failure` and looks like the end of the file: FFmpeg then stops, where an exception would
        make it try again elsewhere, with more requests.
        """
        if self.failure or (self.size is not None and self._position >= self.size):
            return b""
        try:
            span = next((s for s in reversed(self._spans) if s.start <= self._position < s.stop), None) or self._fetch()
        except StreamError as error:
            self.failure = error
            return b""
        offset = self._position - span.start
        data = span.data[offset:] if size < 0 else span.data[offset : offset + size]
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move the position; nothing is fetched but a first block where the size must be known for whence 2."""
        if whence == 2 and self.size is None:
            self.read(1)
        self._position = offset + (0, self._position, self.size or 0)[whence]
        return self._position

    def tell(self) -> int:
        """The position in bytes."""
        return self._position

    def _fetch(self) -> _Span:
        start = self._position
        if self._plan[0] <= start < self._plan[1]:
            stop = self._plan[1]
        else:
            if not self._spans or self._spans[-1].stop != start:
                self._step = TOP_UP_BYTES  # a search jumps, and only what is read on in one piece grows
            stop, self._step = start + self._step, self._step * 2
        stop = min([stop, self.size or stop, *(s.start for s in self._spans if s.start > start)])
        if stop - start > self._left:  # refused before any of it is fetched
            what = "header and index" if self._opening else "one window"
            raise StreamError(Reason.UNSUPPORTED, f"{what} would need more than {CAP_BYTES >> 20} MB of the file")
        stop = min(stop, start + LONGEST_BYTES)
        self._left -= stop - start
        span = _Span(start, self._patiently(start, stop), self._opening or self.keep_all)
        self._spans.append(span)
        return span

    def _patiently(self, start: int, stop: int) -> bytes:
        return patiently(self._access, lambda: self._request(start, stop))

    def _request(self, start: int, stop: int) -> bytes:
        request = Request(self._url, headers={**self._headers, "Range": f"bytes={start}-{stop - 1}"})
        self.requests += 1
        with as_stream_errors(), self._ydl.urlopen(request) as response:
            wanted = self._check(response, start, stop)
            data = read_body(response, wanted, self._access.timeout_s, self._count)
        if len(data) < wanted:
            raise StreamError(Reason.NETWORK, f"{len(data)} bytes read, {wanted} expected", passing=True)
        return data

    def _count(self, size: int) -> None:
        self.bytes_read += size

    def _check(self, response: Response, start: int, stop: int) -> int:
        """How many bytes a right answer brings; a wrong one is refused before its body is read."""
        if response.status != 206:
            if "html" in response.headers.get("Content-Type", "").casefold():  # of the site, or of the network's owner
                raise StreamError(Reason.SERVER_ERROR, "the server answered a range with a page")
            detail = f"the server answered a range with {response.status}: it gives whole files only"
            raise StreamError(Reason.UNSUPPORTED, detail)
        content_range = response.headers.get("Content-Range", "")
        told = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", content_range.strip())
        if not told:  # or several ranges, each with its own inside the body
            raise StreamError(Reason.SERVER_ERROR, f"no usable Content-Range: {content_range!r}")
        if (packed := response.headers.get("Content-Encoding", "identity").strip().casefold()) not in ("", "identity"):
            raise StreamError(Reason.SERVER_ERROR, f"the server packed a range ({packed}), which was not asked for")
        first, last = int(told[1]), int(told[2])
        size = self.size if told[3] == "*" else int(told[3])
        if size is None:
            raise StreamError(Reason.UNSUPPORTED, f"the server does not tell the file's size: {content_range!r}")
        if first != start or not first <= last < min(stop, size) or self.size not in (None, size):
            before = f" of {self.size}" if self.size else ""
            raise StreamError(Reason.SERVER_ERROR, f"asked for bytes {start}-{stop - 1}{before}, got {content_range!r}")
        self.size = size
        return last + 1 - first


def take(file: RangeFile | BinaryIO, place: int, size: int) -> bytes:
    """The bytes at a place, or as many as there are."""
    file.seek(place)
    data = bytearray()
    while len(data) < size and (more := file.read(size - len(data))):
        data += more
    return bytes(data)


@waiting()
def patiently(access: Access, ask: Callable[[], bytes]) -> bytes:
    """What `ask` brings; where it fails with something that passes, it is tried again as often as the access says."""
    for attempt in range(access.retries):
        try:
            return ask()
        except StreamError as error:
            if not error.passing:
                raise
        time.sleep(access.backoff_s * 2**attempt)
    return ask()


@contextmanager
def as_stream_errors() -> Iterator[None]:
    """Turn what yt-dlp's networking raises into a StreamError."""
    try:
        yield
    except HTTPError as error:
        error.close()
        raise _of_status(error) from None
    except (TransportError, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
        raise StreamError(Reason.NETWORK, explain(error), passing=True) from None
    except ChallengeError as error:
        raise StreamError(Reason.BOT_CHECK, explain(error)) from None
    except PrivateHost as error:
        raise StreamError(Reason.PRIVATE_HOST, explain(error)) from None
    except LinkRefused as error:
        raise StreamError(Reason.BAD_LINK, explain(error)) from None
    except RequestError as error:
        raise StreamError(Reason.UNSUPPORTED, explain(error)) from None


def read_body(response: Response, wanted: int, timeout_s: float, count: Callable[[int], None]) -> bytes:
    """An answer's body, up to `wanted` bytes and as far as it came in time; `count` is told the size of every piece."""
    deadline = time.monotonic() + timeout_s + wanted / SLOWEST
    # read() waits for all it is asked for, and the socket's patience begins anew with every byte; read1() does not
    read = getattr(response.fp, "read1", response.read)
    data = bytearray()
    while len(data) < wanted and time.monotonic() < deadline and (piece := read(wanted - len(data))):
        data += piece
        count(len(piece))
    return bytes(data)


def _of_status(error: HTTPError) -> StreamError:
    """What a status says of a stream.

    A file of no bytes has no sound, for ever; an address that has expired (403, 404, 410) is found by locating anew.
    """
    if error.status == 429:
        return StreamError(Reason.RATE_LIMITED, explain(error), retry_after_s=retry_after_s(error))
    if error.status == 416 and error.response.headers.get("Content-Range", "").replace(" ", "") == "bytes*/0":
        return StreamError(Reason.NO_AUDIO, "the file is empty")
    if error.status == 407:  # of the user's proxy
        return StreamError(Reason.NETWORK, explain(error))
    wait_s = retry_after_s(error)
    # who names a time is not asked again before it
    return StreamError(
        Reason.SERVER_ERROR, explain(error), passing=error.status >= 500 and not wait_s, retry_after_s=wait_s
    )
