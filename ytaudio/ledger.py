"""The record of a build: what became of each video, on disk before anything depends on it."""

import fcntl
import gc
import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ytaudio.durable import sync
from ytaudio.errors import UserError
from ytaudio.media import VERSION, Failure, Reason

LEDGER, LOCK = "ledger.jsonl", "lock"


class CollectError(UserError):
    """A folder that cannot be collected into; the message is one sentence that names the mend."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides the bytes of a clip: a ledger is resumed under the same ones only."""

    clips_per_video: int = 3
    clip_seconds: float = 10.0
    seed: int = 0  # of the order in which videos are visited
    windows_of: str = ""  # the published dataset, "USER/NAME@commit", whose windows are read again; "" spreads them


@dataclass(frozen=True, slots=True)
class ClipRecord:
    """One clip file as the ledger knows it."""

    index: int
    start_s: float
    seconds: float
    samples: int  # at 16 kHz
    dbfs: float  # RMS level
    sha256: str  # of the FLAC file
    fingerprint: str = ""  # of the sound, as ytaudio.fingerprints writes it


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one video: one line of the ledger."""

    video_id: str
    category: str
    url: str
    title: str
    channel_id: str
    duration_s: float
    clips: tuple[ClipRecord, ...]
    failure: Failure | None
    bytes_read: int
    seconds: float  # spent on it
    read_with: str = ""  # yt-dlp's version

    @property
    def settled(self) -> bool:
        """Whether a rerun leaves it alone: it has its clips, or never will.

        What yt-dlp could not read is tried once more after each of its upgrades.
        """
        if self.failure is None:
            return True
        if self.failure.reason in (Reason.NO_AUDIO, Reason.UNSUPPORTED):
            return self.read_with == VERSION
        return self.failure.reason.kind == "permanent"

    def stands(self, retry: Collection[Reason]) -> bool:
        """Whether a rerun leaves it alone that tries these reasons again although they are settled."""
        return self.settled and (self.failure is None or self.failure.reason not in retry)

    def to_json(self) -> str:
        """One line of JSON, without its line break."""
        record: dict[str, Any] = asdict(self)
        if self.failure:
            record["failure"] = {"reason": self.failure.reason.value, "detail": self.failure.detail}
        return json.dumps(record, ensure_ascii=False)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Outcome":
        """The inverse of to_json, from the line's parsed object."""
        failed = record["failure"]
        failure = Failure(record["video_id"], Reason(failed["reason"]), failed["detail"]) if failed else None
        made = tuple(ClipRecord(**clip) for clip in record["clips"])
        return cls(**{**record, "clips": made, "failure": failure})


class Ledger:
    """The append-only record of a build: its settings first, then one outcome a line, each on disk before it counts."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.path = folder / LEDGER
        found, self.outcomes, kept = _read(self.path) if self.path.exists() else (None, {}, 0)
        if found not in (None, settings):
            changed = what_changed(found, settings)
            raise CollectError(
                f"{folder} was begun with other settings ({changed}): repeat those, or build into a new folder."
            )
        self._file = self.path.open("ab")
        self._file.truncate(kept)
        if found is None:
            self._write(json.dumps({"settings": asdict(settings)}))
            sync(folder)

    def append(self, outcome: Outcome) -> None:
        """Write one outcome; it is on disk when this returns."""
        self._write(outcome.to_json())
        self.outcomes[outcome.video_id] = outcome

    def _write(self, line: str) -> None:
        self._file.write(line.encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _read(path: Path) -> tuple[Settings | None, dict[str, Outcome], int]:
    """Settings, last outcome of each video, and the bytes of whole lines; a last line that was cut short is left out.

    Nothing had depended on a line that a killed run did not finish.
    """
    settings: Settings | None = None
    outcomes: dict[str, Outcome] = {}
    whole = 0
    with path.open("rb") as lines, _no_garbage():
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                break
            try:
                record = json.loads(line)
                if settings is None:
                    settings = Settings(**record["settings"])
                else:
                    outcomes[record["video_id"]] = Outcome.from_json(record)
            except (ValueError, TypeError, KeyError, RecursionError) as error:
                raise CollectError(
                    f"Line {number} of {path} cannot be read ({type(error).__name__}): remove that line and its video "
                    "is read again, or build into a new folder if it is the first."
                ) from None
            whole += len(line)
    return settings, outcomes, whole


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Keep the collector of cycles from walking over millions of new objects, none of which is in one."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def what_changed(before: Settings, now: Settings) -> str:
    """The settings that differ, in the words of the command line; the source alone where it decides the others."""
    old, new = _in_words(before), _in_words(now)
    changed = [f"{name} was {old[name]} and is now {new[name]}" for name in old if old[name] != new[name]]
    return changed[0] if before.windows_of != now.windows_of else ", ".join(changed)


def _in_words(settings: Settings) -> dict[str, str]:
    told = asdict(settings)
    windows_of = told.pop("windows_of")
    source = f"hub:{windows_of}" if windows_of else "a list of links"
    return {"SOURCE": source, **{f"--{name.replace('_', '-')}": str(value) for name, value in told.items()}}


def read_ledger(folder: str | Path) -> tuple[Settings, dict[str, Outcome]]:
    """The settings and the last outcome of each video of a build.

    Raises:
        CollectError: the folder holds no ledger, or one that cannot be read.
    """
    path = Path(folder) / LEDGER
    if not path.is_file():
        raise CollectError(f"{folder} holds no {LEDGER}: give a folder that `ytaudio build` wrote.")
    settings, outcomes, _ = _read(path)
    if settings is None:
        raise CollectError(f"{path} is empty: give a folder that `ytaudio build` wrote.")
    return settings, outcomes


@contextmanager
def open_ledger(folder: str | Path, settings: Settings) -> Iterator[Ledger]:
    """The ledger of a folder, for one builder at a time.

    Raises:
        CollectError: another builder is at work there, the settings changed, or the folder cannot be written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("w")
    except OSError as error:
        raise CollectError(f"Cannot write to {folder} ({error.strerror}): give a folder of your own.") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CollectError(f"Another build is writing to {folder}: wait for it, or give another folder.") from None
        ledger = Ledger(folder, settings)
        try:
            yield ledger
        finally:
            ledger.close()
