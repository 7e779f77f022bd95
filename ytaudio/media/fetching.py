"""Whole resources, and stretches of them, with the same patience and cookies as a RangeFile's, under one byte cap."""

import re
import time
import zlib
from collections.abc import Mapping

from yt_dlp import YoutubeDL
from yt_dlp.aes import aes_cbc_decrypt_bytes
from yt_dlp.networking import Request, Response

from .access import Access
from .kinds import Reason
from .pieces import Part
from .ranges import CAP_BYTES, SLOWEST, StreamError, as_stream_errors, patiently, read_body

_BLOCK = 16  # bytes of AES
_GZIP = b"\x1f\x8b"
TOO_MUCH = f"one window would need more than {CAP_BYTES >> 20} MB of the stream"


class Fetcher:
    """Fetches, counts, and stops at the cap."""

    def __init__(self, ydl: YoutubeDL, headers: Mapping[str, str], access: Access) -> None:
        self._ydl, self._access = ydl, access
        self._headers = dict(headers)
        self._keys: dict[str, bytes] = {}
        self._left = CAP_BYTES
        self.requests = 0
        self.bytes_read = 0

    def begin(self) -> None:
        """Give the byte cap anew, for another window."""
        self._left = CAP_BYTES

    def page(self, url: str) -> tuple[str, str]:
        """A text and the URL it came from in the end.

        Raises:
            StreamError: it cannot be had, or is larger than the cap.
        """
        final = url

        def ask() -> bytes:
            nonlocal final
            data, final = self._request(Part(url), packing="gzip, identity")
            return data

        data = patiently(self._access, ask)
        return (_unpacked(data) if data.startswith(_GZIP) else data).decode("utf-8", "replace"), final

    def fetch(self, part: Part, most: int | None = None) -> bytes:
        """A part's bytes, decrypted; with `most`, only so many of them from its beginning, a multiple of 16.

        Raises:
            StreamError: they cannot be had, or are more than the cap leaves.
        """
        asked = part
        if most is not None and (part.size is None or most < part.size):
            asked = Part(part.url, part.start, most)
        data = patiently(self._access, lambda: self._request(asked)[0])
        return self._decrypted(part, data, whole=asked is part or len(data) < (most or 0)) if part.key_url else data

    def _decrypted(self, part: Part, data: bytes, *, whole: bool) -> bytes:
        if part.key_url not in self._keys:
            key = patiently(self._access, lambda: self._request(Part(part.key_url))[0])
            if len(key) != _BLOCK:
                raise StreamError(Reason.DRM, f"the key of the stream has {len(key)} bytes, not {_BLOCK}")
            self._keys[part.key_url] = key
        if not data or (whole and len(data) % _BLOCK):
            raise StreamError(Reason.SERVER_ERROR, f"{len(data)} encrypted bytes, which is no multiple of {_BLOCK}")
        plain = aes_cbc_decrypt_bytes(data[: len(data) // _BLOCK * _BLOCK], self._keys[part.key_url], part.iv)
        padding = plain[-1] if whole else 0  # PKCS #7
        return plain[:-padding] if 1 <= padding <= _BLOCK else plain

    def _request(self, part: Part, packing: str = "identity") -> tuple[bytes, str]:
        headers = {**self._headers, "Accept-Encoding": packing}
        if part.start or part.size is not None:
            stop = str(part.stop - 1) if part.size is not None else ""
            headers = {**headers, "Range": f"bytes={part.start}-{stop}"}
        self.requests += 1
        with as_stream_errors(), self._ydl.urlopen(Request(part.url, headers=headers)) as response:
            least, most = self._lengths(response, part)
            if least > self._left:
                raise StreamError(Reason.UNSUPPORTED, TOO_MUCH)
            began = time.monotonic()
            data = read_body(response, most, self._access.timeout_s, self._count)
            late = time.monotonic() - began > self._access.timeout_s + most / SLOWEST
            final = response.url
        if len(data) < least or (late and len(data) < most):
            told = f", {least} expected" if least else " in time"
            raise StreamError(Reason.NETWORK, f"{len(data)} bytes read{told}", passing=True)
        if len(data) > self._left:
            raise StreamError(Reason.UNSUPPORTED, TOO_MUCH)
        self._left -= len(data)
        return data, final

    def _count(self, size: int) -> None:
        self.bytes_read += size

    def _lengths(self, response: Response, part: Part) -> tuple[int, int]:
        """How many bytes a right answer brings at least, 0 where it does not say, and how many to read at most.

        A wrong answer is refused unread. A whole resource in answer to a range at its beginning is read so far.
        """
        if response.status == 206 and (part.start or part.size is not None):
            length = _ranged(response.headers.get("Content-Range", ""), part)
            return length, length
        if response.status != 200:
            raise StreamError(Reason.SERVER_ERROR, f"a whole resource was answered with {response.status}")
        if part.start:
            raise StreamError(Reason.UNSUPPORTED, "the server answered a range with 200: it gives whole files only")
        most = self._left + 1 if part.size is None else part.size  # a byte beyond the cap tells that there is more
        told = response.headers.get("Content-Length", "")
        packed = response.headers.get("Content-Encoding", "identity").casefold() != "identity"
        if packed or not re.fullmatch(r"\d{1,18}", told):
            return 0, most
        length = int(told) if part.size is None else min(int(told), part.size)
        return length, length


def _unpacked(data: bytes) -> bytes:
    unpack = zlib.decompressobj(31)
    try:
        text = unpack.decompress(data, CAP_BYTES)
    except zlib.error as error:
        raise StreamError(Reason.SERVER_ERROR, f"a page that cannot be unpacked: {error}") from None
    if not unpack.eof:
        raise StreamError(Reason.SERVER_ERROR, f"a page that is cut, or larger than {CAP_BYTES >> 20} MB unpacked")
    return text


def _ranged(content_range: str, part: Part) -> int:
    told = re.fullmatch(r"bytes (\d+)-(\d+)/(?:\d+|\*)", content_range.strip())
    first, last = (int(told[1]), int(told[2])) if told else (-1, -1)
    if first != part.start or last < first or (part.size is not None and last >= part.stop):
        raise StreamError(Reason.SERVER_ERROR, f"bytes from {part.start} were asked for, got {content_range!r}")
    return last + 1 - first
