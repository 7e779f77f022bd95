"""Starting and stopping the Hub."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ytaudio.localhub.errors import LocalHubError

if TYPE_CHECKING:
    import uvicorn

    from ytaudio.localhub.store import Store

_LOOPBACK = ("127.", "::1", "localhost")
_STOP_S = 5.0  # how long running requests may go on after stop()


class LocalHub:
    """A Hub in a folder, served over HTTP: `with LocalHub(folder) as hub: ...`.

    Args:
        directory: where everything is kept; made when it is missing.
        host: address to listen on; anything but loopback lets other machines in.
        port: 0 takes a free one.
        users: user name by token, added to those the folder knows; the first becomes `user` and `token`.

    Raises:
        LocalHubError: the folder cannot be used, or another Hub serves it; `start` raises it for a port in use.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        users: Mapping[str, str] | None = None,
    ) -> None:
        from ytaudio.localhub import durable
        from ytaudio.localhub.accounts import Accounts

        self.directory = Path(directory).absolute()
        self.host = host
        self.port = port
        self._users = dict(users or {})
        try:
            fresh = not self.directory.exists()
            durable.make_folder(self.directory)
            if fresh:
                self.directory.chmod(0o700)  # private repos are this user's alone, on the disk too
            self._accounts = Accounts(self.directory / "accounts.json", self._users)
        except OSError as error:
            raise LocalHubError(
                f"Cannot use {self.directory} for the Hub ({error.strerror}): choose another folder."
            ) from None
        self._store: Store | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The Hub's address, no trailing slash; known once it has started."""
        if not self.port:
            raise LocalHubError("The Hub has no address yet: start it first.")
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host and '[' not in host else host}:{self.port}"

    @property
    def user(self) -> str:
        """The first user's name."""
        return self._accounts.user

    @property
    def token(self) -> str:
        """The first user's token."""
        return self._accounts.token

    def environment(self) -> dict[str, str]:
        """The environment variables by which the Hugging Face libraries use this Hub as its first user."""
        quiet = dict.fromkeys(("NO_PROXY", "no_proxy"), _without_proxy())
        return {"HF_ENDPOINT": self.url, "HF_TOKEN": self.token, "HF_HUB_DISABLE_XET": "1", **quiet}

    def add_users(self, names: Iterable[str]) -> dict[str, str]:
        """Make sure these users exist; gives each one's token by name."""
        return self._accounts.add_users(names)

    def start(self) -> None:
        """Serve from a thread of this process; returns when requests are answered.

        Raises:
            LocalHubError: the port is in use, or the host is none of this machine's.
        """
        if self._thread:
            return
        from ytaudio.localhub.accounts import Accounts
        from ytaudio.localhub.store import Store

        self._store = Store(self.directory)
        try:
            self._accounts = Accounts(self.directory / "accounts.json", self._users)
            listener = self._listen()
        except BaseException:
            self.stop()
            raise
        server = self._server = self._make_server(self._store)
        self._thread = threading.Thread(target=server.run, args=([listener],), name="localhub", daemon=True)
        self._thread.start()
        while not server.started:
            if not self._thread.is_alive():
                raise RuntimeError("the Hub's server ended while starting")
            time.sleep(0.005)

    def wait(self) -> None:
        """Block until the server ends."""
        while self._thread and self._thread.is_alive():
            self._thread.join(timeout=0.5)  # in pieces, so that Ctrl-C is heard

    def stop(self) -> None:
        """End the server and let go of the folder; what was acknowledged is already safe."""
        if self._server and self._thread:
            self._server.should_exit = True
            self._thread.join()
        self._server = self._thread = None
        if self._store:
            self._store.close()
            self._store = None

    def __enter__(self) -> LocalHub:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        # asyncio sets TCP_NODELAY only on sockets that say they are TCP; without it every answer waits 40 ms
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self.host, self.port))
        except (OSError, OverflowError) as error:
            listener.close()
            reason = getattr(error, "strerror", None) or error
            raise LocalHubError(
                f"Cannot listen on {self.host}:{self.port} ({reason}): choose another --port or --host."
            ) from None
        self.port = listener.getsockname()[1]
        return listener

    def _make_server(self, store: Store) -> uvicorn.Server:
        import uvicorn

        from ytaudio.localhub.app import make_app
        from ytaudio.localhub.connections import Impatient, OwnNames

        app = make_app(store, self._accounts)
        settings: dict[str, Any] = {"log_level": "warning", "access_log": False, "lifespan": "off", "ws": "none"}
        config = uvicorn.Config(
            OwnNames(app) if self.host.startswith(_LOOPBACK) else app,
            http=Impatient,
            timeout_keep_alive=120,
            timeout_graceful_shutdown=int(_STOP_S),
            server_header=False,
            **settings,
        )
        return uvicorn.Server(config)


def _without_proxy() -> str:
    known = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    hosts = [host.strip() for host in known.split(",") if host.strip()]
    return ",".join(dict.fromkeys([*hosts, "127.0.0.1", "localhost"]))


def serve(
    directory: str | os.PathLike[str], host: str = "127.0.0.1", port: int = 8642, users: Iterable[str] = ()
) -> None:
    """Serve a folder until interrupted, having printed the lines a shell needs to use it.

    Raises:
        LocalHubError: the port or the folder cannot be used, or a name cannot be a user's.
    """
    hub = LocalHub(directory, host=host, port=port)
    from ytaudio.localhub.connections import allow_many

    allow_many()
    try:
        hub.start()  # so that nothing is promised before the port is ours, or written before the folder is
        tokens = hub.add_users(users)
    except BaseException:
        hub.stop()
        raise
    try:
        _say(f"export HF_ENDPOINT={hub.url}")
        _say(f"export HF_TOKEN={hub.token}")
        _say("export HF_HUB_DISABLE_XET=1")
        for name, token in tokens.items():
            _say(f"# {name}: HF_TOKEN={token}")
        if not host.startswith(_LOOPBACK):
            _say(f"# careful: listening on {host}, so other machines that reach this one can read public repositories")
            _say(f"# they say HF_ENDPOINT=http://{socket.gethostname()}:{hub.port}")
        _say(f"# look at it: {hub.url}/ (you are {hub.user}; everything is in {hub.directory}; Ctrl-C stops it)")
        hub.wait()
    except KeyboardInterrupt:
        _say("# stopped")
    finally:
        hub.stop()


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  the lines are the command's output
