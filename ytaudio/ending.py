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
_sentence = "Interrupted, and nothing is lost: give the same command again to go on."  # see interrupted_says


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
        if threading.active_count() > 1:  # readers that hang in the network would hold the interpreter's own end up
            _end(end.code if isinstance(end.code, int) else 0)
        raise


def interrupted_says(sentence: str) -> None:
    """Say this on Ctrl-C and SIGTERM, for a verb that does not go on where it stopped."""
    global _sentence
    _sentence = sentence


def _leave(number: int, frame: object) -> NoReturn:
    """Say how to go on, past what print may be in the middle of."""
    os.write(2, ((_SHOW_CURSOR if sys.stderr.isatty() else "") + _sentence + "\n").encode())
    _end(INTERRUPTED if number == signal.SIGINT else TERMINATED)


def _end(code: int) -> NoReturn:
    with suppress(RuntimeError):  # the stream is in the middle of a write
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
