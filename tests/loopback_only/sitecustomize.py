"""Refuse every connection beyond loopback, in this process and, through PYTHONPATH, in the ones it starts."""

import ipaddress
import socket
import sys


def _is_loopback(host: object) -> bool:
    if host in (None, "", "localhost", b"localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.decode() if isinstance(host, bytes) else str(host))
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _is_number(host: object) -> bool:
    """Whether a host is an address already, in any spelling: to look it up sends nothing."""
    try:
        socket.inet_aton(host.decode() if isinstance(host, bytes) else str(host))
    except (OSError, ValueError):
        return ":" in str(host)
    return True


def _refuse(event: str, arguments: tuple) -> None:
    if event == "socket.connect":
        connecting, address = arguments
        if connecting.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(address[0]):
            raise ConnectionRefusedError(f"tests reach loopback only, not {address[0]}")
    elif event == "socket.getaddrinfo" and not (_is_loopback(arguments[0]) or _is_number(arguments[0])):
        raise socket.gaierror(socket.EAI_FAIL, f"tests reach loopback only, not {arguments[0]}")


sys.addaudithook(_refuse)
