"""Whatever is asked, the answer is one of ours: never a traceback, never a broken connection."""

import base64
import json

import pytest

WEIRD = (
    "",
    "..",
    "%2e%2e",
    "%2F",
    "%00",
    "%ff",
    "a%2F..%2Fb",
    "refs%2Fpr%2F1",
    "0" * 40,
    "%E2%98%83",
    "-1",
    "9" * 20,
    "[",
    "*",
)
PATHS = (
    "/api/{}",
    "/api/models/{}",
    "/api/{}/alice/weird",
    "/api/models/alice/weird/tree/{}",
    "/api/models/alice/weird/tree/main/{}",
    "/api/models/alice/weird/revision/{}",
    "/api/models/alice/weird/commits/main?cursor={0}&limit={0}",
    "/api/models/alice/weird/discussions/{}",
    "/api/models?filter={0}&search={0}&sort={0}&author={0}&expand={0}&limit={0}",
    "/alice/weird/resolve/main/{}",
    "/alice/weird/resolve/{}/.gitattributes",
    "/alice/weird/blob/main/{}",
    "/alice/weird/commits/main?from={}",
    "/alice/weird/viewer?page={0}&row={0}&config={0}&split={0}&label={0}&file={0}",
    "/alice/weird/viewer/{}",
    "/alice/weird/cell/main/{0}/{0}/{0}",
    "/alice/weird/tree/main?page={0}",
    "/?q={0}&tag={0}&kind={0}&page={0}",
    "/-/lfs/models/alice/weird/{}",
    "/{}",
)
VALUES = (None, -1, 1.5, "x", "../x", [], {}, True, [1], [None], [{"path": 1}], [{"oid": 1}], "x" * 3000, "\x00")


@pytest.fixture(scope="module", autouse=True)
def weird(alice):
    alice.create_repo("alice/weird")


@pytest.mark.parametrize("path", PATHS)
def test_weird_addresses(web, path):
    for part in WEIRD:
        answer = web.get(path.format(part))
        assert answer.status_code < 500, part
        if answer.status_code >= 400:
            assert answer.json()["error"], part


@pytest.mark.parametrize(
    ("method", "path", "keys"),
    [
        ("POST", "/api/repos/create", ("name", "organization", "type", "visibility", "sdk")),
        ("DELETE", "/api/repos/delete", ("name", "organization", "type")),
        ("POST", "/api/repos/move", ("fromRepo", "toRepo", "type")),
        ("PUT", "/api/models/alice/weird/settings", ("visibility", "private", "gated")),
        ("POST", "/api/models/alice/weird/preupload/main", ("files", "gitIgnore")),
        ("POST", "/alice/weird.git/info/lfs/objects/batch", ("operation", "objects")),
        ("POST", "/api/models/alice/weird/branch/b", ("startingPoint", "overwrite")),
        ("POST", "/api/models/alice/weird/tag/main", ("tag", "message")),
        ("POST", "/api/models/alice/weird/paths-info/main", ("paths", "expand")),
        ("POST", "/api/validate-yaml", ("content",)),
        ("POST", "/login", ("token",)),
    ],
)
def test_weird_bodies(web, method, path, keys):
    for body in (b"", b"null", b"[1]", b"{", b"\xff", b"[" * 50_000):
        assert web.request(method, path, content=body).status_code < 500, body[:5]
    for key in keys:
        for value in VALUES:
            assert web.request(method, path, json={"name": "weird2", key: value}).status_code < 500, (key, value)


def test_weird_lines_of_a_commit(web):
    for kind in ("file", "lfsFile", "deletedFile", "deletedFolder", "copyFile", "header"):
        for key in ("path", "content", "encoding", "oid", "size", "srcPath", "summary", "parentCommit"):
            for value in VALUES:
                line = {"key": kind, "value": {"path": "a", "content": "eA==", "encoding": "base64", key: value}}
                lines = [{"key": "header", "value": {"summary": "x"}}, line]
                answer = web.post("/api/models/alice/weird/commit/main", content="\n".join(map(json.dumps, lines)))
                assert answer.status_code < 500, (kind, key, value)


def test_an_endless_body_is_refused(web):
    assert web.post("/api/models/alice/weird/commit/main", content=bytes(17 << 20)).status_code == 413
    assert web.post("/api/validate-yaml", content=bytes(17 << 20)).status_code == 413


def test_many_long_lines_of_a_commit_keep_their_order(web):
    content = base64.b64encode(bytes(10 << 20)).decode()  # ten times the largest regular file
    values = [{"path": f"same/{i % 3}", "content": content, "encoding": "base64"} for i in range(10)]
    values += [{"path": f"same/{i}", "content": f"{i}", "encoding": "utf-8"} for i in range(3)]
    lines = [{"key": "header", "value": {"summary": "x"}}, *({"key": "file", "value": value} for value in values)]
    answer = web.post("/api/models/alice/weird/commit/main", content="\n".join(map(json.dumps, lines)), timeout=60)
    assert answer.status_code == 200
    assert [web.get(f"/alice/weird/resolve/main/same/{i}").text for i in range(3)] == ["0", "1", "2"]


def test_a_client_that_still_sends_sees_the_answer(web):
    answer = web.put("/-/lfs/models/alice/weird/" + "0" * 64 + "?size=1&until=1&signature=0", content=bytes(20 << 20))
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "line",
    [
        r'{"key": "file", "value": {"path": "\ud800", "content": "eA==", "encoding": "base64"}}',
        r'{"key": "header", "value": {"summary": "\uDfff"}}',
        r'{"key": "header", "value": {"summary": ["x"]}}',
        r'{"key": "header", "value": {"summary": "x", "description": 1}}',
        r'{"key": "header", "value": {"summary": NaN}}',
    ],
)
def test_lines_that_cannot_be_kept(web, line):
    lines = ['{"key": "header", "value": {"summary": "x"}}', line]
    assert web.post("/api/models/alice/weird/commit/main", content="\n".join(lines)).status_code == 400


@pytest.mark.parametrize(
    "item", ['{"path": "a", "size": 1e999}', '{"path": ["x"], "size": 1}', r'{"path": "\ud800", "size": 1}']
)
def test_announced_files_that_are_none(web, item):
    answer = web.post("/api/models/alice/weird/preupload/main", content=f'{{"files": [{item}]}}')
    assert answer.status_code == 400


def test_a_whole_surrogate_pair_is_a_character(web):
    item = {"path": "\U0001f600", "size": 1}
    answer = web.post("/api/models/alice/weird/preupload/main", content=json.dumps({"files": [item]}))
    assert answer.json()["files"][0]["path"] == item["path"]


@pytest.mark.parametrize("value", ["bytes=abc", "bytes=", "lines=1-2", "bytes", "bytes=1-2,x"])
def test_a_range_that_is_none_is_ignored(web, value):
    answer = web.get("/alice/weird/resolve/main/.gitattributes", headers={"Range": value})
    assert answer.status_code == 200
    assert answer.content.startswith(b"*.7z filter=lfs")
