"""A video's sound opened for reading windows, by the reader that its kind of stream needs."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import av
import numpy as np
from yt_dlp import YoutubeDL

from .access import Access, remembered, youtube_dl
from .decode import FileReader, failure_of
from .kinds import Failure, Media
from .ranges import RangeFile, StreamError
from .reader import Reader
from .sound import WindowLike


def open_media(media: Media, access: Access | None = None, ydl: YoutubeDL | None = None) -> Reader | Failure:
    """Open a video's sound for reading windows; header and index are fetched now.

    Without an access, the one this thread located with last is used, so cookies and proxy stay the same.
    """
    access = access or remembered()
    parts = urlsplit(media.stream_url)
    ranges = None
    try:
        if parts.scheme == "file":
            return FileReader(media, Path(unquote(parts.path)).open("rb"))
        ranges = RangeFile(ydl or youtube_dl(access), media.stream_url, media.http_headers, access)
        return FileReader(media, ranges)
    except (StreamError, av.FFmpegError, OSError) as error:
        return failure_of(media, error, ranges)


def read_window(
    media: Media, window: WindowLike, access: Access | None = None, ydl: YoutubeDL | None = None
) -> np.ndarray | Failure:
    """One window of a video: float32 (samples,) at 16 kHz mono."""
    opened = open_media(media, access, ydl)
    if isinstance(opened, Failure):
        return opened
    with opened as reader:
        return reader.window(window)
