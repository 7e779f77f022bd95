"""Commits, branches, tags, through the real client."""

import base64
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, ModelCard, metadata_update
from huggingface_hub.errors import BadRequestError, EntryNotFoundError, HfHubHTTPError, RevisionNotFoundError


def read(api, repo, path, **kwargs) -> bytes:
    return Path(api.hf_hub_download(repo, path, **kwargs)).read_bytes()


def test_a_commit_of_several_operations_is_one_commit(alice, repo):
    weights = os.urandom(100_000)
    first = alice.create_commit(
        repo,
        [
            CommitOperationAdd("a.txt", b"a"),
            CommitOperationAdd("old/b.txt", b"b"),
            CommitOperationAdd("old/deep/c.txt", b"c"),
            CommitOperationAdd("model.safetensors", weights),
            CommitOperationAdd("empty.bin", b""),
        ],
        commit_message="first",
        commit_description="all at once",
    )
    second = alice.create_commit(
        repo,
        [
            CommitOperationDelete("old/"),
            CommitOperationDelete("a.txt"),
            CommitOperationCopy("model.safetensors", "copy/model.safetensors"),
            CommitOperationAdd("ünïcode ☃ 100%.txt", "ü".encode()),
        ],
        commit_message="second",
        parent_commit=first.oid,
    )
    files = {".gitattributes", "empty.bin", "model.safetensors", "copy/model.safetensors", "ünïcode ☃ 100%.txt"}
    assert set(alice.list_repo_files(repo)) == files
    assert read(alice, repo, "copy/model.safetensors") == weights
    assert read(alice, repo, "ünïcode ☃ 100%.txt") == "ü".encode()
    assert read(alice, repo, "empty.bin") == b""
    assert read(alice, repo, "old/deep/c.txt", revision=first.oid) == b"c"
    commits = alice.list_repo_commits(repo)
    assert [c.title for c in commits] == ["second", "first", "initial commit"]
    assert [c.commit_id for c in commits[:2]] == [second.oid, first.oid]
    assert commits[1].message == "all at once"
    assert commits[0].authors == ["alice"]
    assert len(second.oid) == 40


def test_a_stale_parent_is_refused_and_changes_nothing(alice, repo):
    first = alice.upload_file(path_or_fileobj=b"1", path_in_repo="a", repo_id=repo)
    second = alice.upload_file(path_or_fileobj=b"2", path_in_repo="a", repo_id=repo, parent_commit=first.oid)
    with pytest.raises(HfHubHTTPError) as refused:
        alice.upload_file(path_or_fileobj=b"3", path_in_repo="a", repo_id=repo, parent_commit=first.oid)
    assert refused.value.response.status_code == 412
    assert alice.model_info(repo).sha == second.oid


def test_an_unchanged_tree_adds_no_commit(alice, repo, web):
    head = alice.upload_file(path_or_fileobj=b"same", path_in_repo="a", repo_id=repo)
    assert alice.upload_file(path_or_fileobj=b"same", path_in_repo="a", repo_id=repo).oid == head.oid
    lines = [
        {"key": "header", "value": {"summary": "again"}},
        {"key": "file", "value": {"path": "a", "content": base64.b64encode(b"same").decode(), "encoding": "base64"}},
    ]
    answer = web.post(f"/api/models/{repo}/commit/main", content="\n".join(map(json.dumps, lines)))
    assert answer.json()["commitOid"] == head.oid
    assert len(alice.list_repo_commits(repo)) == 2


def test_commits_at_the_same_time_are_all_kept(alice, repo):
    def upload(i: int) -> str:
        return alice.upload_file(path_or_fileobj=f"{i}".encode(), path_in_repo=f"{i}.txt", repo_id=repo).oid

    with ThreadPoolExecutor(8) as pool:
        oids = set(pool.map(upload, range(16)))
    assert len(oids) == 16
    assert {c.commit_id for c in alice.list_repo_commits(repo)} >= oids
    assert sum(name.endswith(".txt") for name in alice.list_repo_files(repo)) == 16


@pytest.mark.parametrize(
    "path",
    ["../up", "a/../../up", "/absolute", "a//b", "./a", "a/.", ".git/config", "a/.GIT/x", "a\\b", "a\0b", ""],
)
def test_a_path_that_leaves_the_repo_is_refused(alice, own_hub, web, path):
    alice.create_repo("alice/paths", exist_ok=True)
    head = alice.model_info("alice/paths").sha
    lines = [
        {"key": "header", "value": {"summary": "x"}},
        {"key": "file", "value": {"path": path, "content": "eA==", "encoding": "base64"}},
    ]
    answer = web.post("/api/models/alice/paths/commit/main", content="\n".join(map(json.dumps, lines)))
    assert answer.status_code == 400
    assert "path" in answer.json()["error"]
    assert alice.model_info("alice/paths").sha == head


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b'{"key": "header", "value": {"summary": ""}}',
        b'{"key": "file", "value": {"path": "a", "content": "eA==", "encoding": "base64"}}',
        b'{"key": "header", "value": {"summary": "x"}}\n{"key": "file", "value": {"path": "a", "content": "%"'
        b', "encoding": "base64"}}',
        b'{"key": "header", "value": {"summary": "x"}}\n{"key": "magic", "value": {"path": "a"}}',
        b'{"key": "header", "value": {"summary": "x"}}\n{"key": "lfsFile", "value": {"path": "a", "algo": "sha256", '
        b'"oid": "' + b"0" * 64 + b'", "size": 3}}',
        b'{"key": "header", "value": {"summary": "x"}}\n{"key": "file", "value": {"path": "a", "con',
    ],
)
def test_a_broken_commit_changes_nothing(alice, web, body):
    alice.create_repo("alice/broken", exist_ok=True)
    head = alice.model_info("alice/broken").sha
    answer = web.post("/api/models/alice/broken/commit/main", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert alice.model_info("alice/broken").sha == head


def test_a_file_cannot_be_a_folder_too(alice, repo):
    alice.upload_file(path_or_fileobj=b"1", path_in_repo="a", repo_id=repo)
    with pytest.raises(BadRequestError, match="cannot also be the folder"):
        alice.upload_file(path_or_fileobj=b"1", path_in_repo="a/b", repo_id=repo)


def test_deletions(alice, repo):
    alice.create_commit(repo, [CommitOperationAdd(p, b"x") for p in ("a", "d/b", "d/c", "e.log")], commit_message="x")
    alice.delete_file("a", repo)
    alice.delete_files(repo, ["*.log"])
    alice.delete_folder("d", repo)
    assert alice.list_repo_files(repo) == [".gitattributes"]
    with pytest.raises(EntryNotFoundError):
        alice.delete_file("a", repo)


def test_upload_folder(alice, repo, tmp_path):
    (tmp_path / "sub").mkdir()
    for i in range(12):
        (tmp_path / "sub" / f"{i}.txt").write_text(str(i))
    (tmp_path / "weights.bin").write_bytes(os.urandom(5000))
    (tmp_path / "skip.me").write_text("no")
    alice.upload_folder(repo_id=repo, folder_path=tmp_path, path_in_repo="in", ignore_patterns="skip*")
    assert len(alice.list_repo_files(repo)) == 14
    alice.upload_folder(repo_id=repo, folder_path=tmp_path / "sub", path_in_repo="in/sub", delete_patterns="*.txt")
    assert len(alice.list_repo_files(repo)) == 14
    assert read(alice, repo, "in/sub/3.txt") == b"3"


def test_gitignore_is_heeded(alice, repo):
    operations = [CommitOperationAdd(p, b"x") for p in (".gitignore", "a.log", "keep.txt")]
    operations[0] = CommitOperationAdd(".gitignore", b"*.log\n")
    alice.create_commit(repo, operations, commit_message="x")
    assert "a.log" not in alice.list_repo_files(repo)


def test_branches_and_tags(alice, repo):
    first = alice.upload_file(path_or_fileobj=b"1", path_in_repo="a", repo_id=repo)
    alice.create_branch(repo, branch="refs-like/branch")
    with pytest.raises(HfHubHTTPError) as conflict:
        alice.create_branch(repo, branch="refs-like/branch")
    assert conflict.value.response.status_code == 409
    alice.create_branch(repo, branch="refs-like/branch", exist_ok=True)
    alice.create_tag(repo, tag="v1.0", tag_message="one")
    second = alice.upload_file(path_or_fileobj=b"2", path_in_repo="a", repo_id=repo, revision="refs-like/branch")
    alice.create_branch(repo, branch="old", revision=first.oid)
    with pytest.raises(HfHubHTTPError) as conflict:
        alice.create_tag(repo, tag="v1.0")
    assert conflict.value.response.status_code == 409
    refs = alice.list_repo_refs(repo)
    assert {b.name: b.target_commit for b in refs.branches} == {
        "main": first.oid,
        "refs-like/branch": second.oid,
        "old": first.oid,
    }
    assert [(t.name, t.ref, t.target_commit) for t in refs.tags] == [("v1.0", "refs/tags/v1.0", first.oid)]
    assert read(alice, repo, "a", revision="refs-like/branch") == b"2"
    assert read(alice, repo, "a", revision="v1.0") == read(alice, repo, "a", revision="refs/heads/main") == b"1"
    with pytest.raises(RevisionNotFoundError):
        alice.upload_file(path_or_fileobj=b"2", path_in_repo="a", repo_id=repo, revision="nowhere")
    alice.delete_tag(repo, tag="v1.0")
    alice.delete_branch(repo, branch="refs-like/branch")
    assert not alice.revision_exists(repo, "v1.0")
    with pytest.raises(RevisionNotFoundError):
        alice.delete_tag(repo, tag="v1.0")
    with pytest.raises(HfHubHTTPError) as refused:
        alice.delete_branch(repo, branch="main")
    assert refused.value.response.status_code == 403
    with pytest.raises(RevisionNotFoundError):
        alice.create_branch(repo, branch="x", revision="nowhere")


def test_squash_leaves_one_commit_of_the_same_files(alice, repo):
    for text in (b"1", b"2"):
        alice.upload_file(path_or_fileobj=text, path_in_repo="a", repo_id=repo)
    alice.super_squash_history(repo, commit_message="squashed")
    assert [c.title for c in alice.list_repo_commits(repo)] == ["squashed"]
    assert read(alice, repo, "a") == b"2"


def test_cards_are_checked_and_pushed(alice, own_hub, repo, hub):
    with pytest.raises(ValueError, match="Invalid metadata"):
        alice.upload_file(path_or_fileobj=b"---\na: [\n---\n", path_in_repo="README.md", repo_id=repo)
    with pytest.warns(UserWarning, match="empty or missing yaml"):
        alice.upload_file(path_or_fileobj=b"plain", path_in_repo="README.md", repo_id=repo)
    from huggingface_hub import HfApi

    name = HfApi().create_repo("card-repo", exist_ok=True).repo_id
    card = ModelCard("---\nlicense: mit\ntags: [sound]\n---\n# Card\n")
    card.validate()
    card.push_to_hub(name)
    assert ModelCard.load(name).data.license == "mit"
    metadata_update(name, {"pipeline_tag": "audio-classification"})
    assert HfApi().model_info(name).pipeline_tag == "audio-classification"


def test_a_branch_is_not_the_folder_of_another(alice, repo):
    alice.create_branch(repo, branch="feature")
    alice.create_branch(repo, branch="features/x")
    alice.create_tag(repo, tag="feature/y")
    for name in ("feature/y", "features"):
        with pytest.raises(HfHubHTTPError) as refused:
            alice.create_branch(repo, branch=name)
        assert refused.value.response.status_code == 409
    with pytest.raises(HfHubHTTPError) as refused:
        alice.create_tag(repo, tag="feature")
    assert refused.value.response.status_code == 409
    assert {b.name for b in alice.list_repo_refs(repo).branches} == {"main", "feature", "features/x"}
