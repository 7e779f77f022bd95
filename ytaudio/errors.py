"""Errors a user can mend: one sentence that names the mend, exit code 2, no traceback."""

import errno
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class UserError(ValueError):
    """Something the user can mend; the message is one sentence that says how."""


class ModelError(UserError):
    """A model that cannot be used; the message is one sentence that names the mend."""


_FOLDER_TROUBLE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG),
}


@contextmanager
def writing_to(folder: object) -> Iterator[None]:
    """A full disk or a folder that cannot be written, said as one sentence.

    Raises:
        UserError: instead of the OSError.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FOLDER_TROUBLE:
            raise
        what = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
        raise UserError(
            f"Cannot write to {folder} ({what}): make room or give another folder; "
            "what is done is kept, and the same command goes on from there."
        ) from None


def _reader_has_left() -> bool:
    """Whether what is printed goes into a pipe that nobody reads any more."""
    with suppress(OSError):  # no file is behind stdout
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    return False


@contextmanager
def mendable() -> Iterator[None]:
    """Print a mendable error as its sentence and exit with code 2; a bug keeps its traceback.

    A context manager that is also a decorator: `with mendable(): ...` or `@mendable()`. Where the reader of what is
    printed has left (`--help | head`), it exits with code 1.
    """
    try:
        yield
    except BrokenPipeError:
        if not _reader_has_left():
            raise  # of a connection
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter's end meets it again
        raise SystemExit(1) from None
    except UserError as error:
        # it may quote a site, a file or a Hub: nothing of that steers a terminal
        sentence = "".join(c if c.isprintable() else " " for c in str(error))
        print(" ".join(sentence.split()), file=sys.stderr)  # noqa: T201
        raise SystemExit(2) from None
