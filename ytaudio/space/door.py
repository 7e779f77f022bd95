"""What the demo lets in: the routes its page needs, bodies of a size, the names it is known by, and nothing else."""

import asyncio
import ipaddress
import re
from pathlib import Path
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .uploads import kept_below

LOOPBACK = ("127.", "localhost", "::1")  # how addresses begin that only this machine reaches
MOST_BODY = 1 << 20  # bytes of what is asked, and of what stands around a file that is uploaded
MOST_KEPT = 2 << 30  # bytes of uploads on disk at a time
MOST_FILES = 10_000  # and their number, with their folders
_ROUTES = re.compile(
    r"/|/config/?|/theme\.css|/robots\.txt|/favicon\.ico|/manifest\.json|/(?:assets|static|svelte)/.*"
    r"|/gradio_api/(?:info/?|app_id/?|startup-events|heartbeat/\w+|queue/(?:join|data)|upload|upload_progress"
    r"|call/\w+(?:/\w+)?|cancel|reset/?|file=(?!\w{2,}:).*)"  # no address, which Gradio would fetch for anybody
)
_UPLOAD = "/gradio_api/upload"
_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
        b"img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; "
        b"connect-src 'self' data: blob:; object-src 'none'; base-uri 'self'; form-action 'self'",
    ),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


class Door:
    """ASGI middleware: 404 for what the page does not need, 413 for large bodies, and a page that fetches only here.

    Args:
        app: what is behind it.
        largest: bytes of an upload, at the most.
        kept: the folder of uploads, which is never let grow beyond MOST_KEPT and MOST_FILES.
        on_loopback: whether it serves this machine alone, whose visitors come under its own names (or 421) and from
            its own page (or 403): other pages that they visit could ask by way of their browser.
    """

    def __init__(self, app: ASGIApp, largest: int, kept: Path, on_loopback: bool = False) -> None:
        self.app, self.largest, self.kept, self.on_loopback = app, largest, kept, on_loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", "").rstrip("/")) or "/"
        most = MOST_BODY + (self.largest if path == _UPLOAD else 0)
        status = self._refused(path, scope, most)
        if not status and scope["method"] == "POST" and path == _UPLOAD:
            size, number = await asyncio.to_thread(kept_below, self.kept)
            status = 507 if size + _length(scope) > MOST_KEPT or number > MOST_FILES else 0
        if status:
            await _refuse(send, status)
            return
        left = most

        async def hear() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            return message if left >= 0 else {"type": "http.disconnect"}  # a body that told no length, or a wrong one

        async def answer(said: Message) -> None:
            if said["type"] == "http.response.start":
                said = {**said, "headers": [*said.get("headers", ()), *_HEADERS]}
            await send(said)

        await self.app(scope, hear, answer)

    def _refused(self, path: str, scope: Scope, most: int) -> int:
        """The status with which a request is refused, 0 for one that is let in."""
        if not _ROUTES.fullmatch(path):
            return 404
        host = _header(scope, b"host")
        if self.on_loopback and not _is_own(host):
            return 421
        if scope["method"] != "POST":
            return 0
        origin = _header(scope, b"origin")
        if self.on_loopback and origin and urlsplit(origin).netloc != host:
            return 403
        return 413 if _length(scope) > most else 0


def _header(scope: Scope, name: bytes) -> str:
    return dict(scope["headers"]).get(name, b"").decode("latin-1")


def _length(scope: Scope) -> int:
    told = _header(scope, b"content-length")
    return int(told) if told.isdecimal() else 0


def _is_own(host: str) -> bool:
    """Whether a Host header is an address or localhost: a page of the web can lead its own name here, and no other."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or bool(ipaddress.ip_address(name))
    except ValueError:
        return False


async def _refuse(send: Send, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})
