"""What somebody on the network, or with an account of their own, tries against the embedded Hub."""

import hashlib
import json
import re
import socket
import stat
import time

import httpx2
import pytest
from attacks.conftest import ATTACKER, OWNER, large, raw, regular

from ytaudio.localhub import LocalHub
from ytaudio.localhub.large import is_ignored

pytestmark = pytest.mark.usefixtures("serving")
SECRET = b"a private recording, " * 50
PATHS = (
    "/{repo}/resolve/main/../../../../accounts.json",
    "/{repo}/resolve/main/%2e%2e/%2e%2e/accounts.json",
    "/{repo}/resolve/main/..%2f..%2f..%2f..%2faccounts.json",
    "/{repo}/resolve/main/%252e%252e%252faccounts.json",
    "/{repo}/resolve/main/..\\..\\accounts.json",
    "/{repo}/resolve/main//etc/passwd",
    "/{repo}/resolve/main/.gitattributes%00.png/../../accounts.json",
    "/{repo}/resolve/..%2f..%2f..%2f..%2faccounts.json/x",
    "/{repo}/resolve/refs%2fheads%2f..%2f..%2faccounts.json/x",
    "/-/lfs/models/{repo}/..%2f..%2f..%2faccounts.json",
    "/-/style.css/../../accounts.json",
    "/..%2f..%2f/accounts.json",
    "/api/models/..%2f..%2f..%2faccounts.json/x",
    "//etc/passwd",
    "/../../accounts.json",
)


@pytest.mark.parametrize("path", PATHS)
def test_no_path_leads_out_of_a_repo(own_hub, owner, path):
    sent = f"GET {path.format(repo=owner.create())} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    answer = raw(own_hub, sent.encode())
    assert re.match(rb"HTTP/1.1 40[014] ", answer), answer[:80]
    assert b"tokens" not in answer
    assert b"root:" not in answer


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "..%2fx", "x\0y", "x\ny", "/etc", "refs/../../x", "-x", "x" * 300]
)
def test_names_of_repos_branches_and_tags_stay_names(own_hub, attacker, name):
    mine = attacker.create()
    before = set(own_hub.directory.rglob("*"))
    assert attacker.post("/api/repos/create", json={"name": name}).status_code in (400, 403)
    assert attacker.post("/api/repos/create", json={"name": "x", "organization": name}).status_code in (400, 403)
    assert attacker.post("/api/repos/move", json={"fromRepo": mine, "toRepo": f"attacker/{name}"}).status_code == 400
    assert attacker.post(f"/api/models/{mine}/tag/main", json={"tag": name}).status_code == 400
    assert set(own_hub.directory.rglob("*")) == before


def test_a_hash_opens_nobody_elses_content(owner, attacker, nobody):
    """Content is stored once for all repos, so naming a hash in a commit of one's own might fetch somebody else's."""
    private, oid = owner.create(private=True), hashlib.sha256(SECRET).hexdigest()
    assert owner.upload(private, "a.bin", SECRET).status_code == 200
    mine = attacker.create()
    assert attacker.commit(mine, large("a.bin", oid, len(SECRET))).status_code == 400
    told = attacker.batch(mine, oid, len(SECRET))
    assert "actions" in told, "whether anybody has this content is not told"
    href = told["actions"]["upload"]["href"]
    assert attacker.put(href, content=SECRET[:-1]).status_code == 400
    assert attacker.put(href, content=bytes(len(SECRET))).status_code == 422
    assert attacker.commit(mine, large("a.bin", oid, len(SECRET))).status_code == 400
    copied = {"key": "copyFile", "value": {"path": "b", "srcPath": "a.bin", "srcRepo": private, "srcRevision": "main"}}
    assert attacker.commit(mine, copied).status_code == 400
    for client in (attacker, nobody):
        assert client.get(f"/-/lfs/models/{mine}/{oid}").status_code == 404


def test_no_address_of_a_private_repo_says_that_it_is_there(owner, attacker, nobody):
    private = owner.create(private=True)
    owner.upload(private, "a.wav", SECRET)
    head = owner.get(f"/api/models/{private}").json()["sha"]
    rest = (
        *("", "/tree/main", "/blob/main/a.wav", "/resolve/main/a.wav", "/raw/main/a.wav", f"/resolve/{head}/a.wav"),
        *("/commits/main", f"/commit/{head}", "/discussions", "/discussions/1", "/viewer", "/viewer/main"),
    )
    api = ("", "/tree/main", "/refs", "/commits/main", "/discussions", "/revision/main", "/lfs-files", "/auth-check")
    oid = hashlib.sha256(SECRET).hexdigest()
    paths = [*("/{}" + end for end in rest), *("/api/models/{}" + end for end in api), "/-/lfs/models/{}/" + oid]
    for client in (attacker, nobody):
        for path in paths:
            there, absent = (client.get(path.format(repo)) for repo in (private, "owner/nothing"))
            assert there.status_code in (401, 404), path
            assert (there.status_code, there.text.replace(private, "")) == (
                absent.status_code,
                absent.text.replace("owner/nothing", ""),
            ), path
        assert private not in client.get("/").text
        assert private not in client.get(f"/api/models?search={private.split('/')[1]}").text
        assert client.get("/api/organizations/owner/settings/repositories").status_code in (401, 403)


WRITES = (
    ("POST", "/api/models/{}/commit/main", {}),
    ("POST", "/api/models/{}/preupload/main", {"files": []}),
    ("POST", "/api/models/{}/branch/b", {}),
    ("DELETE", "/api/models/{}/branch/other", {}),
    ("POST", "/api/models/{}/tag/main", {"tag": "v1"}),
    ("POST", "/api/models/{}/super-squash/main", {}),
    ("PUT", "/api/models/{}/settings", {"private": False}),
    ("POST", "/api/models/{}/discussions/1/merge", {}),
    ("POST", "/api/models/{}/discussions/1/status", {"status": "closed"}),
    ("POST", "/api/models/{}/discussions/1/title", {"title": "mine"}),
    ("DELETE", "/api/repos/delete", {"name": "{}"}),
    ("POST", "/api/repos/move", {"fromRepo": "{}", "toRepo": "attacker/stolen"}),
    ("POST", "/api/repos/create", {"name": "new", "organization": "owner"}),
)


@pytest.mark.parametrize(("method", "path", "body"), WRITES, ids=[f"{m} {p}" for m, p, _ in WRITES])
def test_nobody_writes_to_somebody_elses_repo(owner, attacker, nobody, method, path, body):
    repo = owner.create()
    assert owner.post(f"/api/models/{repo}/discussions", json={"title": "t", "pullRequest": True}).status_code == 200
    before = owner.get(f"/api/models/{repo}").json(), owner.get(f"/api/models/{repo}/discussions").json()
    sent = {key: value.format(repo) if isinstance(value, str) else value for key, value in body.items()}
    for client, refusal in ((attacker, 403), (nobody, 401)):
        assert client.request(method, path.format(repo), json=sent).status_code == refusal
    assert (owner.get(f"/api/models/{repo}").json(), owner.get(f"/api/models/{repo}/discussions").json()) == before


def test_an_upload_address_is_good_for_one_object_of_one_repo_for_a_day(own_hub, owner, attacker, monkeypatch):
    mine, theirs, data = attacker.create(), owner.create(), b"an upload"
    oid = hashlib.sha256(data).hexdigest()
    href = attacker.batch(mine, oid, len(data))["actions"]["upload"]["href"]
    other = hashlib.sha256(b"another!!").hexdigest()
    for forged in (href.replace(mine, theirs), href.replace(oid, other), href.replace("size=9", "size=99")):
        assert attacker.put(forged, content=data).status_code == 403
    assert attacker.put(re.sub("until=[0-9]+", "until=9999999999", href), content=data).status_code == 403
    assert attacker.put(re.sub("signature=[0-9a-f]+", "signature=", href), content=data).status_code == 403
    monkeypatch.setattr(time, "time", lambda now=time.time: now() + 25 * 3600)
    assert attacker.put(href, content=data).status_code == 403
    monkeypatch.undo()
    assert [attacker.put(href, content=data).status_code for _ in range(2)] == [200, 200], "a replay changes nothing"


def test_a_browser_that_signed_in_holds_no_token_and_writes_nothing(own_hub, owner, nobody):
    """A cookie goes to every port of a host, and along with what other pages have a browser send."""
    repo = owner.create(private=True)
    kept = nobody.post("/login", data={"token": OWNER}).headers["set-cookie"]
    assert OWNER not in kept
    assert "httponly" in kept.lower()
    assert "samesite=lax" in kept.lower()
    cookie = {"Cookie": kept.split(";")[0]}
    assert nobody.get(f"/{repo}", headers=cookie).status_code == 200
    assert nobody.get("/api/whoami-v2", headers=cookie).status_code == 401
    assert nobody.get("/api/whoami-v2", headers={"Authorization": f"Bearer {kept.split('=')[1]}"}).status_code == 401
    for method, path, body in WRITES:
        answer = nobody.request(method, path.format(repo), json=body, headers=cookie)
        assert answer.status_code in (401, 404), path
    until = kept.split(":")[1]
    for forged in (cookie["Cookie"].replace("owner:", "attacker:"), cookie["Cookie"].replace(until, "9999999999")):
        assert nobody.get(f"/{repo}", headers={"Cookie": forged}).status_code == 401
    assert nobody.get(f"/{repo}", headers={"Cookie": f"localhub_pass={OWNER}"}).status_code == 401
    onward = nobody.post("/login", data={"token": OWNER, "onward": "//evil.example/"}).headers["location"]
    assert onward == "/"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example"]
)
def test_a_page_of_the_web_cannot_read_a_loopback_hub_under_its_own_name(own_hub, nobody, host):
    """DNS rebinding: evil.example leads to 127.0.0.1 at the second look."""
    answer = nobody.get("/api/models", headers={"Host": host, "Origin": f"http://{host}"})
    assert (answer.status_code, "http://127.0.0.1" in answer.text) == (421, True)
    for own in ("127.0.0.1", "localhost", "[::1]:80", f"localhost:{own_hub.port}", "hub.localhost"):
        answer = nobody.get("/api/models", headers={"Host": own, "Origin": "http://evil.example"})
        assert answer.status_code == 200
        assert "access-control-allow-origin" not in answer.headers


LENGTHS = ("1000000000000000000", "-5", "9" * 30, "abc", "5, 6", "0x10")


@pytest.mark.parametrize("length", LENGTHS)
def test_a_body_that_is_not_as_long_as_it_says_is_no_trouble(own_hub, length, caplog):
    head = f"POST /api/repos/create HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ATTACKER}\r\n"
    answer = raw(own_hub, f"{head}Content-Length: {length}\r\n\r\n{{}}".encode(), end=True)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
    assert "Traceback" not in caplog.text
    assert "Exception" not in caplog.text


def test_two_lengths_of_a_body_are_one_request(own_hub):
    """Request smuggling: a server in front and this one must not disagree where a request ends."""
    head = b"POST /api/validate-yaml HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n"
    head += b"Transfer-Encoding: chunked\r\n\r\n"
    hidden = b"GET /api/whoami-v2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = raw(own_hub, head + b"0\r\n\r\n" + hidden)
    assert answer.count(b"HTTP/1.1 ") in (1, 2)
    assert b"whoami" not in answer


def test_endless_headers_are_cut_off(own_hub):
    sent = 0
    with socket.create_connection(("127.0.0.1", own_hub.port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        with pytest.raises(OSError, match=r"\w"):
            for sent in range(100):  # noqa: B007  how far it came is asserted
                connection.sendall(b"X: " + b"a" * (1 << 20) + b"\r\n")
    assert sent < 50


def test_silent_connections_are_closed(monkeypatch, tmp_path):
    """Slow loris: connections that begin a request and never end it would use up the open files."""
    monkeypatch.setattr("ytaudio.localhub.connections.HEAD_S", 0.2)
    with LocalHub(tmp_path / "hub") as hub:
        held = [socket.create_connection(("127.0.0.1", hub.port), timeout=10) for _ in range(100)]
        for connection in held[:50]:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
        assert httpx2.get(hub.url, trust_env=False).status_code == 200
        assert {connection.recv(1000) for connection in held} <= {b""}
        with httpx2.Client(trust_env=False) as patient:  # one that was answered may be quiet for longer
            assert patient.get(hub.url).status_code == 200
            held[0].close()
            assert patient.get(hub.url).status_code == 200


README = "---\n{}\n---\n"
DEEP = ("[" * 100_000, "- " * 100_000, "{a: " * 60_000, "? " * 100_000)
NUMBERS = ("license: 0x" + "f" * 6000, "license: 1" + ":59" * 3000)
MERGES = "x0: &x0 {a: 1}\n" + "".join(f"x{i}: &x{i}\n  <<: [{', '.join([f'*x{i - 1}'] * 9)}]\n" for i in range(1, 12))


@pytest.mark.parametrize("front", [*DEEP, *NUMBERS, MERGES, "a: " + "x" * 300_000], ids=lambda front: front[:14])
def test_a_card_kills_no_hub(owner, attacker, nobody, front):
    """libyaml's loader recurses on the C stack, merge keys multiply, and numbers may be too large to be written."""
    began = time.monotonic()
    checked = nobody.post("/api/validate-yaml", json={"content": README.format(front)})
    assert checked.status_code == 400
    repo = attacker.create()
    assert attacker.write(repo, **{"README.md": README.format(front).encode()}).status_code == 400
    assert attacker.upload(repo, "README.md", README.format(front).encode()).status_code == 200  # not checked
    for path in (f"/api/models/{repo}", "/api/models", f"/{repo}", "/"):
        assert nobody.get(path).status_code == 200, path
    assert time.monotonic() - began < 5


def _safetensors(header: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header


FILES = {
    "half a surrogate pair in a config": (
        "config.json",
        rb'{"model_type": "\ud800", "architectures": ["\udfffForCTC"]}',
    ),
    "a number in a config": ("config.json", b'{"model_type": ' + b"9" * 4299 + b"}"),
    "a deep config": ("config.json", b"[" * 100_000),
    "a number in a result": (
        ".eval_results/a.yaml",
        b"- dataset: {id: owner/d, task_id: t}\n  value: 0x" + b"f" * 6000,
    ),
    "a deep result": (".eval_results/a.yaml", b"[" * 100_000),
    "infinite weights": ("model.safetensors", _safetensors(b'{"a": {"dtype": "F32", "shape": [1e308, 1e308]}}')),
    "weights of text": (
        "model.safetensors",
        _safetensors(b'{"a": {"dtype": "F32", "shape": ["aaaa", 1000000000000]}}'),
    ),
    "weights of no number": ("model.safetensors", _safetensors(b'{"a": {"dtype": "F32", "shape": [NaN]}}')),
    "weights without end": (
        "model.safetensors",
        _safetensors(json.dumps({"a": {"dtype": "F32", "shape": [10**4000] * 3}}).encode()),
    ),
    "a type that is none": ("model.safetensors", _safetensors(rb'{"a": {"dtype": "\ud800", "shape": [1]}}')),
    "a header without end": ("model.safetensors", (1 << 62).to_bytes(8, "little") + b"{"),
}


@pytest.mark.parametrize("what", FILES)
def test_a_file_of_one_repo_breaks_no_list_and_no_page(attacker, nobody, what):
    path, content = FILES[what]
    repo = attacker.create()
    assert attacker.upload(repo, path, content).status_code == 200
    for address in (f"/api/models/{repo}", "/api/models?full=true", f"/{repo}", "/", f"/{repo}/blob/main/{path}"):
        assert nobody.get(address).status_code == 200, address


def test_a_rule_of_gitignore_is_tried_in_no_time(attacker):
    """Each star tried against each length would take longer than anybody lives, with the whole interpreter."""
    began = time.monotonic()
    assert not is_ignored("a" * 250, "*a" * 20 + "c")
    assert not is_ignored("/".join(["a"] * 100), "**/a/" * 30 + "c")
    files = [{"path": "a" * 250, "size": 1, "sample": ""}]
    asked = {"files": files, "gitIgnore": "*a" * 20 + "c"}
    assert attacker.post(f"/api/models/{attacker.create()}/preupload/main", json=asked).status_code == 200
    assert time.monotonic() - began < 2
    for much in ({"files": files * 1001}, {"files": files, "gitIgnore": "a\n" * 40_000}):
        assert attacker.post(f"/api/models/{attacker.create()}/preupload/main", json=much).status_code == 400


def test_thousands_of_ranges_are_one_answer_of_one_file(attacker, nobody):
    repo = attacker.create()
    attacker.upload(repo, "a.bin", bytes(100_000))
    ranges = "bytes=" + ",".join(["0-"] * 3000)
    answer = nobody.get(f"/{repo}/resolve/main/a.bin", headers={"Range": ranges})
    assert len(answer.content) <= 110_000


def test_many_files_and_many_deletions_are_one_commit(attacker):
    repo = attacker.create()
    began = time.monotonic()
    assert attacker.commit(repo, *(regular(f"{n % 50}/{n}", b"x") for n in range(3000))).status_code == 200
    deletions = ({"key": "deletedFolder", "value": {"path": str(n)}} for n in range(50))
    assert attacker.commit(repo, *deletions).status_code == 200
    assert time.monotonic() - began < 10


def test_other_users_of_the_machine_read_nothing_of_a_hub(tmp_path):
    (tmp_path / "hub").mkdir(mode=0o755)  # made by the user before the Hub came
    with LocalHub(tmp_path / "hub") as hub:
        for name in ("objects", "repos", "tmp"):
            assert stat.S_IMODE((hub.directory / name).stat().st_mode) == 0o700, name
        assert stat.S_IMODE((hub.directory / "accounts.json").stat().st_mode) == 0o600


def test_tokens_are_neither_logged_nor_shown(own_hub, attacker, nobody, caplog):
    caplog.set_level("DEBUG")
    repo = attacker.create()
    attacker.upload(repo, "a.bin", b"x")
    for address in ("/", f"/{repo}", "/login", "/api/whoami-v2", f"/{repo}/tree/main", "/nothing/here"):
        assert ATTACKER not in attacker.get(address, headers={"Accept": "text/html"}).text
    wrong = nobody.get("/api/whoami-v2", headers={"Authorization": "Bearer hf_wrongwrongwrong"})
    assert "hf_wrong" not in wrong.text + str(wrong.headers)
    assert "hf_wrong" not in nobody.post("/login", data={"token": "hf_wrongwrongwrong"}).text
    assert not re.search(f"{ATTACKER}|{OWNER}|hf_wrong", caplog.text)
