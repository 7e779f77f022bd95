"""No link leads into this machine or a private network: what is connected to is looked at before it is."""

import socket
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import urllib3
from yt_dlp.networking.exceptions import RequestError

from .addresses import Address, is_private_name, is_public, readings

SCHEMES = ("http", "https")
_MEND = "give --allow-private-hosts if you mean it"

Option = tuple[int, int, int | bytes]  # of a socket: level, name and value


class LinkRefused(RequestError):
    """A link of a scheme that is not followed."""


class PrivateHost(RequestError):
    """A link into this machine or a private network."""

    def __init__(self, host: str, where: str = "") -> None:
        super().__init__(f"{host} leads to a private network{f' ({where})' if where else ''}: {_MEND}")


class Guard:
    """Lets connections be made to public addresses only.

    A direct connection is made to the very address that was looked at, whatever the name's next lookup would say, and
    each redirect makes its own. Where a proxy makes it, all that can be looked at is how the host is written and what
    a lookup here says.
    """

    def __init__(
        self,
        public: Callable[[Address], bool] = is_public,
        resolve: Callable[..., Iterable[tuple[Any, ...]]] = socket.getaddrinfo,
    ) -> None:
        self._public, self._resolve = public, resolve
        self._looked_up: set[str] = set()  # hosts that a proxy may be asked for

    def connect(
        self,
        address: tuple[str, int],
        timeout_s: float | None = None,
        source: tuple[str, int] | None = None,
        options: Iterable[Option] = (),
    ) -> socket.socket:
        """A connection to a host and port, by its first address that answers.

        Raises:
            PrivateHost: an address that it would be made to is not public; nothing has been sent there.
            LinkRefused: no name of a host is written so.
            OSError: as socket.create_connection's.
        """
        host, port = address
        self._check_written(host)
        failed: OSError | None = None
        try:
            places = self._resolve(host.strip("[]"), port, 0, socket.SOCK_STREAM)
        except UnicodeError:
            raise LinkRefused(f"{host[:80]} is no name of a host") from None
        for family, kind, protocol, _, place in places:
            self._check(host, place[0])
            connection = socket.socket(family, kind, protocol)
            try:
                for option in options:
                    connection.setsockopt(*option)
                connection.settimeout(timeout_s)
                if source:
                    connection.bind(source)
                connection.connect(place)
                if connection.getpeername()[0] == connection.getsockname()[0]:
                    raise PrivateHost(host, f"{place[0]}, this machine itself")
                return connection
            except OSError as error:
                connection.close()
                failed = error
            except PrivateHost:
                connection.close()
                raise
        try:
            raise failed or OSError(f"{host} has no address")
        finally:
            failed = None  # an error that its own traceback knows would keep all of this in memory

    def check_target(self, url: str, *, look_up: bool) -> None:
        """Look at a URL that a proxy is to be asked for.

        Raises:
            LinkRefused: it has no host.
            PrivateHost: one reading of its host, or a lookup here, says an address that is not public.
        """
        for host in _hosts(url):
            self._check_written(host)
            if look_up and host not in self._looked_up:
                for *_, place in self._known_here(host):
                    self._check(host, place[0])
                self._looked_up.add(host)

    def _known_here(self, host: str) -> Iterable[tuple[Any, ...]]:
        try:
            return list(self._resolve(host.strip("[]"), None, 0, socket.SOCK_STREAM))
        except (OSError, UnicodeError):  # the proxy knows more names than this machine
            return ()

    def _check_written(self, host: str) -> None:
        for address in readings(host):
            self._check(host, str(address))
        if is_private_name(host):
            raise PrivateHost(host)

    def _check(self, host: str, address: str) -> None:
        if not self._public(ip_address(address.partition("%")[0])):
            raise PrivateHost(host, address)


def check_scheme(url: str) -> None:
    """Refuse what is neither HTTP nor HTTPS.

    Raises:
        LinkRefused: it is not.
    """
    scheme = url.strip().partition(":")[0].casefold()
    if scheme not in SCHEMES:
        kind = f"of {scheme[:20]}:" if scheme.isalnum() else "without a scheme"
        raise LinkRefused(f"a link {kind} is not followed, only http: and https: are")


def _hosts(url: str) -> set[str]:
    """The hosts of a URL as its two readers here see them, and so perhaps a proxy: they part over a backslash.

    Raises:
        LinkRefused: it has none.
    """
    try:
        hosts = {urlsplit(url).hostname, urllib3.util.parse_url(url).host}
    except (ValueError, urllib3.exceptions.HTTPError):
        hosts = {None}
    if None in hosts or "" in hosts:
        raise LinkRefused("a link without a host")
    return {host for host in hosts if host}
