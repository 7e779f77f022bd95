"""How the command ends: its exit codes, Ctrl-C, a scheduler's SIGTERM, and readers that hang in the network."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from ytaudio.errors import mendable

TRY_LATER = 75  # sysexits.h EX_TEMPFAIL: a wall ended the run, the ledger is intact
INTERRUPTED, TERMINATED = 130, 143  # 128 and the signal
_GRACE_S = 2.0  # for what an interrupted command tidies up


class _TerminatedError(BaseException):
    """A scheduler's SIGTERM, which ends a run as Ctrl-C does."""


@contextmanager
def ending_well() -> Iterator[None]:
    """End this process within seconds of Ctrl-C or SIGTERM, with a sentence, and at once at the end of its work."""
    sys.unraisablehook = _unraisable
    signal.signal(signal.SIGTERM, _terminated)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell may have it ignored
        signal.signal(signal.SIGINT, _interrupted)
    try:
        with mendable():
            yield
    except (KeyboardInterrupt, _TerminatedError) as interrupt:
        _leave(TERMINATED if isinstance(interrupt, _TerminatedError) else INTERRUPTED)
    except SystemExit as end:
        if end.code == INTERRUPTED:  # which is what typer makes of Ctrl-C
            _leave(INTERRUPTED)
        if threading.active_count() > 1:  # readers that hang in the network would hold the interpreter's own end up
            _end(end.code if isinstance(end.code, int) else 0)
        raise


def _unraisable(lost: "sys.UnraisableHookArgs") -> None:
    """Of an interrupt that gets lost in a callback, say nothing: the timer ends this process all the same."""
    if not issubclass(lost.exc_type, KeyboardInterrupt | _TerminatedError):
        sys.__unraisablehook__(lost)


def _terminated(number: int, frame: object) -> NoReturn:
    _leave_soon(TERMINATED)
    raise _TerminatedError


def _interrupted(number: int, frame: object) -> NoReturn:
    _leave_soon(INTERRUPTED)
    raise KeyboardInterrupt


def _leave_soon(code: int) -> None:
    """End soon even if the exception gets lost: some libraries catch everything while they are imported."""
    timer = threading.Timer(_GRACE_S, _leave, (code,))
    timer.daemon = True
    timer.start()


def _leave(code: int) -> NoReturn:
    """Say how to go on and end at once."""
    print("Interrupted, and nothing is lost: give the same command again to go on.", file=sys.stderr)  # noqa: T201
    _end(code)


def _end(code: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
