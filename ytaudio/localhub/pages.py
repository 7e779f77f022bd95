"""Pages for people: the list of repos, a repo's README, files and commits. No script; nothing from elsewhere runs."""

import re
import time
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader
from starlette.responses import RedirectResponse, Response

from ytaudio.localhub import info
from ytaudio.localhub.discussions import all_of, load
from ytaudio.localhub.errors import HubError, entry_not_found, repo_not_found
from ytaudio.localhub.history import Commit, Tree
from ytaudio.localhub.readme import readme_of
from ytaudio.localhub.repo import Repo
from ytaudio.localhub.store import KINDS
from ytaudio.localhub.web import COOKIE, Call, Handler, web_prefix

_TEMPLATES = Path(__file__).parent / "templates"
_SHOWN_MAX = 256 << 10  # bytes of a text file that a page shows
_PAGE = 50  # commits
_SIGNED_IN_S = 30 * 24 * 3600
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; media-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-cache",
}


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["size"] = _size
    environment.filters["quoted"] = lambda path: quote(path, safe="/")
    environment.filters["revision"] = lambda revision: quote(revision, safe="")
    return environment


def _page(call: Call, template: str, *, status: int = 200, **values: Any) -> Response:
    html = _environment().get_template(template).render(visitor=call.user, **values)
    return Response(html, status_code=status, media_type="text/html", headers=_HEADERS)


def shown(handler: Handler) -> Handler:
    """A handler whose errors a browser shows as a page; other clients get the usual JSON."""

    def run(call: Call) -> Response:
        try:
            return handler(call)
        except HubError as error:
            if error.status == 307 or "text/html" not in call.request.headers.get("accept", ""):
                raise
            if error.status == 401 and call.user is None:  # perhaps a private repo of the visitor's own
                return _page(call, "login.html", status=401, onward=call.request.url.path)
            return _page(call, "message.html", status=error.status, message=error.message, code=error.status)

    return run


def _repo_page(call: Call, template: str, repo: Repo, commit: Commit, **values: Any) -> Response:
    revision = call.path.get("revision", "main")
    known = repo.refs()
    link = f"/{web_prefix(repo.kind)}{repo.id}"
    private = repo.settings()["visibility"] != "public"
    return _page(
        call, template, repo=repo, link=link, private=private, revision=revision, commit=commit, refs=known, **values
    )


def front(call: Call) -> Response:
    """GET /, /datasets, /NAMESPACE: the repos the visitor may read, newest first."""
    asked = call.path.get("namespace")
    groups = []

    def row(repo: Repo) -> dict[str, Any] | None:
        if asked not in (None, repo.namespace, f"{repo.kind}s"):
            return None
        described = info.repo_info(call.store.objects, repo, repo.resolve("main"))
        return {"link": f"/{web_prefix(repo.kind)}{repo.id}", **described}

    for kind in KINDS:
        rows = [found for found in call.of_each(kind, row) if found]
        groups.append((f"{kind.title()}s", sorted(rows, key=lambda row: row["lastModified"], reverse=True)))
    return _page(call, "front.html", groups=groups)


def repo(call: Call) -> Response:
    """GET /[kinds/]{id}: the README, rendered."""
    found = call.repo()
    commit = found.resolve("main")
    described = info.repo_info(call.store.objects, found, commit)
    return _repo_page(
        call,
        "repo.html",
        found,
        commit,
        info=described,
        readme=readme_of(call.store.objects, found, commit),
        results=_results(described),
    )


def _results(described: dict[str, Any]) -> list[dict[str, Any]]:
    return [result["data"] for result in described.get("evalResults", []) if "data" in result]


def files(call: Call) -> Response:
    """GET .../tree/{revision}[/{path}]: a folder."""
    repo = call.repo()
    commit = repo.resolve(call.revision())
    tree, below = repo.tree(commit), call.path.get("path", "").strip("/")
    rows = info.listing(tree, below, recursive=False)
    if below and not rows:
        raise entry_not_found(f"{below} does not exist on {call.revision()!r}", commit.id)
    last = info.last_commits(repo, commit, [path for path, _ in rows])
    return _repo_page(call, "files.html", repo, commit, rows=rows, last=last, below=below, total=_total(tree))


def _total(tree: Tree) -> int:
    return sum(entry.size for entry in tree.values())


def file(call: Call) -> Response:
    """GET .../blob/{revision}/{path}: a file, shown when it is short text, an image or sound."""
    repo = call.repo()
    commit = repo.resolve(call.revision())
    path = call.path["path"]
    entry = repo.tree(commit).get(path)
    if entry is None and path.strip("/") in info.folder_infos(repo.tree(commit)):
        return files(call)  # a README links to a folder as to a file
    if entry is None:
        raise entry_not_found(f"{path} does not exist on {call.revision()!r}", commit.id)
    ending = path.rsplit(".", 1)[-1].lower()
    text = None
    if not entry.lfs and entry.size <= _SHOWN_MAX:
        content = call.store.objects.read(entry.sha256)
        text = content.decode("utf-8", "replace") if b"\0" not in content else None
    image = ending in ("png", "jpg", "jpeg", "gif", "webp", "svg")
    sound = ending in ("flac", "wav", "mp3", "ogg")
    return _repo_page(call, "file.html", repo, commit, path=path, entry=entry, text=text, image=image, sound=sound)


def history(call: Call) -> Response:
    """GET .../commits/{revision}, newest first."""
    repo = call.repo()
    commit = repo.resolve(call.revision())
    start = call.request.query_params.get("from")
    found = list(islice(repo.log(repo.resolve(start) if start else commit), _PAGE + 1))
    more = found[_PAGE].id if len(found) > _PAGE else None
    return _repo_page(call, "commits.html", repo, commit, commits=found[:_PAGE], more=more)


def commit(call: Call) -> Response:
    """GET .../commit/{revision}: what a commit changed."""
    repo = call.repo()
    found = repo.resolve(call.revision())
    after = repo.tree(found)
    before = repo.tree(repo.commit(found.parents[0])) if found.parents else {}
    rows = [(path, before.get(path), after.get(path)) for path in found.changed]
    return _repo_page(call, "commit.html", repo, found, rows=rows)


def discussions(call: Call) -> Response:
    """GET .../discussions: discussions and pull requests, newest first."""
    repo = call.repo()
    return _repo_page(call, "discussions.html", repo, repo.resolve("main"), found=all_of(repo))


def discussion(call: Call) -> Response:
    """GET .../discussions/{number}: what was said."""
    repo = call.repo()
    found = load(repo, call.path["number"])
    return _repo_page(call, "discussion.html", repo, repo.resolve("main"), found=found)


def login(call: Call) -> Response:
    """GET and POST /login: a token for a cookie that can only read pages and files."""
    if call.request.method != "POST":
        return _page(call, "login.html")
    token = "".join(call.form().get("token", [])[:1]).strip()
    onward = "".join(call.form().get("onward", [])[:1])
    onward = onward if re.fullmatch(r"/(?!/)[\w./%~-]*", onward, re.ASCII) else "/"  # a page of this Hub
    if (user := call.accounts.user_of(token)) is None:
        return _page(call, "login.html", status=401, wrong=True, onward=onward)
    answer = RedirectResponse(onward, status_code=303)
    kept = call.accounts.pass_of(user, int(time.time()) + _SIGNED_IN_S)
    answer.set_cookie(COOKIE, kept, httponly=True, samesite="lax", max_age=_SIGNED_IN_S)
    return answer


def logout(call: Call) -> Response:
    """POST /logout."""
    answer = RedirectResponse("/", status_code=303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="lax")
    return answer


def style(call: Call) -> Response:
    """GET /-/style.css."""
    return Response((_TEMPLATES / "style.css").read_bytes(), media_type="text/css")


def unknown(call: Call) -> Response:
    """Every other address; a file of a repo without a namespace is a file of a repo that is not here."""
    if "/resolve/" in call.request.url.path:
        raise repo_not_found(anonymous=call.user is None)
    raise HubError(404, "This Hub has nothing at this address.")
