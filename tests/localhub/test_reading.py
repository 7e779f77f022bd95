"""Info, lists, trees, and the content with its headers."""

import os
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, EvalResultEntry, eval_result_entries_to_yaml, hf_hub_url
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.hf_api import RepoFile, RepoFolder

CARD = """---
license: apache-2.0
language: [en]
library_name: transformers
pipeline_tag: audio-classification
tags: [audio, topic]
datasets: [alice/sounds]
base_model: facebook/wav2vec2-base
date: 2024-05-01
model-index:
- name: m
  results:
  - task: {type: audio-classification}
    dataset: {name: sounds, type: alice/sounds}
    metrics: [{type: accuracy, value: 0.93}]
---
# Hello
"""


def test_model_info_is_read_from_the_card(alice, repo, web):
    alice.create_commit(
        repo,
        [CommitOperationAdd("README.md", CARD.encode()), CommitOperationAdd("model.safetensors", b"x" * 100)],
        commit_message="x",
    )
    info = alice.model_info(repo, files_metadata=True)
    assert info.card_data.license == "apache-2.0"
    assert info.card_data.eval_results[0].metric_value == 0.93
    assert (info.pipeline_tag, info.library_name, info.author) == ("audio-classification", "transformers", "alice")
    expected = {"audio", "topic", "license:apache-2.0", "dataset:alice/sounds", "en", "safetensors", "transformers"}
    assert expected | {"base_model:facebook/wav2vec2-base"} <= set(info.tags)
    assert info.model_index[0]["results"][0]["metrics"][0]["value"] == 0.93
    by_name = {s.rfilename: s for s in info.siblings}
    assert by_name["model.safetensors"].lfs.size == 100
    assert by_name["README.md"].lfs is None
    assert by_name["README.md"].size == len(CARD)
    assert web.get(f"/api/models/{repo}").json()["cardData"]["date"] == "2024-05-01"
    expanded = alice.model_info(repo, expand=["tags", "cardData"])
    assert (expanded.sha, expanded.siblings) == (None, None)
    assert "audio" in expanded.tags


def test_eval_results(alice, repo):
    entry = EvalResultEntry("alice/sounds", "topic", 0.93, dataset_revision="abc", date="2026-01-01", notes="clips")
    text = __import__("yaml").safe_dump(eval_result_entries_to_yaml([entry]))
    alice.create_commit(
        repo,
        [
            CommitOperationAdd(".eval_results/a.yaml", text.encode()),
            CommitOperationAdd(".eval_results/broken.yaml", b"- value: [1"),
        ],
        commit_message="x",
    )
    (read,) = alice.model_info(repo, expand=["evalResults"]).eval_results
    assert (read.dataset_id, read.task_id, read.value, read.notes) == ("alice/sounds", "topic", 0.93, "clips")


def test_a_leaderboard_ranks_the_models_of_a_dataset(alice, bob):
    alice.create_repo("alice/bench", repo_type="dataset")
    with pytest.raises(HfHubHTTPError):
        alice.get_dataset_leaderboard("alice/bench")
    alice.upload_file(
        path_or_fileobj=b"name: bench\n", path_in_repo="eval.yaml", repo_id="alice/bench", repo_type="dataset"
    )
    for name, value, private, card in (("low", 0.5, False, ""), ("high", 0.9, False, "a/b"), ("unseen", 1.0, True, "")):
        alice.create_repo(f"alice/{name}", private=private)
        result = f"- dataset: {{id: alice/bench, task_id: t}}\n  value: {value}\n"
        files = [CommitOperationAdd(".eval_results/r.yaml", result.encode())]
        files += [CommitOperationAdd("README.md", f"---\nbase_model: {card}\n---\n".encode())] if card else []
        alice.create_commit(f"alice/{name}", files, commit_message="x")
    board = bob.get_dataset_leaderboard("alice/bench", base_model_only=False)
    assert [(e.rank, e.model_id, e.value) for e in board] == [(1, "alice/high", 0.9), (2, "alice/low", 0.5)]
    assert [e.model_id for e in bob.get_dataset_leaderboard("alice/bench")] == ["alice/low"]


def test_dataset_and_space_info(alice):
    card = "---\ntask_categories: [audio-classification]\nsize_categories: ['n<1K']\nlicense: other\n---\n"
    for kind, sdk in (("dataset", {}), ("space", {"space_sdk": "gradio"})):
        alice.create_repo(f"alice/info-{kind}", repo_type=kind, **sdk)
        alice.upload_file(
            path_or_fileobj=card.encode(), path_in_repo="README.md", repo_id=f"alice/info-{kind}", repo_type=kind
        )
    info = alice.dataset_info("alice/info-dataset")
    assert {"task_categories:audio-classification", "size_categories:n<1K", "license:other"} <= set(info.tags)
    assert info.card_data.task_categories == ["audio-classification"]
    assert alice.space_info("alice/info-space").sdk == "gradio"
    assert alice.get_space_runtime("alice/info-space").stage == "PAUSED"
    found = [d.id for d in alice.list_datasets(filter="task_categories:audio-classification", author="alice")]
    assert "alice/info-dataset" in found
    assert [d.id for d in alice.list_datasets(search="INFO-data")] == ["alice/info-dataset"]
    assert [s.id for s in alice.list_spaces(search="info-")] == ["alice/info-space"]


def test_lists(alice, bob):
    for name in ("list-a", "list-b", "list-c"):
        alice.create_repo(f"alice/{name}")
    bob.create_repo("bob/list-d")
    card = b"---\npipeline_tag: audio-classification\ntags: [lst]\n---\n"
    alice.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id="alice/list-a")
    assert {m.id for m in alice.list_models(search="list-")} == {f"alice/list-{c}" for c in "abc"} | {"bob/list-d"}
    assert [m.id for m in alice.list_models(author="bob", search="list-")] == ["bob/list-d"]
    assert [m.id for m in alice.list_models(filter="lst")] == ["alice/list-a"]
    assert [m.id for m in alice.list_models(pipeline_tag="audio-classification", search="list-")] == ["alice/list-a"]
    assert len(list(alice.list_models(search="list-", limit=2))) == 2
    newest = [m.id for m in alice.list_models(search="list-", sort="last_modified")]
    assert newest[0] == "alice/list-a"
    full = next(iter(alice.list_models(filter="lst", full=True, cardData=True)))
    assert full.card_data.pipeline_tag == "audio-classification"
    assert {s.rfilename for s in full.siblings} == {".gitattributes", "README.md"}


def test_trees(alice, repo):
    paths = ["a.txt", "d/b.txt", "d/e/c.txt", "f/g.txt"]
    first = alice.create_commit(repo, [CommitOperationAdd(p, p.encode()) for p in paths], commit_message="first")
    second = alice.upload_file(path_or_fileobj=b"2", path_in_repo="d/b.txt", repo_id=repo, commit_message="second")
    top = list(alice.list_repo_tree(repo))
    assert [e.path for e in top if isinstance(e, RepoFolder)] == ["d", "f"]
    assert [e.path for e in alice.list_repo_tree(repo, "d")] == ["d/e", "d/b.txt"]
    everything = {e.path: e for e in alice.list_repo_tree(repo, recursive=True, expand=True)}
    assert set(everything) == {*paths, ".gitattributes", "d", "d/e", "f"}
    assert everything["d"].last_commit.oid == everything["d/b.txt"].last_commit.oid == second.oid
    assert everything["d/e"].last_commit.oid == first.oid
    assert everything[".gitattributes"].last_commit.title == "initial commit"
    infos = alice.get_paths_info(repo, ["a.txt", "d", "nothing"], expand=True)
    assert {i.path: type(i) for i in infos} == {"a.txt": RepoFile, "d": RepoFolder}
    with pytest.raises(EntryNotFoundError):
        list(alice.list_repo_tree(repo, "nothing"))


def test_long_lists_come_in_pages(alice, repo, web):
    operations = [CommitOperationAdd(f"{i:04}.txt", b"x") for i in range(1050)]
    alice.create_commit(repo, operations, commit_message="many")
    assert len(alice.list_repo_files(repo)) == 1051
    assert len(list(alice.list_repo_tree(repo, expand=True))) == 1051
    for i in range(55):
        alice.create_commit(repo, [CommitOperationAdd("n", str(i).encode())], commit_message=str(i))
    first = web.get(f"/{repo}/commits/main").text
    assert "initial commit" not in first
    assert "initial commit" in web.get(f"/{repo}/commits/main" + first.split('href="')[-1].split('"')[0]).text
    assert [c.title for c in alice.list_repo_commits(repo)] == [*map(str, range(54, -1, -1)), "many", "initial commit"]


def test_what_is_missing_is_told_apart(alice, repo, web):
    assert alice.file_exists(repo, ".gitattributes")
    assert not alice.file_exists(repo, "nothing")
    assert not alice.revision_exists(repo, "nothing")
    with pytest.raises(EntryNotFoundError):
        alice.hf_hub_download(repo, "nothing")
    with pytest.raises(RevisionNotFoundError):
        alice.hf_hub_download(repo, "a", revision="nothing")
    with pytest.raises(RevisionNotFoundError):
        alice.model_info(repo, revision="0" * 40)
    for missing in ("alice/nothing", "nothing"):
        with pytest.raises(RepositoryNotFoundError):
            alice.hf_hub_download(missing, "a")
        with pytest.raises(RepositoryNotFoundError):
            alice.dataset_info(missing)
    answer = web.get(f"/{repo}/resolve/main/nothing")
    assert (answer.status_code, answer.headers["x-error-code"]) == (404, "EntryNotFound")
    assert answer.headers["x-repo-commit"] == alice.model_info(repo).sha
    assert answer.json()["error"]


@pytest.mark.parametrize("name", ["big.bin", "text.txt"])
def test_ranges_and_headers(alice, own_hub, repo, web, name):
    data = os.urandom(200_000) if name == "big.bin" else b"line\n" * 1000
    commit = alice.upload_file(path_or_fileobj=data, path_in_repo=f"d/{name}", repo_id=repo)
    url = hf_hub_url(repo, f"d/{name}", endpoint=own_hub.url).removeprefix(own_hub.url)
    head = web.head(url)
    assert head.headers["x-repo-commit"] == commit.oid
    assert int(head.headers["content-length"]) == len(data)
    assert ("x-linked-etag" in head.headers) == (name == "big.bin")
    assert "x-xet-hash" not in head.headers
    part = web.get(url, headers={"Range": "bytes=100-299"})
    assert (part.status_code, part.content) == (206, data[100:300])
    assert part.headers["content-range"] == f"bytes 100-299/{len(data)}"
    assert web.get(url, headers={"Range": "bytes=-7"}).content == data[-7:]
    assert web.get(url, headers={"Range": f"bytes={len(data)}-"}).status_code == 416
    assert web.get(url, headers={"If-None-Match": head.headers["etag"]}).status_code == 304
    assert web.get(url).content == data


def test_snapshots_at_a_revision(alice, repo, tmp_path):
    first = alice.create_commit(
        repo, [CommitOperationAdd("a", b"1"), CommitOperationAdd("b.bin", b"2")], commit_message="1"
    )
    alice.delete_file("a", repo)
    old = alice.snapshot_download(repo, revision=first.oid, local_dir=tmp_path / "old")
    new = alice.snapshot_download(repo, local_dir=tmp_path / "new", ignore_patterns=".git*")
    assert {".gitattributes", "a", "b.bin"} <= {p.name for p in Path(old).iterdir()}
    assert {p.name for p in Path(new).iterdir()} - {".cache"} == {"b.bin"}
