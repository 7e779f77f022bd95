"""A video to the stream its sound can be read from."""

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from yt_dlp import YoutubeDL

from ytaudio.catalog import Video

from .access import Access, remember, youtube_dl
from .failures import failure_from
from .guard import LinkRefused, check_scheme
from .kinds import Failure, Media, Reason, plain_text
from .opening import SEGMENTED, open_media
from .patience import challenge_met, within
from .pieces import Segment
from .playlists import read_fragments
from .ranges import StreamError

_LIVE = {"is_live": Reason.LIVE, "post_live": Reason.LIVE, "is_upcoming": Reason.UPCOMING}
_WANTED_KBIT = 64  # a second: Opus at this rate loses nothing that 16 kHz mono keeps
_PLAYABLE = (None, False, "maybe")  # what yt-dlp says of DRM; a playlist tells more when it is read
_MAY_BE_A_WALL = (Reason.UNKNOWN, Reason.UNSUPPORTED, Reason.NO_AUDIO, Reason.SERVER_ERROR)
_NAME = 1000  # characters of a name; YouTube's titles have a hundred at most
_LONGEST_WAIT_S = 30  # for a stream that YouTube promises for a moment from now


def locate(video: Video, ydl: YoutubeDL | None = None, *, access: Access | None = None) -> Media | Failure:
    """Find where a video's sound can be read now, without downloading it.

    What the site refuses is a Failure with its reason. An error that nobody foresaw is one too (UNKNOWN, with its full
    text): an extractor that breaks on one video must not end a collection of thousands.
    """
    access = access or Access()
    remember(access)
    found = _search(video, ydl or youtube_dl(access), access)
    if isinstance(found, Failure) and found.reason in _MAY_BE_A_WALL and (said := challenge_met()):
        return replace(found, reason=Reason.BOT_CHECK, detail=plain_text(f"{said} ({found.detail})"))
    return found


def _search(video: Video, ydl: YoutubeDL, access: Access) -> Media | Failure:
    try:
        check_scheme(video.url)  # yt-dlp has words of its own, such as "ytsearch:"
        with within(access.pages_s):
            info = ydl.extract_info(video.url, download=False)
    except Exception as error:  # noqa: BLE001  extractors raise whatever a changed page makes them raise
        return failure_from(video.id, error)
    if info and "entries" in info:
        info = next((entry for entry in info["entries"] if entry), None)
    if not info:
        return Failure(video.id, Reason.UNSUPPORTED, "the page holds no single video")
    if reason := _LIVE.get(info.get("live_status") or ""):
        return Failure(video.id, reason, f"live_status is {info['live_status']}")
    chosen = choose_format(info.get("formats") or [info])
    if isinstance(chosen, str):
        audible = chosen != "no format has sound"
        return Failure(video.id, Reason.UNSUPPORTED if audible else Reason.NO_AUDIO, plain_text(chosen))
    time.sleep(min(max(0.0, _number(chosen, "available_at", 0) - time.time()), _LONGEST_WAIT_S))
    try:
        check_scheme(chosen["url"])  # a page may name a file of this machine, which would be read as media
        segments = _segments(chosen)
    except LinkRefused as error:
        return failure_from(video.id, error)
    except StreamError as error:
        return Failure(video.id, error.reason, error.detail)
    found = Media(
        video_id=video.id,
        stream_url=chosen["url"],
        http_headers=dict(chosen.get("http_headers") or {}),
        duration_s=max(0.0, _number(info, "duration", 0.0)),
        title=plain_text(info.get("title"), _NAME).strip() or video.title,
        channel_id=plain_text(info.get("channel_id") or info.get("uploader_id"), _NAME),
        channel=plain_text(info.get("channel") or info.get("uploader"), _NAME),
        upload_date=plain_text(info.get("upload_date"), _NAME),
        license=plain_text(info.get("license"), _NAME),
        protocol=str(chosen.get("protocol") or "https"),
        segments=segments,
    )
    return found if found.duration_s else _measured(found, access, ydl)


def local_file(path: Path) -> Media | Failure:
    """A file on this machine as media: any sound or video that FFmpeg reads."""
    path = path.absolute()  # /dev/fd/3 is to stay that: what it names may have no name
    found = Media(plain_text(path.name), path.as_uri(), {}, 0.0, plain_text(path.stem), "", "", "", "")
    return _measured(found)


def _measured(found: Media, access: Access | None = None, ydl: YoutubeDL | None = None) -> Media | Failure:
    """The media with the length that its own header tells, where no page tells it."""
    opened = open_media(found, access, ydl)
    if isinstance(opened, Failure):
        return opened
    with opened as reader:
        if not reader.duration_s:
            return Failure(found.video_id, Reason.UNSUPPORTED, "the length of the sound is not known")
        return replace(found, duration_s=reader.duration_s)


def choose_format(formats: list[dict[str, Any]]) -> dict[str, Any] | str:
    """The format whose windows cost least: Opus in WebM near 64 kbit/s, else fragmented AAC, else any with sound.

    Files go before streams in pieces (HLS, DASH), of which a window takes more requests and whole segments.

    `formats` come in yt-dlp's order, the worst first. The original language stays before every other wish. Where none
    will do, the answer is a sentence that says why.
    """
    audible = [f for f in formats if f.get("acodec") != "none" and f.get("url") and f.get("has_drm") in _PLAYABLE]
    if not audible:
        return "no format has sound"
    direct = [f for f in audible if f.get("protocol") in ("http", "https") and not f.get("fragments")]
    usable = direct or [f for f in audible if f.get("protocol") in SEGMENTED and _has_segments(f)]
    if not usable:
        return f"only offered as {', '.join(sorted({str(f.get('protocol')) for f in audible}))}, which has no windows"
    original = max(_number(f, "language_preference", -1) for f in usable)
    return min((f for f in usable if _number(f, "language_preference", -1) == original), key=_cost)


def _has_segments(entry: dict[str, Any]) -> bool:
    """Whether a format is a playlist, or a list of segments; of a live stream yt-dlp tells a function instead."""
    return entry["protocol"] != "http_dash_segments" or isinstance(entry.get("fragments"), list | tuple)


def _segments(chosen: dict[str, Any]) -> tuple[Segment, ...]:
    if chosen.get("protocol") != "http_dash_segments":
        return ()
    return read_fragments(list(chosen["fragments"]), str(chosen.get("fragment_base_url") or chosen["url"]))


def _cost(entry: dict[str, Any]) -> tuple[bool, int, float]:
    alone = entry.get("vcodec") == "none"
    if alone and entry.get("acodec") == "opus" and entry.get("ext") == "webm":
        kind = 0
    elif alone and entry.get("container") == "m4a_dash":
        kind = 1
    else:
        kind = 2 if alone else 3
    rate = _number(entry, "abr", 0) if alone else _number(entry, "tbr", 10_000)
    compressed = "drc" in f"{entry.get('format_id')} {entry.get('format_note')}".casefold()  # altered dynamics
    return compressed, kind, abs(rate - _WANTED_KBIT)


def _number(entry: dict[str, Any], key: str, default: float) -> float:
    """A number the site tells; the default where it tells none that is finite."""
    try:
        told = float(entry.get(key, default))
    except (TypeError, ValueError, OverflowError):
        return default
    return told if math.isfinite(told) else default
