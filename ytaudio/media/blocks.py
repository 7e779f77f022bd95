"""Where the blocks of a compressed WAV (ADPCM, GSM) stand in time: by their place, each having as many samples.

FFmpeg reckons by the header's average bytes a second, which is rounded: it errs by seconds in a long file.
"""

import struct
from dataclasses import dataclass
from typing import BinaryIO

import av

from .ranges import RangeFile, take

_PLAIN = (1, 3, 6, 7, 0xFFFE)  # PCM, floating point, A-law and mu-law: a byte rate that is exact
_FARTHEST = 1 << 20  # bytes in which the chunks before the sound are looked for


@dataclass(frozen=True, slots=True)
class Blocks:
    """A sound in blocks of one size."""

    first: int  # place of the first block in the file
    bytes: int  # of one
    samples: int  # of one, for each channel
    rate: int  # of the samples, in Hz

    def correct(self, packet: av.Packet) -> None:
        """Set a packet's time by its place."""
        if packet.pos is not None and packet.size:
            packet.pts = packet.dts = (packet.pos - self.first) // self.bytes * self.samples

    def asked_s(self, time_s: float, bit_rate: int) -> float:
        """The time to ask FFmpeg for, which believes this bit rate, to be taken a little before a time."""
        second = (bit_rate / 8 or self.bytes * self.rate) * self.samples / (self.rate * self.bytes)
        return max(0.0, time_s - 2 * self.samples / self.rate) * second


def find_blocks(source: RangeFile | BinaryIO) -> Blocks | None:
    """The blocks of a WAV file that is compressed; None for every other file."""
    head = take(source, 0, 12)
    if head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
        return None
    place, layout = 12, b""
    while place < _FARTHEST and len(head := take(source, place, 8)) == 8:
        size = int.from_bytes(head[4:], "little")
        if head[:4] == b"fmt ":
            layout = take(source, place + 8, min(size, 64))
        elif head[:4] == b"data":
            return _blocks(layout, place + 8)
        place += 8 + size + size % 2
    return None


def _blocks(layout: bytes, first: int) -> Blocks | None:
    if len(layout) < 20:
        return None
    tag, _, rate, _, size, _, _, samples = struct.unpack("<HHIIHHHH", layout[:20])
    return Blocks(first, size, samples, rate) if tag not in _PLAIN and rate and size and samples else None
