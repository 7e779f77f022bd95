"""Discussions and pull requests: kept in the repo's folder, a pull request being also the ref `refs/pr/NUMBER`."""

import json
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.responses import Response

from ytaudio.localhub import durable
from ytaudio.localhub.errors import HubError, bad_request
from ytaudio.localhub.history import Commit, DeleteFile, Operation, Put, changed_paths, now
from ytaudio.localhub.repo import MAIN, Repo
from ytaudio.localhub.web import Call, answer

Discussion = dict[str, Any]
_PAGE = 50


def _path(repo: Repo, number: int) -> Path:
    return repo.folder / "discussions" / f"{number}.json"


def load(repo: Repo, number: str | int) -> Discussion:
    """The discussion of this number.

    Raises:
        HubError: 404.
    """
    if not re.fullmatch(r"[0-9]{1,9}", str(number)) or not (path := _path(repo, int(number))).exists():
        raise HubError(404, f"There is no discussion {number}.")
    return json.loads(path.read_bytes())


def _save(repo: Repo, discussion: Discussion) -> None:
    durable.write(_path(repo, discussion["num"]), json.dumps(discussion).encode())


def all_of(repo: Repo) -> list[Discussion]:
    """Every discussion of a repo, newest first."""
    numbers = sorted((int(path.stem) for path in (repo.folder / "discussions").glob("*.json")), reverse=True)
    return [load(repo, number) for number in numbers]


def _event(kind: str, author: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"id": secrets.token_hex(12), "type": kind, "author": {"name": author}, "createdAt": now(), "data": data}


def _comment(author: str, text: str) -> dict[str, Any]:
    latest = {"raw": text, "html": "", "updatedAt": now(), "author": {"name": author}}
    return _event("comment", author, {"edited": False, "hidden": False, "latest": latest, "history": []})


def _shown(repo: Repo, discussion: Discussion) -> Discussion:
    return {**discussion, "repo": {"name": repo.id, "type": repo.kind}}


def open_pull(repo: Repo, base: str, *, title: str, description: str, author: str, status: str) -> Discussion:
    """Open a pull request whose ref starts at the head of a branch. Call it under the repo's lock."""
    refs = repo.refs()
    head = repo.resolve(base)
    discussion = _open(repo, title=title, description=description, author=author, status=status)
    discussion |= {"isPullRequest": True, "base": base, "baseCommit": head.id}
    refs["pulls"][str(discussion["num"])] = head.id
    repo.save_refs(refs)
    _save(repo, discussion)
    return discussion


def _open(repo: Repo, *, title: str, description: str, author: str, status: str = "open") -> Discussion:
    number = 1 + max((discussion["num"] for discussion in all_of(repo)), default=0)
    return {
        "num": number,
        "title": title,
        "author": {"name": author},
        "createdAt": now(),
        "status": status,
        "isPullRequest": False,
        "events": [_comment(author, description)] if description else [],
    }


def find_all(call: Call) -> Response:
    """GET .../discussions, newest first, `p` counting pages of 50."""
    repo, query = call.repo(), call.request.query_params
    found = [discussion for discussion in all_of(repo) if _matches(discussion, dict(query))]
    start = call.number("p", 0, most=1 << 20) * _PAGE
    shown = [_shown(repo, discussion) for discussion in found[start : start + _PAGE]]
    return answer({"discussions": shown, "count": len(found), "start": start})


def _matches(discussion: Discussion, query: dict[str, str]) -> bool:
    kind = "pull_request" if discussion["isPullRequest"] else "discussion"
    status = "closed" if discussion["status"] in ("closed", "merged") else "open"
    return (
        query.get("type", "all") in ("all", kind)
        and query.get("status", "all") in ("all", status)
        and query.get("author", discussion["author"]["name"]) == discussion["author"]["name"]
    )


def create(call: Call) -> Response:
    """POST .../discussions: open a discussion, or a pull request against main."""
    request, user = call.json(), call.signed_in()
    pull = bool(request.get("pullRequest"))
    repo = call.repo()
    title, description = str(request.get("title") or "").strip(), str(request.get("description") or "")
    if not title:
        raise bad_request("A discussion needs a title.")
    with call.store.changing(repo):
        if pull:
            made = open_pull(repo, MAIN, title=title, description=description, author=user, status="draft")
        else:
            made = _open(repo, title=title, description=description, author=user)
            _save(repo, made)
    return answer({"num": made["num"], "pullRequest": pull})


def details(call: Call) -> Response:
    """GET .../discussions/{number}; a pull request's commits are among its events."""
    repo = call.repo()
    discussion = _shown(repo, load(repo, call.path["number"]))
    if discussion["isPullRequest"]:
        base, head = repo.commit(discussion["baseCommit"]), _head(repo, discussion)
        commits = [c for c in repo.log(head) if c.id not in {known.id for known in repo.log(base)}]
        discussion["events"] = sorted(
            [*discussion["events"], *map(_commit_event, commits)], key=lambda event: event["createdAt"]
        )
        discussion["changes"] = {"base": discussion["base"], "mergeCommitId": discussion.get("mergeCommitId")}
        discussion["filesWithConflicts"] = _conflicts(repo, base, head, repo.resolve(discussion["base"]))
    return answer(discussion)


def _head(repo: Repo, discussion: Discussion) -> Commit:
    return repo.resolve(f"refs/pr/{discussion['num']}")


def _commit_event(commit: Commit) -> dict[str, Any]:
    event = _event("commit", commit.author, {"subject": commit.title, "oid": commit.id})
    return {**event, "createdAt": commit.date}


def _conflicts(repo: Repo, base: Commit, head: Commit, target: Commit) -> list[str]:
    """Files that both sides changed, and not in the same way."""
    old, ours, theirs = repo.tree(base), repo.tree(target), repo.tree(head)
    changed = changed_paths(old, theirs)
    return [path for path in changed if ours.get(path) != old.get(path) and ours.get(path) != theirs.get(path)]


def _changed(call: Call, change: Callable[[Discussion, dict[str, Any], str], dict[str, Any]]) -> Response:
    """Change a discussion under the repo's lock; only its author and the repo's owners may."""
    user, request, repo = call.signed_in(), call.json(), call.repo()
    with call.store.changing(repo):
        discussion = load(repo, call.path["number"])
        if discussion["author"]["name"] != user and not call.accounts.may_write(user, repo.namespace):
            raise HubError(403, "This discussion is not yours to change.")
        result = change(discussion, request, user)
        _save(repo, discussion)
    return answer(result)


def comment(call: Call) -> Response:
    """POST .../discussions/{number}/comment, by anybody who may read the repo."""
    user, repo, text = call.signed_in(), call.repo(), str(call.json().get("comment") or "").strip()
    if not text:
        raise bad_request("A comment needs a text.")
    with call.store.changing(repo):
        discussion = load(repo, call.path["number"])
        discussion["events"].append(event := _comment(user, text))
        _save(repo, discussion)
    return answer({"newMessage": event})


def rename(call: Call) -> Response:
    """POST .../discussions/{number}/title."""

    def change(discussion: Discussion, request: dict[str, Any], user: str) -> dict[str, Any]:
        title = str(request.get("title") or "").strip()
        if not title:
            raise bad_request("A discussion needs a title.")
        event = _event("title-change", user, {"from": discussion["title"], "to": title})
        discussion["title"] = title
        discussion["events"].append(event)
        return {"newTitle": event}

    return _changed(call, change)


def change_status(call: Call) -> Response:
    """POST .../discussions/{number}/status: open or closed."""

    def change(discussion: Discussion, request: dict[str, Any], user: str) -> dict[str, Any]:
        status = request.get("status")
        if status not in ("open", "closed") or discussion["status"] == "merged":
            raise bad_request("The status becomes 'open' or 'closed', and of a merged pull request no more.")
        if request.get("comment"):
            discussion["events"].append(_comment(user, str(request["comment"])))
        event = _event("status-change", user, {"status": status})
        discussion["status"] = status
        discussion["events"].append(event)
        return {"newStatus": event}

    return _changed(call, change)


def edit_comment(call: Call) -> Response:
    """POST .../discussions/{number}/comment/{comment}/edit and .../hide."""

    def change(discussion: Discussion, request: dict[str, Any], user: str) -> dict[str, Any]:
        for event in discussion["events"]:
            if event["id"] == call.path["comment"] and event["type"] == "comment":
                hidden = call.path["action"] == "hide"
                event["data"]["history"].append(event["data"]["latest"])
                text = "" if hidden else str(request.get("content") or "")
                event["data"]["latest"] = {"raw": text, "html": "", "updatedAt": now(), "author": {"name": user}}
                event["data"] |= {"edited": True, "hidden": hidden}
                return {"updatedComment": event}
        raise HubError(404, "There is no such comment.")

    return _changed(call, change)


def merge(call: Call) -> Response:
    """POST .../discussions/{number}/merge: one commit on the base branch; 409 where both sides changed a file."""
    repo, user = call.repo(write=True), call.signed_in()
    with call.store.changing(repo):
        discussion = load(repo, call.path["number"])
        if not discussion["isPullRequest"] or discussion["status"] not in ("open", "draft"):
            raise bad_request("Only an open pull request can be merged.")
        base, head = repo.commit(discussion["baseCommit"]), _head(repo, discussion)
        if conflicts := _conflicts(repo, base, head, repo.resolve(discussion["base"])):
            raise HubError(409, f"Both sides changed {', '.join(conflicts[:5])}: resolve this first.")
        made = repo.extend(
            discussion["base"],
            _operations(repo, base, head, repo.resolve(discussion["base"])),
            title=f"{discussion['title']} (#{discussion['num']})",
            message="",
            author=user,
        )
        discussion |= {"status": "merged", "mergeCommitId": made.id}
        if text := str(call.json().get("comment") or "").strip():
            discussion["events"].append(_comment(user, text))
        discussion["events"].append(_event("status-change", user, {"status": "merged"}))
        _save(repo, discussion)
    return answer({"success": True, "mergeCommitId": made.id})


def _operations(repo: Repo, base: Commit, head: Commit, target: Commit) -> list[Operation]:
    old, new, ours = repo.tree(base), repo.tree(head), repo.tree(target)
    operations: list[Operation] = []
    for path in changed_paths(old, new):
        if path in new:
            operations.append(Put(path, new[path]))
        elif path in ours:
            operations.append(DeleteFile(path))
    return operations
