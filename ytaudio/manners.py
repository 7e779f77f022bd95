"""How a site is treated: spacing between videos, growing pauses at a wall, and when to leave it alone."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ytaudio.media import Failure

FIRST_PAUSE_S = 30.0  # after a wall; doubled for each further one
PATIENCE_S = 450.0  # four pauses: 30, 60, 120 and 240 s
CALM = 20  # videos answered in a row, after which the next wall counts as the first


@dataclass(frozen=True, slots=True)
class Manners:
    """What one machine allows itself towards a site."""

    sleep_s: float = 0.0  # seconds between the beginnings of two visits, on average, whatever the number of threads
    patience_s: float = PATIENCE_S  # seconds waited at walls in a row before the run ends

    def pauses_s(self) -> tuple[float, ...]:
        """The pauses after each wall in a row, which double and last `patience_s` in all; one wall more ends it."""
        pauses: list[float] = []
        left, next_s = self.patience_s, FIRST_PAUSE_S
        while left > 0:
            pauses.append(min(next_s, left))
            left, next_s = left - pauses[-1], next_s * 2
        return tuple(pauses)


@dataclass
class Limiter:
    """One for all threads: visits begin apart from each other, each time by another length.

    The waits are drawn evenly between half and one and a half of `sleep_s`: a regular beat is what sites look for.
    """

    sleep_s: float
    seed: int = 0
    clock: Callable[[], float] = time.monotonic
    _next: float = field(default=float("-inf"), init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def wait_s(self) -> float:
        """Seconds until the next visit may begin; 0 if it may now."""
        return max(0.0, self._next - self.clock())

    def begin(self) -> None:
        """Note that a visit begins now."""
        self._next = self.clock() + self.sleep_s * self._random.uniform(0.5, 1.5)


class Walls:
    """The walls met in a row, and what follows each."""

    def __init__(self, manners: Manners) -> None:
        self._pauses = manners.pauses_s()
        self._patience_s = manners.patience_s
        self._met = 0
        self._waited_s = 0.0
        self._calm = 0

    def answered(self) -> None:
        """A video was answered; after CALM of them in a row the walls before are forgotten."""
        self._calm += 1
        if self._calm >= CALM:
            self._met, self._waited_s = 0, 0.0

    def pause_s(self, wall: Failure) -> float | None:
        """How many seconds to wait at this wall; None if it is time to end the run.

        A site that names its own waiting time (Retry-After) is left alone for at least as long, and where that is more
        than what is left of the run's patience, the run ends at once.
        """
        self._calm = 0
        left_s = self._patience_s - self._waited_s
        if self._met >= len(self._pauses) or left_s <= 0 or wall.retry_after_s > left_s:
            return None
        pause_s = max(min(self._pauses[self._met], left_s), wall.retry_after_s)
        self._met += 1
        self._waited_s += pause_s
        return pause_s
