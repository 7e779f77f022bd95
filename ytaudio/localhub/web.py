"""From an HTTP request to a call of one of our handlers, and back: who asks, which repo, what went wrong."""

import asyncio
import contextlib
import json
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote, urlencode

from anyio import CapacityLimiter, to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from ytaudio.localhub.accounts import Accounts
from ytaudio.localhub.errors import (
    HubError,
    bad_request,
    forbidden,
    moved,
    repo_not_found,
    unauthenticated,
    wrong_token,
)
from ytaudio.localhub.repo import Repo
from ytaudio.localhub.store import KINDS, Store

MAX_BODY = 16 << 20  # bytes of a JSON or form body
_BODY_S = 120.0
COOKIE = "localhub_pass"
_HEAR_OUT = 64 << 20  # bytes
_TRIES = 3  # how often a repo may vanish and come back while it is read
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_log = logging.getLogger(__name__)
_Seen = TypeVar("_Seen")


@dataclass(frozen=True, slots=True)
class Call:
    """One request, understood: the visitor, the parts of the path (unquoted), and the body."""

    request: Request
    store: Store
    accounts: Accounts
    user: str | None  # None for a visitor without a token
    path: dict[str, str]
    body: bytes = b""

    @property
    def base(self) -> str:
        """This Hub's address as the visitor wrote it, no trailing slash."""
        return str(self.request.base_url).rstrip("/")

    @property
    def kind(self) -> str:
        """The kind of repo the path speaks of; without one, a model, as in the Hub's own links."""
        kind = self.path.get("kinds", "models").removesuffix("s")
        if kind not in KINDS:
            raise HubError(404, f"This Hub keeps models, datasets and spaces, no {kind}s.")
        return kind

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; 400 when it is none."""
        try:
            body = read_json(self.body or b"{}")
        except (ValueError, RecursionError):
            raise bad_request("The body is not JSON.") from None
        if not isinstance(body, dict):
            raise bad_request("The body is not a JSON object.")
        return body

    def form(self) -> dict[str, list[str]]:
        """The body as a form, or as a JSON object of strings and lists."""
        if self.request.headers.get("content-type", "").startswith("application/json"):
            return {k: [str(i) for i in v] if isinstance(v, list) else [str(v)] for k, v in self.json().items()}
        values: dict[str, list[str]] = {}
        for key, value in parse_qsl(self.body.decode(errors="replace"), keep_blank_values=True):
            values.setdefault(key, []).append(value)
        return values

    def options(self, name: str) -> list[str]:
        """A query parameter that may be repeated, or end in `[]`."""
        query = self.request.query_params
        return query.getlist(name) + query.getlist(f"{name}[]")

    def flag(self, name: str) -> bool:
        """A query parameter that says yes."""
        return is_yes(self.request.query_params.get(name, ""))

    def number(self, name: str, default: int, *, most: int) -> int:
        """A query parameter that is a count, between 0 and `most`."""
        text = self.request.query_params.get(name, "")
        return min(int(text), most) if text.isascii() and text.isdecimal() and len(text) < 19 else default

    def signed_in(self) -> str:
        """The visitor's name; 401 without a token."""
        if self.user is None:
            raise unauthenticated()
        return self.user

    def may_read(self, repo: Repo) -> bool:
        """Whether the visitor sees a repo at all."""
        return repo.settings()["visibility"] == "public" or self.accounts.may_write(self.user, repo.namespace)

    def find(self, kind: str, repo_id: str) -> Repo:
        """A repo the visitor may read; a private one of somebody else is answered like a missing one."""
        repo = self.store.find(kind, repo_id)
        try:
            readable = repo is not None and self.may_read(repo)
        except FileNotFoundError:  # deleted or moved since it was found
            readable = False
        if repo is None or not readable:
            raise repo_not_found(anonymous=self.user is None)
        return repo

    def of_each(self, kind: str, look: Callable[[Repo], _Seen]) -> list[_Seen]:
        """What `look` sees in every repo of a kind that the visitor may read; one that goes meanwhile is left out."""
        seen = []
        for repo in self.store.all(kind):
            with contextlib.suppress(FileNotFoundError):
                if self.may_read(repo):
                    seen.append(look(repo))
        return seen

    def repo(self, *, write: bool = False) -> Repo:
        """The repo the path names; 307 when it moved, 403 when it is to be changed and is not the visitor's."""
        repo_id = f"{self.path['namespace']}/{self.path['name']}"
        new_id = self.store.moves.new_id(self.kind, repo_id)
        path, query = self.request.url.path, self.request.url.query
        if new_id and f"/{repo_id}" in path and not self.store.find(self.kind, repo_id):
            self.find(self.kind, new_id)  # a private one of somebody else is missing under its old id too
            raise moved(path.replace(f"/{repo_id}", f"/{new_id}", 1) + (f"?{query}" if query else ""))
        repo = self.find(self.kind, repo_id)
        if write and not self.accounts.may_write(self.signed_in(), repo.namespace):
            raise forbidden(f"You do not have the rights to write to {repo.id}.")
        return repo

    def revision(self) -> str:
        """The revision in the path."""
        return self.path.get("revision", "main")


Handler = Callable[[Call], Response]


def _run(handler: Handler, call: Call) -> Response:
    """A handler's answer; a repo that is deleted or moved while it is read is asked for again, and then missing."""
    for _ in range(_TRIES if call.request.method in ("GET", "HEAD") else 0):
        with contextlib.suppress(FileNotFoundError):
            return handler(call)
    try:
        return handler(call)
    except FileNotFoundError:
        if "name" in call.path:
            call.repo()  # 404 when it is gone
        raise


def is_yes(text: str) -> bool:
    """Whether a parameter says yes, in any client's spelling."""
    return text.lower() in ("1", "true", "yes", "on")


def read_json(data: bytes) -> Any:
    """JSON that can be written down again.

    Raises:
        ValueError: not JSON, or text with half a surrogate pair, or a number that is none.
    """

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is not JSON")

    text = data.decode("utf-8-sig")
    value = json.loads(text, parse_constant=refuse)
    if _SURROGATE.search(text):
        json.dumps(value, ensure_ascii=False).encode()  # UnicodeEncodeError is a ValueError
    return value


def web_prefix(kind: str) -> str:
    """What stands before a repo's id in its links."""
    return "" if kind == "model" else f"{kind}s/"


def answer(data: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> JSONResponse:
    """A JSON answer."""
    return JSONResponse(data, status_code=status, headers=headers)


def page_of(call: Call, items: Sequence[Any], *, default: int, most: int = 1000) -> tuple[list[Any], dict[str, str]]:
    """The page of `items` that the query asks for, and the Link header that leads to the next."""
    limit = max(1, call.number("limit", default, most=most))
    start = call.number("cursor", 0, most=1 << 30)
    headers = {"X-Total-Count": str(len(items))}
    if start + limit < len(items):
        headers |= next_page(call, str(start + limit))
    return list(items[start : start + limit]), headers


def next_page(call: Call, cursor: str) -> dict[str, str]:
    """The Link header that leads to the page which begins at a cursor."""
    query = [(key, value) for key, value in call.request.query_params.multi_items() if key != "cursor"]
    address = f"{call.base}{call.request.url.path}?{urlencode([*query, ('cursor', cursor)])}"
    return {"Link": f'<{address}>; rel="next"'}


def visitor(request: Request, accounts: Accounts) -> str | None:
    """Who asks: by the Authorization header, or, where only reading a page is asked, by the sign-in cookie.

    Raises:
        HubError: 401 for a token that is not one of this Hub's.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme:
        user = accounts.user_of(token.strip()) if scheme.lower() == "bearer" else None
        if user is None:
            raise wrong_token()
        return user
    if request.method in ("GET", "HEAD") and not request.url.path.startswith("/api/"):
        return accounts.user_of_pass(request.cookies.get(COOKIE, ""))
    return None


async def read_body(request: Request) -> bytes:
    """The whole body; 413 when it is too long, 408 when it does not come."""
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_S):
            async for block in request.stream():
                body += block
                if len(body) > MAX_BODY:
                    raise HubError(413, f"The body is longer than {MAX_BODY} bytes.")
    except TimeoutError:
        raise HubError(408, f"The body did not arrive within {_BODY_S} seconds.") from None
    return bytes(body)


def failed(error: HubError) -> JSONResponse:
    """The answer that tells a client what went wrong, in the headers it reads."""
    words = "".join(c if " " <= c <= "~" else "?" for c in error.message[:500]).strip()
    headers = {**error.headers, "X-Error-Message": words}
    if error.code:
        headers["X-Error-Code"] = error.code
    return answer({"error": error.message}, status=error.status, headers=headers)


def understand(request: Request) -> Call:
    """The call in a request, its body not yet read."""
    accounts: Accounts = request.app.state.accounts
    path = {name: unquote(value) for name, value in request.path_params.items()}
    return Call(request, request.app.state.store, accounts, visitor(request, accounts), path)


def endpoint(handler: Handler, *, limiter: CapacityLimiter | None = None) -> Callable[[Request], Awaitable[Response]]:
    """A Starlette endpoint that runs a handler in a thread, body read and errors answered.

    With a limiter, only so many run at a time; the others wait without a thread, and hold up nothing else.
    """

    async def run(request: Request) -> Response:
        try:
            call = understand(request)
            if request.method not in ("GET", "HEAD"):
                call = Call(request, call.store, call.accounts, call.user, call.path, await read_body(request))
            return await to_thread.run_sync(_run, handler, call, limiter=limiter)
        except HubError as error:
            return failed(error)
        except ClientDisconnect:
            return failed(bad_request("The body was cut off."))

    return run


async def _hear_out(request: Request) -> None:
    """Read on for a while: a client that is still sending when the connection closes never sees the answer."""
    heard = 0
    with contextlib.suppress(ClientDisconnect, RuntimeError):  # RuntimeError: the body was read already
        async for block in request.stream():
            heard += len(block)
            if heard > _HEAR_OUT:
                return


def streaming(handler: Callable[[Call], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """A Starlette endpoint for a handler that reads the body itself, block by block."""

    async def run(request: Request) -> Response:
        try:
            return await handler(understand(request))
        except HubError as error:
            await _hear_out(request)
            return failed(error)
        except ClientDisconnect:
            _log.info("The client left in the middle of %s", request.url.path)
            return failed(bad_request("The upload was cut off."))

    return run
