"""Marks of time inside files that have no index: clusters of Matroska (RFC 9559), fragments of MP4 (ISO/IEC 14496-12).

Both begin with a name that can be searched for and tell when they begin, so a time is found by looking at a few places.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from .fragments import BEHIND_INDEX, find_fragments
from .ranges import FIRST_BYTES, RangeFile, take

_LONGEST_HEADER = 8 << 20  # bytes; with a picture of the cover, for example
_EBML, _SEGMENT, _CLUSTER = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"
_SEEK_HEAD, _CUES, _INFO = b"\x11\x4d\x9b\x74", b"\x1c\x53\xbb\x6b", b"\x15\x49\xa9\x66"
_SCALE = b"\x2a\xd7\xb1"  # of time stamps, in nanoseconds
_BEFORE_THE_TIME = (0xBF, 0xEC, 0xA7, 0xAB)  # checksum, void, position, size of the cluster before
_UNKNOWN_SIZES = {(1 << 7 * width) - 1 for width in range(1, 9)}


@dataclass(frozen=True, slots=True)
class Landmark:
    """A place in a file from which it can be read on, and its time."""

    place: int
    time_s: float  # by the file's clock


class Layout(Protocol):
    """How a file without an index is laid out."""

    begin: int  # the first landmark's place: what lies before is the header
    patches: list[tuple[int, bytes]]  # places of the header and what they should hold instead

    def find(self, data: bytes, base: int, clocks: Mapping[int, float], track: int) -> Iterator[Landmark]:
        """Landmarks in a stretch of the file that begins at `base`; `clocks` are seconds a tick by track."""

    def gap(self, size: int) -> bytes:
        """What begins a stretch of so many bytes that a reader has to pass over."""


def find_layout(source: RangeFile | BinaryIO) -> Layout | None:
    """How a file is laid out that has landmarks and no index; None for every other file."""
    return Matroska.of(source) or Fragmented.of(source)


class Matroska:
    """Matroska or WebM without Cues, as live recordings are."""

    def __init__(self, begin: int, tick_s: float, patches: list[tuple[int, bytes]]) -> None:
        self.begin, self.patches, self._tick_s = begin, patches, tick_s

    @classmethod
    def of(cls, source: RangeFile | BinaryIO) -> "Matroska | None":
        """The layout of a file, if it is such a one."""
        if take(source, 0, 4) != _EBML:
            return None
        patches: list[tuple[int, bytes]] = []
        place, tick_s, inside = 0, 1e-3, 0
        while place < _LONGEST_HEADER and (head := take(source, place, 12)):
            ident, size, width = _element(head)
            if ident == _CLUSTER:
                return cls(place, tick_s, patches)
            if not ident or ident == _CUES or (size in _UNKNOWN_SIZES and ident != _SEGMENT):
                return None
            whole = width + size
            if ident == _SEEK_HEAD:
                cues = _place_of_cues(take(source, place + width, size))
                if cues is not None and inside + cues < source.seek(0, 2):
                    _expect_cues(source, inside + cues)
                    return None
                patches.append((place, cls._void(whole)))  # else FFmpeg goes and looks what lies at the end
            elif ident == _INFO and (scale := _child(take(source, place + width, size), _SCALE)):
                tick_s = int.from_bytes(scale, "big") / 1e9
            place += width if ident == _SEGMENT else whole
            inside = place if ident == _SEGMENT else inside
        return None

    def find(self, data: bytes, base: int, clocks: Mapping[int, float], track: int) -> Iterator[Landmark]:
        """Clusters, whatever tracks they hold."""
        at = data.find(_CLUSTER)
        while at >= 0:
            if (ticks := _timestamp(data, at)) is not None:
                yield Landmark(base + at, ticks * self._tick_s)
            at = data.find(_CLUSTER, at + 4)

    def gap(self, size: int) -> bytes:
        """A Void element."""
        return self._void(size)

    @staticmethod
    def _void(size: int) -> bytes:
        width = 8 if size >= 9 else 1
        return b"\xec" + ((size - 1 - width) | 1 << 7 * width).to_bytes(width, "big")


class Fragmented:
    """An MP4 of fragments that has neither a segment index nor a random access table."""

    def __init__(self, begin: int) -> None:
        self.begin = begin
        self.patches: list[tuple[int, bytes]] = []

    @classmethod
    def of(cls, source: RangeFile | BinaryIO) -> "Fragmented | None":
        """The layout of a file, if it is such a one."""
        fragments = find_fragments(source)
        return None if fragments.blind_from is None else cls(fragments.blind_from)

    def find(self, data: bytes, base: int, clocks: Mapping[int, float], track: int) -> Iterator[Landmark]:
        """Fragments that hold the track."""
        at = data.find(b"moof", 4)
        while at >= 0:
            size = int.from_bytes(data[at - 4 : at], "big")
            if data[at + 4 : at + 12] == b"\x00\x00\x00\x10mfhd":
                for number, ticks in _decode_times(data[at + 4 : at - 4 + size]):
                    if number == track and number in clocks:
                        yield Landmark(base + at - 4, ticks * clocks[number])
                        break
            at = data.find(b"moof", at + 4)

    def gap(self, size: int) -> bytes:
        """A free box."""
        return struct.pack(">I4sQ", 1, b"free", size)


def _vint(data: bytes, at: int, *, marked: bool = False) -> tuple[int, int]:
    """A variable-length integer (RFC 8794) and its width; 0 wide where there is none."""
    width = 9 - data[at].bit_length() if at < len(data) and data[at] else 0
    if not width or at + width > len(data):
        return 0, 0
    value = int.from_bytes(data[at : at + width], "big")
    return (value if marked else value & ~(1 << 7 * width)), width


def _element(data: bytes, at: int = 0) -> tuple[bytes, int, int]:
    """An element's id, the size of what it holds and that of its head; an empty id where there is none."""
    _, wide = _vint(data, at, marked=True)
    size, width = _vint(data, at + wide) if 1 <= wide <= 4 else (0, 0)
    return (data[at : at + wide], size, wide + width) if width else (b"", 0, 0)


def _children(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(data):
        ident, size, width = _element(data, at)
        if not ident:
            return
        yield ident, data[at + width : at + width + size]
        at += width + size


def _child(data: bytes, wanted: bytes) -> bytes:
    return next((payload for ident, payload in _children(data) if ident == wanted), b"")


def _place_of_cues(seek_head: bytes) -> int | None:
    """Where a SeekHead says that the Cues are, counted from the beginning of what the Segment holds."""
    for _, seek in _children(seek_head):
        if _child(seek, b"\x53\xab") == _CUES:
            return int.from_bytes(_child(seek, b"\x53\xac"), "big")
    return None


def _expect_cues(source: RangeFile | BinaryIO, place: int) -> None:
    """Plan one fitting request for what the first block does not hold of Cues that begin in it."""
    if isinstance(source, RangeFile) and place + 12 <= FIRST_BYTES:
        _, size, width = _element(take(source, place, 12))
        source.expect(place, place + min(width + size, _LONGEST_HEADER) + BEHIND_INDEX)


def _timestamp(data: bytes, at: int) -> int | None:
    """The time of a cluster in ticks; None where these bytes only look like one."""
    ident, _, width = _element(data, at)
    at += width
    for _ in range(5):
        ident, size, width = _element(data, at)
        if ident == b"\xe7" and 1 <= size <= 8 and at + width + size <= len(data):
            return int.from_bytes(data[at + width : at + width + size], "big")
        if not ident or ident[0] not in _BEFORE_THE_TIME:
            return None
        at += width + size
    return None


def _decode_times(moof: bytes) -> Iterator[tuple[int, int]]:
    """The track and the decode time in ticks of each track's part of a fragment, which begins after its first head."""
    for kind, traf in _boxes(moof):
        if kind == b"traf":
            inside = dict(_boxes(traf))
            track, time = inside.get(b"tfhd", b""), inside.get(b"tfdt", b"")
            wide = 8 if time[:1] == b"\x01" else 4
            if len(track) >= 8 and len(time) >= 4 + wide:
                yield int.from_bytes(track[4:8], "big"), int.from_bytes(time[4 : 4 + wide], "big")


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size < 8 or at + size > len(data):
            return
        yield data[at + 4 : at + 8], data[at + 8 : at + size]
        at += size
