"""What a search for sound can end in: a stream, or a failure with its reason."""

import re
from dataclasses import dataclass
from enum import Enum

from .pieces import Segment

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class Reason(Enum):
    """Why a video gave no clips, and what that means for the next run."""

    REMOVED = ("removed", "permanent")
    PRIVATE = ("private", "permanent")
    MEMBERS_ONLY = ("members_only", "permanent")
    AGE_RESTRICTED = ("age_restricted", "permanent")
    GEO_BLOCKED = ("geo_blocked", "permanent")
    DRM = ("drm", "permanent")
    TOO_SHORT = ("too_short", "permanent")
    SILENT = ("silent", "permanent")
    NO_AUDIO = ("no_audio", "permanent")
    BAD_LINK = ("bad_link", "permanent")
    PRIVATE_HOST = ("private_host", "permanent")  # leads into a private network; tried again where that is allowed
    UNSUPPORTED = ("unsupported", "permanent")
    NETWORK = ("network", "temporary")
    SERVER_ERROR = ("server_error", "temporary")
    LIVE = ("live", "temporary")
    UPCOMING = ("upcoming", "temporary")
    UNKNOWN = ("unknown", "temporary")
    RATE_LIMITED = ("rate_limited", "wall")
    BOT_CHECK = ("bot_check", "wall")
    OFFLINE = ("offline", "wall")  # nothing answers: this machine has lost the network

    def __new__(cls, value: str, kind: str = "") -> "Reason":
        """A member whose value is its name in the ledger."""
        member = object.__new__(cls)
        member._value_ = value
        member.kind = kind
        return member

    kind: str  # "permanent": never again; "temporary": tried on a rerun; "wall": about this machine, not the video


@dataclass(frozen=True, slots=True)
class Media:
    """Where a video's sound can be read now; stream URLs expire and are never stored."""

    video_id: str
    stream_url: str
    http_headers: dict[str, str]
    duration_s: float
    title: str
    channel_id: str
    channel: str
    upload_date: str  # YYYYMMDD, or ""
    license: str
    protocol: str = "https"  # yt-dlp's word: a file; "m3u8_native" for a playlist, "http_dash_segments" for segments
    segments: tuple[Segment, ...] = ()  # where the page tells them, as it does of DASH; addresses expire


@dataclass(frozen=True, slots=True)
class Failure:
    """A video that gave no clips, as a value."""

    video_id: str
    reason: Reason
    detail: str  # the full text of the site or the library
    retry_after_s: float = 0.0  # seconds the site asked to be left alone (Retry-After); 0 where it named none


def plain_text(value: object, longest: int = 10_000) -> str:
    """What a site or a library gave, as one line of at most `longest` characters that UTF-8 can hold; "" for None.

    Sites send numbers for names, halves of surrogate pairs, control characters and texts without an end; each would
    break a ledger, a sorted list or a terminal later.
    """
    text = "" if value is None else str(value)[:longest]
    return _CONTROL.sub(" ", text.encode("utf-8", "replace").decode())
