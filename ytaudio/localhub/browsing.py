"""Pages about a repo's files, commits and discussions."""

from itertools import islice

from starlette.responses import Response

from ytaudio.localhub import info
from ytaudio.localhub.discussions import all_of, load
from ytaudio.localhub.errors import entry_not_found
from ytaudio.localhub.history import parents_of
from ytaudio.localhub.readme import rendered
from ytaudio.localhub.rendering import repo_page
from ytaudio.localhub.web import Call, web_prefix

_TEXT_MAX = 256 << 10  # bytes of a text file that a page shows
_COMMITS = 50  # on a page
_FILES = 500  # on a page
_CHANGES = 1_000  # files of a commit that are listed
_SAID_MAX = 200_000  # characters of a discussion that are rendered
_IMAGES = {"png", "jpg", "jpeg", "gif", "webp", "svg"}
_SOUNDS = {"flac", "wav", "mp3", "ogg", "opus", "m4a"}


def files(call: Call) -> Response:
    """GET .../tree/{revision}[/{path}]: a folder."""
    repo = call.repo()
    commit = repo.resolve(call.revision())
    tree, below = repo.tree(commit), call.path.get("path", "").strip("/")
    rows = info.listing(tree, below, recursive=False)
    if below and not rows:
        raise entry_not_found(f"{below} does not exist on {call.revision()!r}", commit.id)
    pages = max(1, -(-len(rows) // _FILES))
    number = min(max(1, call.number("page", 1, most=1 << 20)), pages)
    chosen = rows[(number - 1) * _FILES : number * _FILES]
    return repo_page(
        call,
        "files.html",
        repo,
        commit,
        tab="files",
        rows=chosen,
        last=info.last_commits(repo, commit, [path for path, _ in chosen]),
        below=below,
        above=parents_of(f"{below}/x") if below else [],
        total=sum(entry.size for entry in tree.values()),
        files=len(tree),
        number=number,
        pages=pages,
    )


def file(call: Call) -> Response:
    """GET .../blob/{revision}/{path}: a file, shown when it is short text, an image or sound."""
    repo = call.repo()
    commit = repo.resolve(call.revision())
    path = call.path["path"]
    tree = repo.tree(commit)
    entry = tree.get(path)
    if entry is None and path.strip("/") and any(name.startswith(f"{path.strip('/')}/") for name in tree):
        return files(call)  # a README links to a folder as to a file
    if entry is None:
        raise entry_not_found(f"{path} does not exist on {call.revision()!r}", commit.id)
    ending = path.rsplit(".", 1)[-1].lower()
    text = None
    if not entry.lfs and entry.size <= _TEXT_MAX:
        content = call.store.objects.read(entry.sha256)
        text = content.decode("utf-8", "replace") if b"\0" not in content else None
    return repo_page(
        call,
        "file.html",
        repo,
        commit,
        tab="files",
        path=path,
        above=parents_of(path),
        entry=entry,
        text=text,
        image=ending in _IMAGES,
        sound=ending in _SOUNDS,
        table=ending == "parquet",
    )


def history(call: Call) -> Response:
    """GET .../commits/{revision}, newest first."""
    repo = call.repo()
    commit = repo.resolve(call.revision())
    start = call.request.query_params.get("from")
    found = list(islice(repo.log(repo.resolve(start) if start else commit), _COMMITS + 1))
    more = found[_COMMITS].id if len(found) > _COMMITS else None
    return repo_page(
        call, "commits.html", repo, commit, tab="commits", commits=found[:_COMMITS], more=more, newest=not start
    )


def commit(call: Call) -> Response:
    """GET .../commit/{revision}: what a commit changed."""
    repo = call.repo()
    found = repo.resolve(call.revision())
    after = repo.tree(found)
    before = repo.tree(repo.commit(found.parents[0])) if found.parents else {}
    rows = [(path, before.get(path), after.get(path)) for path in found.changed[:_CHANGES]]
    return repo_page(
        call, "commit.html", repo, found, tab="commits", rows=rows, left_out=len(found.changed) - len(rows)
    )


def discussions(call: Call) -> Response:
    """GET .../discussions: discussions and pull requests, newest first."""
    repo = call.repo()
    return repo_page(call, "discussions.html", repo, repo.resolve("main"), tab="discussions", found=all_of(repo))


def discussion(call: Call) -> Response:
    """GET .../discussions/{number}: what was said."""
    repo = call.repo()
    found, commit = load(repo, call.path["number"]), repo.resolve("main")
    link = f"/{web_prefix(repo.kind)}{repo.id}"
    texts = {event["id"]: event["data"]["latest"]["raw"] for event in found["events"] if event["type"] == "comment"}
    each = _SAID_MAX // max(1, len(texts))  # so that many comments take no longer than one
    said = {key: rendered(text, link, commit.id, most=each, html=False) for key, text in texts.items()}
    return repo_page(call, "discussion.html", repo, commit, tab="discussions", found=found, said=said)
