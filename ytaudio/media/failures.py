"""An error of yt-dlp, of the network or of the site to its reason."""

import http.client
import re
import socket
import ssl
import time
from email.utils import parsedate_to_datetime

import urllib3
from yt_dlp.networking.exceptions import HTTPError, RequestError, TransportError
from yt_dlp.utils import DownloadError, ExtractorError, GeoRestrictedError, UnsupportedError

from .challenges import ChallengeError
from .guard import LinkRefused, PrivateHost
from .kinds import Failure, Reason, plain_text

_LONGEST_RETRY_AFTER_S = 86_400.0  # a day; what asks for more is a mistake
_OF_THE_NETWORK = (
    *(TransportError, ConnectionError, TimeoutError, socket.gaierror, ssl.SSLError),
    *(http.client.HTTPException, urllib3.exceptions.HTTPError),
)
_WITH_A_SENTENCE = (DownloadError, ExtractorError, RequestError)  # that says all a reader needs
_BOT_CHECK = r"not a bot|captcha challenge"
# What sites say, in the order of asking: "Private video. Sign in ..." stands before any other "Sign in", and walls and
# what may come back before "Video unavailable", with which YouTube begins many of them. YouTube's own kinds have no
# class in yt-dlp: these are its player's sentences.
_SENTENCES: tuple[tuple[Reason, str], ...] = (
    (Reason.BAD_LINK, r"incomplete youtube id|is not a valid url"),
    (Reason.PRIVATE, r"private video|video is private|only available for registered users"),
    (Reason.BOT_CHECK, _BOT_CHECK),
    (Reason.RATE_LIMITED, r"try again later|rate-limited|http error 429|ip is likely being blocked"),
    (
        Reason.MEMBERS_ONLY,
        r"join this channel|members-only|channel's members|premium members|requires (payment|purchase)",
    ),
    (
        Reason.AGE_RESTRICTED,
        r"confirm your age|age.restricted|inappropriate|age_(verification|check)_required"
        r"|not.*appropriate for all ages",
    ),
    (
        Reason.GEO_BLOCKED,
        r"(available|blocked it) in your (country|region)|available from your (location|country)|geo.?restrict",
    ),
    (Reason.DRM, r"drm.protected|drm protection"),
    (Reason.UPCOMING, r"premieres|will begin|waiting for .*live"),
    (
        Reason.LIVE,
        r"(^| )offline\.?( |$)|live event has ended|stream is offline|still (being )?process|processing this",
    ),
    (
        Reason.UNSUPPORTED,
        r"playback on other websites has been disabled|blocked it from display on this|pages are larger than",
    ),
    (
        Reason.REMOVED,
        r"video unavailable|video is unavailable|been removed|account .*(terminated|closed|suspended)"
        r"|closed their youtube account|no longer available|available any ?more|video (is not|isn't) available"
        r"|recording is not available|copyright (claim|grounds)|does not exist",
    ),
    (Reason.NO_AUDIO, r"no video formats found|requested format is not available"),
    (Reason.SERVER_ERROR, r"page needs to be reloaded|something went wrong|technical difficult"),
)


def failure_from(video_id: str, error: BaseException) -> Failure:
    """What went wrong while a video was looked for, with the seconds that the site asked to be left alone."""
    reason = classify(error)
    foreseen = isinstance(error, _WITH_A_SENTENCE) and reason is not Reason.UNKNOWN
    return Failure(video_id, reason, explain(error) if foreseen else in_full(error), retry_after_s(error))


def classify(error: BaseException) -> Reason:
    """The reason an error stands for: its type and status first, then the sentence; UNKNOWN where neither is known.

    What was being handled when it was raised is asked only where the error and its causes say nothing.
    """
    reason = _reason(_chain(error))
    return reason if reason is not Reason.UNKNOWN else _reason(_chain(error, contexts=True))


def _reason(chain: list[BaseException]) -> Reason:
    said = " ".join(_sentence(each) for each in chain).replace("’", "'").casefold()
    for each in chain:
        if isinstance(each, ChallengeError):
            return Reason.BOT_CHECK
        if isinstance(each, PrivateHost):
            return Reason.PRIVATE_HOST
        if isinstance(each, LinkRefused):
            return Reason.BAD_LINK
        if isinstance(each, HTTPError) and each.status in (401, 403) and re.search(_BOT_CHECK, said):
            return Reason.BOT_CHECK  # a refusal that says why
        if isinstance(each, HTTPError) and (reason := of_status(each.status)) is not Reason.UNKNOWN:
            return reason
        if isinstance(each, GeoRestrictedError):
            return Reason.GEO_BLOCKED
        if isinstance(each, UnsupportedError):
            return Reason.UNSUPPORTED
        if isinstance(each, _OF_THE_NETWORK):
            return Reason.NETWORK
    for reason, pattern in _SENTENCES:
        if re.search(pattern, said):
            return reason
    # what is left of yt-dlp's networking is a request that no handler takes: an address without a host, an odd scheme
    unsent = any(isinstance(each, RequestError) and not isinstance(each, HTTPError) for each in chain)
    return Reason.BAD_LINK if unsent else Reason.UNKNOWN


def of_status(status: int) -> Reason:
    """The reason an HTTP status stands for where a page was asked for; a redirect that is left over goes in circles."""
    if status == 429:
        return Reason.RATE_LIMITED
    if status in (404, 410):
        return Reason.REMOVED
    if status == 407:  # of the user's proxy
        return Reason.NETWORK
    if status in (401, 403, 408) or status >= 500 or 300 <= status < 400:
        return Reason.SERVER_ERROR
    return Reason.UNKNOWN


def retry_after_s(error: BaseException) -> float:
    """The seconds that a 429 or a 503 in an error asks to wait; 0 where it asks for none, or for nonsense."""
    for each in _chain(error, contexts=True):
        if isinstance(each, HTTPError) and each.status in (429, 503):
            return read_retry_after(each.response.headers.get("Retry-After") or "", time.time())
    return 0.0


def read_retry_after(told: str, now: float) -> float:
    """A Retry-After of seconds or of a date (RFC 9110, 10.2.3) as seconds from `now`, at most a day; 0 for nonsense."""
    told = told.strip()
    if re.fullmatch(r"[0-9]{1,15}", told):
        return min(float(told), _LONGEST_RETRY_AFTER_S)
    try:
        wait_s = parsedate_to_datetime(told).timestamp() - now
    except (ValueError, OverflowError):
        return 0.0
    return min(max(0.0, wait_s), _LONGEST_RETRY_AFTER_S)


def explain(error: BaseException) -> str:
    """The text of an error in one line, without yt-dlp's "ERROR: "."""
    text = re.sub(r"^ERROR: ", "", str(error)) or type(error).__name__
    return plain_text(text if isinstance(error, _WITH_A_SENTENCE) else f"{type(error).__name__}: {text}")


def in_full(error: BaseException) -> str:
    """The text of an error that nobody foresaw, with its type and those of all it came from."""
    texts = [f"{type(each).__name__}: {_sentence(each)}" for each in _chain(error, contexts=True)]
    return plain_text(" <- ".join(dict.fromkeys(texts)))


def _sentence(error: BaseException) -> str:
    return str(error.orig_msg if isinstance(error, ExtractorError) else error)


def _chain(error: BaseException, *, contexts: bool = False) -> list[BaseException]:
    """The error and what it wraps, yt-dlp's own links (exc_info, cause) included; with what it was raised amid."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        each = waiting.pop(0)
        if not isinstance(each, BaseException) or any(each is known for known in found):
            continue
        found.append(each)
        info = getattr(each, "exc_info", None)
        waiting += [info[1] if info else None, getattr(each, "cause", None), each.__cause__]
        if contexts:
            waiting.append(each.__context__)
    return found
