"""What the demo lets in: the routes its page needs, bodies of a size, files that visitors bring, and nothing else."""

import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr
import gradio_client.utils
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BODY = 1 << 20  # bytes of what is asked, and of what stands around a file that is uploaded
MOST_KEPT = 2 << 30  # bytes of uploads on disk at a time
_ROUTES = re.compile(
    r"/|/config/?|/theme\.css|/robots\.txt|/favicon\.ico|/manifest\.json|/(?:assets|static|svelte)/.*"
    r"|/gradio_api/(?:info/?|app_id/?|startup-events|heartbeat/\w+|queue/(?:join|data)|upload|upload_progress"
    r"|call/\w+(?:/\w+)?|cancel|reset/?|file=.*)"
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
        kept: the folder of uploads, which is never let grow beyond MOST_KEPT.
    """

    def __init__(self, app: ASGIApp, largest: int, kept: Path) -> None:
        self.app, self.largest, self.kept = app, largest, kept

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", "").rstrip("/")) or "/"
        most = MOST_BODY + (self.largest if path == _UPLOAD else 0)
        if status := self._refused(path, scope, most):
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
        if scope["method"] != "POST":
            return 0
        told = dict(scope["headers"]).get(b"content-length", b"")
        length = int(told) if told.isdigit() else 0
        if length > most:
            return 413
        return 507 if path == _UPLOAD and length + _size(self.kept) > MOST_KEPT else 0


def _size(folder: Path) -> int:
    """Bytes of the files below a folder, as far as they are still there."""
    sizes = []
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # another question's upload, just deleted
            sizes.append(path.lstat().st_size)
    return sum(sizes)


async def _refuse(send: Send, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def uploads_only(component: gr.File | gr.Audio) -> Any:
    """A field for files that gives the path of an upload, and takes no address in its place, which Gradio would fetch.

    Its methods are replaced one by one: Gradio writes a stub file beside the module of every class made from its own.
    """
    keep = component.async_move_resource_to_block_cache

    async def keep_uploaded(path: str | Path | None) -> str | None:
        if path is not None and gradio_client.utils.is_http_url_like(str(path)):
            raise gr.Error(
                "Files are uploaded here, not fetched: give a link in the field for links.", print_exception=False
            )
        return await keep(path)

    def path_of(payload: Any) -> str | None:  # gr.File's own leaves an empty file behind each time
        return payload.path if payload is not None else None

    setattr(component, "async_move_resource_to_block_cache", keep_uploaded)  # noqa: B010 (methods, to a type checker)
    setattr(component, "preprocess", path_of)  # noqa: B010
    return component


def forget(path: str | None) -> None:
    """Delete an upload, with the folder that Gradio made for it alone."""
    if path:
        Path(path).unlink(missing_ok=True)
        parent = Path(path).parent
        if parent.is_dir() and not any(parent.iterdir()):
            shutil.rmtree(parent, ignore_errors=True)
