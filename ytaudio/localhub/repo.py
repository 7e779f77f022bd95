"""One repository on disk: settings, refs, commits, trees, and which large files were uploaded to it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ytaudio.localhub import durable
from ytaudio.localhub.errors import HubError, bad_request, revision_not_found
from ytaudio.localhub.history import (
    Commit,
    Entry,
    Operation,
    Tree,
    apply,
    changed_paths,
    make_commit,
    read_commit,
    read_tree,
    write_commit,
    write_tree,
)
from ytaudio.localhub.objects import is_sha256

MAIN = "main"
_COMMIT_ID = re.compile(r"[0-9a-f]{7,40}")
_REF_NAME = re.compile(r"(?!.*(\.\.|//|@\{|\.lock$|/$|\.$))[A-Za-z0-9_][A-Za-z0-9_.+@#/=-]{0,199}")
_REF_KINDS = {"refs/heads/": "heads", "refs/tags/": "tags", "refs/pr/": "pulls"}


@lru_cache(maxsize=512)
def _commit_at(path: Path) -> Commit:
    return read_commit(path.read_bytes())


@lru_cache(maxsize=32)
def _tree_at(path: Path) -> dict[str, Entry]:
    return read_tree(path.read_bytes())


@dataclass(frozen=True, slots=True)
class Repo:
    """A repository; the folder holds all of it but the content, which is in the objects."""

    kind: str  # "model", "dataset" or "space"
    id: str  # namespace/name
    folder: Path

    @property
    def namespace(self) -> str:
        """The user or organisation it belongs to."""
        return self.id.split("/")[0]

    def is_there(self) -> bool:
        """Whether this repo exists: a folder alone is none."""
        return (self.folder / "refs.json").exists() and (self.folder / "settings.json").exists()

    def settings(self) -> dict[str, Any]:
        """`visibility`, `createdAt`, `gated`, and a Space's `sdk`."""
        return json.loads((self.folder / "settings.json").read_bytes())

    def save_settings(self, settings: dict[str, Any]) -> None:
        """Replace the settings, durably."""
        durable.write(self.folder / "settings.json", json.dumps(settings).encode())

    def refs(self) -> dict[str, dict[str, str]]:
        """Commit ids by name, under "heads", "tags" and "pulls"."""
        return json.loads((self.folder / "refs.json").read_bytes())

    def save_refs(self, refs: dict[str, dict[str, str]]) -> None:
        """Replace all refs at once: the moment at which a commit becomes visible."""
        durable.write(self.folder / "refs.json", json.dumps(refs).encode())

    def commit(self, commit_id: str) -> Commit:
        """A commit of this repo by its full id."""
        return _commit_at(self._commit_path(commit_id))

    def tree(self, commit: Commit) -> Tree:
        """What the repo holds at a commit."""
        return _tree_at(self._tree_path(commit.tree))

    def resolve(self, revision: str) -> Commit:
        """The commit that a branch, a tag, a full ref or a commit id names.

        Raises:
            HubError: RevisionNotFound.
        """
        refs = self.refs()
        if revision == "HEAD":
            revision = MAIN
        for prefix, kind in _REF_KINDS.items():
            if revision.startswith(prefix):
                name = revision.removeprefix(prefix)
                if name not in refs[kind]:
                    raise revision_not_found(revision)
                return self.commit(refs[kind][name])
        for kind in ("heads", "tags"):
            if revision in refs[kind]:
                return self.commit(refs[kind][revision])
        if _COMMIT_ID.fullmatch(revision):
            whole = self._commit_path(revision)
            found = [whole] if whole.exists() else list(whole.parent.glob(f"{revision}*.json"))
            if len(found) == 1:
                return _commit_at(found[0])
        raise revision_not_found(revision)

    def log(self, commit: Commit) -> Iterator[Commit]:
        """A commit and its ancestors, newest first."""
        while True:
            yield commit
            if not commit.parents:
                return
            commit = self.commit(commit.parents[0])

    def start(self, tree: Tree, author: str) -> None:
        """Write the first commit of an empty folder."""
        commit = self._record(tree, (), "initial commit", "", author, {})
        self.save_refs({"heads": {MAIN: commit.id}, "tags": {}, "pulls": {}})

    def _head(self, refs: dict[str, dict[str, str]], branch: str) -> tuple[str, str]:
        """Where a branch's (or a pull request's) head is kept in the refs: (kind, name)."""
        branch = branch.removeprefix("refs/heads/")
        place = ("pulls", branch.removeprefix("refs/pr/")) if branch.startswith("refs/pr/") else ("heads", branch)
        if place[1] not in refs[place[0]]:
            raise revision_not_found(branch)
        return place

    def check_parent(self, branch: str, parent: str | None) -> None:
        """Nothing, when `parent` (an id, or the beginning of one) is the head of the branch, or is None.

        Raises:
            HubError: 412, or RevisionNotFound for what is no branch.
        """
        refs = self.refs()
        kind, name = self._head(refs, branch)
        if parent and not refs[kind][name].startswith(parent.lower()):
            raise HubError(412, "A commit has happened since. Please refresh and try again.")

    def extend(self, branch: str, operations: list[Operation], *, title: str, message: str, author: str) -> Commit:
        """Add a commit to a branch; a tree that stays the same adds none. Call it under the repo's lock.

        Raises:
            HubError: RevisionNotFound for what is no branch, and what `history.apply` raises.
        """
        refs = self.refs()
        kind, name = self._head(refs, branch)
        head = self.commit(refs[kind][name])
        before = self.tree(head)
        after = apply(before, operations)
        if after == before:
            return head
        commit = self._record(after, (head.id,), title, message, author, before)
        refs[kind][name] = commit.id
        self.save_refs(refs)
        return commit

    def squash(self, branch: str, *, title: str, author: str) -> Commit:
        """Replace a branch's history by one commit of the same tree. Call it under the repo's lock."""
        refs = self.refs()
        if branch not in refs["heads"]:
            raise revision_not_found(branch)
        commit = self._record(self.tree(self.commit(refs["heads"][branch])), (), title, "", author, {})
        refs["heads"][branch] = commit.id
        self.save_refs(refs)
        return commit

    def _record(
        self, tree: Tree, parents: tuple[str, ...], title: str, message: str, author: str, before: Tree
    ) -> Commit:
        tree_id, data = write_tree(tree)
        path = self._tree_path(tree_id)
        if not path.exists():
            durable.write(path, data)
        commit = make_commit(tree_id, parents, title, message, author, changed_paths(before, tree))
        durable.write(self._commit_path(commit.id), write_commit(commit))
        return commit

    def _commit_path(self, commit_id: str) -> Path:
        return self.folder / "commits" / f"{commit_id}.json"

    def _tree_path(self, tree_id: str) -> Path:
        return self.folder / "trees" / f"{tree_id}.json"

    def has_large(self, sha256: str) -> bool:
        """Whether a large file was uploaded to this very repo: knowing a hash gives nobody somebody else's content."""
        return is_sha256(sha256) and self._large_path(sha256).exists()

    def note_large(self, sha256: str) -> None:
        """Note that a large file was uploaded to this repo. Call it under the repo's lock."""
        if not self.has_large(sha256):
            self._large_path(sha256).parent.mkdir(exist_ok=True)  # and never the repo's own folder
            durable.sync_folder(self.folder)
            durable.write(self._large_path(sha256), b"")

    def _large_path(self, sha256: str) -> Path:
        return self.folder / "lfs" / sha256


def check_ref_name(name: str) -> str:
    """The name, when a branch or a tag may bear it.

    Raises:
        HubError: 400.
    """
    if not _REF_NAME.fullmatch(name) or name.startswith("refs/") or re.fullmatch(r"[0-9a-f]{40}", name):
        raise bad_request(f"Invalid name for a branch or a tag: {name[:200]!r}")
    return name
