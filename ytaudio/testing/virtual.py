"""Media files of any length that exist only as arithmetic: a header with its index, then one loop's chunks repeated.

A loop of 28.8 s is encoded once and cut into three chunks. Byte ranges of a file of hours are put together on the fly
from those chunks with their times patched, as YouTube's own files are laid out: index in front, chunks of some 10 s.
"""

import struct
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import Protocol, cast

import av
import numpy as np

from .sounds import LOOP_SAMPLES, RATE

CHUNKS = 3  # a loop
CHUNK_S = LOOP_SAMPLES / RATE / CHUNKS  # 9.6 s
_PREROLL = 6  # frames encoded before the loop, so that its beginning continues its end


class Encoded(Protocol):
    """How a loop is encoded."""

    frame: int  # samples in one encoded frame
    codec: str


class Container(Encoded, Protocol):
    """How one container wraps the encoded frames of a loop."""

    mime: str

    def chunk(self, frames: Sequence[bytes], number: int) -> bytes:
        """The bytes of chunk `number`; its size does not depend on the number."""

    def header(self, sizes: Sequence[int], frames: int, private: bytes) -> bytes:
        """All that stands before the first chunk, with the index of chunks of these sizes."""


@dataclass(frozen=True, slots=True)
class Loop:
    """One encoded loop."""

    frames: tuple[bytes, ...]
    private: bytes  # the codec's own header


def encode_loop(waveform: np.ndarray, container: Encoded, bit_rate: int) -> Loop:
    """Encode a loop of float32 (LOOP_SAMPLES,) at 24 kHz so that its frames can follow each other round and round."""
    frame = container.frame
    lead = waveform[-_PREROLL * frame :]
    samples = np.concatenate([lead, waveform, waveform[: 2 * frame]])
    encoder = cast(av.AudioCodecContext, av.CodecContext.create(container.codec, "w"))
    opus = container.codec == "libopus"
    encoder.format, encoder.layout, encoder.sample_rate = ("flt" if opus else "fltp"), "mono", RATE
    encoder.bit_rate, encoder.time_base = bit_rate, Fraction(1, RATE)
    encoder.options = {"compression_level": "0"} if opus else {"aac_coder": "fast"}
    packets = []
    for start in range(0, samples.size, frame):
        piece = av.AudioFrame.from_ndarray(samples[None, start : start + frame], encoder.format.name, "mono")
        piece.sample_rate, piece.pts, piece.time_base = RATE, start, Fraction(1, RATE)
        packets += encoder.encode(piece)
    packets += encoder.encode(None)
    # Opus takes its delay off by CodecDelay, so its first packet is the first frame; AAC's first packet is priming
    first = _PREROLL + (0 if opus else 1)
    kept = packets[first : first + LOOP_SAMPLES // frame]
    return Loop(tuple(bytes(packet) for packet in kept), bytes(encoder.extradata or b""))


class VirtualFile:
    """A file of `duration_s` seconds made of one loop; only its header and the loop's chunks are in memory."""

    def __init__(self, loop: Loop, container: Container, duration_s: float) -> None:
        per_chunk = len(loop.frames) // CHUNKS
        self._container = container
        self._groups = [loop.frames[k * per_chunk : (k + 1) * per_chunk] for k in range(CHUNKS)]
        sizes = [len(container.chunk(group, 0)) for group in self._groups]
        frames = max(1, round(duration_s * RATE / container.frame))
        self._whole, rest = divmod(frames, per_chunk)
        self._tail = container.chunk(self._groups[self._whole % CHUNKS][:rest], self._whole) if rest else b""
        all_sizes = [sizes[k % CHUNKS] for k in range(self._whole)] + ([len(self._tail)] if rest else [])
        self.duration_s = frames * container.frame / RATE
        self.mime = container.mime
        self._header = container.header(all_sizes, frames, loop.private)
        self._starts = [0, *accumulate(sizes)]  # of the chunks inside a loop, and the loop's size
        self.index_bytes = len(self._header)
        self.size = len(self._header) + sum(all_sizes)

    def read(self, start: int, length: int) -> bytes:
        """The bytes from `start`, `length` of them or as many as there are; the same whenever they are asked for."""
        stop = min(start + length, self.size)
        parts = [self._header[start:stop]]
        position = max(start, len(self._header))
        while position < stop:
            data, offset = self._chunk_at(position - len(self._header))
            part = data[offset : offset + stop - position]
            parts.append(part)
            position += len(part)
        return b"".join(parts)

    def _chunk_at(self, offset: int) -> tuple[bytes, int]:
        """The chunk that holds this byte after the header, and the byte's place inside it."""
        loops, inside = divmod(offset, self._starts[-1])
        which = bisect_right(self._starts, inside) - 1
        number = loops * CHUNKS + which
        data = self._tail if number >= self._whole else self._container.chunk(self._groups[which], number)
        return data, inside - self._starts[which]


def _element(ident: str, payload: bytes, width: int = 0) -> bytes:
    """An EBML element (RFC 8794): id, size as a variable-length integer, payload."""
    size = len(payload)
    width = width or next(n for n in range(1, 9) if size < (1 << 7 * n) - 1)
    return bytes.fromhex(ident) + (size | 1 << 7 * width).to_bytes(width, "big") + payload


def _uint(ident: str, value: int, width: int = 0) -> bytes:
    return _element(ident, value.to_bytes(width or max(1, (value.bit_length() + 7) // 8), "big"))


class WebM:
    """WebM (RFC 9559) with Opus: SeekHead, Info, Tracks and Cues in front, then clusters of simple blocks."""

    frame = 480  # samples: 20 ms
    codec = "libopus"
    mime = "audio/webm"
    _ms = 20

    def chunk(self, frames: Sequence[bytes], number: int) -> bytes:
        """A cluster with the timestamp of chunk `number`."""
        stamp = _uint("E7", round(number * CHUNK_S * 1000), 5)
        blocks = [
            _element("A3", b"\x81" + (k * self._ms).to_bytes(2, "big") + b"\x80" + frame)
            for k, frame in enumerate(frames)
        ]
        return _element("1F43B675", stamp + b"".join(blocks), 4)

    def header(self, sizes: Sequence[int], frames: int, private: bytes) -> bytes:
        """EBML header, the opening of a segment of known size, SeekHead, Info, Tracks and Cues."""
        marks = ("4286", 1), ("42F7", 1), ("42F2", 4), ("42F3", 8)
        doctype = (
            b"".join(_uint(i, v) for i, v in marks) + _element("4282", b"webm") + _uint("4287", 4) + _uint("4285", 2)
        )
        app = b"ytaudio.testing"
        duration = _element("4489", struct.pack(">d", frames * self._ms))
        info = _element(
            "1549A966", _uint("2AD7B1", 1_000_000) + duration + _element("4D80", app) + _element("5741", app)
        )
        delay_ns = int.from_bytes(private[10:12], "little") * 10**9 // 48_000
        audio = _element("E1", _element("B5", struct.pack(">d", 48_000.0)) + _uint("9F", 1))
        track = (
            _uint("D7", 1) + _uint("73C5", 1) + _uint("83", 2) + _element("86", b"A_OPUS") + _element("63A2", private)
        )
        track += _uint("56AA", delay_ns) + _uint("56BB", 80_000_000) + _element("22B59C", b"und") + audio
        tracks = _element("1654AE6B", _element("AE", track))
        seek_size = len(self._seek_head([0, 0, 0]))
        cues_at = seek_size + len(info) + len(tracks)
        clusters_at = cues_at + len(self._cues([0] * len(sizes)))
        starts = [clusters_at + before for before in accumulate(sizes, initial=0)]
        body = self._seek_head([seek_size, seek_size + len(info), cues_at]) + info + tracks + self._cues(starts[:-1])
        opening = bytes.fromhex("18538067") + (starts[-1] | 1 << 56).to_bytes(8, "big")
        return _element("1A45DFA3", doctype) + opening + body

    def _seek_head(self, places: Sequence[int]) -> bytes:
        idents = "1549A966", "1654AE6B", "1C53BB6B"
        seeks = [
            _element("4DBB", _element("53AB", bytes.fromhex(i)) + _uint("53AC", p, 8))
            for i, p in zip(idents, places, strict=True)
        ]
        return _element("114D9B74", b"".join(seeks))

    def _cues(self, places: Sequence[int]) -> bytes:
        points = [
            _element(
                "BB", _uint("B3", round(k * CHUNK_S * 1000), 5) + _element("B7", _uint("F7", 1) + _uint("F1", p, 5))
            )
            for k, p in enumerate(places)
        ]
        return _element("1C53BB6B", b"".join(points), 4)


def _box(kind: str, *payload: bytes) -> bytes:
    """An ISO base media file format box (ISO/IEC 14496-12)."""
    body = b"".join(payload)
    return struct.pack(">I4s", 8 + len(body), kind.encode()) + body


def _full(kind: str, version: int, flags: int, *payload: bytes) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags), *payload)


class FragmentedMP4:
    """Fragmented MP4 with AAC as YouTube's itag 140: ftyp, moov, sidx, then one moof and mdat a chunk."""

    frame = 1024  # samples: 42.7 ms
    codec = "aac"
    mime = "audio/mp4"

    def chunk(self, frames: Sequence[bytes], number: int) -> bytes:
        """A movie fragment with the sequence number and decode time of chunk `number`."""
        sizes = struct.pack(f">{len(frames)}I", *map(len, frames))
        run_size = 12 + 8 + len(sizes)
        offset = 8 + 16 + 8 + 16 + 20 + run_size + 8  # from the start of moof to the first byte of mdat's payload
        traf = _box(
            "traf",
            _full("tfhd", 0, 0x020000, struct.pack(">I", 1)),
            _full("tfdt", 1, 0, struct.pack(">Q", number * LOOP_SAMPLES // CHUNKS)),
            _full("trun", 0, 0x201, struct.pack(">Ii", len(frames), offset), sizes),
        )
        moof = _box("moof", _full("mfhd", 0, 0, struct.pack(">I", number + 1)), traf)
        return moof + _box("mdat", *frames)

    def header(self, sizes: Sequence[int], frames: int, private: bytes) -> bytes:
        """File type, an empty movie, and the segment index."""
        length, per_chunk = frames * self.frame, LOOP_SAMPLES // CHUNKS
        lengths = [min(per_chunk, length - k * per_chunk) for k in range(len(sizes))]
        references = b"".join(
            struct.pack(">III", size, samples, 0x90000000) for size, samples in zip(sizes, lengths, strict=True)
        )
        sidx = _full("sidx", 0, 0, struct.pack(">IIIIHH", 1, RATE, 0, 0, 0, len(sizes)), references)
        return self.init(frames, private) + sidx

    def init(self, frames: int, private: bytes) -> bytes:
        """File type and an empty movie."""
        matrix = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
        mvhd = struct.pack(">IIIIIH10x", 0, 0, RATE, 0, 0x10000, 0x100) + matrix + bytes(24) + struct.pack(">I", 2)
        tkhd = struct.pack(">IIIIIQHHHH", 0, 0, 1, 0, 0, 0, 0, 0, 0x100, 0) + matrix + bytes(8)
        config = b"\x05" + bytes([len(private)]) + private
        decoder = b"\x04" + bytes([13 + len(config)]) + b"\x40\x15" + bytes(11) + config
        descriptor = b"\x03" + bytes([3 + len(decoder) + 3]) + b"\x00\x01\x00" + decoder + b"\x06\x01\x02"
        entry = _box("mp4a", struct.pack(">6xH8xHHIHH", 1, 1, 16, 0, RATE, 0), _full("esds", 0, 0, descriptor))
        empty = [_full(kind, 0, 0, bytes(4)) for kind in ("stts", "stsc", "stco")]
        stbl = _box("stbl", _full("stsd", 0, 0, struct.pack(">I", 1), entry), *empty, _full("stsz", 0, 0, bytes(8)))
        dinf = _box("dinf", _full("dref", 0, 0, struct.pack(">I", 1), _full("url ", 0, 1)))
        mdia = _box(
            "mdia",
            _full("mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, RATE, 0, 0x55C4, 0)),
            _full("hdlr", 0, 0, bytes(4), b"soun", bytes(12), b"sound\0"),
            _box("minf", _full("smhd", 0, 0, bytes(4)), dinf, stbl),
        )
        trex = _full("trex", 0, 0, struct.pack(">IIIII", 1, 1, self.frame, 0, 0))
        mvex = _box("mvex", _full("mehd", 1, 0, struct.pack(">Q", frames * self.frame)), trex)
        moov = _box("moov", _full("mvhd", 0, 0, mvhd), _box("trak", _full("tkhd", 0, 7, tkhd), mdia), mvex)
        return _box("ftyp", b"dash", bytes(4), b"iso6mp41") + moov


CONTAINERS: dict[str, Container] = {"webm": WebM(), "mp4": FragmentedMP4()}
