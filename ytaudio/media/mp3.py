"""Where the packets of an MP3, or of a bare AC-3, stand in time, which the file does not say.

FFmpeg's quick seek takes a packet's place for its time and errs by a packet (26 ms), or by seconds where the rate
varies; its slow one counts packets from the beginning of the file.

An MP3 of varying rate that is too large to be counted through is read where its table of a hundred places (Xing, VBRI)
says: off by up to half a percent of its length, and a little differently from a decode of the whole. No packet tells
its number, so there is no better way without reading all that comes before.
"""

from dataclasses import dataclass
from typing import BinaryIO

import av
from av.container import InputContainer

from .ranges import RangeFile

COUNTED_BYTES = 10 << 20  # a file of varying rate up to this size is counted through, once; a larger one is guessed
_TAG_BYTES = 1_500  # the packet before the first one of sound, where encoders tell of the rate
_VARYING = (b"Xing", b"VBRI")  # a steady rate is tagged "Info", or not at all


@dataclass(frozen=True, slots=True)
class Pace:
    """How packets follow each other."""

    first: int  # place of the first packet in the file
    bytes: float  # of one packet, on average
    steady: bool  # each has that many, to the byte or, in AC-3, to two

    def correct(self, packet: av.Packet) -> None:
        """Set a packet's time by its place, where the rate is steady."""
        if self.steady and packet.pos is not None and packet.duration and abs(packet.size - self.bytes) <= 2:
            packet.pts = packet.dts = round((packet.pos - self.first) / self.bytes) * packet.duration


def find_pace(container: InputContainer, stream: av.AudioStream, source: RangeFile | BinaryIO) -> Pace | None:
    """The pace of a container just opened, whose first packet is read for it; None where it tells too little."""
    packet = next(container.demux(stream), None)
    rate = stream.codec_context.bit_rate
    if not packet or packet.pos is None or not packet.duration or not packet.time_base or not rate:
        return None
    begin = max(0, packet.pos - _TAG_BYTES)
    source.seek(begin)
    before = b""
    while len(before) < packet.pos - begin and (more := source.read(packet.pos - begin - len(before))):
        before += more
    length_s = float(packet.duration * packet.time_base)
    return Pace(packet.pos, rate / 8 * length_s, not any(tag in before for tag in _VARYING))
