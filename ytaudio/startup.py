"""A quick beginning: what is imported stays, so nobody looks through it for garbage meanwhile."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collections() -> Iterator[None]:
    """Import and load inside, without Python's garbage collector.

    torch and transformers make a million objects that stay; a collector that looks through them again and again takes a
    quarter of the time until the first answer (tests/benchmarks/first_answer.py).
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
