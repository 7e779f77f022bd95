"""One thread decodes at a time, and none while it waits for the network.

PyAV lets go of the interpreter lock and takes it back at every packet. Where sixteen threads do so at once, their
switches cost three times what the decoding does: see tests/benchmarks/threads.py.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_free = threading.Lock()
_mine = threading.local()


@contextmanager
def decoding() -> Iterator[None]:
    """Have the processor to oneself; a thread that has it already keeps it."""
    if getattr(_mine, "held", False):
        yield
        return
    with _free:
        _mine.held = True
        try:
            yield
        finally:
            _mine.held = False


@contextmanager
def waiting() -> Iterator[None]:
    """Let others decode meanwhile, where this thread is decoding."""
    if not getattr(_mine, "held", False):
        yield
        return
    _mine.held = False
    _free.release()
    try:
        yield
    finally:
        _free.acquire()
        _mine.held = True
