"""Whose turn it is: each category's videos in an order fixed by the seed, until enough good ones are known."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from ytaudio.catalog import Video
from ytaudio.ledger import Outcome


def visiting_order(videos: Iterable[Video], seed: int) -> dict[str, list[Video]]:
    """Each category's videos in the order they are visited.

    The key is a hash of seed and id, so a longer catalogue keeps the order of what it shares with a shorter one.
    """
    order: dict[str, list[Video]] = {}
    for video in videos:
        order.setdefault(video.category, []).append(video)
    for queue in order.values():
        queue.sort(key=lambda video: hashlib.sha256(f"{seed}:{video.id}".encode()).digest())
    return dict(sorted(order.items()))


class Turn:
    """One category's next video, as long as fewer than `wanted` good ones are known or under way.

    The videos visited are always the shortest sufficient beginning of the order, whoever visited some of them before:
    a run that was killed, or shared out among machines, ends with the videos of one that was not.
    """

    def __init__(self, videos: Sequence[Video], settled: Callable[[Video], Outcome | None], wanted: int | None) -> None:
        self._left = iter(videos)
        self._settled = settled
        self._again: deque[Video] = deque()
        self.wanted = len(videos) if wanted is None else min(wanted, len(videos))
        self.good = 0  # among the videos passed so far
        self.coming = 0  # under way

    def next(self) -> Video | None:
        """The video to visit now; None if no more is needed or left."""
        while self.good + self.coming < self.wanted:
            if self._again:
                self.coming += 1
                return self._again.popleft()
            video = next(self._left, None)
            if video is None:
                return None
            known = self._settled(video)
            if known is None:
                self.coming += 1
                return video
            self.good += bool(known.clips)
        return None

    def back(self, video: Video) -> None:
        """A video under way was not answered: it stays the next one."""
        self.coming -= 1
        self._again.appendleft(video)

    def give_up(self) -> None:
        """A video under way is left for another day: the next one takes its place."""
        self.coming -= 1

    def done(self, outcome: Outcome) -> None:
        """A video under way has its outcome."""
        self.coming -= 1
        self.good += bool(outcome.clips)


def furthest_behind(turns: Mapping[str, Turn]) -> Video | None:
    """The next video of the category that has least, so that any prefix of the work is balanced; None if all rest."""
    for turn in sorted(turns.values(), key=lambda turn: turn.good + turn.coming):
        if video := turn.next():
            return video
    return None
