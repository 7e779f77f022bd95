"""What a person names to what can be heard: links, files, the files of folders, what comes through a pipe."""

import os
import re
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from ytaudio import media
from ytaudio.catalog import Video, parse_link
from ytaudio.media import Access, Failure, Media, Reason

STDIN = "-"
STDIN_MOST_BYTES = 2 << 30  # that a pipe may bring: an hour of uncompressed stereo is a third of it
_PIECE_BYTES = 1 << 20
# what FFmpeg's errors begin with where a file is none of its formats, or lists others, which are not opened
_NOT_READ = ("InvalidDataError", "ArgumentError", "PermissionError", "EOFError")
_NAMED_SO = re.compile(
    r"\.(3g[2p]|aac|ac3|aif[cf]?|amr|ape|asf|au|avi|caf|dts|eac3|f4v|fla[cv]|m2ts|m4[abv]|mk[av]|mov|mp[234]|mpe?g|mts"
    r"|og[agv]|opus|ra|rm|spx|tta|vob|wave?|webm|wm[av]|wv)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Input:
    """One thing to be heard."""

    name: str  # a link, a path, or "-"
    from_folder: bool = False  # found in a folder that was named, so that it may be something else than sound

    def is_skipped(self, failure: Failure) -> bool:
        """Whether a failure says only that a file of a folder is neither sound nor video, nor named as if it were."""
        no_media = failure.reason in (Reason.NO_AUDIO, Reason.UNSUPPORTED)
        return self.from_folder and no_media and not _NAMED_SO.fullmatch(Path(self.name).suffix)

    @property
    def site(self) -> str:
        """The host of a link; "" for what is on this machine."""
        return "" if _kind(self.name) else urlsplit(_link(self.name)[1]).hostname or ""


def find_inputs(names: Iterable[str]) -> list[Input | Failure]:
    """The inputs that names stand for, in their order; a folder's place is taken by the files below it, sorted.

    Hidden files and folders are left out, and links to folders are not followed. What of a folder is sound shows when
    it is opened. A folder that holds no file, or cannot be read, is a Failure.
    """
    found: list[Input | Failure] = []
    for name in names:
        if name != STDIN and _kind(name) == stat.S_IFDIR:
            found += _files_below(name)
        else:
            found.append(Input(name))
    return found


def _files_below(folder: str) -> Sequence[Input | Failure]:
    unread: list[OSError] = []
    found: list[Input | Failure] = []
    for place, folders, files in os.walk(folder, onerror=unread.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = (os.path.join(place, name) for name in sorted(files) if not name.startswith("."))  # noqa: PTH118 (as given)
        found += [Input(path, from_folder=True) for path in paths if _kind(path) == stat.S_IFREG]
    found += [Failure(str(e.filename), Reason.UNSUPPORTED, f"the folder cannot be read: {e.strerror}") for e in unread]
    return found or [Failure(folder, Reason.NO_AUDIO, "the folder holds no file")]


@contextmanager
def find_media(name: str, access: Access | None = None) -> Iterator[Media | Failure]:
    """Where an input's sound can be read, while inside; what came through a pipe is gone at the end.

    A name of something on this machine is that; any other is a link.
    """
    kind = stat.S_IFIFO if name == STDIN else _kind(name)
    if kind == stat.S_IFREG:
        yield _file(name)
    elif kind == stat.S_IFIFO:
        with _spooled(name) as spooled:
            yield spooled
    elif kind:
        yield Failure(name, Reason.UNSUPPORTED, "it is no file")
    else:
        video_id, url = _link(name)
        if url:
            yield media.locate(Video(video_id, url, "", "", ""), access=access)
        else:
            yield Failure(name, Reason.BAD_LINK, "there is no such file, and it is no link to a video")


def _kind(name: str) -> int:
    """What lies at a path, as stat.S_IFMT tells it; 0 for nothing."""
    try:
        return stat.S_IFMT(os.stat(name).st_mode)  # noqa: PTH116 (a Path would make of a link what it is not)
    except (OSError, ValueError):  # links may be too long for a name, or hold what no name may
        return 0


def _link(name: str) -> tuple[str, str]:
    """A link's id and address, empty for what is no link."""
    try:
        return parse_link(name)
    except ValueError:
        return "", ""


def _file(name: str) -> Media | Failure:
    path = Path(name)
    try:
        with path.open("rb") as file:
            begins = file.read(1)
    except OSError as error:
        return Failure(name, Reason.UNSUPPORTED, f"the file cannot be read: {error.strerror}")
    if not begins:
        return Failure(name, Reason.NO_AUDIO, "the file is empty")
    return _local(name, path)


def _local(name: str, path: Path) -> Media | Failure:
    """A file that has been opened before, as media under the name that was given."""
    found = media.local_file(path)
    if not isinstance(found, Failure):
        return found
    strange = found.detail.startswith(_NOT_READ)
    return Failure(name, found.reason, "it is neither sound nor video that FFmpeg reads" if strange else found.detail)


@contextmanager
def _spooled(name: str) -> Iterator[Media | Failure]:
    """All that a pipe brings, in a temporary file that has no name, so that nothing is left even after a kill."""
    with tempfile.TemporaryFile(prefix="ytaudio-") as file:
        if name == STDIN:
            fits = _copy(sys.stdin.buffer, file)
        else:
            with Path(name).open("rb") as pipe:
                fits = _copy(pipe, file)
        if not fits:
            many = f"it brought more than {STDIN_MOST_BYTES >> 30} GB: save it as a file and name that"
            yield Failure(name, Reason.UNSUPPORTED, many)
        elif not file.tell():
            yield Failure(name, Reason.NO_AUDIO, "nothing came through the pipe")
        else:
            found = _local(name, Path(f"/dev/fd/{file.fileno()}"))
            yield replace(found, title="") if isinstance(found, Media) else found


def _copy(source: BinaryIO, target: BinaryIO) -> bool:
    """Copy until the end of what comes, or until it is too much: whether it was all."""
    left = STDIN_MOST_BYTES
    while piece := source.read(min(_PIECE_BYTES, left + 1)):
        if len(piece) > left:
            return False
        target.write(piece)
        left -= len(piece)
    target.flush()
    return True
