"""The only room that knows yt-dlp and PyAV: a video to its stream, a window of the stream to a waveform."""

from .access import VERSION, Access
from .failures import classify
from .kinds import Failure, Media, Reason
from .locating import local_file, locate
from .opening import open_media, read_window
from .reach import online
from .reader import Reader

__all__ = [
    "VERSION",
    "Access",
    "Failure",
    "Media",
    "Reader",
    "Reason",
    "classify",
    "local_file",
    "locate",
    "online",
    "open_media",
    "read_window",
]
