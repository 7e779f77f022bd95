"""Files and folders that outlive a kill and a power cut."""

import os
import secrets
from pathlib import Path


def sync(path: Path) -> None:
    """Have what a file holds, or the names in a folder, on disk when this returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_synced(path: Path, content: bytes) -> None:
    """A file that is on disk when this returns; its name is not before its folder is synced."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def write_whole(path: Path, content: bytes) -> None:
    """A file that is there whole or not at all: a temporary name, fsync, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        write_synced(unfinished, content)
        unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)  # there only if the disk was full
