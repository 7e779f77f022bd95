"""How a page is made: templates, headers, the frame around a repo's pages, and errors as people read them."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader
from starlette.responses import Response

from ytaudio.localhub.errors import HubError
from ytaudio.localhub.history import Commit
from ytaudio.localhub.repo import Repo
from ytaudio.localhub.web import Call, Handler, web_prefix

TEMPLATES = Path(__file__).parent / "templates"
_LINK = re.compile(r"https?://[^\s<>\"'\\]{1,2000}")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; media-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-cache",
}

# whatever a repo holds, a browser shows it as a thing apart: no script, no access to the Hub's pages
APART = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "X-Content-Type-Options": "nosniff",
}


def size_in_words(size: float) -> str:
    """Bytes as people say them."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["size"] = size_in_words
    environment.filters["counted"] = _counted
    environment.filters["thousands"] = lambda number: f"{number:,}"
    environment.filters["quoted"] = lambda path: quote(path, safe="/")
    environment.filters["revision"] = lambda revision: quote(revision, safe="")
    environment.filters["query"] = lambda values: urlencode({k: v for k, v in values.items() if v not in (None, "")})
    environment.filters["minutes"] = lambda date: date[:16].replace("T", " ")
    environment.tests["link"] = lambda text: isinstance(text, str) and _LINK.fullmatch(text) is not None
    return environment


def page(call: Call, template: str, *, status: int = 200, **values: Any) -> Response:
    """A template as the answer to a call."""
    html = _environment().get_template(template).render(visitor=call.user, **values)
    content = html.encode("utf-8", "replace")  # half a surrogate pair in a cell is no reason to fail
    return Response(content, status_code=status, media_type="text/html", headers=_HEADERS)


def shown(handler: Handler) -> Handler:
    """A handler whose errors a browser shows as a page; other clients get the usual JSON."""

    def run(call: Call) -> Response:
        try:
            return handler(call)
        except HubError as error:
            if error.status == 307 or "text/html" not in call.request.headers.get("accept", ""):
                raise
            if error.status == 401 and call.user is None:  # perhaps a private repo of the visitor's own
                return page(call, "login.html", status=401, onward=call.request.url.path)
            words = error.message
            if error.code == "RepoNotFound":
                words = f"There is no repository at this address that {call.user} may see."
            return page(call, "message.html", status=error.status, message=words, code=error.status)

    return run


def repo_page(call: Call, template: str, repo: Repo, commit: Commit, *, tab: str, **values: Any) -> Response:
    """A page about a repo, below its name and its tabs; `tab` is the one that is open."""
    tree = repo.tree(commit)
    frame = {
        "repo": repo,
        "link": f"/{web_prefix(repo.kind)}{repo.id}",
        "private": repo.settings()["visibility"] != "public",
        "revision": call.path.get("revision", "main"),
        "commit": commit,
        "refs": repo.refs(),
        "tab": tab,
        "has_rows": any(path.endswith(".parquet") for path in tree),
        "has_leaderboard": repo.kind == "dataset" and "eval.yaml" in tree,
    }
    return page(call, template, **frame, **values)
