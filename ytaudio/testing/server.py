"""The site's HTTP: ranges, HEAD, keep-alive, and wrong answers where they were asked for."""

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .shelf import PlainFile, Request, Shelf
from .virtual import VirtualFile

_PIECE = 1 << 16  # bytes written at a time
_TRICKLE_S = 0.1  # between two bytes of an answer that trickles
_STALL_S = 60.0  # how long a stalled answer stays silent at most


class Server(ThreadingHTTPServer):
    """One thread a connection, on a free port of 127.0.0.1."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away in the middle of an answer is everyday here; anything else is a bug and is shown."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = _PIECE
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        """The shelf keeps the log."""

    def do_GET(self) -> None:
        shelf = self.server.shelf
        if shelf.closing.wait(shelf.latency_s):
            self.close_connection = True
            return
        path = self.path.partition("?")[0]
        if match := re.fullmatch(r"/api/video/([\w-]+)", path):
            self._api(match[1])
        elif match := re.fullmatch(r"/media/([\w-]{11})\.(webm|mp4)", path):
            video = shelf.video(match[1])
            media = shelf.media(match[1]) if video and video.container == match[2] else None
            self._media(match[1], media if isinstance(media, VirtualFile) else None)
        elif match := re.fullmatch(r"/media/([\w-]{11})/([\w.]+)", path):
            self._media(match[1], shelf.part(match[1], match[2]))
        elif match := re.fullmatch(r"/files/([^/]+)", path):
            self._media(match[1], shelf.plain(match[1]))
        else:
            self._send(404, {}, b"no such page\n")

    do_HEAD = do_GET

    def _api(self, video_id: str) -> None:
        video = self.server.shelf.video(video_id)
        state = video.state if video else ""
        if state == "network":
            self._hang_up()
        elif state in ("rate_limited", "server_error"):
            self._send(429 if state == "rate_limited" else 503, {}, b"{}")
        else:
            about = self.server.shelf.describe(video_id)
            body = json.dumps(about or {"error": "no such video"}).encode()
            self._send(200 if about else 404, {"Content-Type": "application/json"}, body)

    def _media(self, name: str, media: VirtualFile | PlainFile | None) -> None:
        if media is None:
            self._send(404, {}, b"no such media\n")
            return
        how = self.server.shelf.next_misbehaviour(name)
        nowhere = {"Content-Range": f"bytes */{media.size}"}
        if how == "stall":
            self.server.shelf.closing.wait(_STALL_S)
            self._hang_up()
            return
        if how and how.isdigit():
            self._send(int(how), nowhere if how == "416" else {}, b"")
            return
        stretch = None if how == "ignore_range" else self._range(media.size)
        if stretch and stretch[0] >= stretch[1]:
            self._send(416, nowhere, b"")
            return
        headers = {"Content-Type": media.mime, "Accept-Ranges": "bytes"}
        start, stop = stretch or (0, media.size)
        if stretch:
            shift = 1000 if how == "wrong_content_range" else 0
            headers["Content-Range"] = f"bytes {start + shift}-{stop - 1 + shift}/{media.size}"
        self._head(206 if stretch else 200, headers, stop - start)
        if how == "truncate":
            stop -= (stop - start) // 2
            self.close_connection = True
        if how == "trickle":
            self._trickle(media.read(start, stop - start))
            return
        self._body(206 if stretch else 200, media, start, stop)

    def _range(self, size: int) -> tuple[int, int] | None:
        """The first byte asked for and the one after the last; None where the whole is asked for."""
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if not asked or not any(asked.groups()):
            return None
        first, last = asked.groups()
        if not first:
            return max(0, size - int(last)), size
        return int(first), min(size, int(last) + 1) if last else size

    def _body(self, status: int, media: VirtualFile | PlainFile, start: int, stop: int) -> None:
        """Write a stretch of a file; it stands in the log before its last byte has left."""
        if self.command == "HEAD" or stop <= start:
            self._note(status, 0)
            return
        for place in range(start, stop, _PIECE):
            piece = media.read(place, min(_PIECE, stop - place))
            if place + len(piece) == stop:
                self._note(status, stop - start)
            try:
                self.wfile.write(piece)
                self.wfile.flush()
            except ConnectionError:
                if place + len(piece) < stop:
                    self._note(status, place - start)
                raise

    def _trickle(self, body: bytes) -> None:
        """Write one byte after the other, with a wait before each, as long as anyone listens."""
        self._note(206, 0)
        for byte in body:
            if self.server.shelf.closing.wait(_TRICKLE_S):
                break
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
        self.close_connection = True

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        if status in (429, 503) and self.server.shelf.retry_after:
            headers = {**headers, "Retry-After": self.server.shelf.retry_after}
        self._note(status, len(body))
        self._head(status, headers, len(body))
        if self.command != "HEAD":
            self.wfile.write(body)

    def _hang_up(self) -> None:
        self._note(0, 0)
        self.close_connection = True

    def _head(self, status: int, headers: dict[str, str], length: int) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _note(self, status: int, sent: int) -> None:
        headers = dict(self.headers.items())
        asked = self.headers.get("Range", "")
        self.server.shelf.log.append(
            Request(self.command, self.path, asked, status, sent, headers, self.client_address[1])
        )
