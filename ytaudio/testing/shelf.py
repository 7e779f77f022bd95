"""What the site has on its shelf: made-up videos, plain files, and the failures they are told to answer with."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from .sounds import LOOP_SAMPLES, render
from .streams import MASTERS, STREAMS, VirtualStream
from .videos import STATES, SiteVideo
from .virtual import CONTAINERS, VirtualFile, encode_loop

MISBEHAVIOURS = (
    *("403", "404", "416", "429", "500"),
    *("ignore_range", "wrong_content_range", "truncate", "stall", "trickle"),
)
_BIT_RATE = 64_000  # of the encoded sound, bit/s
_KEPT_LOOPS = 256  # encoded loops kept in memory, some 230 KB each; an older one is made again, the same


@dataclass(frozen=True, slots=True)
class Request:
    """One request as the site saw it."""

    method: str
    path: str
    range: str  # the Range header, or ""
    status: int  # 0: the connection was closed without an answer
    bytes: int  # of the body, written
    headers: Mapping[str, str]
    port: int  # of the client: one connection keeps it


class PlainFile:
    """Bytes in memory served as media."""

    def __init__(self, data: bytes, mime: str) -> None:
        self.data, self.mime, self.size = data, mime, len(data)

    def read(self, start: int, length: int) -> bytes:
        """The bytes from `start`, `length` of them or as many as there are."""
        return self.data[start : start + length]


class Shelf:
    """Videos by id, their media made when first asked for, and the log of what was asked."""

    def __init__(self, videos: Iterable[SiteVideo] = (), *, latency_s: float = 0.0) -> None:
        self.url = ""
        self.latency_s = latency_s  # seconds before every answer
        self.retry_after = ""  # what every 429 and 503 says of when to come again (Retry-After)
        self.log: list[Request] = []
        self.closing = threading.Event()
        self._videos: dict[str, SiteVideo] = {}
        self._plain: dict[str, PlainFile] = {}
        self._virtual: OrderedDict[str, VirtualFile | VirtualStream] = OrderedDict()
        self._making: dict[str, threading.Lock] = {}
        self._misbehaviour: dict[str, list[str | None]] = {}
        self._lock = threading.Lock()
        for video in videos:
            self.add(video)

    def add(self, video: SiteVideo) -> None:
        """Put a video online, or replace it."""
        if video.state not in STATES:
            raise ValueError(f"unknown state {video.state!r}: one of {', '.join(STATES)}")
        with self._lock:
            self._videos[video.id] = video
            self._virtual.pop(video.id, None)

    def add_file(self, name: str, data: bytes, mime: str = "application/octet-stream") -> str:
        """Serve these bytes as a plain file with ranges, and give its URL."""
        self._plain[name] = PlainFile(data, mime)
        return f"{self.url}/files/{name}"

    def misbehave(self, video_id: str, how: str, times: int = 1, after: int = 0) -> None:
        """Answer `times` media requests for a video (or a plain file, by name) wrongly, after `after` right ones."""
        if how not in MISBEHAVIOURS:
            raise ValueError(f"unknown misbehaviour {how!r}: one of {', '.join(MISBEHAVIOURS)}")
        with self._lock:
            self._misbehaviour.setdefault(video_id, []).extend([None] * after + [how] * times)

    def next_misbehaviour(self, name: str) -> str | None:
        """How the next request for this video or plain file is to be answered; None is rightly."""
        with self._lock:
            waiting = self._misbehaviour.get(name)
            return waiting.pop(0) if waiting else None

    @property
    def requests(self) -> int:
        """How many requests were answered since the last reset."""
        return len(self.log)

    @property
    def bytes_sent(self) -> int:
        """How many bytes of bodies were written since the last reset."""
        return sum(request.bytes for request in list(self.log))

    def reset_counts(self) -> None:
        """Forget the requests so far."""
        self.log.clear()

    def video(self, video_id: str) -> SiteVideo | None:
        """The video of this id, if there is one."""
        return self._videos.get(video_id)

    def plain(self, name: str) -> PlainFile | None:
        """The plain file of this name, if there is one."""
        return self._plain.get(name)

    def part(self, video_id: str, name: str) -> PlainFile | None:
        """A playlist, header or segment of a video that is streamed in pieces, by its name."""
        stream = self.media(video_id)
        found = stream.part(name) if isinstance(stream, VirtualStream) else None
        return PlainFile(*found) if found else None

    def media(self, video_id: str) -> VirtualFile | VirtualStream | None:
        """A video's media, rendered and encoded the first time; asked for twice at once, it is made once."""
        video = self._videos.get(video_id)
        if video is None:
            return None
        with self._lock:
            making = self._making.setdefault(video_id, threading.Lock())
        with making:
            with self._lock:
                if video_id in self._virtual:
                    self._virtual.move_to_end(video_id)
                    return self._virtual[video_id]
            silence = np.zeros(LOOP_SAMPLES, dtype=np.float32)
            sound = silence if video.state == "silent" else render(video.category, video.seed, video.channel_id)
            loop = encode_loop(sound, (CONTAINERS | STREAMS)[video.container], _BIT_RATE)
            made: VirtualFile | VirtualStream
            if video.container in STREAMS:
                made = VirtualStream(loop, STREAMS[video.container], video.duration_s)
            else:
                made = VirtualFile(loop, CONTAINERS[video.container], video.duration_s)
            with self._lock:
                self._virtual[video_id] = made
                while len(self._virtual) > _KEPT_LOOPS:
                    self._virtual.popitem(last=False)
            return made

    def describe(self, video_id: str) -> dict[str, object] | None:
        """What is told of a video: the JSON for the yt-dlp plugin."""
        video = self._videos.get(video_id)
        if video is None:
            return None
        about: dict[str, object] = {
            "id": video.id,
            "title": video.title or f"Made-up {video.category}",
            "channel": video.channel,
            "channel_id": video.channel_id,
            "duration": video.duration_s,
            "state": video.state,
            "upload_date": f"20{10 + video.seed % 15}{1 + video.seed % 12:02}{1 + video.seed % 28:02}",
            "license": ("", "Creative Commons Attribution license (reuse allowed)")[video.seed % 2],
        }
        media = self.media(video_id) if video.state in ("ok", "silent") else None
        if media is not None:
            about["filesize"], about["bit_rate"] = media.size, media.size * 8 / media.duration_s
            about["container"] = video.container
            about["media_url"] = f"{self.url}/media/{video.id}.{video.container}"
            if isinstance(media, VirtualStream):
                about["media_url"] = f"{self.url}/media/{video.id}/{MASTERS[video.container]}"
        return about
