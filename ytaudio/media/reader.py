"""What reads windows of one video's sound, whatever its stream is made of."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import BinaryIO, Self

import av
import numpy as np

from .failures import explain
from .kinds import Failure, Media, Reason
from .ranges import RangeFile, StreamError
from .sound import Sound, WindowLike, cut, span_of


class Reader(ABC):
    """Several windows of one video's sound over one header and one index; open_media (opening.py) makes one."""

    @property
    @abstractmethod
    def bytes_read(self) -> int:
        """Bytes of bodies fetched so far, header and index included; 0 for a local file."""

    @property
    @abstractmethod
    def requests(self) -> int:
        """Requests made so far; 0 for a local file."""

    @property
    @abstractmethod
    def duration_s(self) -> float | None:
        """The length in seconds that the stream tells of itself, however long the page says it is; None without one.

        Where the stream only lets it be guessed, the page's word goes first.
        """

    @abstractmethod
    def window(self, window: WindowLike) -> np.ndarray | Failure:
        """A window's waveform at 16 kHz mono: float32 (samples,), round(seconds * 16000) where the media has them."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the decoder and the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class OneFile(Reader):
    """What the readers of one file share, be it read by ranges or on this machine."""

    _sound: Sound

    def __init__(self, media: Media, source: RangeFile | BinaryIO) -> None:
        self._media, self._source = media, source
        self._ranges = source if isinstance(source, RangeFile) else None

    @property
    def bytes_read(self) -> int:
        """Bytes of bodies fetched so far; 0 for a local file."""
        return self._ranges.bytes_read if self._ranges else 0

    @property
    def requests(self) -> int:
        """Requests made so far; 0 for a local file."""
        return self._ranges.requests if self._ranges else 0

    def window(self, window: WindowLike) -> np.ndarray | Failure:
        """A window's waveform at 16 kHz mono: float32 (samples,)."""
        if self._ranges:
            self._ranges.begin_window()
        try:
            rate, waveform = self._hear(*span_of(window))
            self._check()
        except (StreamError, av.FFmpegError) as error:
            return failure_of(self._media, error, self._ranges)
        return cut(window, rate, waveform)

    @abstractmethod
    def _hear(self, begin_s: float, end_s: float) -> tuple[int, np.ndarray]:
        """The source's rate in Hz and its sound between two times: float32 (samples,)."""

    def _check(self) -> None:
        """Raise what ended the file's reading, which FFmpeg took for its end."""
        if self._ranges and self._ranges.failure:
            raise self._ranges.failure

    def close(self) -> None:
        """Let go of the decoder and the file."""
        self._sound.close()
        if not isinstance(self._source, RangeFile):
            self._source.close()


def failure_of(media: Media, error: Exception, ranges: RangeFile | None = None) -> Failure:
    """An error while reading as a value; what ended the file's reading goes before what FFmpeg made of it."""
    error = ranges.failure if ranges and ranges.failure else error
    if isinstance(error, StreamError):
        return Failure(media.video_id, error.reason, error.detail, error.retry_after_s)
    return Failure(media.video_id, Reason.UNSUPPORTED, explain(error))
