"""How the command ends: its exit codes, Ctrl-C, a scheduler's SIGTERM, and readers that hang in the network."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from ytaudio.errors import mendable
from ytaudio.redaction import secrets_hidden

TRY_LATER = 75  # sysexits.h EX_TEMPFAIL: a wall ended the run, the ledger is intact
INTERRUPTED, TERMINATED = 130, 143  # 128 and the signal
_SHOW_CURSOR = "\x1b[?25h"  # which progress bars hide
_sentence = "Interrupted, and nothing is lost: give the same command again to go on."
_at_once = False


@contextmanager
def ending_well() -> Iterator[None]:
    """End this process at once, with a sentence, on Ctrl-C and SIGTERM, and at the end of its work.

    No exception is raised for a signal: one that comes up in the middle of an import gets lost in a callback or crashes
    a compiled module, and whatever a build has under way survives a kill.
    """
    signal.signal(signal.SIGTERM, _leave)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell may have it ignored
        signal.signal(signal.SIGINT, _leave)
    try:
        with secrets_hidden(), mendable():
            yield
    except SystemExit as end:
        # readers that hang in the network would hold the interpreter's own end up
        if threading.active_count() > 1 or _at_once:
            _end(end.code if isinstance(end.code, int) else 0)
        raise
    except Exception:
        if threading.active_count() > 1:
            sys.excepthook(*sys.exc_info())  # a bug's traceback is not to wait for them either
            _end(1)
        raise


def nothing_to_keep(sentence: str) -> None:
    """For a verb that only prints: say this on Ctrl-C and SIGTERM, and at its end leave Python untidied.

    With torch in it, tidying up takes a second.
    """
    global _sentence, _at_once
    _sentence, _at_once = sentence, True


def _leave(number: int, frame: object) -> NoReturn:
    """Say how to go on, past what print may be in the middle of."""
    os.write(2, ((_SHOW_CURSOR if sys.stderr.isatty() else "") + _sentence + "\n").encode())
    _end(INTERRUPTED if number == signal.SIGINT else TERMINATED)


def _end(code: int) -> NoReturn:
    with suppress(RuntimeError):  # the stream is in the middle of a write
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
