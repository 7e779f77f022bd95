"""Large files: what goes through LFS, and what an upload must bring."""

import hashlib
import json
from urllib.parse import quote

import pytest

from ytaudio.localhub.large import GITATTRIBUTES, is_ignored, is_large, is_text, large_patterns

PATTERNS = large_patterns(GITATTRIBUTES.decode())


def batch(web, repo: str, data: bytes, size: int | None = None) -> dict:
    objects = [{"oid": hashlib.sha256(data).hexdigest(), "size": len(data) if size is None else size}]
    answer = web.post(f"/{repo}.git/info/lfs/objects/batch", json={"operation": "upload", "objects": objects})
    assert answer.status_code == 200, answer.text
    return answer.json()["objects"][0]


@pytest.mark.parametrize(
    ("path", "size", "sample", "large"),
    [
        ("data/train.parquet", 10, b"PAR1", True),
        ("plots/confusion.png", 10, b"abc", True),
        ("a.flac", 10, b"abc", True),
        ("runs/events.out.tfevents.1.0", 10, b"abc", True),
        ("README.md", 10, "ü".encode(), False),
        ("config.json", 11 << 20, b"{}", True),
        ("unknown", 10, b"a\0b", True),
        ("unknown", 10, b"\xff\xfe", True),
        ("cut.txt", 600, "ü".encode()[:1], False),
        ("empty.bin", 0, b"", False),
    ],
)
def test_what_is_large(path, size, sample, large):
    assert is_large(path, size, sample, PATTERNS) is large


@pytest.mark.parametrize(
    ("rules", "path", "ignored"),
    [
        ("*.log", "a/b.log", True),
        ("/a.log", "b/a.log", False),
        ("build/", "x/build/y", True),
        ("build/", "build", False),
        ("*.log\n!keep.log", "keep.log", False),
        ("a/**/z", "a/b/c/z", True),
        ("# c\n\n[ab].txt", "b.txt", True),
        ("a?c", "abc", True),
        ("[z-a]\n*.pyc", "a", False),
        ("[z-a]\n*.pyc", "a.pyc", True),
    ],
)
def test_gitignore(rules, path, ignored):
    assert is_ignored(path, rules) is ignored


def test_is_text_knows_a_cut_character_from_a_broken_one():
    assert is_text("é".encode()[:1])
    assert not is_text("é".encode()[:1] + b"abcdef")


def test_an_upload_is_checked_by_size_and_hash(alice, own_hub, repo, web):
    data = b"the right content"
    upload = batch(web, repo, data)["actions"]["upload"]["href"]
    assert web.put(upload, content=b"the wrong content").status_code == 422
    assert web.put(upload, content=data[:-1]).status_code == 400
    assert web.put(upload, content=data + b"!").status_code == 400
    assert list((own_hub.directory / "tmp").iterdir()) == []
    assert "actions" in batch(web, repo, data), "nothing of it may count as uploaded"
    assert web.put(upload.replace("size=", "size=1"), content=data).status_code == 403
    assert web.put(upload, content=data, headers={"Authorization": ""}).status_code == 200
    assert "actions" not in batch(web, repo, data)
    verify = f"/{repo}.git/info/lfs/verify"
    assert web.post(verify, json={"oid": hashlib.sha256(data).hexdigest(), "size": len(data)}).status_code == 200
    assert web.post(verify, json={"oid": hashlib.sha256(data).hexdigest(), "size": 1}).status_code == 404


@pytest.mark.parametrize("oid", ["/etc/hostname", "..", "../../../../accounts.json", "A" * 64, ""])
def test_what_is_no_hash_reaches_no_file(alice, repo, web, oid):
    lines = [
        {"key": "header", "value": {"summary": "x"}},
        {"key": "lfsFile", "value": {"path": "stolen", "algo": "sha256", "oid": oid}},
    ]
    answer = web.post(f"/api/models/{repo}/commit/main", content="\n".join(map(json.dumps, lines)))
    assert answer.status_code == 400
    assert web.get(f"/-/lfs/models/{repo}/{quote(oid, safe='')}").status_code == 404
    objects = [{"oid": oid, "size": 1}]
    batch_answer = web.post(f"/{repo}.git/info/lfs/objects/batch", json={"operation": "download", "objects": objects})
    assert batch_answer.status_code == 422


def test_git_lfs_can_read(alice, repo, web):
    data = b"large"
    alice.upload_file(path_or_fileobj=data, path_in_repo="a.bin", repo_id=repo)
    objects = [{"oid": hashlib.sha256(data).hexdigest(), "size": len(data)}]
    answer = web.post(f"/{repo}.git/info/lfs/objects/batch", json={"operation": "download", "objects": objects}).json()
    download = answer["objects"][0]["actions"]["download"]
    assert web.get(download["href"], headers=download["header"]).content == data


def test_knowing_a_hash_gives_nobody_the_content(alice, bob, own_hub, web):
    data = b"private content"
    alice.create_repo("alice/hidden", private=True)
    alice.upload_file(path_or_fileobj=data, path_in_repo="a.bin", repo_id="alice/hidden")
    bob.create_repo("bob/thief")
    oid = hashlib.sha256(data).hexdigest()
    lines = (
        '{"key": "header", "value": {"summary": "x"}}\n{"key": "lfsFile", "value": {"path": "a", "algo": "sha256", '
        f'"oid": "{oid}", "size": {len(data)}}}}}'
    )
    headers = {"Authorization": f"Bearer {bob.token}"}
    assert web.post("/api/models/bob/thief/commit/main", content=lines, headers=headers).status_code == 400


def test_content_is_stored_once(alice, own_hub, repo):
    data = b"twice the same" * 1000
    for path in ("a.bin", "b.bin"):
        alice.upload_file(path_or_fileobj=data, path_in_repo=path, repo_id=repo)
    oid = hashlib.sha256(data).hexdigest()
    assert [p.stat().st_size for p in own_hub.directory.rglob(f"objects/*/{oid}")] == [len(data)]
    assert {f.filename for f in alice.list_lfs_files(repo)} == {"a.bin", "b.bin"}


def test_a_client_that_wants_xet_is_told_why_not(repo, web, caplog):
    answer = web.get(f"/api/models/{repo}/xet-write-token/main")
    assert answer.status_code == 404
    assert "HF_HUB_DISABLE_XET=1" in answer.json()["error"]
    assert "HF_HUB_DISABLE_XET=1" in caplog.text
