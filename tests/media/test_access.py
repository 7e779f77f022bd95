import socket

import pytest

from ytaudio.errors import UserError
from ytaudio.media import Access, check_access

COOKIES = "# Netscape HTTP Cookie File\n.example.org\tTRUE\t/\tFALSE\t4102444800\tname\tvalue\n"


def test_cookies_that_can_be_read_are_taken(tmp_path):
    (tmp_path / "cookies.txt").write_text(COOKIES)
    check_access(Access(cookies=tmp_path / "cookies.txt"))


@pytest.mark.parametrize("content", [b"\x00\xff\xfe\x01" * 50, b'{"cookies": []}'])
def test_cookies_that_are_none_are_refused_before_the_first_video(content, tmp_path, capfd):
    (tmp_path / "cookies.txt").write_bytes(content)
    with pytest.raises(UserError, match=r"^--cookies gives no cookies that can be read"):
        check_access(Access(cookies=tmp_path / "cookies.txt"))
    assert capfd.readouterr() == ("", "")


def test_a_browser_that_is_none_is_refused():
    with pytest.raises(UserError, match=r"^--cookies-from-browser gives no cookies.*netscape"):
        check_access(Access(cookies_from_browser="netscape"))


@pytest.mark.parametrize("proxy", ["nonsense", "ftp://127.0.0.1:21", "http://", "http://host:port", "http://[::1"])
def test_a_proxy_that_is_no_address_is_refused(proxy):
    with pytest.raises(UserError, match=r"^--proxy is no address of a proxy"):
        check_access(Access(proxy=proxy))


def test_a_proxy_that_does_not_answer_is_named_without_its_password():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with pytest.raises(UserError, match=rf"^The proxy at 127.0.0.1:{port} does not answer") as refused:
            check_access(Access(proxy=f"http://user:secret@127.0.0.1:{port}"))
    assert "secret" not in str(refused.value)
    with socket.create_server(("127.0.0.1", 0)) as server:
        check_access(Access(proxy=f"socks5://127.0.0.1:{server.getsockname()[1]}"))
