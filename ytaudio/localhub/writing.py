"""Routes that change what a repo holds: preupload, commit, branches, tags, squash."""

import asyncio
import base64
import binascii
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ytaudio.localhub import cards, discussions, large
from ytaudio.localhub.errors import HubError, bad_request, revision_not_found
from ytaudio.localhub.history import (
    DeleteFile,
    DeleteFolder,
    Entry,
    Operation,
    Put,
    Tree,
    apply,
    blob_id,
    check_path,
    lfs_entry,
)
from ytaudio.localhub.objects import Objects
from ytaudio.localhub.repo import MAIN, Repo, check_ref_name
from ytaudio.localhub.web import Call, answer, read_json, web_prefix

MAX_LINE = 16 << 20  # bytes of one line of a commit: a regular file (of 10 MB at most), in base64
_AT_ONCE = 16  # files of a commit on their way to the disk
_AT_ONCE_BYTES = 64 << 20  # and what their lines may hold of the memory
_TEXT_MAX = 64 << 10  # bytes of a .gitattributes or .gitignore that is heeded
_ASKED_MAX = 1000  # files in one question of how they are to be sent; the client asks of 256


def preupload(call: Call) -> Response:
    """POST .../preupload/{revision}: how each file is to be sent, and what is there already."""
    repo = _changeable(call)
    files = repo.tree(repo.resolve(call.revision()))
    request = call.json()
    patterns = large.large_patterns(_text(call.store.objects, files, ".gitattributes"))
    ignore = request.get("gitIgnore")
    ignore = ignore if isinstance(ignore, str) else _text(call.store.objects, files, ".gitignore")
    if len(ignore) > _TEXT_MAX:
        raise bad_request(f"A .gitignore of more than {_TEXT_MAX} characters is not heeded here.")
    answers = []
    files_asked = request.get("files")
    if not isinstance(files_asked, list) or len(files_asked) > _ASKED_MAX:
        raise bad_request(f"A preupload needs a list of at most {_ASKED_MAX} files.")
    for item in files_asked:
        path, size, sample = _announced(item)
        mode = "lfs" if large.is_large(path, size, sample, patterns) else "regular"
        there = files.get(path)
        oid = there.etag if there and there.lfs == (mode == "lfs") else None
        answers.append({"path": path, "uploadMode": mode, "shouldIgnore": large.is_ignored(path, ignore), "oid": oid})
    return answer({"files": answers, "commitOid": repo.resolve(call.revision()).id})


def _changeable(call: Call) -> Repo:
    """The repo a commit is for: whoever may read it may open a pull request, and add to their own."""
    user, repo = call.signed_in(), call.repo()
    number = call.revision().removeprefix("refs/pr/")
    if call.flag("create_pr"):
        return repo
    if number != call.revision() and discussions.load(repo, number)["author"]["name"] == user:
        return repo
    return call.repo(write=True)


def _text(objects: Objects, files: Tree, path: str) -> str:
    entry = files.get(path)
    return objects.read(entry.sha256).decode("utf-8", "replace") if entry and entry.size <= _TEXT_MAX else ""


def _announced(item: Any) -> tuple[str, int, bytes]:
    try:
        path, size = item["path"], item["size"]
        sample = base64.b64decode(item.get("sample") or "")
    except (TypeError, KeyError, ValueError, AttributeError):
        path = size = sample = None
    if not isinstance(path, str) or type(size) is not int or sample is None:
        raise bad_request("A file needs a path, a size and a sample in base64.")
    return path, size, sample


async def commit(call: Call) -> Response:
    """POST .../commit/{revision}: the lines of a commit (ndjson), added to the branch as a whole or not at all."""
    repo = await run_in_threadpool(_changeable, call)
    header, operations = await _read_commit(call, repo)
    if header is None:
        raise bad_request("A commit needs a header line.")
    title, description = header.get("summary"), header.get("description") or ""
    if not isinstance(title, str) or not title.strip() or not isinstance(description, str):
        raise bad_request("A commit needs a summary, and both it and the description are texts.")
    return await run_in_threadpool(_add, call, repo, title.strip(), header, operations)


async def _read_commit(call: Call, repo: Repo) -> tuple[dict[str, Any] | None, list[Operation]]:
    """The header and the operations of a commit; files are stored some at a time, for each waits for the disk."""
    header: dict[str, Any] | None = None
    operations: list[Operation] = []
    pending: deque[tuple[int, asyncio.Task[Operation]]] = deque()  # bytes of a line, and what becomes of it
    try:
        async for line in _lines(call.request):
            key, value = _keyed(line)
            if key == "header":
                header = value
                continue
            task = asyncio.create_task(run_in_threadpool(_operation, call, repo, key, value))
            pending.append((len(line), task))
            while len(pending) >= _AT_ONCE or sum(size for size, _ in pending) > _AT_ONCE_BYTES:
                operations.append(await pending.popleft()[1])
        while pending:
            operations.append(await pending.popleft()[1])
    finally:
        await asyncio.gather(*(task for _, task in pending), return_exceptions=True)
    return header, operations


def _add(call: Call, repo: Repo, title: str, header: dict[str, Any], operations: list[Operation]) -> Response:
    cards.check_readme(call.store.objects, {o.path: o.entry for o in operations if isinstance(o, Put)})
    parent, description, user = header.get("parentCommit"), str(header.get("description") or ""), call.signed_in()
    address = f"{call.base}/{web_prefix(repo.kind)}{repo.id}"
    with call.store.changing(repo):
        branch, pull = call.revision(), None
        repo.check_parent(branch, str(parent) if parent else None)
        if call.flag("create_pr"):
            apply(repo.tree(repo.resolve(branch)), operations)  # what cannot be committed opens no pull request
            pull = discussions.open_pull(repo, branch, title=title, description=description, author=user, status="open")
            branch = f"refs/pr/{pull['num']}"
        made = repo.extend(branch, operations, title=title, message=description, author=user)
    found = {"success": True, "commitOid": made.id, "commitUrl": f"{address}/commit/{made.id}", "hookOutput": ""}
    return answer(found | ({"pullRequestUrl": f"{address}/discussions/{pull['num']}"} if pull else {}))


async def _lines(request: Request) -> AsyncIterator[bytes]:
    """The lines of a body as they arrive; 413 for an endless one."""
    rest = bytearray()
    async for block in request.stream():
        scanned = len(rest)
        rest += block
        end = rest.find(b"\n", scanned)
        while end >= 0:
            line = bytes(rest[:end])
            del rest[: end + 1]
            if line.strip():
                yield line
            end = rest.find(b"\n")
        if len(rest) > MAX_LINE:
            raise HubError(413, f"A line of a commit is longer than {MAX_LINE} bytes: send the file through LFS.")
    if rest.strip():
        yield bytes(rest)


def _keyed(line: bytes) -> tuple[str, dict[str, Any]]:
    try:
        data = read_json(line)
        key, value = data["key"], data["value"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise bad_request("A line of the commit is not JSON with 'key' and 'value'.") from None
    if not isinstance(value, dict):
        raise bad_request("The value of a commit's line must be an object.")
    return key, value


def _operation(call: Call, repo: Repo, key: str, value: dict[str, Any]) -> Operation:
    path = value.get("path")
    if not isinstance(path, str):
        raise bad_request(f"A {key!r} line needs a path.")
    match key:
        case "file":
            return Put(check_path(path), _regular(call.store.objects, value))
        case "lfsFile":
            return Put(check_path(path), _uploaded(call, repo, value))
        case "deletedFile":
            return DeleteFile(check_path(path))
        case "deletedFolder":
            return DeleteFolder(check_path(path.removesuffix("/")))
        case "copyFile":
            return Put(check_path(path), _copied(call, repo, value))
    raise bad_request(f"Unknown kind of line in a commit: {key!r}")


def _regular(objects: Objects, value: dict[str, Any]) -> Entry:
    text = value.get("content")
    if not isinstance(text, str):
        raise bad_request("A 'file' line needs its content.")
    try:
        content = base64.b64decode(text, validate=True) if value.get("encoding") == "base64" else text.encode()
    except (binascii.Error, ValueError):
        raise bad_request("The content of a 'file' line is not base64.") from None
    return Entry(blob_id(content), objects.add(content), len(content), lfs=False)


def _uploaded(call: Call, repo: Repo, value: dict[str, Any]) -> Entry:
    oid = value.get("oid")
    size = call.store.objects.size(oid) if isinstance(oid, str) and repo.has_large(oid) else None
    if size is None or value.get("size", size) != size:
        raise bad_request(f"The large file {value.get('path')!r} was not uploaded, or is of another size.")
    return lfs_entry(str(oid), size)


def _copied(call: Call, repo: Repo, value: dict[str, Any]) -> Entry:
    source = value.get("srcPath")
    with call.store.changing(repo):
        entry = repo.tree(repo.resolve(str(value.get("srcRevision") or call.revision()))).get(str(source))
    if entry is None:
        raise bad_request(f"There is no file {source!r} to copy.")
    return entry


def create_branch(call: Call) -> Response:
    """POST .../branch/{revision}, from `startingPoint` or the head of main; 409 when it exists."""
    repo, name, request = call.repo(write=True), check_ref_name(call.revision()), call.json()
    with call.store.changing(repo):
        refs = repo.refs()
        if name in refs["heads"] and not request.get("overwrite"):
            raise HubError(409, f"Reference already exists: refs/heads/{name}")
        _check_no_folder(refs["heads"], name)
        start = repo.resolve(str(request.get("startingPoint") or MAIN))
        refs["heads"][name] = start.id
        repo.save_refs(refs)
    return answer({"commitOid": start.id})


def _check_no_folder(known: dict[str, str], name: str) -> None:
    """409 where Git, which keeps a ref as a file, would need a file and a folder of the same name."""
    for other in known:
        if other.startswith(f"{name}/") or name.startswith(f"{other}/"):
            raise HubError(409, f"{name!r} cannot be created: {other!r} exists.")


def delete_branch(call: Call) -> Response:
    """DELETE .../branch/{revision}; main stays."""
    if call.revision() == MAIN:
        raise HubError(403, "The branch main cannot be deleted.")
    return _delete_ref(call, "heads")


def create_tag(call: Call) -> Response:
    """POST .../tag/{revision}: tag what the revision names; 409 when the tag exists."""
    repo, request = call.repo(write=True), call.json()
    name = check_ref_name(str(request.get("tag") or ""))
    with call.store.changing(repo):
        refs = repo.refs()
        if name in refs["tags"]:
            raise HubError(409, f"Reference already exists: refs/tags/{name}")
        _check_no_folder(refs["tags"], name)
        refs["tags"][name] = repo.resolve(call.revision()).id
        repo.save_refs(refs)
    return answer({"name": name, "ref": f"refs/tags/{name}", "targetCommit": refs["tags"][name]})


def delete_tag(call: Call) -> Response:
    """DELETE .../tag/{revision}."""
    return _delete_ref(call, "tags")


def _delete_ref(call: Call, kind: str) -> Response:
    repo, name = call.repo(write=True), call.revision()
    with call.store.changing(repo):
        refs = repo.refs()
        if refs[kind].pop(name, None) is None:
            raise revision_not_found(name)
        repo.save_refs(refs)
    return answer({"success": True})


def squash(call: Call) -> Response:
    """POST .../super-squash/{revision}: one commit instead of a branch's history."""
    repo, user = call.repo(write=True), call.signed_in()
    title = str(call.json().get("message") or f"Super-squash branch '{call.revision()}'")
    with call.store.changing(repo):
        made = repo.squash(call.revision(), title=title, author=user)
    return answer({"commitOid": made.id})


def validate_yaml(call: Call) -> Response:
    """POST /api/validate-yaml: errors and warnings of a README's metadata; 400 when there are errors."""
    content = call.json().get("content")
    errors, warnings = cards.check_card(content if isinstance(content, str) else "")
    found = {"errors": [{"message": m} for m in errors], "warnings": [{"message": m} for m in warnings]}
    return answer(found, status=400 if errors else 200)
