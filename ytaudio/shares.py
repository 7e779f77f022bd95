"""The tasks of a run on many machines: each has a share and a place of its own; merged, they are one build."""

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path

from ytaudio.catalog import Video
from ytaudio.clips import Window
from ytaudio.durable import write_synced
from ytaudio.errors import UserError
from ytaudio.launches import LAUNCHES, task_place, tasks_in
from ytaudio.ledger import Ledger, Outcome, Settings, what_changed
from ytaudio.media import Reason
from ytaudio.places import AT_ONCE, Place, read_outcomes
from ytaudio.turns import visiting_order
from ytaudio.visits import clip_name, clip_path, put_in_place, unfinished

SHARE = "videos.jsonl"  # of a task
_FIELDS = tuple(field.name for field in fields(Video))
_AHEAD = 64  # videos whose clips are on their way while a merge writes


@dataclass(frozen=True, slots=True)
class Need:
    """What a category still lacks."""

    videos: tuple[Video, ...]  # to visit, in the visiting order
    wanted: int | None  # good ones among them that would do; None if all are to be visited


def worth(outcome: Outcome | None) -> int:
    """Of two outcomes of a video the one worth more counts: 3 for clips, 2 for a final failure, 1 for another, 0."""
    if outcome is None:
        return 0
    return 3 if outcome.clips else 1 + outcome.settled


def still_needed(
    videos: Iterable[Video],
    known: Mapping[str, Outcome],
    seed: int,
    *,
    per_category: int | None = None,
    retry: Collection[Reason] = (),
    tried: Collection[str] = (),
) -> dict[str, Need]:
    """What a build still lacks by category, categories that lack nothing left out.

    It is what one machine might still visit: all that is not settled before the `per_category`-th good video of the
    visiting order, or before its end if there are fewer good ones.

    Args:
        videos: the catalogue's.
        known: what is known of them, by id.
        seed: of the visiting order.
        per_category: good videos aimed at.
        retry: reasons whose videos are tried again although they are settled.
        tried: ids of videos that are not tried again now.
    """
    needs: dict[str, Need] = {}
    for category, order in visiting_order(videos, seed).items():
        good, missing = 0, []
        for video in order:
            if good == per_category:
                break
            outcome = known.get(video.id)
            if outcome and outcome.stands(retry):
                good += bool(outcome.clips)
            elif video.id not in tried:
                missing.append(video)
        if missing:
            short = None if per_category is None or good == per_category else per_category - good
            needs[category] = Need(tuple(missing), short)
    return needs


def deal(needs: Mapping[str, Need], tasks: int) -> list[list[Video]]:
    """Task r gets every `tasks`-th video of each category; the last ones of a category go round too."""
    shares: list[list[Video]] = [[] for _ in range(tasks)]
    first = 0
    for need in needs.values():
        for number, video in enumerate(need.videos):
            shares[(first + number) % tasks].append(video)
        first += len(need.videos) % tasks
    return shares


def new_launch(
    shared: Place, shares: Sequence[Sequence[Video]], windows: Mapping[str, Sequence[Window]] | None = None
) -> Place:
    """Write the share of every task to a place of its own; no other launch, even one at the same moment, has it.

    Raises:
        UserError: the shared place cannot be written.
    """
    launch = shared / LAUNCHES / f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{os.urandom(3).hex()}"
    for rank, videos in enumerate(shares):
        lines = (_line(video, windows[video.id] if windows is not None else None) for video in videos)
        try:
            task_place(launch, rank).write(SHARE, "".join(lines).encode())
        except OSError as error:
            raise UserError(
                f"Cannot write to {shared.url} ({error}): give --shared a place that you may use."
            ) from None
    return launch


def _line(video: Video, windows: Sequence[Window] | None) -> str:
    record: dict[str, object] = {"video": {name: getattr(video, name) for name in _FIELDS}}  # asdict is slow
    if windows is not None:
        record["windows"] = [asdict(window) for window in windows]
    return json.dumps(record, ensure_ascii=False) + "\n"


def read_share(task: Place) -> tuple[list[Video], dict[str, list[Window]] | None]:
    """The videos of a task, and the windows to read where they are given.

    Raises:
        UserError: the share is not there: this machine does not see the shared place.
    """
    content = task.read(SHARE)
    if content is None:
        raise UserError(f"{task.url} holds no {SHARE} on this machine: give --shared a place that all machines reach.")
    records = [json.loads(line) for line in content.splitlines()]
    videos = [Video(**record["video"]) for record in records]
    if not any("windows" in record for record in records):
        return videos, None
    return videos, {record["video"]["id"]: [Window(**w) for w in record["windows"]] for record in records}


def outcomes_of(tasks: Iterable[Place], settings: Settings) -> Iterator[tuple[Place, dict[str, Outcome]]]:
    """What each of these tasks has done so far; those that have not begun are left out.

    Raises:
        UserError: a task collected with other settings, or its ledger cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="ytaudio-") as scratch:
        for task in tasks:
            read = read_outcomes(task, Path(scratch))
            if read is None:
                continue
            found, outcomes = read
            if found != settings:
                raise UserError(
                    f"{task.url} was collected with other settings ({what_changed(found, settings)}): repeat those, or "
                    "give another folder and another --shared."
                )
            yield task, outcomes


def merge(shared: str | Path, ledger: Ledger, settings: Settings) -> int:
    """Bring what tasks have done so far into the ledger and its folder's clips; returns the videos brought.

    Safe to repeat at any time, also while tasks are at work, and to be killed in: a video's clips are there, whole and
    checked against their hashes, before the line that speaks of them is written. On one file system clips are linked,
    and take no further room; from elsewhere they are copied.

    Raises:
        UserError: a task collected with other settings, or its ledger cannot be read.
    """
    brought = 0
    for task, outcomes in outcomes_of(tasks_in(Place.at(shared)), settings):
        better = [o for o in outcomes.values() if worth(o) > worth(ledger.outcomes.get(o.video_id))]
        bring = partial(_bring, task, ledger.path.parent)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for start in range(0, len(better), _AHEAD):
                ahead = better[start : start + _AHEAD]
                for outcome, is_here in zip(ahead, pool.map(bring, ahead), strict=True):
                    if is_here:
                        ledger.append(outcome)
                        brought += 1
    return brought


def _bring(task: Place, folder: Path, outcome: Outcome) -> bool:
    """Have a video's clips in the folder; False if they are not at the task's place as its ledger says."""
    if not outcome.clips:
        return True
    final = clip_path(folder, outcome.video_id, 0).parent
    with unfinished(final) as part:
        for clip in outcome.clips:
            name = clip_name(outcome.video_id, clip.index)
            if not _fetch(task, name, part / f"{clip.index}.flac", clip.sha256):
                return False
        put_in_place(part, final)
    return True


def _fetch(task: Place, name: str, target: Path, sha256: str) -> bool:
    content = task.read(name)
    if content is None or hashlib.sha256(content).hexdigest() != sha256:
        return False
    if source := task.folder:
        try:
            os.link(source / name, target)
            return True
        except OSError:
            pass  # another file system, or one without links: copied
    write_synced(target, content)
    return True
