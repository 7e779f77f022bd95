"""How the outside is reached: one quiet YoutubeDL a thread, with the user's cookies, proxy and patience."""

import contextlib
import io
import os
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from yt_dlp import YoutubeDL
from yt_dlp.utils import YoutubeDLError
from yt_dlp.version import __version__ as VERSION

from ytaudio.errors import UserError

from .failures import explain
from .guard import Guard
from .patience import PatientDL

_PROXIES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
ALLOW_PRIVATE_HOSTS = "YTAUDIO_ALLOW_PRIVATE_HOSTS"  # variable of the environment
_YES = ("1", "true", "yes", "on")
_PROXY_S = 5.0  # for a proxy to take a connection

__all__ = ["VERSION", "Access", "check_access", "remember", "remembered", "youtube_dl"]


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
    # whether links may lead into this machine and private networks; without a word, what the environment says
    allow_private_hosts: bool = field(default_factory=lambda: os.environ.get(ALLOW_PRIVATE_HOSTS, "") in _YES)


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
        known[access] = new_youtube_dl(access, None if access.allow_private_hosts else Guard())
    return known[access]


def new_youtube_dl(access: Access, guard: Guard | None) -> YoutubeDL:
    """A YoutubeDL for an access whose connections are all made by this guard; without one it goes where links lead."""
    return PatientDL(_options(access), guard)


def check_access(access: Access) -> None:
    """Try what the user gave before the first video is visited: cookies that can be read, a proxy that answers.

    Raises:
        UserError: naming the option.
    """
    if access.proxy:
        _check_proxy(access.proxy)
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # yt-dlp prints of each line that is no cookie
            _ = youtube_dl(access).cookiejar
    except (YoutubeDLError, OSError) as error:
        option = "--cookies" if access.cookies else "--cookies-from-browser"
        said = explain(error)[:200]
        raise UserError(f"{option} gives no cookies that can be read ({said}): mend it, or leave it out.") from None


def _check_proxy(proxy: str) -> None:
    try:
        parts = urlsplit(proxy)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 1080)
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme not in _PROXIES or not parts.hostname:
        raise UserError(
            f"--proxy is no address of a proxy: give one like http://127.0.0.1:3128 or {_PROXIES[-1]}://..."
        )
    try:
        socket.create_connection((parts.hostname, port), timeout=_PROXY_S).close()
    except OSError as error:
        raise UserError(
            f"The proxy at {parts.hostname}:{port} does not answer ({error.strerror or error}): check --proxy."
        ) from None


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
