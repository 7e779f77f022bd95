"""A video site on loopback: real media by range requests, failures on demand, and a count of every byte."""

import json
import os
import re
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

import numpy as np

from .sounds import LOOP_SAMPLES, render
from .videos import STATES, SiteVideo
from .virtual import CONTAINERS, VirtualFile, encode_loop

PLUGINS = Path(__file__).parent / "plugins"
VARIABLE = "YTAUDIO_MEDIA_SITE"
MISBEHAVIOURS = (
    "403", "404", "416", "429", "500", "ignore_range", "wrong_content_range", "truncate", "stall",
)  # fmt: skip
_BIT_RATE = 64_000
_PIECE = 1 << 16  # bytes written at a time
_KEPT_LOOPS = 256  # encoded loops kept in memory, some 230 KB each; an older one is made again, the same
_STALL_S = 60.0  # how long a stalled answer stays silent at most


@dataclass(frozen=True, slots=True)
class Request:
    """One request as the site saw it."""

    method: str
    path: str
    range: str  # the Range header, or ""
    status: int
    bytes: int  # of the body, written


class PlainFile:
    """Bytes in memory served as media."""

    def __init__(self, data: bytes, mime: str) -> None:
        self.data, self.mime, self.size = data, mime, len(data)

    def read(self, start: int, length: int) -> bytes:
        """The bytes from `start`, `length` of them or as many as there are."""
        return self.data[start : start + length]


class MediaSite:
    """A video site on 127.0.0.1 with made-up videos; yt-dlp takes it for YouTube inside its `with` block.

    Sounds are rendered and encoded when first asked for, and every request after that is arithmetic. Child processes
    see the site too when they are started inside the block, or with `environment()`.
    """

    def __init__(self, videos: Iterable[SiteVideo] = (), *, latency_s: float = 0.0) -> None:
        self.latency_s = latency_s  # seconds before every answer
        self.log: list[Request] = []
        self._videos: dict[str, SiteVideo] = {}
        self._plain: dict[str, PlainFile] = {}
        self._virtual: OrderedDict[str, VirtualFile] = OrderedDict()
        self._locks: dict[str, threading.Lock] = {}
        self._misbehaviour: dict[str, list[str | None]] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._before: dict[str, str | None] = {}
        for video in videos:
            self.add(video)
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.site = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True, name="media-site").start()

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

    def environment(self) -> dict[str, str]:
        """What a child process needs for its yt-dlp to find YouTube links on this site."""
        path = os.environ.get("PYTHONPATH", "")
        hosts = [host for host in os.environ.get("NO_PROXY", "").split(",") if host]
        hosts += [host for host in ("127.0.0.1", "localhost") if host not in hosts]
        folders = [str(PLUGINS), *(folder for folder in path.split(os.pathsep) if folder and folder != str(PLUGINS))]
        return {VARIABLE: self.url, "PYTHONPATH": os.pathsep.join(folders), "NO_PROXY": ",".join(hosts)}

    def __enter__(self) -> "MediaSite":
        wanted = self.environment()
        self._before = {name: os.environ.get(name) for name in wanted}
        os.environ.update(wanted)
        if str(PLUGINS) not in sys.path:
            sys.path.insert(0, str(PLUGINS))
        load_plugin()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        if str(PLUGINS) in sys.path and str(PLUGINS) not in os.environ.get("PYTHONPATH", "").split(os.pathsep):
            sys.path.remove(str(PLUGINS))
        self.close()

    def close(self) -> None:
        """Stop serving; answers under way are cut."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def video(self, video_id: str) -> SiteVideo | None:
        """The video of this id, if the site has it."""
        return self._videos.get(video_id)

    def media(self, video_id: str) -> VirtualFile | None:
        """A video's media file, rendered and encoded the first time; a video asked for twice at once is made once."""
        video = self._videos.get(video_id)
        if video is None:
            return None
        with self._lock:
            lock = self._locks.setdefault(video_id, threading.Lock())
        with lock:
            with self._lock:
                known = self._virtual.get(video_id)
                if known is not None:
                    self._virtual.move_to_end(video_id)
                    return known
            container = CONTAINERS[video.container]
            silence = np.zeros(LOOP_SAMPLES, dtype=np.float32)
            sound = silence if video.state == "silent" else render(video.category, video.seed, video.channel_id)
            made = VirtualFile(encode_loop(sound, container, _BIT_RATE), container, video.duration_s)
            with self._lock:
                self._virtual[video_id] = made
                while len(self._virtual) > _KEPT_LOOPS:
                    self._virtual.popitem(last=False)
            return made

    def describe(self, video_id: str) -> dict[str, object] | None:
        """What the site tells of a video: its JSON for the yt-dlp plugin."""
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
        if video.state in ("ok", "silent"):
            media = self.media(video_id)
            if media is not None:
                about |= {
                    "filesize": media.size,
                    "container": video.container,
                    "bit_rate": media.size * 8 / media.duration_s,
                }
                about["media_url"] = f"{self.url}/media/{video.id}.{video.container}"
        return about

    def _next_misbehaviour(self, name: str) -> str | None:
        with self._lock:
            waiting = self._misbehaviour.get(name)
            return waiting.pop(0) if waiting else None


def load_plugin() -> None:
    """Let this process's yt-dlp find the plugin, also when it has loaded its plugins already."""
    import yt_dlp.extractor
    from yt_dlp.globals import all_plugins_loaded
    from yt_dlp.plugins import load_all_plugins

    if "yt_dlp_plugins.extractor.mediasite" in sys.modules:
        return
    if all_plugins_loaded.value:
        # the namespace package remembers the folders it found, and a lazy extractor the class it stands for
        for name in ("yt_dlp_plugins", "yt_dlp_plugins.extractor"):
            sys.modules.pop(name, None)
        for known in (yt_dlp.extractor.YoutubeIE, yt_dlp.extractor._extractors_context.value.get("YoutubeIE")):
            if known is not None and "_real_class" in vars(known):
                del known._real_class
    load_all_plugins()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    site: MediaSite

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away in the middle of an answer is everyday here; anything else is a bug and is shown."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = _PIECE
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """The site keeps its own log."""

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, body: bool) -> None:
        site = self.server.site
        if site.latency_s:
            site._closing.wait(site.latency_s)
        path = self.path.partition("?")[0]
        if match := re.fullmatch(r"/api/video/([\w-]+)", path):
            self._api(match[1])
        elif match := re.fullmatch(r"/media/([\w-]{11})\.(webm|mp4)", path):
            video = site.video(match[1])
            media = site.media(match[1]) if video and video.container == match[2] else None
            self._media(match[1], media, body)
        elif match := re.fullmatch(r"/files/([^/]+)", path):
            self._media(match[1], site._plain.get(match[1]), body)
        else:
            self._send(404, {}, b"no such page\n")

    def _api(self, video_id: str) -> None:
        video = self.server.site.video(video_id)
        state = video.state if video else ""
        if state == "network":
            self.close_connection = True
            self._note(0, 0)
        elif state in ("rate_limited", "server_error"):
            self._send(429 if state == "rate_limited" else 503, {}, b"{}")
        else:
            about = self.server.site.describe(video_id)
            kind = {"Content-Type": "application/json"}
            self._send(200 if about else 404, kind, json.dumps(about or {"error": "no such video"}).encode())

    def _media(self, name: str, media: VirtualFile | PlainFile | None, body: bool) -> None:
        if media is None:
            self._send(404, {}, b"no such media\n")
            return
        how = self.server.site._next_misbehaviour(name)
        if how == "stall":
            self.server.site._closing.wait(_STALL_S)
            self.close_connection = True
            self._note(0, 0)
            return
        if how and how.isdigit():
            self._send(int(how), {"Content-Range": f"bytes */{media.size}"} if how == "416" else {}, b"")
            return
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        start, stop, status = 0, media.size, 200
        if asked and any(asked.groups()) and how != "ignore_range":
            first, last = asked.groups()
            start = int(first) if first else max(0, media.size - int(last))
            stop = min(media.size, int(last) + 1) if first and last else media.size
            status = 206
            if start >= stop:
                self._send(416, {"Content-Range": f"bytes */{media.size}"}, b"")
                return
        headers = {"Content-Type": media.mime, "Accept-Ranges": "bytes"}
        if status == 206:
            shift = 1000 if how == "wrong_content_range" else 0
            headers["Content-Range"] = f"bytes {start + shift}-{stop - 1 + shift}/{media.size}"
        cut = (stop - start) // 2 if how == "truncate" else 0
        self._stream(status, headers, media, start, stop, cut, body)

    def _stream(
        self, status: int, headers: dict[str, str], media: VirtualFile | PlainFile, start: int, stop: int, cut: int,
        body: bool,
    ) -> None:  # fmt: skip
        """Write a stretch of a file; `cut` bytes of it are promised and not sent."""
        self._head(status, headers, stop - start)
        sent = 0
        try:
            while body and start + sent < stop - cut:
                piece = media.read(start + sent, min(_PIECE, stop - cut - start - sent))
                self.wfile.write(piece)
                self.wfile.flush()
                sent += len(piece)
        finally:
            self._note(status, sent)
        if cut:
            self.close_connection = True

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self._head(status, headers, len(body))
        if self.command != "HEAD":
            self.wfile.write(body)
        self._note(status, len(body))

    def _head(self, status: int, headers: dict[str, str], length: int) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _note(self, status: int, sent: int) -> None:
        asked = self.headers.get("Range", "")
        self.server.site.log.append(Request(self.command, self.path, asked, status, sent))
