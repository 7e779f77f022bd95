"""A quick beginning: what is imported stays, so nobody looks through it for garbage meanwhile."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collections(*, for_good: bool = False) -> Iterator[None]:
    """Import and load inside, without Python's garbage collector.

    torch and transformers make a million objects that stay, and a collector looks through them again and again. With
    `for_good`, which is for a process of our own, it never looks at what is there at the end.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if for_good:
            gc.freeze()
        if was_on:
            gc.enable()
