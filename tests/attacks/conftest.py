"""A Hub of this folder's own with an owner and an attacker, and what both send."""

import base64
import hashlib
import itertools
import json
import socket
from collections.abc import Iterator

import httpx2
import pytest

from ytaudio.localhub import LocalHub

OWNER, ATTACKER = "hf_ownersownersowners", "hf_attackerattacker00"
_NUMBERS = itertools.count()


class Client(httpx2.Client):
    """HTTP to the Hub as one of its users, or as nobody."""

    def __init__(self, hub: LocalHub, token: str | None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        super().__init__(base_url=hub.url, headers=headers, trust_env=False, timeout=30)

    def create(self, private: bool = False) -> str:
        """A fresh repo of this user's."""
        name = f"repo{next(_NUMBERS)}"
        made = self.post("/api/repos/create", json={"name": name, "visibility": "private" if private else "public"})
        assert made.status_code == 200, made.text
        return made.json()["id"]

    def commit(self, repo: str, *lines: dict, revision: str = "main", query: str = "") -> httpx2.Response:
        """One commit of these lines, after a header."""
        lines = ({"key": "header", "value": {"summary": "x"}}, *lines)
        return self.post(f"/api/models/{repo}/commit/{revision}{query}", content="\n".join(map(json.dumps, lines)))

    def write(self, repo: str, **files: bytes) -> httpx2.Response:
        """One commit of regular files."""
        return self.commit(repo, *(regular(path, content) for path, content in files.items()))

    def upload(self, repo: str, path: str, content: bytes) -> httpx2.Response:
        """One commit of a large file."""
        oid = hashlib.sha256(content).hexdigest()
        told = self.batch(repo, oid, len(content))
        if "actions" in told:
            assert self.put(told["actions"]["upload"]["href"], content=content).status_code == 200
        return self.commit(repo, large(path, oid, len(content)))

    def batch(self, repo: str, oid: str, size: int) -> dict:
        """What LFS says of uploading an object."""
        asked = {"operation": "upload", "objects": [{"oid": oid, "size": size}]}
        return self.post(f"/{repo}.git/info/lfs/objects/batch", json=asked).json()["objects"][0]


def regular(path: str, content: bytes) -> dict:
    """A line of a commit: a file of a few bytes."""
    value = {"path": path, "content": base64.b64encode(content).decode(), "encoding": "base64"}
    return {"key": "file", "value": value}


def large(path: str, oid: str, size: int) -> dict:
    """A line of a commit: a file uploaded before."""
    return {"key": "lfsFile", "value": {"path": path, "algo": "sha256", "oid": oid, "size": size}}


def raw(hub: LocalHub, *pieces: bytes, end: bool = False) -> bytes:
    """What the Hub answers to these very bytes; with `end` the sender says that it has no more."""
    with socket.create_connection(("127.0.0.1", hub.port), timeout=10) as connection:
        for piece in pieces:
            connection.sendall(piece)
        if end:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        while block := connection.recv(1 << 16):
            received += block
        return received


@pytest.fixture(scope="session")
def own_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    with LocalHub(tmp_path_factory.mktemp("hub"), users={OWNER: "owner", ATTACKER: "attacker"}) as running:
        yield running


@pytest.fixture(scope="session")
def owner(own_hub) -> Iterator[Client]:
    with Client(own_hub, OWNER) as client:
        yield client


@pytest.fixture(scope="session")
def attacker(own_hub) -> Iterator[Client]:
    with Client(own_hub, ATTACKER) as client:
        yield client


@pytest.fixture(scope="session")
def nobody(own_hub) -> Iterator[Client]:
    with Client(own_hub, None) as client:
        yield client


@pytest.fixture
def serving(own_hub, nobody) -> Iterator[None]:
    """After the attack the Hub serves everybody, has nothing half done, and its content is what its names say."""
    yield
    for path in ("/", "/api/models", "/api/datasets"):
        assert nobody.get(path).status_code == 200, path
    assert list((own_hub.directory / "tmp").iterdir()) == []
    for path in (own_hub.directory / "objects").glob("*/*"):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
