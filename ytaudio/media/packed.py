"""Packed audio (RFC 8216, 3.4): segments of AAC, MP3 or AC-3 without a container, their time in an ID3 tag in front."""

import re
from collections.abc import Iterable

_HEADER = 10  # bytes of an ID3v2 header
_STAMP = b"com.apple.streaming.transportStreamTimestamp\0"


def strip_tags(pieces: Iterable[bytes]) -> tuple[float | None, list[bytes]]:
    """The seconds that the first piece's tag tells, by a clock of 33 bits, and the pieces without tags in front.

    A piece in a container has no such tag, and is left as it is.
    """
    told: float | None = None
    plain = []
    for number, piece in enumerate(pieces):
        place = 0
        while piece[place : place + 3] == b"ID3" and len(piece) >= place + _HEADER:
            size = sum(
                (byte & 0x7F) << shift
                for byte, shift in zip(piece[place + 6 : place + 10], (21, 14, 7, 0), strict=True)
            )
            stop = place + _HEADER + size
            found = re.search(re.escape(_STAMP) + rb"(.{8})", piece[place:stop], re.DOTALL)
            if found and not number:
                told = (int.from_bytes(found[1], "big") & (2**33 - 1)) / 90_000
            place = stop
        plain.append(piece[place:])
    return told, plain
