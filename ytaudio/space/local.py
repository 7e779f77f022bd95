"""The demo on this machine: its files in a temporary folder, gone when it ends."""

import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from ytaudio.errors import UserError
from ytaudio.media import Access
from ytaudio.startup import without_collections

from .asking import Panel
from .settings import Demo


def free_port(host: str, port: int) -> int:
    """The port, or any free one for 0.

    Raises:
        UserError: another program listens there, or this machine has no such address.
    """
    try:
        found = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        said = error.strerror or error
        raise UserError(f"Nothing can listen on {host}:{port} ({said}): give another --port, or 0 for any.") from None
    with found:
        return found.getsockname()[1]


def serve(
    demo: Demo, write: Callable[[Path], None], host: str, port: int, *, allow_private_hosts: bool = False
) -> None:
    """Serve the page until Ctrl-C or SIGTERM, having printed where it is.

    Args:
        demo: the models, which are loaded first.
        write: leaves demo.json and the example clips in a folder.
        host: an address of this machine.
        port: a free one.
        allow_private_hosts: whether links may lead into private networks.

    Raises:
        UserError: a model cannot be loaded.
    """
    with without_collections(for_good=True):
        panel = Panel(demo, access=Access(allow_private_hosts=allow_private_hosts))
    for model in panel.models:
        if isinstance(model, str):
            raise UserError(model)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with tempfile.TemporaryDirectory(prefix="ytaudio-demo-", ignore_cleanup_errors=True) as place:
        folder = Path(place)
        write(folder)
        os.environ["GRADIO_TEMP_DIR"] = str(folder / "uploads")  # in which gradio makes a folder when it is imported
        with without_collections(for_good=True):
            from ytaudio.space.app import launch
            from ytaudio.space.door import LOOPBACK

        where = {"server_name": host, "server_port": port}
        blocks = launch(demo, panel, folder, folder / "uploads", **where, prevent_thread_lock=True, quiet=True)
        print(f"The demo is at {blocks.local_url} (Ctrl-C ends it).", flush=True)  # noqa: T201  the verb's output
        if not host.startswith(LOOPBACK):
            print(f"Careful: other machines that reach {host} can use it.", flush=True)  # noqa: T201
        ended.wait()
        blocks.close(verbose=False)
    print("The demo has ended; nothing that it was given is left.", flush=True)  # noqa: T201
