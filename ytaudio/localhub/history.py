"""Trees and commits: what a revision holds, how operations change it, and how both are written down."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from ytaudio.localhub.errors import bad_request, entry_not_found

MAX_PATH = 1024  # bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """A file at a revision."""

    oid: str  # Git's id of the blob, or of the LFS pointer
    sha256: str  # of the content
    size: int  # bytes of the content
    lfs: bool

    @property
    def etag(self) -> str:
        """What a client compares to know whether the content is the same."""
        return self.sha256 if self.lfs else self.oid


Tree = Mapping[str, Entry]  # by path


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit; `changed` are the paths that differ from its parent."""

    id: str  # 40 hexadecimal digits
    tree: str
    parents: tuple[str, ...]
    title: str
    message: str
    author: str
    date: str  # ISO 8601, UTC
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Put:
    """Write a file."""

    path: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class DeleteFile:
    """Remove a file that is there."""

    path: str


@dataclass(frozen=True, slots=True)
class DeleteFolder:
    """Remove a folder that is there, and all below it."""

    path: str


Operation = Put | DeleteFile | DeleteFolder


def now() -> str:
    """The time, as the Hub writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def blob_id(content: bytes) -> str:
    """Git's id of a blob."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def lfs_pointer(sha256: str, size: int) -> bytes:
    """The text Git LFS keeps in a file's place (the v1 pointer)."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def lfs_entry(sha256: str, size: int) -> Entry:
    """The entry of a large file."""
    return Entry(blob_id(lfs_pointer(sha256, size)), sha256, size, lfs=True)


def check_path(path: str) -> str:
    """The path, when it is a plain relative one.

    Raises:
        HubError: 400, with the path in the message.
    """
    parts = path.split("/")
    plain = all(part not in ("", ".", "..") and part.lower() != ".git" and len(part) <= 255 for part in parts)
    if not plain or "\\" in path or any(ord(c) < 32 or ord(c) == 127 for c in path) or len(path.encode()) > MAX_PATH:
        raise bad_request(f"Invalid path in repository: {path[:200]!r}")
    return path


def apply(tree: Tree, operations: Iterable[Operation]) -> dict[str, Entry]:
    """The tree after the operations, in their order.

    Raises:
        HubError: EntryNotFound for a deletion of what is not there, 400 for a file that stands where a folder must be.
    """
    files = dict(tree)
    for operation in operations:
        match operation:
            case Put(path, entry):
                files[path] = entry
            case DeleteFile(path):
                if files.pop(path, None) is None:
                    raise entry_not_found(f"A file with this name doesn't exist: {path}")
            case DeleteFolder(path):
                below = [name for name in files if name.startswith(f"{path}/")]
                if not below:
                    raise entry_not_found(f"A file with this name doesn't exist: {path}/")
                for name in below:
                    del files[name]
    for path in files:
        for folder in parents_of(path):
            if folder in files:
                raise bad_request(f"{folder!r} is a file and cannot also be the folder of {path!r}.")
    return files


def parents_of(path: str) -> list[str]:
    """The folders above a path, nearest the root first."""
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]


def changed_paths(before: Tree, after: Tree) -> tuple[str, ...]:
    """Paths added, removed or altered, sorted."""
    return tuple(sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path)))


def write_tree(tree: Tree) -> tuple[str, bytes]:
    """A tree's id and the bytes that record it; equal trees have equal ids."""
    rows = {path: [e.oid, e.sha256, e.size, e.lfs] for path, e in sorted(tree.items())}
    data = json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()
    return hashlib.sha1(b"tree " + data, usedforsecurity=False).hexdigest(), data


def read_tree(data: bytes) -> dict[str, Entry]:
    """The tree that `write_tree` recorded."""
    return {path: Entry(*row) for path, row in json.loads(data).items()}


def make_commit(
    tree: str, parents: tuple[str, ...], title: str, message: str, author: str, changed: tuple[str, ...]
) -> Commit:
    """A commit of now; its id is the hash of all it says."""
    fields = [tree, parents, title, message, author, date := now()]
    identity = json.dumps(fields, ensure_ascii=False).encode()
    commit_id = hashlib.sha1(b"commit " + identity, usedforsecurity=False).hexdigest()
    return Commit(commit_id, tree, parents, title, message, author, date, changed)


def write_commit(commit: Commit) -> bytes:
    """The bytes that record a commit."""
    return json.dumps(asdict(commit), ensure_ascii=False).encode()


def read_commit(data: bytes) -> Commit:
    """The commit that `write_commit` recorded."""
    fields = json.loads(data)
    return Commit(**{**fields, "parents": tuple(fields["parents"]), "changed": tuple(fields["changed"])})
