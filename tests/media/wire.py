"""A server that says word for word what a test wants said, and one that is not there."""

import socket
import struct
import threading
from collections.abc import Callable, Iterable
from enum import Enum, auto


class Then(Enum):
    """What may come between the bytes of an answer."""

    WAIT = auto()  # a tenth of a second
    SILENCE = auto()  # until the test is over
    RESET = auto()  # of the connection


class Wire:
    """A listener on loopback that answers each request with what `say` makes of its head, and then hangs up."""

    def __init__(self, say: Callable[[str], bytes | Iterable[bytes | Then]], host: str = "127.0.0.1") -> None:
        self._say, self._over = say, threading.Event()
        self._listener = socket.create_server((host, 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://{host}:{self.port}"
        self.asked: list[str] = []
        self.connections = 0

    def __enter__(self) -> "Wire":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listener.accept()
                self.connections += 1
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        head = b""
        try:
            with connection:
                while b"\r\n\r\n" not in head:
                    if not (more := connection.recv(4096)):
                        return
                    head += more
                self.asked.append(head.decode("latin-1"))
                said = self._say(self.asked[-1])
                for piece in [said] if isinstance(said, bytes) else said:
                    if piece is Then.RESET:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        return
                    if piece is Then.SILENCE or piece is Then.WAIT:
                        self._over.wait(60 if piece is Then.SILENCE else 0.1)
                    else:
                        connection.sendall(piece)
        except OSError:  # the client has gone
            return


def answer(status: str, body: bytes = b"", version: str = "HTTP/1.1", **headers: str) -> bytes:
    """An answer's bytes; headers are written with underscores, and Content-Length is told if it is not given."""
    headers = {"Content_Length": str(len(body)), "Connection": "close", **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items() if value]
    return "\r\n".join([f"{version} {status}", *lines, "", ""]).encode() + body


def nobody() -> str:
    """The address of a server that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"
