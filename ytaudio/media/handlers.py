"""yt-dlp's two ways to speak HTTP, by requests and by urllib, with a guard at every connection they make.

Its other ways (curl_cffi, websockets) cannot be guarded from here, and are left out where a guard is.
"""

import functools
import http.client
import socket
import urllib.request
from collections.abc import Callable, Iterable
from typing import Any

import urllib3
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from yt_dlp.networking import Request
from yt_dlp.networking.exceptions import RequestError
from yt_dlp.utils.networking import select_proxy
from yt_dlp.version import __version__ as VERSION

from ytaudio.errors import UserError

from .guard import Guard, LinkRefused, PrivateHost

Handler = Any  # a class of yt-dlp's networking
_LOOK_UP_THERE = ("socks4a", "socks5h")  # proxies whose users want no name looked up on this machine
_PRIVATE = "http://127.0.0.1:9/"


def guarded(handlers: Iterable[Handler], guard: Guard, proxies: Iterable[str | None]) -> list[Handler]:
    """yt-dlp's handlers with a guard; those that cannot have one are left out.

    Each is tried once a process: another yt-dlp may go another way than the guard stands in.

    Args:
        handlers: yt-dlp's classes.
        guard: of all their connections.
        proxies: of the user, as they were written.

    Raises:
        UserError: none is left that the guard can be trusted with.
    """
    look_up = not any((proxy or "").casefold().startswith(_LOOK_UP_THERE) for proxy in proxies)
    kept = [handler for handler in handlers if handler.RH_KEY in _GUARDS and _refuses(handler)]
    if not kept:
        raise UserError(
            f"The networking of yt-dlp {VERSION} cannot be kept out of private networks: upgrade ytaudio, or give "
            "--allow-private-hosts."
        )
    return [_GUARDS[handler.RH_KEY](handler, guard, look_up) for handler in kept]


@functools.cache
def _refuses(handler: Handler) -> bool:
    """Whether a handler, with a guard, does not connect to this machine."""

    class Silent:
        def __getattr__(self, name: str) -> Callable[..., None]:
            return lambda *args, **more: None

    tried = _GUARDS[handler.RH_KEY](handler, Guard(), True)(logger=Silent(), timeout=1.0)
    try:
        tried.send(Request(_PRIVATE)).close()
    except PrivateHost:
        return True
    except (RequestError, OSError, AttributeError, TypeError):
        return False
    finally:
        tried.close()
    return False


def _over_requests(handler: Handler, guard: Guard, look_up: bool) -> Handler:
    """The handler that uses requests, where connections are made by urllib3."""
    pools = _pools(guard)

    class GuardedRequestsRH(handler):
        def _create_instance(self, **given: Any) -> Any:
            session = super()._create_instance(**given)
            for scheme, adapter in list(session.adapters.items()):
                session.mount(scheme, _each_hop(adapter, pools, guard, look_up))
            return session

    return GuardedRequestsRH


def _each_hop(adapter: Any, pools: dict[str, type], guard: Guard, look_up: bool) -> Any:
    """An adapter of requests, which a session asks for every redirect anew, in front of yt-dlp's own."""
    from requests.adapters import BaseAdapter

    adapter.poolmanager.pool_classes_by_scheme = pools  # of direct connections; a proxy's manager has its own

    class Checked(BaseAdapter):
        def send(self, request: Any, *args: Any, **more: Any) -> Any:
            proxies = more.get("proxies") or {}
            if select_proxy(request.url, proxies):
                guard.check_target(request.url, look_up=look_up)
            return adapter.send(request, *args, **more)

        def close(self) -> None:
            adapter.close()

    return Checked()


def _pools(guard: Guard) -> dict[str, type]:
    """Pools of connections, by scheme, that the guard makes."""

    class HTTPConnection(urllib3.connection.HTTPConnection):
        def _new_conn(self) -> Any:
            try:
                return guard.connect(
                    (self._dns_host, self.port), self.timeout, self.source_address, self.socket_options or ()
                )
            except TimeoutError as error:
                raise ConnectTimeoutError(self, f"Connection to {self.host} timed out: {error}") from error
            except socket.gaierror as error:
                raise NameResolutionError(self.host, self, error) from error
            except OSError as error:
                raise NewConnectionError(self, f"Failed to establish a new connection: {error}") from error

    class HTTPSConnection(HTTPConnection, urllib3.connection.HTTPSConnection):
        pass

    class Pool(urllib3.HTTPConnectionPool):
        ConnectionCls = HTTPConnection

    class PoolTLS(urllib3.HTTPSConnectionPool):
        ConnectionCls = HTTPSConnection

    return {"http": Pool, "https": PoolTLS}


def _over_urllib(handler: Handler, guard: Guard, look_up: bool) -> Handler:
    """The handler that needs nothing but the standard library."""

    class GuardedUrllibRH(handler):
        def _create_instance(self, **given: Any) -> Any:
            opener = super()._create_instance(**given)
            context = self._make_sslcontext(legacy_ssl_support=given.get("legacy_ssl_support"))
            opener.add_handler(_NoOtherScheme())
            opener.add_handler(_Direct(guard, look_up, context))
            return opener

    return GuardedUrllibRH


class _NoOtherScheme(urllib.request.BaseHandler):
    """Refuses what urllib would follow besides HTTP, before anything looks at it."""

    handler_order = 1

    def _refuse(self, request: urllib.request.Request) -> None:
        raise LinkRefused(f"a link of {request.type}: is not followed, only http: and https: are")

    ftp_open = data_open = file_open = _refuse


class _Direct(urllib.request.AbstractHTTPHandler):
    """Makes the connections that need no proxy; what a proxy makes is looked at, and left to yt-dlp's own handler."""

    handler_order = 400  # after yt-dlp's choice of a proxy, 100, and before its HTTP, 500

    def __init__(self, guard: Guard, look_up: bool, context: Any) -> None:
        super().__init__()
        self._guard, self._look_up, self._context = guard, look_up, context

    def http_open(self, request: Any) -> Any:
        return self._open(http.client.HTTPConnection, request)

    def https_open(self, request: Any) -> Any:
        return self._open(http.client.HTTPSConnection, request, context=self._context)

    def _open(self, kind: type[http.client.HTTPConnection], request: Any, **more: Any) -> Any:
        if request.has_proxy() or request._tunnel_host or request.has_header("Ytdl-socks-proxy"):
            self._guard.check_target(request.full_url, look_up=self._look_up)
            return None
        return self.do_open(functools.partial(_connection, kind, self._guard), request, **more)


def _connection(
    kind: type[http.client.HTTPConnection], guard: Guard, *args: Any, **more: Any
) -> http.client.HTTPConnection:
    made: Any = kind(*args, **more)
    made._create_connection = guard.connect  # as yt-dlp's own handler puts its function there
    return made


_GUARDS: dict[str, Callable[[Handler, Guard, bool], Handler]] = {"Requests": _over_requests, "Urllib": _over_urllib}
