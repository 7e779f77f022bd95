import gc
import socket
import threading
from dataclasses import replace
from ipaddress import IPv4Address, ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media.guarded import HANDLERS, ONCE, PRIVATE, PUBLIC, Names, Socks, guarded_dl
from media.wire import Wire, answer
from yt_dlp.networking import Request
from yt_dlp.networking.common import _REQUEST_HANDLERS
from yt_dlp.networking.exceptions import TransportError

from ytaudio.errors import UserError
from ytaudio.media import Access, Reason
from ytaudio.media.access import youtube_dl
from ytaudio.media.addresses import is_private_name, is_public, readings
from ytaudio.media.failures import classify
from ytaudio.media.guard import Guard, LinkRefused, PrivateHost
from ytaudio.media.handlers import guarded

NOT_PUBLIC = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.255 169.254.169.254 172.16.0.1 172.31.255.255
192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1
239.255.255.255 240.0.0.1 255.255.255.255 168.63.129.16
:: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:a00:1 ::ffff:169.254.169.254 64:ff9b::127.0.0.1 64:ff9b::10.0.0.1
64:ff9b:1::1.1.1.1 100::1 2001::1 2001:2::1 2001:10::1 2001:db8::1 2002:7f00:1:: 2002:a00:1::1 3fff::1 5f00::1
fc00::1 fd00:ec2::254 fd20:ce::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1 4000::1
"""
OF_ALL = (
    "1.1.1.1 8.8.8.8 142.250.1.1 172.32.0.1 100.128.0.1 192.0.1.1 223.255.255.255 2a00:1450:4001::1 2606:4700::1111"
)
OF_ALL += " ::ffff:1.1.1.1 64:ff9b::8.8.8.8 2002:808:808::1 2001:4860:4860::8888"


@pytest.mark.parametrize("address", NOT_PUBLIC.split())
def test_no_address_of_a_private_network_is_public(address):
    assert not is_public(ip_address(address.partition("%")[0]))


@pytest.mark.parametrize("address", OF_ALL.split())
def test_addresses_that_anyone_reaches_are_public(address):
    assert is_public(ip_address(address))


def _number(value: int, base: str) -> str:
    return {"d": str, "o": lambda n: f"0{n:o}", "x": hex, "X": lambda n: f"0X{n:X}"}[base](value)


@st.composite
def spelled(draw):
    """An IPv4 address and a spelling of it that the C library reads: one to four numbers, each in one of its bases."""
    value = draw(st.integers(0, 2**32 - 1))
    parts = draw(st.integers(1, 4))
    numbers = [value >> 8 * (3 - k) & 255 for k in range(parts - 1)] + [value & (1 << 8 * (5 - parts)) - 1]
    text = ".".join(_number(number, draw(st.sampled_from("doxX"))) for number in numbers)
    wide = {ord(c): ord(c) + 0xFEE0 for c in "0123456789abcdefxABCDEFX"}
    text = text.translate(wide) if draw(st.booleans()) else text
    return IPv4Address(value), text.replace(".", draw(st.sampled_from(".\u3002\uff0e\uff61"))) + draw(
        st.sampled_from(["", "."])
    )


@given(spelled())
def test_every_spelling_of_an_address_is_read(case):
    address, text = case
    assert address in set(readings(text)), text
    assert not is_private_name(text)


@given(st.text(max_size=40))
def test_no_text_is_too_odd_for_a_host(text):
    for address in readings(text):
        is_public(address)
    is_private_name(text)


def test_names_that_only_private_networks_know():
    for name in (
        "localhost",
        "LOCALHOST.",
        "a.localhost",
        "nas.local",
        "db",
        "metadata.google.internal",
        "x.home.arpa",
    ):
        assert is_private_name(name), name
    for name in ("example.org", "localhost.example.org", "youtube.com.", "127.0.0.1.nip.io", "10.0.0.1", "[::1]", ""):
        assert not is_private_name(name), name
    assert {str(a) for a in readings("010.0.0.1")} == {"8.0.0.1", "10.0.0.1"}
    assert {str(a) for a in readings("%31%32%37.0.0.1")} == {"127.0.0.1"}


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_public_host_is_reached(handler):
    with Wire(lambda head: answer("200 OK", b"hello"), PUBLIC) as wire:
        ydl = guarded_dl(handler)
        assert ydl.urlopen(f"{wire.url}/a").read() == b"hello"
        assert ydl.urlopen(f"{wire.url}/b").read() == b"hello" and len(wire.asked) == 2


def test_connections_are_kept_as_without_a_guard():
    with socket.create_server((PUBLIC, 0)) as listener:
        accepted = []

        def serve() -> None:
            connection, _ = listener.accept()
            accepted.append(connection)
            with connection, connection.makefile("rb") as file:
                for line in file:
                    if line == b"\r\n":
                        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

        threading.Thread(target=serve, daemon=True).start()
        ydl = guarded_dl()
        url = f"http://{PUBLIC}:{listener.getsockname()[1]}/"
        assert [ydl.urlopen(url).read() for _ in range(5)] == [b"ok"] * 5
        assert len(accepted) == 1
        ydl.close()


@pytest.mark.parametrize("handler", HANDLERS)
def test_what_is_refused_is_never_connected_to_and_leaves_no_socket(handler):
    ydl = guarded_dl(handler)
    with Wire(lambda head: answer("200 OK"), PRIVATE) as vault:
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(20):
            with pytest.raises(PrivateHost, match=rf"^{PRIVATE} leads to a private network .*--allow-private-hosts"):
                ydl.urlopen(vault.url)
        gc.collect()
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1
        assert vault.connections == 0


def test_this_machine_by_an_address_that_is_called_public_is_still_this_machine():
    with Wire(lambda head: answer("200 OK")) as vault:
        with pytest.raises(PrivateHost, match="this machine itself"):
            Guard(lambda address: True).connect((PRIVATE, vault.port), 5.0)
        assert vault.asked == []


@pytest.mark.parametrize("handler", HANDLERS)
def test_what_goes_wrong_at_a_public_host_is_the_networks_fault(handler):
    with socket.create_server((PUBLIC, 0)) as closed:
        port = closed.getsockname()[1]
    ydl = guarded_dl(handler, Names(gone_example=[[]]))
    for url in (f"http://{PUBLIC}:{port}/", "http://gone.example/", "http://nowhere.invalid/"):
        with pytest.raises(TransportError) as failed:
            ydl.urlopen(url)
        assert classify(failed.value) is Reason.NETWORK, url
    with pytest.raises(LinkRefused, match="no name of a host"):
        Guard().connect((f"{'a' * 70}.example", 80), 1.0)


def test_an_access_decides_and_the_environment_where_it_says_nothing(monkeypatch):
    assert Access().allow_private_hosts, "the suite's own variable"
    monkeypatch.delenv("YTAUDIO_ALLOW_PRIVATE_HOSTS")
    assert not Access().allow_private_hosts
    monkeypatch.setenv("YTAUDIO_ALLOW_PRIVATE_HOSTS", "0")
    assert not Access().allow_private_hosts
    with Wire(lambda head: answer("200 OK", b"x")) as wire:
        assert youtube_dl(Access(allow_private_hosts=True)).urlopen(wire.url).read() == b"x"
        with pytest.raises(PrivateHost):
            youtube_dl(Access()).urlopen(wire.url)


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "data:,x", "ftp://127.0.0.1/x", "ws://127.0.0.1/", "x", "ytsearch:x"]
)
def test_nothing_but_http_is_followed_whatever_is_allowed(url, allowed):
    with pytest.raises(LinkRefused, match="only http: and https: are"):
        youtube_dl(replace(ONCE, allow_private_hosts=allowed)).urlopen(url)


def test_handlers_that_the_guard_does_not_stand_in_are_left_out():
    class MovedRH(_REQUEST_HANDLERS["Urllib"]):
        """As another yt-dlp might be: what the guard hangs on is not asked any more."""

        RH_KEY = "Urllib"

        def _get_instance(self, **given):
            return super()._create_instance(**given)

    both = guarded([MovedRH, _REQUEST_HANDLERS["Requests"]], Guard(), [])
    assert [handler.__name__ for handler in both] == ["GuardedRequestsRH"]
    with pytest.raises(UserError, match="upgrade ytaudio, or give --allow-private-hosts"):
        guarded([MovedRH], Guard(), [])
    left_out = [handler for key, handler in _REQUEST_HANDLERS.items() if key not in HANDLERS]
    with pytest.raises(UserError):
        guarded(left_out, Guard(), [])


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_proxy_on_this_machine_is_the_users_and_makes_its_connections(handler):
    with Wire(lambda head: answer("200 OK", b"through"), PRIVATE) as proxy:
        ydl = guarded_dl(handler, Names(), replace(ONCE, proxy=proxy.url))
        assert ydl.urlopen("http://site.invalid/x").read() == b"through", "a name that only the proxy knows"
        assert ydl.urlopen(f"http://{PUBLIC}/y").read() == b"through"
        assert [head.split()[1] for head in proxy.asked] == ["http://site.invalid/x", f"http://{PUBLIC}/y"]


@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize("scheme, looked_up", [("socks5", True), ("socks5h", False)])
def test_names_are_looked_up_here_unless_the_proxys_user_wants_no_lookup(handler, scheme, looked_up):
    names = Names(trap_example=[[PRIVATE]])
    with Socks() as proxy:
        ydl = guarded_dl(handler, names, replace(ONCE, proxy=f"{scheme}://{proxy.address}"))
        with pytest.raises(PrivateHost if looked_up else TransportError):
            ydl.urlopen("http://trap.example/")
        assert proxy.wanted == ([] if looked_up else [b"trap.example"]) and names.asked["trap.example"] == looked_up
        for url in (
            f"http://{PRIVATE}/",
            f"https://{PRIVATE}/",
            "http://0x7f.1/",
            "http://a.localhost/",
            "https://[::1]/",
        ):
            with pytest.raises(PrivateHost):
                ydl.urlopen(url)
        assert len(proxy.wanted) == (not looked_up)


@pytest.mark.parametrize("handler", HANDLERS)
def test_no_link_names_a_proxy(handler):
    with (
        Wire(lambda head: answer("200 OK", b"stolen"), PRIVATE) as vault,
        Wire(lambda head: answer("200 OK", b"page"), PUBLIC) as wire,
    ):
        ydl = guarded_dl(handler)
        for request in (
            Request(wire.url, headers={"Ytdl-Request-Proxy": vault.url}),
            Request(wire.url, headers={"ytdl-socks-proxy": f"socks5://{PRIVATE}:{vault.port}"}),
            Request(wire.url, proxies={"all": vault.url, "http": vault.url}),
        ):
            assert ydl.urlopen(request).read() == b"page"
        assert vault.connections == 0 and "proxy" not in "".join(wire.asked).casefold()
