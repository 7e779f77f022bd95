"""Playlists of HTTP Live Streaming (RFC 8216), read with the library m3u8, and DASH as yt-dlp tells it, as segments."""

import math
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import m3u8

from .kinds import Reason, plain_text
from .pieces import Part, Segment
from .ranges import StreamError

MOST_SEGMENTS = 100_000  # two days of segments of 2 s; the library needs some 0.1 ms for each
_MOST_LINES = 10 * MOST_SEGMENTS
_MOST_KEYS = 5_000  # the library compares each with all others: 3 s for so many
# the tags that matter here; the library gives up on a playlist for a bad value in any that it reads
_TAGS = (
    *("#EXTINF", "#EXT-X-BYTERANGE", "#EXT-X-DISCONTINUITY", "#EXT-X-ENDLIST", "#EXT-X-GAP", "#EXT-X-KEY"),
    *("#EXT-X-MAP", "#EXT-X-MEDIA", "#EXT-X-PLAYLIST-TYPE", "#EXT-X-I-FRAMES-ONLY", "#EXT-X-STREAM-INF"),
)
_NOT_FOR_US = ("#EXT-X-DISCONTINUITY-SEQUENCE",)
_IDENTITY = (None, "", "identity")  # the form of a key that is 16 bytes behind a URL


def read_playlist(text: str, url: str) -> tuple[Segment, ...] | str:
    """A playlist's segments; of one that lists others, the URL of the cheapest with sound.

    `url` is where the text came from, after redirects: relative addresses begin there.

    Raises:
        StreamError: LIVE without an end, DRM where a site's own key is needed, NO_AUDIO, or UNSUPPORTED.
    """
    if not text.lstrip("\ufeff \t\r\n").startswith("#EXTM3U"):
        raise StreamError(Reason.UNSUPPORTED, "what should be a playlist does not begin with #EXTM3U")
    _check_number(text.count("#EXTINF"))
    if text.count("\n") > _MOST_LINES or text.count("#EXT-X-KEY") > _MOST_KEYS:
        raise StreamError(Reason.UNSUPPORTED, "the playlist is longer than any honest one")
    try:
        read = m3u8.M3U8(text.lstrip("\ufeff"), custom_tags_parser=_is_passed_over)
        if read.is_variant:
            return _cheapest(read, url)
        if read.is_i_frames_only:
            raise StreamError(Reason.NO_AUDIO, "the playlist holds pictures only")
        if not read.is_endlist and (read.playlist_type or "").casefold() != "vod":
            raise StreamError(Reason.LIVE, "the playlist has no end: the stream is live")
        segments = tuple(_segments(read, url))
    except StreamError:
        raise
    except Exception as error:  # noqa: BLE001  the library raises whatever a broken line makes it raise
        detail = plain_text(f"the playlist cannot be read: {type(error).__name__}: {error}")
        raise StreamError(Reason.UNSUPPORTED, detail) from None
    return _checked(segments)


def read_fragments(fragments: list[Mapping[str, Any]], base_url: str) -> tuple[Segment, ...]:
    """The segments of a stream by DASH, of which yt-dlp tells addresses and lengths; one without a length is a header.

    Raises:
        StreamError: UNSUPPORTED where lengths or addresses are missing.
    """
    _check_number(len(fragments))
    segments: list[Segment] = []
    init, group, begins_s = None, 0, 0.0
    for fragment in fragments:
        part = Part(_address(base_url, str(fragment.get("url") or fragment.get("path") or "")))
        if fragment.get("duration") is None:
            group += bool(segments)  # of another period, with a clock of its own
            init = part
            continue
        seconds = _length(fragment["duration"])
        segments.append(Segment(part, begins_s, seconds, group, init))
        begins_s += seconds
    return _checked(tuple(segments))


def _is_passed_over(line: str, number: int, data: object, state: object) -> bool:
    return not line.startswith(_TAGS) or line.startswith(_NOT_FOR_US)


def _cheapest(read: m3u8.M3U8, base: str) -> str:
    """The URL of a sound by itself, the default one first, or of the slowest stream that may have sound."""
    alone = [each for each in read.media if each.type == "AUDIO" and each.uri]
    if alone:
        return _address(base, max(alone, key=lambda each: each.default == "YES").uri)
    streams = [(each.stream_info.bandwidth or math.inf, each.uri) for each in read.playlists]
    if not streams:
        raise StreamError(Reason.NO_AUDIO, "the playlist lists no stream")
    return _address(base, min(streams)[1])


def _segments(read: m3u8.M3U8, base: str) -> Iterator[Segment]:
    group, begins_s = 0, 0.0
    ends: dict[str, int] = {}  # of the last byte range in each resource
    for number, each in enumerate(read.segments):
        group += bool(each.discontinuity and number)
        seconds = _length(each.duration)
        key = _key(each.key, base, (read.media_sequence or 0) + number)
        url = _address(base, each.uri)
        start, size = _stretch(each.byterange, ends.get(url, 0))
        ends[url] = start + (size or 0)
        init = None
        if each.init_section is not None:
            head = each.init_section
            # a header stands under the key of the segments that follow it, but must then tell the vector itself
            key_of_head = key if each.key is not None and each.key.iv else ("", b"")
            init = Part(_address(base, head.uri), *_stretch(head.byterange, 0), *key_of_head)
        yield Segment(Part(url, start, size, *key), begins_s, seconds, group, init, bool(each.gap_tag))
        begins_s += seconds


def _key(key: m3u8.Key | None, base: str, number: int) -> tuple[str, bytes]:
    """The address of a segment's key and its vector, which without one of its own is the segment's number."""
    if key is None or key.method in (None, "NONE"):
        return "", b""
    if key.method != "AES-128" or key.keyformat not in _IDENTITY:
        raise StreamError(Reason.DRM, plain_text(f"the stream is encrypted by {key.method} {key.keyformat or ''}"))
    vector = int(key.iv, 16) if key.iv else number
    return _address(base, key.uri), vector.to_bytes(16, "big")


def _stretch(told: str | None, after: int) -> tuple[int, int | None]:
    """The first byte and the size of a byte range, "size@start" or, following the one before, "size"."""
    if not told:
        return 0, None
    size, _, start = told.strip('" ').partition("@")
    first = int(start) if start else after
    if first < 0 or int(size) <= 0:
        raise StreamError(Reason.UNSUPPORTED, plain_text(f"no byte range: {told}"))
    return first, int(size)


def _length(told: Any) -> float:
    try:
        seconds = float(told)
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise StreamError(Reason.UNSUPPORTED, plain_text(f"a segment of {told} seconds"))
    return seconds


def _address(base: str, told: str | None) -> str:
    url = urljoin(base, told or "")
    if not told or urlsplit(url).scheme not in ("http", "https"):
        raise StreamError(Reason.UNSUPPORTED, plain_text(f"a segment without a web address: {told!r}"))
    return url


def _checked(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    if not segments or all(segment.missing or not segment.seconds for segment in segments):
        raise StreamError(Reason.UNSUPPORTED, "the playlist holds no segment")
    return segments


def _check_number(segments: int) -> None:
    if segments > MOST_SEGMENTS:
        raise StreamError(Reason.UNSUPPORTED, f"the playlist holds more than {MOST_SEGMENTS} segments")
