"""Pages for people: the list of repos, a repo's card, signing in. No script; nothing from elsewhere runs."""

import re
import time
from collections import Counter
from typing import Any

from starlette.responses import RedirectResponse, Response

from ytaudio.localhub import info
from ytaudio.localhub.errors import HubError, repo_not_found
from ytaudio.localhub.readme import readme_of
from ytaudio.localhub.rendering import APART, TEMPLATES, page, repo_page
from ytaudio.localhub.repo import Repo
from ytaudio.localhub.results import results_of
from ytaudio.localhub.store import KINDS
from ytaudio.localhub.web import COOKIE, Call, web_prefix

_REPOS = 100  # on a page of the list
_TAGS = 12  # offered to filter by
_RELATED = 20  # repos that a card links to
_SIGNED_IN_S = 30 * 24 * 3600
_REPO_ID = re.compile(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}", re.ASCII)
# tags that say little to people
_NO_CHOICE = (
    *("region:", "safetensors", "custom_code", "model-index", "tensorboard", "annotations_creators:"),
    *("source_datasets:", "size_categories:", "language_creators:", "multilinguality:"),
)


def front(call: Call) -> Response:
    """GET /, /datasets, /NAMESPACE: the repos the visitor may read, newest first, found by name, kind and tag."""
    query = call.request.query_params
    asked = call.path.get("namespace", "")
    kind = asked.removesuffix("s") if asked in {f"{kind}s" for kind in KINDS} else query.get("kind", "")
    words, tag = query.get("q", "").strip()[:200], query.get("tag", "").strip()[:200]
    owner = "" if asked.removesuffix("s") == kind else asked
    known = [row for each in KINDS for row in call.of_each(each, lambda repo: _row(call, repo, owner))]
    rows = [row for row in known if row and all(word.lower() in row["id"].lower() for word in words.split())]
    rows = [row for row in rows if not tag or tag in row["tags"]]
    counts = Counter(row["kind"] for row in rows)
    rows = [row for row in rows if kind in ("", row["kind"])]
    rows.sort(key=lambda row: row["lastModified"], reverse=True)
    number = _page_number(call, len(rows))
    tags = Counter(tag for row in rows for tag in row["tags"] if not tag.startswith(_NO_CHOICE))
    return page(
        call,
        "front.html",
        rows=rows[(number - 1) * _REPOS : number * _REPOS],
        total=len(rows),
        anything=any(known),
        counts=counts,
        chosen={"q": words, "kind": kind, "tag": tag},
        owner=owner,
        tags=tags.most_common(_TAGS),
        number=number,
        pages=max(1, -(-len(rows) // _REPOS)),
        base=call.base,
    )


def _row(call: Call, repo: Repo, owner: str) -> dict[str, Any] | None:
    if owner not in ("", repo.namespace):
        return None
    described = info.summary(call.store.objects, repo, repo.resolve("main"))
    return {"kind": repo.kind, "link": f"/{web_prefix(repo.kind)}{repo.id}", **described}


def _page_number(call: Call, items: int) -> int:
    return min(max(1, call.number("page", 1, most=1 << 20)), max(1, -(-items // _REPOS)))


def repo(call: Call) -> Response:
    """GET /[kinds/]{id}: the README, rendered, and what else is known of the repo."""
    found = call.repo()
    commit = found.resolve("main")
    described = info.summary(call.store.objects, found, commit)
    return repo_page(
        call,
        "repo.html",
        found,
        commit,
        tab="card",
        info=described,
        files=len(found.tree(commit)),
        readme=readme_of(call.store.objects, found, commit),
        results=[(result, _link(call, "dataset", result.dataset)) for result in results_of(described)],
        related=_related(call, found, described),
        base=call.base,
    )


def _related(call: Call, repo: Repo, described: dict[str, Any]) -> list[tuple[str, list[tuple[str, str | None]]]]:
    """Repos that a card names, or that name this one: (heading, (id, its page or None))."""
    groups: list[tuple[str, list[tuple[str, str | None]]]] = []
    for heading, kind, key in (("Datasets", "dataset", "datasets"), ("Models", "model", "models")):
        named = described["cardData"].get(key)
        ids = [each for each in (named if isinstance(named, list) else [named]) if isinstance(each, str)]
        ids = [each for each in ids if _REPO_ID.fullmatch(each)][:_RELATED]
        groups.append((heading, [(each, _link(call, kind, each)) for each in ids]))
    if repo.kind == "dataset":
        wanted = f"dataset:{repo.id}"
        rows = call.of_each("model", lambda model: _row(call, model, ""))
        ids = [row["id"] for row in rows if row and wanted in row["tags"]][:_RELATED]
        groups.append(("Models trained on it", [(each, f"/{each}") for each in ids]))
    return [group for group in groups if group[1]]


def _link(call: Call, kind: str, repo_id: str) -> str | None:
    """The page of a repo that is here and that the visitor may read."""
    try:
        call.find(kind, repo_id)
    except HubError:
        return None
    return f"/{web_prefix(kind)}{repo_id}"


def login(call: Call) -> Response:
    """GET and POST /login: a token for a cookie that can only read pages and files."""
    if call.request.method != "POST":
        return page(call, "login.html")
    token = "".join(call.form().get("token", [])[:1]).strip()
    onward = "".join(call.form().get("onward", [])[:1])
    onward = onward if re.fullmatch(r"/(?!/)[\w./%~-]*", onward, re.ASCII) else "/"  # a page of this Hub
    if (user := call.accounts.user_of(token)) is None:
        return page(call, "login.html", status=401, wrong=True, onward=onward)
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
    return _own("style.css", "text/css")


def icon(call: Call) -> Response:
    """GET /-/icon.svg and /favicon.ico."""
    return _own("icon.svg", "image/svg+xml")


def _own(name: str, kind: str) -> Response:
    headers = {**APART, "Cache-Control": "max-age=60"}
    return Response((TEMPLATES / name).read_bytes(), media_type=kind, headers=headers)


def unknown(call: Call) -> Response:
    """Every other address; a file of a repo without a namespace is a file of a repo that is not here."""
    if "/resolve/" in call.request.url.path:
        raise repo_not_found(anonymous=call.user is None)
    raise HubError(404, "This Hub has nothing at this address.")
