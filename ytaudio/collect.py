"""Videos to clip files and a ledger: threads, politeness, resume."""

import hashlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ytaudio import clips, media
from ytaudio.catalog import Video
from ytaudio.clips import Clip, spread_windows
from ytaudio.ledger import ClipRecord, Ledger, Outcome, Settings
from ytaudio.media import Failure, Media, Reason

Locate = Callable[[Video], Media | Failure]

CLIPS = "clips"
WALL_PAUSES_S = (30.0, 60.0, 120.0, 240.0)  # what follows each wall in a row; one more wall ends the run


def clip_path(folder: str | Path, video_id: str, index: int) -> Path:
    """Where a clip's FLAC file lies."""
    return Path(folder) / CLIPS / video_id / f"{index}.flac"


def write_whole(path: Path, content: bytes) -> None:
    """A file that is there whole or not at all: a temporary name, fsync, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)  # there only if the disk was full


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


def collect_video(
    video: Video, folder: Path, settings: Settings, locate: Callable[[Video], Media | Failure]
) -> Outcome:
    """Read a video's windows and write them as clip files; what goes wrong is in the outcome.

    Stream addresses expire while a video waits its turn, so a stream that fails is located once more.
    """
    began = time.monotonic()
    blank = Outcome(video.id, video.category, video.url, video.title, "", 0.0, (), None, 0, 0.0, media.VERSION)
    outcome = blank
    for _ in range(2):
        found = locate(video)
        if isinstance(found, Failure):
            outcome = replace(blank, failure=found)
            break
        outcome = _read_clips(found, replace(blank, bytes_read=outcome.bytes_read), folder, settings)
        if not outcome.failure or outcome.failure.reason is not Reason.SERVER_ERROR:
            break
    return replace(outcome, seconds=round(time.monotonic() - began, 3))


def _read_clips(found: Media, blank: Outcome, folder: Path, settings: Settings) -> Outcome:
    heard = replace(blank, channel_id=found.channel_id, duration_s=found.duration_s, title=found.title or blank.title)
    opened = media.open_media(found)
    if isinstance(opened, Failure):
        return replace(heard, failure=opened)
    made: list[ClipRecord] = []
    longest_s, loudest = 0.0, -120.0
    with opened as reader:
        length_s = min(found.duration_s, reader.duration_s or found.duration_s)  # sites round up, and err
        for window in spread_windows(length_s, settings.clips_per_video, settings.clip_seconds):
            waveform = reader.window(window)
            if isinstance(waveform, Failure):
                return replace(heard, failure=waveform, bytes_read=heard.bytes_read + reader.bytes_read)
            level, seconds = clips.dbfs(waveform), waveform.size / clips.SAMPLING_RATE
            longest_s, loudest = max(longest_s, seconds), max(loudest, level)
            if level >= clips.SILENCE_DBFS and seconds >= clips.MINIMUM_S:
                made.append(_write_clip(folder, Clip(found.video_id, len(made), window, waveform), level))
        heard = replace(heard, duration_s=length_s, bytes_read=heard.bytes_read + reader.bytes_read)
    if longest_s < clips.MINIMUM_S:
        return replace(heard, failure=Failure(found.video_id, Reason.TOO_SHORT, f"{longest_s:.2f} s of sound"))
    if not made:
        silence = f"no window is louder than {loudest:.0f} dBFS"
        return replace(heard, failure=Failure(found.video_id, Reason.SILENT, silence))
    return replace(heard, clips=tuple(made))


def _write_clip(folder: Path, clip: Clip, level: float) -> ClipRecord:
    flac = clips.encode(clip.waveform)
    write_whole(clip_path(folder, clip.video_id, clip.index), flac)
    seconds = round(clip.waveform.size / clips.SAMPLING_RATE, 4)
    digest = hashlib.sha256(flac).hexdigest()
    return ClipRecord(clip.index, clip.window.start_s, seconds, clip.waveform.size, round(level, 2), digest)


@dataclass
class Progress:
    """How a collection stands, for whoever shows it."""

    wanted: dict[str, int]  # good videos aimed at, by category
    good: dict[str, int] = field(default_factory=dict)
    failed: int = 0
    bytes_read: int = 0


@dataclass(frozen=True, slots=True)
class Collected:
    """How a run of collect ended."""

    attempted: int  # videos visited in this run
    stopped_by: Failure | None  # the wall that ended the run, if one did


def collect(
    videos: Iterable[Video],
    ledger: Ledger,
    settings: Settings,
    *,
    per_category: int | None = None,
    threads: int = 16,
    locate: Locate = media.locate,
    pause: Callable[[float], object] = time.sleep,
    show: Callable[[Progress], object] = lambda progress: None,
) -> Collected:
    """Visit videos, categories in turn, until each category has `per_category` good ones; None means all there are.

    No more videos are under way than a category still needs, so the ones visited are always the shortest sufficient
    beginning of its order: a run that was killed and resumed visits the same ones as a run that was not. A wall stops
    new visits, waits longer each time, and after the last wait ends the run; no video is written down for it.
    """
    folder = ledger.path.parent
    queues, progress = _what_is_left(visiting_order(videos, settings.seed), ledger, per_category)
    under_way: dict[Future[Outcome], Video] = {}
    attempted, walls = 0, 0
    wall: Failure | None = None
    stop = threading.Event()

    def visit(video: Video) -> Outcome:
        if stop.is_set():
            raise InterruptedError
        return collect_video(video, folder, settings, locate)

    pool = ThreadPoolExecutor(threads, thread_name_prefix="collect")
    try:
        while True:
            if not wall:
                for video in _next(queues, progress, under_way, threads):
                    under_way[pool.submit(visit, video)] = video
            if not under_way and not wall:
                return Collected(attempted, None)
            if not under_way and wall:  # every thread has come back from it: one wall, however many hit it
                if walls == len(WALL_PAUSES_S):
                    return Collected(attempted, wall)
                pause(WALL_PAUSES_S[walls])
                walls, wall = walls + 1, None
                continue
            for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                video, outcome = under_way.pop(future), future.result()
                if outcome.failure and outcome.failure.reason.kind == "wall":
                    wall = outcome.failure
                    queues[video.category].appendleft(video)
                    continue
                attempted, walls = attempted + 1, 0
                ledger.append(outcome)
                _tally(progress, outcome)
                show(progress)
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)


def _what_is_left(
    order: dict[str, list[Video]], ledger: Ledger, per_category: int | None
) -> tuple[dict[str, deque[Video]], Progress]:
    progress = Progress({c: min(per_category or len(queue), len(queue)) for c, queue in order.items()})
    queues: dict[str, deque[Video]] = {}
    for category, videos in order.items():
        known = [ledger.outcomes.get(video.id) for video in videos]
        progress.good[category] = sum(1 for outcome in known if outcome and outcome.clips)
        pairs = zip(videos, known, strict=True)
        queues[category] = deque(video for video, outcome in pairs if not (outcome and outcome.settled))
    return queues, progress


def _next(
    queues: dict[str, deque[Video]], progress: Progress, under_way: Mapping[Any, Video], threads: int
) -> Iterator[Video]:
    """The videos to start now: one a category in turn, until every thread is busy or no category needs more."""
    room = threads - len(under_way)
    coming = dict.fromkeys(queues, 0)
    for video in under_way.values():
        coming[video.category] += 1
    while room > 0:
        before = room
        # The category furthest from its goal goes first, so that any prefix of the work is balanced.
        for category in sorted(queues, key=lambda c: progress.good[c] + coming[c]):
            have = progress.good[category] + coming[category]
            if room and queues[category] and have < progress.wanted[category]:
                coming[category] += 1
                room -= 1
                yield queues[category].popleft()
        if room == before:
            return


def _tally(progress: Progress, outcome: Outcome) -> None:
    progress.bytes_read += outcome.bytes_read
    if outcome.clips:
        progress.good[outcome.category] += 1
    else:
        progress.failed += 1
