"""How the outside is reached: one quiet YoutubeDL a thread, with the user's cookies, proxy and patience."""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yt_dlp import YoutubeDL
from yt_dlp.version import __version__ as VERSION

from .patience import PatientDL

__all__ = ["VERSION", "Access", "remember", "remembered", "youtube_dl"]


@dataclass(frozen=True, slots=True)
class Access:
    """What yt-dlp is given to reach a site."""

    cookies: str | Path | None = None  # a cookies.txt file in Netscape's format
    cookies_from_browser: str | None = None  # a browser's name, such as "firefox", or "chrome:Profile 1"
    proxy: str | None = None  # a URL, such as "socks5://127.0.0.1:1080"
    timeout_s: float = 20.0  # seconds a server may stay silent
    retries: int = 2  # after a timeout, a cut connection or a 5xx
    backoff_s: float = 1.0  # seconds before the first retry, doubled for each one after
    pages_s: float = 180.0  # seconds for all the pages it takes to find one video


class _Quiet:
    """A logger that keeps yt-dlp from printing: what matters comes back as a value."""

    def debug(self, message: str) -> None:
        """Drop it."""

    info = warning = error = debug


_thread = threading.local()


def youtube_dl(access: Access) -> YoutubeDL:
    """This thread's YoutubeDL for an access, made once (130 ms) and reused."""
    known: dict[Access, YoutubeDL] = _thread.__dict__.setdefault("known", {})
    if access not in known:
        known[access] = PatientDL(_options(access))
    return known[access]


def remember(access: Access) -> None:
    """Note the access with which this thread located a video, for reading it with the same."""
    _thread.located_with = access


def remembered() -> Access:
    """The access with which this thread last located a video, or the default one."""
    return getattr(_thread, "located_with", None) or Access()


def _options(access: Access) -> dict[str, Any]:
    options: dict[str, Any] = {
        "quiet": True,
        "no_warnings": True,
        "noprogress": True,
        "color": "no_color",
        "logger": _Quiet(),
        "skip_download": True,
        "noplaylist": True,
        "playlist_items": "1",
        "format": "all",  # the choice among them is ours, and no format is a failure of its own
        "socket_timeout": access.timeout_s,
        "extractor_retries": access.retries,
    }
    if access.cookies:
        options["cookiefile"] = str(access.cookies)
    if access.cookies_from_browser:
        browser, _, profile = access.cookies_from_browser.partition(":")
        options["cookiesfrombrowser"] = (browser, profile or None, None, None)
    if access.proxy:
        options["proxy"] = access.proxy
    return options
