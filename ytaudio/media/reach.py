"""Whether the outside answers at all, which tells a dead host from a machine that has lost its network."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from yt_dlp import YoutubeDL
from yt_dlp.networking.common import HEADRequest
from yt_dlp.networking.exceptions import HTTPError, RequestError
from yt_dlp.utils.networking import select_proxy

from .access import Access, youtube_dl
from .challenges import ChallengeError

_PATIENCE_S = 5.0  # of one connection, and again of its answer
_MOST_ASKED = 3  # origins
_OF_THE_PROXY = (407, 502, 503, 504)  # what a proxy says when it cannot reach the origin, or will not


def online(urls: Iterable[str], access: Access | None = None) -> bool:
    """Whether the origin of any of these addresses answers over HTTP, with whatever status.

    The first three distinct origins are asked, with the user's proxy and cookies; 5 s each for the connection and for
    the answer. Through a proxy, an answer that may be the proxy's own does not count. A file on this machine is always
    within reach. No addresses, or none of HTTP, count as out of reach.
    """
    origins: dict[str, None] = {}
    for url in urls:
        try:
            parts = urlsplit(url.strip())
        except ValueError:  # a bracket that is not closed
            continue
        if parts.scheme == "file":
            return True
        if parts.scheme in ("http", "https") and parts.hostname:
            origins[f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/"] = None
        if len(origins) == _MOST_ASKED:
            break
    ydl = youtube_dl(access or Access())
    return any(_answers(ydl, origin) for origin in origins)


def _answers(ydl: YoutubeDL, origin: str) -> bool:
    try:
        ydl.urlopen(HEADRequest(origin, extensions={"timeout": _PATIENCE_S})).close()
    except HTTPError as error:
        error.close()
        return not (error.status in _OF_THE_PROXY and select_proxy(origin, ydl.proxies))
    except ChallengeError:  # somebody is there, and puts up a wall
        return True
    except (RequestError, OSError):  # no connection, no answer in time, no TLS, a proxy that is away
        return False
    return True
