"""The JSON that describes repos, revisions, files and commits."""

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from ytaudio.localhub import cards, reports
from ytaudio.localhub.history import Commit, Entry, Tree, lfs_pointer, parents_of
from ytaudio.localhub.objects import Objects
from ytaudio.localhub.repo import Repo

# what a listing shows of a repo without `full`
_SHORT = {
    *("_id", "id", "modelId", "author", "private", "gated", "disabled", "downloads", "likes", "tags"),
    *("pipeline_tag", "library_name", "sdk", "createdAt", "lastModified", "sha"),
}


def repo_info(objects: Objects, repo: Repo, commit: Commit, *, blobs: bool = False) -> dict[str, Any]:
    """All that is known of a repo at a commit."""
    tree = repo.tree(commit)
    return {
        **summary(objects, repo, commit),
        "siblings": [_sibling(path, tree[path], blobs=blobs) for path in sorted(tree)],
    }


def summary(objects: Objects, repo: Repo, commit: Commit) -> dict[str, Any]:
    """All that is known of a repo at a commit but its files: what lists of many repos can afford."""
    settings = repo.settings()
    info = {
        "_id": hashlib.sha1(f"{repo.kind} {settings['createdAt']}".encode(), usedforsecurity=False).hexdigest()[:24],
        "id": repo.id,
        "author": repo.namespace,
        "sha": commit.id,
        "lastModified": commit.date,
        "createdAt": settings["createdAt"],
        "private": settings["visibility"] != "public",
        "gated": settings.get("gated", False),
        "disabled": False,
        "downloads": 0,
        "downloadsAllTime": 0,
        "likes": 0,
        "trendingScore": 0,
        **_said(objects, repo, commit.id),
    }
    if repo.kind == "space":
        info["sdk"] = info["cardData"].get("sdk") or settings.get("sdk")
    return info


@lru_cache(maxsize=4096)
def _said(objects: Objects, repo: Repo, commit_id: str) -> dict[str, Any]:
    """What a repo's files say of it: the same for a commit for ever."""
    tree = repo.tree(repo.commit(commit_id))
    card = cards.card_data(objects, tree)
    said: dict[str, Any] = {"usedStorage": sum(entry.size for entry in tree.values()), "cardData": card}
    if repo.kind == "model":
        return said | _model_fields(objects, tree, card) | {"modelId": repo.id}
    said["tags"] = cards.tags_of(repo.kind, card, {}, tree)
    if repo.kind == "dataset":
        return said | {"description": card.get("description")}
    return said | {"models": card.get("models") or [], "datasets": card.get("datasets") or []}


def _model_fields(objects: Objects, tree: Tree, card: dict[str, Any]) -> dict[str, Any]:
    config = cards.model_config(objects, tree)
    task = cards.pipeline_of(card, config)
    fields: dict[str, Any] = {
        "tags": cards.tags_of("model", card, config, tree),
        "config": config,
        "pipeline_tag": task,
        "library_name": cards.library_of(card, config, tree),
        "model-index": reports.model_index(card),
        "evalResults": reports.eval_results(objects, tree),
        "spaces": [],
    }
    if counts := cards.parameters(objects, tree):
        fields["safetensors"] = {"parameters": counts, "total": sum(counts.values())}
    if config.get("model_type"):
        fields["transformersInfo"] = {"auto_model": "AutoModel", "pipeline_tag": task}
    return {key: value for key, value in fields.items() if value is not None}


def choose(info: dict[str, Any], expand: Iterable[str]) -> dict[str, Any]:
    """Only the fields a client asked for by `expand`."""
    wanted = {"_id", "id", *expand}
    return {key: value for key, value in info.items() if key in wanted}


def short(info: dict[str, Any], extra: Iterable[str]) -> dict[str, Any]:
    """What a listing shows."""
    wanted = {*_SHORT, *extra}
    return {key: value for key, value in info.items() if key in wanted}


def _sibling(path: str, entry: Entry, *, blobs: bool) -> dict[str, Any]:
    if not blobs:
        return {"rfilename": path}
    sibling: dict[str, Any] = {"rfilename": path, "size": entry.size, "blobId": entry.oid}
    if entry.lfs:
        sibling["lfs"] = {"sha256": entry.sha256, "size": entry.size, "pointerSize": _pointer_size(entry)}
    return sibling


def _pointer_size(entry: Entry) -> int:
    return len(lfs_pointer(entry.sha256, entry.size))


def file_info(path: str, entry: Entry) -> dict[str, Any]:
    """A file, as the tree and paths-info answers show it."""
    info: dict[str, Any] = {"type": "file", "oid": entry.oid, "size": entry.size, "path": path}
    if entry.lfs:
        info["lfs"] = {"oid": entry.sha256, "size": entry.size, "pointerSize": _pointer_size(entry)}
    return info


def folder_infos(tree: Tree) -> dict[str, dict[str, Any]]:
    """Every folder of a tree by path; its id is the hash of what is below it."""
    digests: dict[str, Any] = {}
    for path in sorted(tree):
        for folder in parents_of(path):
            digest = digests.setdefault(folder, hashlib.sha1(b"folder", usedforsecurity=False))
            digest.update(f"{path[len(folder) :]} {tree[path].oid}\n".encode())
    return {
        folder: {"type": "directory", "oid": digest.hexdigest(), "size": 0, "path": folder}
        for folder, digest in digests.items()
    }


def listing(tree: Tree, below: str, *, recursive: bool) -> list[tuple[str, Entry | None]]:
    """What lies in a folder ("" is the root), folders first (without an entry), each sorted by path."""
    prefix = f"{below}/" if below else ""
    inside = [path for path in tree if path.startswith(prefix)]
    subfolders = {folder for path in inside for folder in parents_of(path) if folder.startswith(prefix)}

    def near(path: str) -> bool:
        return recursive or "/" not in path[len(prefix) :]

    found: list[tuple[str, Entry | None]] = [(path, None) for path in sorted(subfolders) if near(path)]
    return found + [(path, tree[path]) for path in sorted(inside) if near(path)]


def last_commits(repo: Repo, commit: Commit, paths: Iterable[str]) -> dict[str, dict[str, str]]:
    """The last commit that touched each path (a folder: anything below it), as `{id, title, date}`."""
    missing, found = set(paths), {}
    for ancestor in repo.log(commit):
        touched = missing & {name for path in ancestor.changed for name in (path, *parents_of(path))}
        for path in touched:
            found[path] = {"id": ancestor.id, "title": ancestor.title, "date": ancestor.date}
        missing -= touched
        if not missing:
            break
    return found


def commit_info(commit: Commit, *, formatted: bool) -> dict[str, Any]:
    """A commit, as the commits answer shows it."""
    info: dict[str, Any] = {
        "id": commit.id,
        "title": commit.title,
        "message": commit.message,
        "authors": [{"user": commit.author}],
        "date": commit.date,
    }
    if formatted:
        info["formatted"] = {"title": commit.title, "message": commit.message}
    return info
