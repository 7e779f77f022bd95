"""An error of yt-dlp, of the network or of the site to its reason."""

import http.client
import re

from yt_dlp.networking.exceptions import HTTPError, RequestError, TransportError
from yt_dlp.utils import DownloadError, ExtractorError, GeoRestrictedError, UnsupportedError

from .kinds import Reason, plain_text

# What sites say, in the order of asking: "Private video. Sign in ..." stands before any other "Sign in", and walls
# before "Video unavailable", with which YouTube begins some of them. YouTube's own kinds have no class in yt-dlp.
_SENTENCES: tuple[tuple[Reason, str], ...] = (
    (Reason.BAD_LINK, r"incomplete youtube id|is not a valid url"),
    (Reason.PRIVATE, r"private video|video is private"),
    (Reason.BOT_CHECK, r"not a bot|captcha challenge"),
    (Reason.RATE_LIMITED, r"try again later|rate-limited|http error 429|ip is likely being blocked"),
    (Reason.MEMBERS_ONLY, r"join this channel|members-only"),
    (Reason.AGE_RESTRICTED, r"confirm your age|age-restricted|inappropriate"),
    (Reason.GEO_BLOCKED, r"available in your country|geo.?restrict"),
    (Reason.DRM, r"drm protected"),
    (Reason.UPCOMING, r"premieres|will begin"),
    (Reason.REMOVED, r"video unavailable|has been removed|account .*terminated|no longer available"),
    (Reason.NO_AUDIO, r"no video formats found|requested format is not available"),
)


def classify(error: BaseException) -> Reason:
    """The reason an error stands for: its type and status first, then the sentence; UNKNOWN where neither is known."""
    for each in _chain(error):
        if isinstance(each, HTTPError):
            return of_status(each.status)
        if isinstance(each, GeoRestrictedError):
            return Reason.GEO_BLOCKED
        if isinstance(each, UnsupportedError):
            return Reason.UNSUPPORTED
        if isinstance(each, TransportError | ConnectionError | TimeoutError | http.client.IncompleteRead):
            return Reason.NETWORK
    said = " ".join(_sentence(each) for each in _chain(error)).replace("’", "'").casefold()
    for reason, pattern in _SENTENCES:
        if re.search(pattern, said):
            return reason
    # what is left of yt-dlp's networking is a request that no handler takes: an address without a host, an odd scheme
    return Reason.BAD_LINK if any(isinstance(each, RequestError) for each in _chain(error)) else Reason.UNKNOWN


def of_status(status: int) -> Reason:
    """The reason an HTTP status stands for where a page was asked for."""
    if status == 429:
        return Reason.RATE_LIMITED
    if status in (404, 410):
        return Reason.REMOVED
    if status in (401, 403) or status >= 500:
        return Reason.SERVER_ERROR
    return Reason.UNKNOWN


def explain(error: BaseException) -> str:
    """The full text of an error in one line, from its root outwards, without yt-dlp's "ERROR: "."""
    text = re.sub(r"^ERROR: ", "", str(error)) or type(error).__name__
    known = isinstance(error, DownloadError | ExtractorError | RequestError)
    return plain_text(text if known else f"{type(error).__name__}: {text}")


def _sentence(error: BaseException) -> str:
    return error.orig_msg if isinstance(error, ExtractorError) else str(error)


def _chain(error: BaseException) -> list[BaseException]:
    """The error and what it wraps, yt-dlp's own links (exc_info, cause) included."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        each = waiting.pop(0)
        if not isinstance(each, BaseException) or any(each is known for known in found):
            continue
        found.append(each)
        info = getattr(each, "exc_info", None)
        waiting += [info[1] if info else None, getattr(each, "cause", None), each.__cause__]
    return found
