"""Who is let in at all: no page of the web under a name of its own, and nobody who connects and says nothing."""

import asyncio
import contextlib
import ipaddress
import resource
import socket

import h11
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 30.0  # until a request's line and headers must be there
_OPEN_FILES = 65_536  # connections and what they read; of the limit that the system allows


class OwnNames:
    """Refuses requests for a host name that is not this machine's.

    A page of the web may have its own name lead to 127.0.0.1 (DNS rebinding) and then read, as pages of one origin,
    what a Hub shows without a token. It cannot choose the Host header: that holds the name.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._own = {"localhost", socket.gethostname().lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or answer 421 (RFC 9110, 15.5.20)."""
        if scope["type"] == "http" and not all(self._is_own(host) for host in _hosts(scope)):
            error = "This Hub serves its own machine only, and by no other name: use its address, http://127.0.0.1."
            await JSONResponse({"error": error}, status_code=421)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_own(self, host: str) -> bool:
        name = host.lower().rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host.lower()
        if name in self._own or name.endswith(".localhost"):
            return True
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True


def _hosts(scope: Scope) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]


class Impatient(H11Protocol):
    """HTTP/1.1 that closes a connection whose next request begins and does not come, or never begins."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the class above
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(HEAD_S, transport.close)

    def data_received(self, data: bytes) -> None:
        """Take what came; a head that is still not whole keeps its deadline, however often a byte arrives."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_S, self.transport.close)

    def on_response_complete(self) -> None:
        """Between two requests the server's own, longer time for quiet connections counts."""
        self._stop_waiting()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _stop_waiting(self) -> None:
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None


def allow_many() -> None:
    """Raise this process's limit of open files towards what the system allows: a class of thirty may all be here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    with contextlib.suppress(ValueError, OSError):  # a system may allow less than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
