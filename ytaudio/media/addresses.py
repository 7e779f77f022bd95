"""Which addresses are of the public Internet, and what addresses a host's name may be read as."""

import re
import socket
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import unquote

Address = IPv4Address | IPv6Address

# IANA's registry of special-purpose addresses (RFC 6890), multicast, and what was never given out; `is_global` of
# Python 3.11 calls some of them public
_NOT_PUBLIC_4 = tuple(
    IPv4Network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",  # of Azure's hosts, to their guests alone
    )
)
_PUBLIC_6 = IPv6Network("2000::/3")  # all that is given out so far
_NOT_PUBLIC_6 = tuple(IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "3fff::/20"))
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052; an IPv4 address in its last 32 bits
# what no public name ends in: RFC 6761, 6762 (3 and appendix G), 8375, and .internal as ICANN keeps it free
_PRIVATE_ENDS = frozenset(
    ("localhost", "local", "localdomain", "internal", "intranet", "private", "corp", "home", "lan", "home.arpa")
)
_DOTS = re.compile("[\u3002\uff0e\uff61]")  # which domain names may have for a full stop (RFC 3490, 3.1)
_DECIMALS = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,10}){3}")


def is_public(address: Address) -> bool:
    """Whether an address is one that anyone reaches; of IPv6 ways to IPv4, the address they lead to decides."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    if address.ipv4_mapped:
        return is_public(address.ipv4_mapped)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
    if address.sixtofour:
        return is_public(address.sixtofour)
    return address in _PUBLIC_6 and not any(address in network for network in _NOT_PUBLIC_6)


def is_private_name(host: str) -> bool:
    """Whether a name is one that only private networks know: `localhost`, `nas.local`, or one without a dot."""
    name = _plain(host)
    if not name or next(readings(host), None):
        return False
    parts = name.split(".")
    return len(parts) == 1 or parts[-1] in _PRIVATE_ENDS or ".".join(parts[-2:]) in _PRIVATE_ENDS


def readings(host: str) -> Iterator[Address]:
    """The addresses a host may be read as, by this machine or by a proxy; none where it is a name.

    127.0.0.1 is also 2130706433, 0x7f.1, 0177.0.0.1, ::ffff:7f00:1 and more; 010.0.0.1 is 8.0.0.1 to some readers and
    10.0.0.1 to others.
    """
    name = _plain(host)
    with suppress(ValueError):
        yield ip_address(name.strip("[]").partition("%")[0])
    with suppress(OSError, ValueError):
        yield IPv4Address(socket.inet_aton(name))  # the C library's own reading
    if _DECIMALS.fullmatch(name) and all(int(part) < 256 for part in name.split(".")):
        yield IPv4Address(bytes(map(int, name.split("."))))


def _plain(host: str) -> str:
    """A host as domain names are compared: percent signs resolved, full width made narrow, no dot at its end."""
    name = unicodedata.normalize("NFKC", _DOTS.sub(".", unquote(host)))
    return _DOTS.sub(".", name).casefold().strip().rstrip(".")
