"""One video to its clip files: its windows are read, silent ones moved, and what goes wrong is a value."""

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from ytaudio import clips, media
from ytaudio.catalog import Video
from ytaudio.clips import Window, other_windows, spread_windows
from ytaudio.durable import sync, write_synced
from ytaudio.fingerprints import fingerprint
from ytaudio.ledger import ClipRecord, Outcome, Settings
from ytaudio.media import Failure, Media, Reason

Locate = Callable[[Video], Media | Failure]

CLIPS = "clips"
_PART = ".part"


def clip_name(video_id: str, index: int) -> str:
    """The name of a clip's FLAC file in a folder collected into, or at the place of a task."""
    return f"{CLIPS}/{video_id}/{index}.flac"


def clip_path(folder: str | Path, video_id: str, index: int) -> Path:
    """Where a clip's FLAC file lies."""
    return Path(folder) / clip_name(video_id, index)


def remove_unfinished(folder: Path) -> None:
    """Take away what visits of a killed run left half written."""
    for part in (folder / CLIPS).glob(f"*{_PART}"):
        shutil.rmtree(part, ignore_errors=True)


def visit(
    video: Video, folder: Path, settings: Settings, locate: Locate, windows: Sequence[Window] | None = None
) -> Outcome:
    """Read a video's windows and write them as clip files; what goes wrong is in the outcome.

    Without `windows` they are spread over the video, and one that is silent is moved. Stream addresses expire while a
    video waits its turn, so a stream that fails is located once more.
    """
    began = time.monotonic()
    blank = Outcome(video.id, video.category, video.url, video.title, "", 0.0, (), None, 0, 0.0, media.VERSION)
    outcome = blank
    for _ in range(2):
        found = locate(video)
        if isinstance(found, Failure):
            outcome = replace(blank, failure=found, bytes_read=outcome.bytes_read)
            break
        outcome = _read(found, replace(blank, bytes_read=outcome.bytes_read), folder, settings, windows)
        failure = outcome.failure
        if not failure or failure.reason is not Reason.SERVER_ERROR or failure.retry_after_s:
            break  # who names a time is not asked again before it
    return replace(outcome, seconds=round(time.monotonic() - began, 3))


def _read(found: Media, blank: Outcome, folder: Path, settings: Settings, windows: Sequence[Window] | None) -> Outcome:
    heard = replace(blank, channel_id=found.channel_id, duration_s=found.duration_s, title=found.title or blank.title)
    opened = media.open_media(found)
    if isinstance(opened, Failure):
        return replace(heard, failure=opened)
    final = clip_path(folder, found.video_id, 0).parent
    with opened as reader, unfinished(final) as part:
        length_s = min(found.duration_s, reader.duration_s or found.duration_s)  # sites round up, and err
        made = _hear(reader, length_s, settings, windows, part)
        heard = replace(heard, duration_s=length_s, bytes_read=heard.bytes_read + reader.bytes_read)
        if isinstance(made, Failure):
            return replace(heard, failure=replace(made, video_id=found.video_id))
        put_in_place(part, final)
    return replace(heard, clips=made)


@contextmanager
def unfinished(final: Path) -> Iterator[Path]:
    """A folder for clip files until all of them are there; gone at the end unless it was put in place.

    A kill leaves it behind, for the next visit or `remove_unfinished` to take away.
    """
    part = final.with_name(final.name + _PART)
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def put_in_place(part: Path, final: Path) -> None:
    """Give the clip files of a video their folder, instead of any whose outcome does not count; durable at the end."""
    sync(part)
    shutil.rmtree(final, ignore_errors=True)
    part.rename(final)
    sync(final.parent)


def _hear(
    reader: media.Reader, length_s: float, settings: Settings, windows: Sequence[Window] | None, part: Path
) -> tuple[ClipRecord, ...] | Failure:
    """Write each window that can be heard as a file, one in memory at a time; a Failure if there is none."""
    made: list[ClipRecord] = []
    longest_s, loudest = 0.0, -120.0
    spread = windows or spread_windows(length_s, settings.clips_per_video, settings.clip_seconds)
    for number, wanted in enumerate(spread):
        for window in (wanted, *(() if windows else other_windows(wanted, number, len(spread), length_s))):
            waveform = reader.window(window)
            if isinstance(waveform, Failure):
                return waveform
            level, seconds = clips.dbfs(waveform), waveform.size / clips.SAMPLING_RATE
            longest_s, loudest = max(longest_s, seconds), max(loudest, level)
            if level >= clips.SILENCE_DBFS and seconds >= clips.MINIMUM_S:
                made.append(_write(part, number if windows else len(made), window, waveform))
                break
    if made:
        return tuple(made)
    if longest_s < clips.MINIMUM_S:
        return Failure("", Reason.TOO_SHORT, f"{longest_s:.2f} s of sound")
    return Failure("", Reason.SILENT, f"no window is louder than {loudest:.0f} dBFS")


def _write(part: Path, index: int, window: Window, waveform: np.ndarray) -> ClipRecord:
    flac = clips.encode(waveform)
    write_synced(part / f"{index}.flac", flac)
    return ClipRecord(
        index=index,
        start_s=window.start_s,
        seconds=waveform.size / clips.SAMPLING_RATE,
        samples=waveform.size,
        dbfs=round(clips.dbfs(waveform), 2),
        sha256=hashlib.sha256(flac).hexdigest(),
        fingerprint=fingerprint(waveform),
    )
