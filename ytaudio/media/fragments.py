"""Where the fragments of an MP4 lie: its segment index (sidx) in front, or its random access table (mfra) at the end.

Both are boxes of ISO/IEC 14496-12. Without either, FFmpeg would read such a file from its beginning to its end.
"""

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from .ranges import FIRST_BYTES, LONGEST_BYTES, TOP_UP_BYTES, RangeFile, take

BEHIND_INDEX = 8 << 10  # bytes of the first sound, which FFmpeg looks at when it opens a file
_LONGEST_INDEX = 4 << 20  # bytes that are asked for at once
_SPARSE_S = 60.0  # an index with wider steps says too little
_MP4_BEGINS = (b"ftyp", b"styp", b"moov", b"free", b"skip")
_WHOLE = 0.95  # of the file, that a segment index has to cover: some files repeat a short one before each fragment
_MOST_TICKS = 1 << 50  # centuries at any clock


@dataclass(frozen=True, slots=True)
class Index:
    """Where in the file which time begins; one more entry stands for the end."""

    times_s: list[float]
    places: list[int]

    def range(self, first_s: float, last_s: float) -> tuple[int, int] | None:
        """The bytes from the entry at or before `first_s` to `last_s`, guessed inside its entry; None if too sparse."""
        begin = max(0, bisect_right(self.times_s, first_s) - 1)
        end = min(max(0, bisect_right(self.times_s, last_s) - 1), len(self.times_s) - 2)
        if end < begin or max(self.times_s[k + 1] - self.times_s[k] for k in (begin, end)) > _SPARSE_S:
            return None
        share = (last_s - self.times_s[end]) / max(self.times_s[end + 1] - self.times_s[end], 1e-3)
        bytes_of_last = self.places[end + 1] - self.places[end]
        stop = self.places[end] + min(bytes_of_last, int(1.04 * share * bytes_of_last) + 8192)
        return self.places[begin], stop


@dataclass(frozen=True, slots=True)
class Fragments:
    """What a file tells of its fragments; nothing where it has none."""

    index: Index | None = None  # from a segment index
    tracks: dict[int, list[tuple[int, int]]] = field(default_factory=dict)  # track to (ticks, place), from an mfra
    blind_from: int | None = None  # place of the first fragment, where the file has neither


def find_fragments(file: RangeFile | BinaryIO) -> Fragments:
    """What a file tells of its fragments, from its first block and, if need be, its last."""
    place, total = 0, file.seek(0, 2)
    while place < FIRST_BYTES and len(head := take(file, place, 16)) == 16:
        size, kind = struct.unpack(">I4s", head[:8])
        size = struct.unpack(">Q", head[8:])[0] if size == 1 else size
        if size < 8 or (place == 0 and kind not in _MP4_BEGINS):
            break
        if kind == b"moov":  # an index of every sample: some 600 KB an hour
            _announce(file, place, place + size)
        if kind == b"mdat":  # the index comes after the sound
            _announce(file, place + size, total)
            break
        if kind == b"sidx" and isinstance(file, RangeFile):
            file.expect(place, place + min(size, _LONGEST_INDEX) + BEHIND_INDEX)
        index = _segment_index(take(file, place, size), place) if kind == b"sidx" else None
        if index and index.places[-1] >= _WHOLE * total:
            return Fragments(index)
        if kind == b"moof":
            return _from_the_end(file, total, place)
        place += size
    return Fragments()


def _announce(file: RangeFile | BinaryIO, start: int, stop: int) -> None:
    """Let what will be read be fetched with one request, if it is not too long for one."""
    if isinstance(file, RangeFile) and stop > FIRST_BYTES and 0 < stop - start <= LONGEST_BYTES:
        file.expect(start, stop)


def _from_the_end(file: RangeFile | BinaryIO, total: int, first: int) -> Fragments:
    begin = max(0, total - TOP_UP_BYTES)
    if isinstance(file, RangeFile):
        file.expect(begin, total)
    end = take(file, begin, total - begin)
    size = struct.unpack(">I", end[-4:])[0] if end[-12:-8] == b"mfro" else 0
    table = end[-size:] if size <= len(end) else take(file, max(0, total - size), size)
    tracks = dict(_tracks(table, total)) if size and table[4:8] == b"mfra" else {}
    return Fragments(tracks=tracks, blind_from=None if tracks else first)


def _segment_index(box: bytes, place: int) -> Index | None:
    """A sidx box, which begins at this place of the file."""
    wide = box[8:9] == b"\x01"
    if len(box) < (40 if wide else 32):
        return None
    scale = struct.unpack(">I", box[16:20])[0] or 1
    begin, offset = struct.unpack(">QQ" if wide else ">II", box[20 : 36 if wide else 28])
    table = box[40 if wide else 32 :]
    times, places = [begin / scale], [place + len(box) + offset]
    for length, duration, _ in struct.iter_unpack(">III", table[: len(table) // 12 * 12]):
        times.append(times[-1] + duration / scale)
        places.append(places[-1] + (length & 0x7FFFFFFF))
    return Index(times, places) if len(times) > 1 else None


def _tracks(box: bytes, total: int) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Of an mfra box, each track with the ticks and places of its fragments; a table that cannot be is passed over."""
    place = 8
    while place + 24 <= len(box):
        size, kind, version, track, widths, count = struct.unpack(">I4sB3xIII", box[place : place + 24])
        if size < 8:
            return
        entry = struct.Struct(">QQ" if version == 1 else ">II")
        # after time and place come the numbers of traf, trun and sample, of one to four bytes each
        step = entry.size + 3 + sum(widths >> shift & 3 for shift in (0, 2, 4))
        table = box[place + 24 : place + size]
        if kind == b"tfra" and count and len(table) >= count * step:
            entries = sorted(entry.unpack_from(table, k * step) for k in range(count))
            if entries[-1][0] < _MOST_TICKS and max(where for _, where in entries) < total:
                yield track, entries
        place += size
