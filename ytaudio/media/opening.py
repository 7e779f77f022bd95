"""A video's sound opened for reading windows, by the reader that its kind of stream needs."""

from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

import av
import numpy as np
from yt_dlp import YoutubeDL

from .access import Access, remembered, youtube_dl
from .fetching import Fetcher
from .files import FileReader
from .kinds import Failure, Media, Reason
from .landmarks import find_layout
from .pieces import Segment
from .playlists import read_playlist
from .ranges import RangeFile, StreamError
from .reader import Reader, failure_of
from .segments import SegmentReader
from .sound import WindowLike
from .unindexed import UnindexedReader

SEGMENTED = ("m3u8", "m3u8_native", "http_dash_segments")  # yt-dlp's names of what comes in pieces
_MOST_PLAYLISTS = 3  # one that lists others, the one it lists, and the segments


def open_media(media: Media, access: Access | None = None, ydl: YoutubeDL | None = None) -> Reader | Failure:
    """Open a video's sound for reading windows; header and index are fetched now.

    Without an access, the one this thread located with last is used, so cookies and proxy stay the same.
    """
    access = access or remembered()
    parts = urlsplit(media.stream_url)
    ranges = None
    try:
        if parts.scheme == "file":
            return _reader(media, Path(unquote(parts.path)).open("rb"))
        if media.protocol in SEGMENTED:
            return _in_pieces(media, Fetcher(ydl or youtube_dl(access), media.http_headers, access))
        ranges = RangeFile(ydl or youtube_dl(access), media.stream_url, media.http_headers, access)
        return _reader(media, ranges)
    except (StreamError, av.FFmpegError, OSError) as error:
        return failure_of(media, error, ranges)


def _in_pieces(media: Media, fetcher: Fetcher) -> SegmentReader:
    segments: tuple[Segment, ...] | str = media.segments or media.stream_url
    for _ in range(_MOST_PLAYLISTS):
        if not isinstance(segments, str):
            return SegmentReader(media, fetcher, segments)
        segments = read_playlist(*fetcher.page(segments))
    raise StreamError(Reason.UNSUPPORTED, "the playlist lists playlists that list playlists")


def _reader(media: Media, source: RangeFile | BinaryIO) -> Reader:
    """A file's reader: by its index, or by landmarks where it has those alone."""
    layout = find_layout(source)
    return UnindexedReader(media, source, layout) if layout else FileReader(media, source)


def read_window(
    media: Media, window: WindowLike, access: Access | None = None, ydl: YoutubeDL | None = None
) -> np.ndarray | Failure:
    """One window of a video: float32 (samples,) at 16 kHz mono."""
    opened = open_media(media, access, ydl)
    if isinstance(opened, Failure):
        return opened
    with opened as reader:
        return reader.window(window)
