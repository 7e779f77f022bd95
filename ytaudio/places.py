"""A folder on any file system that fsspec knows, and a mirror of a task's disk to it, without append and rename."""

import json
import secrets
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from ytaudio.durable import write_whole
from ytaudio.errors import UserError
from ytaudio.ledger import LEDGER, Outcome, Settings, read_ledger
from ytaudio.redaction import redacted
from ytaudio.visits import clip_name

PARTS = "ledger"  # beside LEDGER, where it cannot be appended to: its lines in whole objects
EVERY_S = 30.0  # seconds between two mirrors: what a killed machine may lose
AT_ONCE = 8  # objects on their way


@dataclass(frozen=True, slots=True)
class Place:
    """A folder by its fsspec URL (s3://bucket/run, file:///mnt/run) or its path; it need not exist."""

    url: str

    @classmethod
    def at(cls, url: str | Path) -> "Place":
        """The place that a user names; a path is made absolute, because other machines have other working folders.

        Raises:
            UserError: fsspec knows no such kind of place, or lacks the package for it.
        """
        if "@" in str(url).partition("://")[2].partition("/")[0]:
            raise UserError(
                f"{redacted(str(url))} holds a password, which would lie in files and logs: give it in the environment "
                "or in fsspec's configuration (~/.config/fsspec), and the address without it."
            )
        try:
            fs, path = fsspec.core.url_to_fs(str(url))
        except (ValueError, ImportError) as error:
            said = f"{url} cannot be reached ({error}): give a folder, or install what it needs."
            raise UserError(redacted(said)) from None
        return cls(str(Path(path).absolute()) if isinstance(fs, LocalFileSystem) else str(url).rstrip("/"))

    def __truediv__(self, name: str) -> "Place":
        return Place(f"{self.url}/{name}")

    def _fs(self) -> tuple[Any, str]:
        return fsspec.core.url_to_fs(self.url)

    @property
    def folder(self) -> Path | None:
        """The folder, where it is on a file system of this machine; None for one that is reached over fsspec."""
        fs, path = self._fs()
        return Path(path) if isinstance(fs, LocalFileSystem) else None

    def names(self) -> list[str]:
        """What lies directly in it, sorted, as it is now; nothing if it does not exist."""
        fs, path = self._fs()
        fs.invalidate_cache()
        try:
            return sorted(str(name).rstrip("/").rsplit("/", 1)[-1] for name in fs.ls(path, detail=False))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def read(self, name: str) -> bytes | None:
        """An object's content; None if there is none."""
        fs, path = self._fs()
        try:
            content: bytes = fs.cat_file(f"{path}/{name}")
        except (FileNotFoundError, NotADirectoryError):
            return None
        return content

    def write(self, name: str, content: bytes) -> None:
        """Write an object in one go: whole or not at all on a disk and on object stores."""
        if folder := self.folder:
            return write_whole(folder / name, content)
        fs, path = self._fs()
        fs.makedirs(f"{path}/{name}".rsplit("/", 1)[0], exist_ok=True)
        fs.pipe_file(f"{path}/{name}", content)
        return None


def read_parts(place: Place) -> bytes:
    """A ledger's lines from its parts, the settings first; b"" if there is none.

    A part's last line may be cut short where the place does not write whole objects; nothing had depended on it.
    """
    lines: list[bytes] = []
    for name in (place / PARTS).names():
        whole = (place / PARTS).read(name) or b""
        found = whole[: whole.rfind(b"\n") + 1].splitlines(keepends=True)
        lines += found[1:] if lines else found
    return b"".join(lines)


def read_outcomes(place: Place, scratch: Path) -> tuple[Settings, dict[str, Outcome]] | None:
    """Settings and outcomes of a task, wherever it works; None if it has not begun. `scratch` takes a file for a while.

    Raises:
        CollectError: a line cannot be read.
    """
    if folder := place.folder:
        return read_ledger(folder) if _first_line(folder / LEDGER) else None
    lines = read_parts(place)
    if not lines:
        return None
    write_whole(scratch / LEDGER, lines)
    return read_ledger(scratch)


def _first_line(path: Path) -> bytes:
    """A ledger's settings; b"" if they are not written yet."""
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        first = file.readline()
    return first if first.endswith(b"\n") else b""


class Mirror:
    """Keeps a place up to date with a task's folder on this machine's disk, inside its `with` block.

    Clips go first, then the lines that speak of them as one more object under a name of its own: a kill at any moment
    loses the outcomes since the last mirror and nothing else. Clips that are there take no room here any more.
    """

    def __init__(self, folder: Path, place: Place, every_s: float = EVERY_S) -> None:
        self._folder, self._place, self._every_s = folder, place, every_s
        self._run = secrets.token_hex(4)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send_now_and_then, name="mirror", daemon=True)
        self._sent = 0  # bytes of the ledger that are at the place
        self._settings = b""  # the ledger's first line, which every part begins with
        self._parts = 0

    def __enter__(self) -> "Mirror":
        self._fetch()
        self._thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        self.send()

    def _fetch(self) -> None:
        """Bring the ledger here, and an empty file for each clip that is at the place."""
        lines = read_parts(self._place)
        if not lines:
            return
        write_whole(self._folder / LEDGER, lines)
        self._parts = len((self._place / PARTS).names())
        self._sent, self._settings = len(lines), lines[: lines.index(b"\n") + 1]
        for outcome in read_ledger(self._folder)[1].values():
            self._empty(_clips((outcome,)))

    def _empty(self, names: Iterable[str]) -> None:
        for name in names:
            (self._folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self._folder / name).open("wb").close()

    def _send_now_and_then(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                self.send()
            except OSError:
                continue  # the place may answer next time, and the last send of all tells if it does not

    def send(self) -> None:
        """Bring the place up to date.

        Raises:
            OSError: the place cannot be written.
        """
        lines = self._new_lines()
        if not lines:
            return
        names = _clips(Outcome.from_json(json.loads(line)) for line in lines)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda name: self._place.write(name, (self._folder / name).read_bytes()), names))
        content = self._settings + b"".join(lines)
        (self._place / PARTS).write(f"{self._parts:06d}-{self._run}.jsonl", content)
        self._parts += 1
        self._sent = (self._sent or len(self._settings)) + sum(len(line) for line in lines)
        self._empty(names)

    def _new_lines(self) -> list[bytes]:
        """The whole lines of the ledger that are not at the place yet."""
        self._settings = self._settings or _first_line(self._folder / LEDGER)
        if not self._settings:
            return []
        with (self._folder / LEDGER).open("rb") as file:
            file.seek(self._sent or len(self._settings))
            return [line for line in file if line.endswith(b"\n")]


def _clips(outcomes: Iterable[Outcome]) -> list[str]:
    """The names of their clips' objects."""
    return [clip_name(outcome.video_id, clip.index) for outcome in outcomes for clip in outcome.clips]
