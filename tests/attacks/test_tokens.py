"""Tokens and passwords: what a Hub, a proxy, a page or a bug would carry into places that others read."""

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import making
import pytest
from typer.testing import CliRunner

from ytaudio.catalog import Video
from ytaudio.cli import app
from ytaudio.engine import Machines, collect_on
from ytaudio.errors import UserError
from ytaudio.ledger import Settings, open_ledger
from ytaudio.media import Access
from ytaudio.places import Place

TOKEN, PASSWORD = "hf_secretSECRETsecretSECRET12", "s3cr3t-of-joe"


class Echo(ThreadingHTTPServer):
    """A server that answers every request with a status and with all that it was sent, in headers and body."""

    def __init__(self, status: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.seen = status, []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    def answer(self) -> None:
        self.server.seen.append((self.path, dict(self.headers)))
        if self.path.startswith("/-/status/"):
            self.server.status = int(self.path.rsplit("/", 1)[-1])
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        said = f"you sent {dict(self.headers)}"
        body = json.dumps({"error": said}).encode()
        self.send_response(200 if self.path.startswith("/-/") else self.server.status)
        self.send_header("X-Error-Message", said)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_CONNECT = answer

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def echo() -> Iterator:
    servers = []

    def make(status: int) -> Echo:
        servers.append(Echo(status))
        return servers[-1]

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def pushed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pushed")
    making.dataset_folder(folder / "d", {"train": 3})
    making.scores_of([0, 1], [0, 1]).save(folder)
    return folder


STATUSES = (401, 418)  # the last a refusal that nobody foresaw


def test_a_hub_that_echoes_the_token_has_it_shown_to_nobody(echo, pushed, tmp_path):
    """Each verb, in one process that starts once, against a Hub that refuses in several ways."""
    hub, folder = echo(403), str(pushed)
    commands = (
        ["push", "dataset", f"{folder}/d", "u/n"],
        ["build", "hub:u/n", str(tmp_path / "out")],
        ["compare", "u/a", "u/b"],
        ["classify", f"{folder}/nothing.wav", "--model", "u/n"],
        ["evaluate", "u/a", "--dataset", "u/n"],
    )
    code = (
        "import json, sys, urllib.request\nfrom ytaudio.cli import app\nfrom ytaudio.errors import mendable\n"
        "from ytaudio.redaction import secrets_hidden\n"
        "url, commands, statuses = map(json.loads, sys.argv[1:])\n"
        "for command in (one for status in statuses for one in [status, *commands]):\n"
        "    if isinstance(command, int):\n"
        "        urllib.request.urlopen(f'{url}/-/status/{command}')\n        continue\n"
        "    sys.argv = ['ytaudio', *command]\n"
        "    try:\n        with secrets_hidden(), mendable():\n            app()\n"
        "    except SystemExit as end:\n        print(f'code {end.code}', flush=True)\n"
        "    except Exception:\n        sys.excepthook(*sys.exc_info())\n"
    )
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HOME": str(tmp_path / "hf")}
    told = [json.dumps(one) for one in (hub.url, commands, STATUSES)]
    ended = subprocess.run([sys.executable, "-c", code, *told], capture_output=True, text=True, env=environment)
    assert any(TOKEN in str(headers) for _, headers in hub.seen)
    assert TOKEN not in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr, ended.stderr
    assert ended.stdout.count("code 2") == len(commands) * len(STATUSES), ended.stdout + ended.stderr
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert kept == []


def test_sites_get_no_token_and_what_they_echo_is_kept_without_passwords(echo, tmp_path, monkeypatch):
    """The pages of a list's links are strangers: they see no token of the Hub, and a proxy's password is its own."""
    site, proxy = echo(403), echo(403)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    listed = tmp_path / "list.csv"
    links = (
        f"{site.url}/a.mp3,food\nhttp://joe:{PASSWORD}@example.org/x,food\nftp://joe:{PASSWORD}@example.org/x,food\n"
    )
    listed.write_text(f"link,category\n{links}")
    host = proxy.url.removeprefix("http://")
    for out, options in (("plain", []), ("proxied", ["--proxy", f"http://joe:{PASSWORD}@{host}"])):
        for name in ("NO_PROXY", "no_proxy") if options else ():
            monkeypatch.setenv(name, "")
        ended = CliRunner().invoke(app, ["build", str(listed), str(tmp_path / out), "--patience", "0", *options])
        assert isinstance(ended.exception, UserError)
        assert PASSWORD not in f"{ended.output} {ended.exception}"
    assert site.seen
    assert TOKEN not in str(site.seen) + str(proxy.seen)
    assert base64.b64encode(f"joe:{PASSWORD}".encode()).decode() in str(proxy.seen)
    encoded = base64.b64encode(f"joe:{PASSWORD}".encode())
    for path in (path for path in tmp_path.rglob("*") if path.is_file() and path != listed):
        content = path.read_bytes()
        assert not any(secret in content for secret in (PASSWORD.encode(), encoded, TOKEN.encode())), path


def test_a_password_is_never_written_for_other_machines(tmp_path):
    """The files of a launch are there for all machines, and for all who read that folder."""
    videos = [Video("made0000001", "https://www.youtube.com/watch?v=made0000001", "", "", "food")]
    for engine in ("local", "slurm"):
        machines = Machines(engine, 2, access=Access(proxy=f"http://joe:{PASSWORD}@127.0.0.1:9"))
        with (
            open_ledger(tmp_path / engine, Settings()) as ledger,
            pytest.raises(UserError, match="https_proxy") as told,
        ):
            collect_on(machines, videos, ledger, Settings())
        assert PASSWORD not in str(told.value)
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        assert PASSWORD.encode() not in path.read_bytes()


@pytest.mark.parametrize("address", [f"ftp://joe:{PASSWORD}@host/run", f"nosuch://joe:{PASSWORD}@host/run"])
def test_a_shared_place_is_named_without_its_password(address):
    with pytest.raises(UserError, match="host/run") as told:
        Place.at(address)
    assert PASSWORD not in str(told.value)


def test_a_download_that_leads_elsewhere_takes_no_token_along(echo, monkeypatch, tmp_path):
    """A Hub may send a large file's reader on to another host, which is not the token's."""
    from huggingface_hub import hf_hub_download

    other = echo(404)

    class Leading(_Handler):
        def answer(self) -> None:
            self.server.seen.append((self.path, dict(self.headers)))
            self.send_response(302)
            self.send_header("Location", f"{other.url.replace('127.0.0.1', 'localhost')}/elsewhere")
            for name, value in (("X-Repo-Commit", "0" * 40), ("ETag", '"a"'), ("X-Linked-Size", "5")):
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD = answer

    hub = echo(302)
    hub.RequestHandlerClass = Leading
    with pytest.raises(Exception, match=r"\w"):  # whatever the client raises of the 404
        hf_hub_download("u/n", "a.bin", endpoint=hub.url, token=TOKEN, cache_dir=tmp_path)
    assert TOKEN in str(hub.seen)
    assert other.seen
    assert TOKEN not in str(other.seen)
