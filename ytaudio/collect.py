"""Videos to clip files and a ledger: threads, walls, resume."""

import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from ytaudio import media
from ytaudio.catalog import Video
from ytaudio.clips import Window
from ytaudio.ledger import Ledger, Outcome, Settings
from ytaudio.manners import Limiter, Manners, Walls
from ytaudio.media import Failure, Media, Reason
from ytaudio.turns import Turn, furthest_behind, visiting_order
from ytaudio.visits import Locate, clip_path, remove_unfinished, visit

_ODD = 3  # videos in a row, which alone are said to meet a wall


@dataclass
class Progress:
    """How a collection stands, for whoever shows it."""

    wanted: dict[str, int]  # good videos aimed at, by category
    good: dict[str, int] = field(default_factory=dict)
    failed: int = 0
    bytes_read: int = 0
    waiting_s: float = 0.0  # that all wait now, at a wall; 0 if they do not


@dataclass(frozen=True, slots=True)
class Collected:
    """How a run of collect ended."""

    attempted: int  # videos visited in this run
    stopped_by: Failure | None  # the wall that ended the run, if one did
    left: tuple[Failure, ...] = ()  # what met a wall of its own while others were answered: for another day


def collect(
    videos: Iterable[Video],
    ledger: Ledger,
    settings: Settings,
    *,
    per_category: int | None = None,
    threads: int = 16,
    retry: Collection[Reason] = (),
    windows: Mapping[str, Sequence[Window]] | None = None,
    manners: Manners | None = None,
    locate: Locate = media.locate,
    online: Callable[[Iterable[str]], bool] = media.online,
    pause: Callable[[float], object] = time.sleep,
    show: Callable[[Progress], object] = lambda progress: None,
) -> Collected:
    """Visit videos, categories in turn, until each category has `per_category` good ones; None means all there are.

    At a wall (the site's, or the network being gone) no visit begins; all wait, longer each time, and after the last
    wait the run ends. No video is written down for it. A video that meets a wall at which another is answered waits for
    the end of the run, and is then tried once more.

    Args:
        videos: the catalogue's.
        ledger: of the folder to collect into; what it has settled is left alone.
        settings: of the clips.
        per_category: good videos aimed at.
        threads: videos read at a time.
        retry: reasons whose videos are tried again although they are settled.
        windows: video id to the windows to read, where they are given; spread over the video otherwise.
        manners: spacing and patience.
        locate: finds a video's sound.
        online: whether any of these addresses answers; asked when the network failed a video twice.
        pause: waits that many seconds.
        show: is told how things stand after each outcome, and at a wall.
    """
    run = _Run(videos, ledger, settings, per_category, retry, windows, manners or Manners(), locate, online)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="collect")
    try:
        while True:
            run.start(pool, threads)
            if run.under_way:
                for future in wait(run.under_way, timeout=run.rest_s(), return_when=FIRST_COMPLETED).done:
                    run.take(future)
                    show(run.progress)
            elif run.wall:  # every thread has come back from it: one wall, however many hit it
                seconds = run.walls.pause_s(run.wall)
                if seconds is None:
                    return Collected(run.attempted, run.wall)
                run.progress.waiting_s = seconds
                show(run.progress)
                pause(seconds)
                run.go_on()
            elif rest_s := run.rest_s():
                pause(rest_s)
            else:
                return Collected(run.attempted, None, tuple(run.left))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class _Run:
    """One run of collect: what is under way, and what follows when something comes back."""

    def __init__(
        self,
        videos: Iterable[Video],
        ledger: Ledger,
        settings: Settings,
        per_category: int | None,
        retry: Collection[Reason],
        windows: Mapping[str, Sequence[Window]] | None,
        manners: Manners,
        locate: Locate,
        online: Callable[[Iterable[str]], bool],
    ) -> None:
        order = visiting_order(videos, settings.seed)
        remove_unfinished(ledger.path.parent)
        self._turns = {
            c: Turn(queue, lambda video: _settled(video, ledger, retry), per_category) for c, queue in order.items()
        }
        self._ledger, self._settings, self._windows = ledger, settings, windows
        self._locate, self._online = locate, online
        self._limiter, self.walls = Limiter(manners.sleep_s, settings.seed), Walls(manners)
        self.under_way: dict[Future[Outcome], Video] = {}
        self.attempted = 0
        self.wall: Failure | None = None
        self.progress = Progress({category: turn.wanted for category, turn in self._turns.items()})
        self._held: Video | None = None  # whose turn it is, and who waits for the limiter
        self._failed_once: set[str] = set()  # ids of videos that the network failed
        self._is_careful = False  # a wall was met, and nobody has been answered since
        self._witness = _answered_before(order, ledger)  # a video that was answered
        self._odd_in_a_row = 0
        self._odd: deque[Video] = deque()  # that met a wall of their own; their turn waits for them
        self._last_chance: set[str] = set()  # ids of those that are tried once more
        self.left: list[Failure] = []
        self._pages = _most_common_hosts(order)
        self._heard = ""  # the address that brought sound last

    def start(self, pool: ThreadPoolExecutor, threads: int) -> None:
        """Begin as many visits as there is room, need and leave for."""
        room = 1 if self._is_careful else threads
        while not self.wall and len(self.under_way) < room:
            self._held = self._held or furthest_behind(self._turns) or self._next_odd()
            if self._held is None or self._limiter.wait_s():
                return
            self._limiter.begin()
            self.under_way[pool.submit(self._visit, self._held)] = self._held
            self._held = None

    def _next_odd(self) -> Video | None:
        """A video that waits for the end of the run, once that has come."""
        if self.under_way or not self._odd:
            return None
        video = self._odd.popleft()
        self._last_chance.add(video.id)
        return video

    def go_on(self) -> None:
        """After the pause at a wall: one visit goes ahead, and the others follow when it was answered."""
        self.wall, self.progress.waiting_s, self._is_careful = None, 0.0, True

    def rest_s(self) -> float | None:
        """Seconds until the next visit may begin; None if that depends on what comes back."""
        return self._limiter.wait_s() if self._held and not self.wall else None

    def _visit(self, video: Video) -> Outcome:
        again = video.id in self._failed_once
        was_online = again and self._reaches_others()
        given = self._windows[video.id] if self._windows is not None else None
        addresses = [""]

        def located(video: Video) -> Media | Failure:
            found = self._locate(video)
            if isinstance(found, Media):
                addresses.append(found.stream_url)
            return found

        outcome = visit(video, self._ledger.path.parent, self._settings, located, given)
        if outcome.clips:
            self._heard = addresses[-1]
        # A network failure is the video's own only if it fails twice, and others are within reach before and after the
        # second time: an answer to somebody else in between says nothing of the moment when this one failed.
        if _network(outcome) and again and not (was_online and self._reaches_others()):
            assert outcome.failure is not None
            detail = f"nothing answers any more: {outcome.failure.detail}"
            return replace(outcome, failure=Failure(video.id, Reason.OFFLINE, detail))
        return outcome

    def _reaches_others(self) -> bool:
        """Whether anything else answers now: a front page, or a video that did before."""
        if self._online((self._heard, *self._pages)):
            return True
        found = self._locate(self._witness) if self._witness else None
        return found is not None and not (isinstance(found, Failure) and found.reason is Reason.NETWORK)

    def _is_odd(self, video: Video, wall: Failure) -> bool:
        """Whether a wall is met by this video alone: another, which was answered before, brings sound now.

        Where several in a row are odd, it is the witness that is.
        """
        witness = self._witness
        if wall.reason is Reason.OFFLINE or witness is None or witness.id == video.id:
            return False
        if self._odd_in_a_row >= _ODD and video.id not in self._last_chance:
            return False
        found = self._locate(witness)
        opened = found if isinstance(found, Failure) else media.open_media(found)
        if isinstance(opened, Failure):
            return False
        opened.close()
        return True

    def take(self, future: Future[Outcome]) -> None:
        """Sort out what came back: into the ledger, or back to its turn."""
        video, outcome = self.under_way.pop(future), future.result()
        turn, failure = self._turns[video.category], outcome.failure
        if failure and failure.reason.kind == "wall":
            self._met(failure, video, turn)
            return
        if _network(outcome) and video.id not in self._failed_once:
            self._failed_once.add(video.id)
            turn.back(video)
            return
        if not _network(outcome):
            self._odd_in_a_row = 0
            self._witness = video if outcome.clips else self._witness
            self.walls.answered()
            if self.wall and self.wall.reason is Reason.OFFLINE:
                self.wall = None  # somebody was answered after all
        self._is_careful = False
        self._ledger.append(outcome)
        turn.done(outcome)
        self.attempted += 1
        self._tally(outcome)

    def _met(self, wall: Failure, video: Video, turn: Turn) -> None:
        """A video met a wall: all wait, unless it is this one's own."""
        if self.wall or not self._is_odd(video, wall):
            self.wall = _higher(self.wall, wall)
            turn.back(video)
            return
        self._odd_in_a_row += 1
        if video.id in self._last_chance:
            turn.give_up()
            self.left.append(wall)
        else:
            self._odd.append(video)

    def _tally(self, outcome: Outcome) -> None:
        self.progress.bytes_read += outcome.bytes_read
        self.progress.failed += outcome.failure is not None
        self.progress.good = {category: turn.good for category, turn in self._turns.items()}


def _answered_before(order: Mapping[str, Sequence[Video]], ledger: Ledger) -> Video | None:
    """A video of the catalogue that an earlier run got clips of."""
    known = ledger.outcomes
    videos = (video for queue in order.values() for video in queue)
    return next((video for video in videos if video.id in known and known[video.id].clips), None)


def _most_common_hosts(order: Mapping[str, Sequence[Video]]) -> list[str]:
    """The front pages of the sites that most videos are on, two at most."""
    pages = Counter(
        urlsplit(video.url)._replace(path="/", query="").geturl() for queue in order.values() for video in queue
    )
    return [page for page, _ in pages.most_common(2)]


def _higher(one: Failure | None, other: Failure) -> Failure:
    """Of two walls the one to wait at: the site's before this machine's own, and the longer time that it names."""

    def height(wall: Failure) -> tuple[bool, float]:
        return wall.reason is not Reason.OFFLINE, wall.retry_after_s

    return other if one is None else max(one, other, key=height)


def _network(outcome: Outcome) -> bool:
    return outcome.failure is not None and outcome.failure.reason is Reason.NETWORK


def _settled(video: Video, ledger: Ledger, retry: Collection[Reason]) -> Outcome | None:
    """The outcome that a rerun leaves alone; None if the video is to be visited."""
    outcome = ledger.outcomes.get(video.id)
    if outcome is None or not outcome.stands(retry):
        return None
    here = (clip_path(ledger.path.parent, video.id, clip.index).is_file() for clip in outcome.clips)
    return outcome if all(here) else None
