"""Streams in pieces of any length that exist only as arithmetic: a playlist, and segments made when asked for."""

import struct
from collections.abc import Sequence
from typing import Protocol

from .sounds import RATE
from .virtual import CHUNK_S, CHUNKS, Encoded, FragmentedMP4, Loop

_CLOCK = 90_000  # ticks a second of MPEG-TS
_CLOCK_BITS = 33
_PES_FRAMES = 5  # packets of the codec in one of the stream
_PAYLOAD = 184  # bytes in a packet of 188
_PMT_PID, _AUDIO_PID = 0x1000, 0x100


class Pieces(Encoded, Protocol):
    """How one kind of stream wraps the encoded frames of a loop."""

    mime: str
    ext: str

    def chunk(self, frames: Sequence[bytes], number: int) -> bytes:
        """The bytes of segment `number`; its size does not depend on the number."""

    def init(self, frames: int, private: bytes) -> bytes:
        """What stands before every segment, or nothing."""


class TransportStream:
    """MPEG-TS (ISO/IEC 13818-1) with AAC in ADTS, tables in front of every segment."""

    frame = FragmentedMP4.frame
    codec = "aac"
    mime = "video/mp2t"
    ext = "ts"

    def __init__(self, begins_s: float = 10.0) -> None:
        self.begins_s = begins_s  # what the clock shows at the beginning, in seconds; it runs over at 26.5 h

    def init(self, frames: int, private: bytes) -> bytes:
        """Nothing: each segment brings what it needs."""
        return b""

    def chunk(self, frames: Sequence[bytes], number: int) -> bytes:
        """A segment of whole rounds of 16 packets of sound, so that the packets' counter goes on in the next."""
        begins = round((self.begins_s + number * CHUNK_S) * _CLOCK)
        pieces: list[tuple[bytes, int | None]] = []  # payloads, each first one of a packet of the stream with its time
        for k in range(0, len(frames), _PES_FRAMES):
            stamp = (begins + k * self.frame * _CLOCK // RATE) % (1 << _CLOCK_BITS)
            body = _stream_packet(b"".join(_adts(frame) + frame for frame in frames[k : k + _PES_FRAMES]), stamp)
            room = _PAYLOAD - 8  # the first packet also tells the clock
            pieces.append((body[:room], stamp))
            pieces += [(body[at : at + _PAYLOAD], None) for at in range(room, len(body), _PAYLOAD)]
        while len(pieces) % 16:
            longest = max(range(len(pieces)), key=lambda k: len(pieces[k][0]))
            (body, stamp_or_none), half = pieces[longest], len(pieces[longest][0]) // 2
            pieces[longest : longest + 1] = [(body[:half], stamp_or_none), (body[half:], None)]
        tables = _table(0, 0x00, b"\x00\x01\xc1\x00\x00" + struct.pack(">HH", 1, 0xE000 | _PMT_PID))
        sound = struct.pack(">BHH", 0x0F, 0xE000 | _AUDIO_PID, 0xF000)  # AAC in ADTS
        head = b"\x00\x01\xc1\x00\x00" + struct.pack(">HH", 0xE000 | _AUDIO_PID, 0xF000)
        tables += _table(_PMT_PID, 0x02, head + sound)
        return tables + b"".join(_packet(body, stamp, k) for k, (body, stamp) in enumerate(pieces))


class Fragments(FragmentedMP4):
    """Fragmented MP4 in segments of its own: the header is a resource, and each fragment is another."""

    ext = "m4s"


class VirtualStream:
    """A stream of `duration_s` seconds made of one loop; only its playlist and the loop's frames are in memory."""

    def __init__(self, loop: Loop, kind: Pieces, duration_s: float) -> None:
        per_chunk = len(loop.frames) // CHUNKS
        self._kind = kind
        self._groups = [loop.frames[k * per_chunk : (k + 1) * per_chunk] for k in range(CHUNKS)]
        frames = max(1, round(duration_s * RATE / kind.frame))
        whole, rest = divmod(frames, per_chunk)
        self._frames = [per_chunk] * whole + ([rest] if rest else [])  # of each segment
        self.duration_s = frames * kind.frame / RATE
        self._init = kind.init(frames, loop.private)
        sizes = [len(kind.chunk(group, 0)) for group in self._groups]
        self.segment_bytes = max(sizes)
        self.size = (
            len(self._init) + sum(sizes[k % CHUNKS] for k in range(whole)) + (len(self._segment(whole)) if rest else 0)
        )
        self._texts = {"index.m3u8": self._playlist(), "master.m3u8": self._master(), "index.mpd": self._manifest()}
        self.index_bytes = len(self._init) + len(self._texts["index.m3u8"])

    def part(self, name: str) -> tuple[bytes, str] | None:
        """The bytes and the type of a playlist, the header, or a segment by its number; None for another name."""
        if name in self._texts:
            return self._texts[name], "application/dash+xml" if name.endswith("mpd") else "application/x-mpegurl"
        stem, _, ext = name.partition(".")
        if (stem, ext) == ("init", "mp4") and self._init:
            return self._init, self._kind.mime
        if ext == self._kind.ext and stem.isdecimal() and int(stem) < len(self._frames):
            return self._segment(int(stem)), self._kind.mime
        return None

    def _segment(self, number: int) -> bytes:
        return self._kind.chunk(self._groups[number % CHUNKS][: self._frames[number]], number)

    @property
    def _rate(self) -> int:
        return round(self.size * 8 / self.duration_s)

    def _playlist(self) -> bytes:
        head = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-TARGETDURATION:10", "#EXT-X-PLAYLIST-TYPE:VOD"]
        head += ['#EXT-X-MAP:URI="init.mp4"'] if self._init else []
        lengths = (count * self._kind.frame / RATE for count in self._frames)
        lines = [f"#EXTINF:{length:.6f},\n{k}.{self._kind.ext}" for k, length in enumerate(lengths)]
        return "\n".join([*head, *lines, "#EXT-X-ENDLIST", ""]).encode()

    def _master(self) -> bytes:
        about = f'#EXT-X-STREAM-INF:BANDWIDTH={self._rate},CODECS="mp4a.40.2"'
        return "\n".join(["#EXTM3U", about, "index.m3u8", ""]).encode()

    def _manifest(self) -> bytes:
        """An MPD (ISO/IEC 23009-1) with a template of segments numbered from 0."""
        template = f'media="$Number$.{self._kind.ext}" initialization="init.mp4" startNumber="0" timescale="{RATE}"'
        full, last = self._frames[0] * self._kind.frame, self._frames[-1] * self._kind.frame
        times = f'<S t="0" d="{full}" r="{len(self._frames) - 2}"/>' if len(self._frames) > 1 else ""
        return (
            f'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" profiles="urn:mpeg:dash:'
            f'profile:isoff-live:2011" mediaPresentationDuration="PT{self.duration_s:.3f}S"><Period>'
            f'<AdaptationSet mimeType="audio/mp4" lang="en"><Representation id="sound" bandwidth="{self._rate}" '
            f'codecs="mp4a.40.2" audioSamplingRate="{RATE}"><SegmentTemplate {template}>'
            f'<SegmentTimeline>{times}<S d="{last}"/></SegmentTimeline></SegmentTemplate>'
            f"</Representation></AdaptationSet></Period></MPD>"
        ).encode()


def _adts(frame: bytes) -> bytes:
    """The header of an AAC-LC frame, mono at 24 kHz (ISO/IEC 13818-7)."""
    size = len(frame) + 7
    # sync and no checksum; profile 1, rate 6, one channel; size in 13 bits; fullness "variable"
    return bytes([0xFF, 0xF1, 0x58, 0x40 | size >> 11, size >> 3 & 0xFF, (size & 7) << 5 | 0x1F, 0xFC])


def _stream_packet(data: bytes, stamp: int) -> bytes:
    """A packetized elementary stream packet of sound with its time stamp."""
    parts = (
        0x21 | stamp >> 29 & 0x0E,
        stamp >> 22 & 0xFF,
        stamp >> 14 & 0xFE | 1,
        stamp >> 7 & 0xFF,
        stamp << 1 & 0xFE | 1,
    )
    body = b"\x80\x80\x05" + bytes(parts) + data
    return b"\x00\x00\x01\xc0" + struct.pack(">H", len(body)) + body


def _packet(body: bytes, stamp: int | None, counter: int) -> bytes:
    """A packet of 188 bytes; where a packet of the stream begins, it tells the clock too. Room left over is stuffed."""
    room = _PAYLOAD - len(body)
    clock = b"\x00" if stamp is None else b"\x10" + struct.pack(">IH", stamp >> 1, (stamp & 1) << 15 | 0x7E00)
    adaptation = bytes([room - 1]) + clock[: room - 1].ljust(room - 1, b"\xff") if room else b""
    pid = _AUDIO_PID | (0x4000 if stamp is not None else 0)
    control = (0x30 if room else 0x10) | counter % 16
    return struct.pack(">BHB", 0x47, pid, control) + adaptation + body


def _table(pid: int, ident: int, body: bytes) -> bytes:
    """A packet that holds one table with its checksum."""
    section = struct.pack(">BH", ident, 0xB000 | len(body) + 4) + body
    section += struct.pack(">I", _checksum(section))
    return struct.pack(">BHBB", 0x47, 0x4000 | pid, 0x10, 0) + section + b"\xff" * (_PAYLOAD - 1 - len(section))


def _checksum(data: bytes) -> int:
    """CRC-32 of MPEG: polynomial 04C11DB7, most significant bit first."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value >> 31 else 0)) & 0xFFFFFFFF
    return value


STREAMS: dict[str, Pieces] = {"hls-ts": TransportStream(), "hls-fmp4": Fragments(), "dash": Fragments()}
MASTERS = {"hls-ts": "master.m3u8", "hls-fmp4": "master.m3u8", "dash": "index.mpd"}  # where a player begins
