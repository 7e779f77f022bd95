"""Waiting in a test for what another process does, without taking the processor and the interpreter from it."""

import time
from collections.abc import Callable

_LOOK_EVERY_S = 0.002


def until(true: Callable[[], object], limit_s: float = 20.0) -> None:
    """Return when something has become true.

    Raises:
        AssertionError: it has not within `limit_s` seconds.
    """
    deadline = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < deadline, f"it did not happen within {limit_s:g} s"
        time.sleep(_LOOK_EVERY_S)
