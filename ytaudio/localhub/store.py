"""All repositories of a folder: create, find, move, delete, list; one lock for each."""

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ytaudio.localhub import durable
from ytaudio.localhub.errors import HubError, LocalHubError, bad_request, repo_not_found
from ytaudio.localhub.history import Tree, now
from ytaudio.localhub.moves import Moves
from ytaudio.localhub.objects import Objects
from ytaudio.localhub.readers import Readers
from ytaudio.localhub.repo import Repo

KINDS = ("model", "dataset", "space")
_NAME = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")


def check_name(name: str) -> str:
    """The name, when a repo may bear it (the rules of huggingface_hub's `validate_repo_id`).

    Raises:
        HubError: 400.
    """
    if not _NAME.fullmatch(name) or name.endswith((".git", ".ipynb")):
        raise bad_request(f"Invalid repo name: {name[:120]!r}. Use letters, digits, '-', '_' and '.'.")
    return name


def _check_free(repo: Repo, *, moving: Repo | None = None) -> None:
    """409 when there is a repo of this name, or of this name in other letters, upper or lower."""
    for folder in repo.folder.parent.glob("*"):
        other = replace(repo, id=f"{repo.namespace}/{folder.name}", folder=folder)
        if other.id.casefold() == repo.id.casefold() and other.is_there() and (other != moving or other == repo):
            raise HubError(409, f"You already created this {repo.kind} repo: {other.id}")


class Store:
    """The folder of a Hub: `objects/` (content) and `repos/<kind>/<namespace>/<name>/` (everything else)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._locks: dict[tuple[str, str], threading.RLock] = {}
        self._locks_lock = threading.Lock()
        durable.make_folder(folder)
        self._flock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        self._take_folder()
        self.temporary = folder / "tmp"
        shutil.rmtree(self.temporary, ignore_errors=True)  # what a killed server left unfinished
        durable.make_folder(self.temporary)
        self.moves = Moves(folder / "moved.json")
        self.objects = Objects(folder / "objects", self.temporary)
        for part in ("objects", "repos", "tmp"):  # private repos are this user's alone, in a folder open to others too
            durable.make_folder(folder / part)
            (folder / part).chmod(0o700)
        self.readers = Readers()

    def _take_folder(self) -> None:
        try:
            fcntl.flock(self._flock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._flock)
            raise LocalHubError(
                f"Another Hub already serves {self.folder}: stop it, or choose another folder."
            ) from None

    def close(self) -> None:
        """Let another process serve this folder."""
        self.readers.close()
        fcntl.flock(self._flock, fcntl.LOCK_UN)
        os.close(self._flock)

    def lock(self, repo: Repo) -> threading.RLock:
        """The lock that every change of a repo holds."""
        with self._locks_lock:
            return self._locks.setdefault((repo.kind, repo.id.casefold()), threading.RLock())

    @contextlib.contextmanager
    def changing(self, repo: Repo) -> Iterator[None]:
        """Hold a repo's lock, and be sure that it is still there."""
        with self.lock(repo):
            if not repo.is_there():
                raise repo_not_found(anonymous=False)
            yield

    def at(self, kind: str, repo_id: str) -> Repo:
        """The repo of this id, there or not."""
        return Repo(kind, repo_id, self.folder / "repos" / kind / repo_id)

    def find(self, kind: str, repo_id: str) -> Repo | None:
        """The repo of this id; None when there is none."""
        namespace, _, name = repo_id.partition("/")
        if kind not in KINDS or not _NAME.fullmatch(namespace) or not _NAME.fullmatch(name):
            return None
        repo = self.at(kind, repo_id)
        return repo if repo.is_there() else None

    def create(self, kind: str, repo_id: str, settings: dict[str, Any], tree: Tree, author: str) -> Repo:
        """Make a repo with a first commit: it appears under its name as a whole.

        Raises:
            HubError: 409 when the name is taken.
        """
        final = self.at(kind, repo_id)
        _check_free(final)
        draft = Repo(kind, repo_id, self.temporary / secrets.token_hex(12))
        durable.make_folder(draft.folder)
        draft.save_settings({"createdAt": now(), **settings})
        draft.start(tree, author)
        self._place(draft, final)
        return final

    def _place(self, source: Repo, final: Repo) -> None:
        with self.lock(final):
            _check_free(final, moving=source)
            if final.folder.exists():  # the remains of a repo are none, and must not hold its name
                self._discard(final)
            self.moves.forget(final.kind, final.id)
            durable.publish(source.folder, final.folder)

    def move(self, repo: Repo, new_id: str) -> Repo:
        """Give a repo another id, in one rename.

        Raises:
            HubError: 409 when the id is taken.
        """
        final = self.at(repo.kind, new_id)
        with contextlib.ExitStack() as both:
            # in one order, whichever moves where: two moves never wait for each other
            for each in sorted({repo, final}, key=lambda each: each.id.casefold()):
                both.enter_context(self.lock(each))
            both.enter_context(self.changing(repo))
            self._place(repo, final)
            durable.sync_folder(repo.folder.parent)
            self.moves.add(repo.kind, repo.id, new_id)
        return final

    def copy(self, repo: Repo, new_id: str, settings: dict[str, Any]) -> Repo:
        """Make a repo with the history of another."""
        final = self.at(repo.kind, new_id)
        _check_free(final)
        draft = Repo(repo.kind, new_id, self.temporary / secrets.token_hex(12))
        with self.changing(repo):
            shutil.copytree(repo.folder, draft.folder)
        draft.save_settings({**repo.settings(), "createdAt": now(), **settings})
        for folder, _, names in os.walk(draft.folder):
            for name in names:
                with (Path(folder) / name).open("rb") as file:
                    os.fsync(file.fileno())
            durable.sync_folder(Path(folder))
        self._place(draft, final)
        return final

    def delete(self, repo: Repo) -> None:
        """Remove a repo: at once by a rename, then from the disk. Content stays: other repos may hold it."""
        with self.changing(repo):
            self._discard(repo)
            self.moves.forget(repo.kind, repo.id)

    def _discard(self, repo: Repo) -> None:
        gone = self.temporary / secrets.token_hex(12)
        repo.folder.replace(gone)
        durable.sync_folder(repo.folder.parent)
        shutil.rmtree(gone, ignore_errors=True)

    def all(self, kind: str) -> Iterator[Repo]:
        """Every repo of a kind, by id."""
        root = self.folder / "repos" / kind
        for folder in sorted(root.glob("*/*")):
            repo = self.find(kind, f"{folder.parent.name}/{folder.name}")
            if repo is not None:
                yield repo
