"""Errors a user can mend: one sentence that names the mend, exit code 2, no traceback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class UserError(ValueError):
    """Something the user can mend; the message is one sentence that says how."""


@contextmanager
def mendable() -> Iterator[None]:
    """Print a mendable error as its sentence and exit with code 2; a bug keeps its traceback.

    A context manager that is also a decorator: `with mendable(): ...` or `@mendable()`.
    """
    try:
        yield
    except UserError as error:
        print(" ".join(str(error).split()), file=sys.stderr)  # noqa: T201
        raise SystemExit(2) from None
