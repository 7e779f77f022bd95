"""What reads windows of one video's sound, whatever its stream is made of."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

import numpy as np

from .kinds import Failure
from .sound import WindowLike


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
