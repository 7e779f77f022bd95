"""Routes that read: repo info, lists, trees, refs, commits, and the content itself."""

import re
from functools import lru_cache
from itertools import islice
from typing import Any
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from ytaudio.localhub import info, results
from ytaudio.localhub.errors import entry_not_found
from ytaudio.localhub.history import Commit, Entry
from ytaudio.localhub.rendering import APART
from ytaudio.localhub.repo import Repo
from ytaudio.localhub.web import Call, answer, is_yes, next_page, page_of

_SORT_KEYS = {"last_modified": "lastModified", "created_at": "createdAt", "trending_score": "trendingScore"} | {
    key: key for key in ("lastModified", "createdAt", "downloads", "likes", "trendingScore")
}
_IMAGES = {"jpg": "image/jpeg", "svg": "image/svg+xml"} | {e: f"image/{e}" for e in ("png", "jpeg", "gif", "webp")}
_MEDIA = {"flac": "audio/flac", "wav": "audio/wav", "mp3": "audio/mpeg", "ogg": "audio/ogg", "json": "application/json"}
_TEXT = {"md", "txt", "py", "yaml", "yml", "csv", "jsonl", "toml", "cfg", "gitattributes", "gitignore", "html", "js"}
_RANGE = re.compile(
    r"bytes=[ \t]*(\d{1,18}-\d{0,18}|-\d{1,18})([ \t]*,[ \t]*(\d{1,18}-\d{0,18}|-\d{1,18}))*[ \t]*", re.ASCII
)


def about(call: Call) -> Response:
    """GET /api/{kinds}/{id}[/revision/{revision}]."""
    repo = call.repo()
    described = info.repo_info(
        call.store.objects, repo, repo.resolve(call.revision()), blobs=call.flag("blobs") or call.flag("files_metadata")
    )
    expand = call.options("expand")
    return answer(info.choose(described, expand) if expand else described)


def find_all(call: Call) -> Response:
    """GET /api/{kinds}: the repos the visitor may read, filtered and sorted."""
    query = call.request.query_params

    def look(repo: Repo) -> dict[str, Any] | None:
        if query.get("author", repo.namespace) != repo.namespace:
            return None
        if any(term.lower() not in repo.id.lower() for term in call.options("search")):
            return None
        commit = repo.resolve("main")
        described = info.summary(call.store.objects, repo, commit)
        if not _matches(call, described):
            return None
        return info.repo_info(call.store.objects, repo, commit) if with_files else described

    with_files = call.flag("full") or "siblings" in call.options("expand")
    found = [described for described in call.of_each(call.kind, look) if described]
    key = _SORT_KEYS.get(query.get("sort", ""), "lastModified")
    found.sort(key=lambda described: described[key], reverse=query.get("direction", "-1") != "1")
    chosen, headers = page_of(call, found, default=500)
    return answer([_as_asked(call, described) for described in chosen], headers=headers)


def _matches(call: Call, described: dict[str, Any]) -> bool:
    query = call.request.query_params
    names = {*described["tags"], described.get("pipeline_tag"), described.get("library_name")}
    wanted = [tag for value in call.options("filter") for tag in value.split(",")]
    wanted += [f"dataset:{name}" for name in call.options("datasets")]
    if any(tag not in names for tag in wanted):
        return False
    if "gated" in query and is_yes(query["gated"]) != bool(described["gated"]):
        return False
    return query.get("pipeline_tag", described.get("pipeline_tag")) == described.get("pipeline_tag")


def _as_asked(call: Call, described: dict[str, Any]) -> dict[str, Any]:
    if expand := call.options("expand"):
        return info.choose(described, expand)
    extra = ["cardData", "siblings", "description"] if call.flag("full") else []
    extra += ["cardData"] if call.flag("cardData") else []
    extra += ["config"] if call.flag("config") else []
    return info.short(described, extra)


def leaderboard(call: Call) -> Response:
    """GET .../leaderboard: the models' evaluation results on a dataset that has an eval.yaml, best first."""
    repo = call.repo()
    results.check_has_leaderboard(repo)
    only_base = is_yes(call.request.query_params.get("base_model", "true"))
    found = results.reported_on(call, repo.id, only_base=only_base)
    found.sort(key=lambda each: each[1].value, reverse=True)
    return answer([{"rank": rank, **_ranked(call, *each)} for rank, each in enumerate(found, start=1)])


def _ranked(call: Call, model: Repo, result: results.Result, data: dict[str, Any]) -> dict[str, Any]:
    author = {"type": "user" if call.accounts.is_user(model.namespace) else "org", "name": model.namespace}
    row = {"modelId": model.id, "value": data["value"], "filename": result.filename, "verified": False}
    return row | {"author": author, "source": data.get("source"), "notes": data.get("notes")}


def refs(call: Call) -> Response:
    """GET .../refs."""
    known = call.repo().refs()

    def named(kind: str, prefix: str) -> list[dict[str, str]]:
        return [{"name": n, "ref": f"{prefix}{n}", "targetCommit": commit} for n, commit in known[kind].items()]

    found = {"branches": named("heads", "refs/heads/"), "converts": [], "tags": named("tags", "refs/tags/")}
    if call.flag("include_prs"):
        found["pullRequests"] = named("pulls", "refs/pr/")
    return answer(found)


def commits(call: Call) -> Response:
    """GET .../commits/{revision}, newest first; the next page begins at a commit, whatever is pushed meanwhile."""
    repo, limit = call.repo(), max(1, call.number("limit", 50, most=1000))
    start = repo.resolve(call.revision())
    cursor = call.request.query_params.get("cursor")
    chosen = list(islice(repo.log(repo.resolve(cursor) if cursor else start), limit + 1))
    headers = next_page(call, chosen[limit].id) if len(chosen) > limit else {}
    formatted = "formatted" in call.options("expand")
    return answer([info.commit_info(commit, formatted=formatted) for commit in chosen[:limit]], headers=headers)


# a long listing comes in many pages, and each asks for the same again
@lru_cache(maxsize=8)
def _listed(repo: Repo, commit: Commit, below: str, recursive: bool) -> list[tuple[str, Entry | None]]:
    return info.listing(repo.tree(commit), below, recursive=recursive)


@lru_cache(maxsize=8)
def _folders(repo: Repo, commit: Commit) -> dict[str, dict[str, Any]]:
    return info.folder_infos(repo.tree(commit))


def tree(call: Call) -> Response:
    """GET .../tree/{revision}[/{path}]."""
    repo = call.repo()
    commit = repo.resolve(call.revision())
    below = call.path.get("path", "").strip("/")
    found = _listed(repo, commit, below, call.flag("recursive"))
    if below and not found:
        raise entry_not_found(f"{below} does not exist on {call.revision()!r}", commit.id)
    expand = call.flag("expand")
    chosen, headers = page_of(call, found, default=100 if expand else 1000)
    return answer(_described(repo, commit, [path for path, _ in chosen], expand=expand), headers=headers)


def paths_info(call: Call) -> Response:
    """POST .../paths-info/{revision}: what is there of the paths asked for, files and folders."""
    repo = call.repo()
    commit, form = repo.resolve(call.revision()), call.form()
    asked = [path.strip("/") for path in form.get("paths", []) + form.get("paths[]", [])]
    return answer(_described(repo, commit, asked, expand=any(map(is_yes, form.get("expand", [])))))


def _described(repo: Repo, commit: Commit, paths: list[str], *, expand: bool) -> list[dict[str, Any]]:
    files = repo.tree(commit)
    folders = {} if files.keys() >= set(paths) else _folders(repo, commit)
    found: list[dict[str, Any]] = []
    for path in dict.fromkeys(paths):
        if path in files:
            found.append(info.file_info(path, files[path]))
        elif path in folders:
            found.append(dict(folders[path]))
    if expand:
        last = info.last_commits(repo, commit, [item["path"] for item in found])
        for item in found:
            item["lastCommit"] = last.get(item["path"])
            if item["type"] == "file":
                item["securityFileStatus"] = {"status": "unscanned", "avScan": None, "pickleImportScan": None}
    return found


def large_files(call: Call) -> Response:
    """GET .../lfs-files: the large files at the heads of all refs."""
    repo, found = call.repo(), {}
    for kind, prefix in (("tags", "refs/tags/"), ("heads", "refs/heads/")):
        for name, commit_id in repo.refs()[kind].items():
            commit = repo.commit(commit_id)
            for path, entry in repo.tree(commit).items():
                if entry.lfs:
                    found[path, entry.sha256] = {
                        "fileOid": entry.sha256,
                        "filename": path,
                        "oid": entry.sha256,
                        "pushedAt": commit.date,
                        "ref": f"{prefix}{name}",
                        "size": entry.size,
                    }
    return answer(list(found.values()))


def content(call: Call) -> Response:
    """GET and HEAD /[kinds/]{id}/resolve/{revision}/{path}: the file, or the range of it that is asked for."""
    repo = call.repo()
    commit = repo.resolve(call.revision())
    path = call.path["path"]
    entry = repo.tree(commit).get(path)
    if entry is None:
        raise entry_not_found(f"{path} does not exist on {call.revision()!r}", commit.id)
    name = path.rsplit("/", 1)[-1]
    headers = {
        **APART,
        "X-Repo-Commit": commit.id,
        "ETag": f'"{entry.etag}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f"inline; filename*=UTF-8''{quote(name)}; filename=\"{_ascii(name)}\";",
    }
    if entry.lfs:
        headers |= {"X-Linked-Etag": f'"{entry.etag}"', "X-Linked-Size": str(entry.size)}
    if f'"{entry.etag}"' in call.request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return _Content(call.store.objects.path(entry.sha256), headers=headers, media_type=_media_type(name))


class _Content(FileResponse):
    """A file, or the range of it that is asked for; a Range that is none is ignored (RFC 9110, 14.2)."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _RANGE.fullmatch(Headers(scope=scope).get("range", "")):
            scope = {**scope, "headers": [(k, v) for k, v in scope["headers"] if k.lower() != b"range"]}
        await super().__call__(scope, receive, send)


def _ascii(name: str) -> str:
    return name.encode("ascii", "replace").decode().replace('"', "'").replace("\\", "_")


def _media_type(name: str) -> str:
    ending = name.rsplit(".", 1)[-1].lower()
    if ending in _TEXT:
        return "text/plain; charset=utf-8"
    return _IMAGES.get(ending) or _MEDIA.get(ending) or "application/octet-stream"
