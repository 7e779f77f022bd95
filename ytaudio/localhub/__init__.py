"""An embedded Hub on loopback that the unmodified Hugging Face clients work against."""

from ytaudio.localhub.errors import LocalHubError
from ytaudio.localhub.server import LocalHub, serve

__all__ = ["LocalHub", "LocalHubError", "serve"]
