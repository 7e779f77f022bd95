"""A video site on loopback: real media by range requests, failures on demand, and a count of every byte."""

import os
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from .server import Server
from .shelf import Shelf
from .videos import SiteVideo

PLUGINS = Path(__file__).parent / "plugins"
VARIABLE = "YTAUDIO_MEDIA_SITE"


class MediaSite(Shelf):
    """A video site on 127.0.0.1 with made-up videos; yt-dlp takes it for YouTube inside its `with` block.

    Sounds are rendered and encoded when first asked for, and every request after that is arithmetic. Child processes
    see the site too when they are started inside the block, or with `environment()`. A YoutubeDL that has looked at a
    YouTube video before the first block of its process keeps looking at YouTube.
    """

    def __init__(self, videos: Iterable[SiteVideo] = (), *, latency_s: float = 0.0) -> None:
        super().__init__(videos, latency_s=latency_s)
        self._before: dict[str, str | None] = {}
        self._server = Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True, name="media-site").start()

    def environment(self) -> dict[str, str]:
        """What a child process needs for its yt-dlp to find YouTube links on this site."""
        hosts = [host for host in os.environ.get("NO_PROXY", "").split(",") if host]
        hosts += [host for host in ("127.0.0.1", "localhost") if host not in hosts]
        folders = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
        folders = [str(PLUGINS), *(folder for folder in folders if folder != str(PLUGINS))]
        direct = dict.fromkeys(("NO_PROXY", "no_proxy"), ",".join(hosts))  # of the two, clients look at either
        return {VARIABLE: self.url, "PYTHONPATH": os.pathsep.join(folders), **direct}

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
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


def load_plugin() -> None:
    """Let this process's yt-dlp find the plugin, also when it has loaded its plugins already."""
    import yt_dlp.extractor.extractors
    from yt_dlp.globals import all_plugins_loaded, extractors
    from yt_dlp.plugins import load_all_plugins

    if "yt_dlp_plugins.extractor.mediasite" in sys.modules:
        return
    if all_plugins_loaded.value:
        # the namespace package remembers the folders it found, and a lazy extractor the class it stands for
        for name in ("yt_dlp_plugins", "yt_dlp_plugins.extractor"):
            sys.modules.pop(name, None)
        for lazy in (yt_dlp.extractor.extractors.YoutubeIE, extractors.value.get("YoutubeIE")):
            if lazy is not None and "_real_class" in vars(lazy):
                del lazy._real_class
    load_all_plugins()
