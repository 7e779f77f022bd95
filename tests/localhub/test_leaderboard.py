"""Evaluation results on the pages: what models report, in which order, and on which data."""

import re

import pytest
from huggingface_hub import CommitOperationAdd
from parquets import sounds

from ytaudio.localhub.results import results_of

EVAL = b"name: bench\ndescription: What is <b>heard</b>.\ntasks:\n- id: accuracy\n- id: macro_f1\n"


def report(api, model: str, value: float, low: float, high: float, revision: str, *, private: bool = False) -> None:
    entries = "".join(
        f"- dataset: {{id: alice/board, task_id: {task}, revision: {revision or '~'}}}\n  value: {value - i / 10}\n"
        f"  date: '2026-01-02'\n  notes: 16 videos, split test, 95 % interval {low:.3f} to {high:.3f}\n"
        for i, task in enumerate(("accuracy", "macro_f1"))
    )
    api.create_repo(model, private=private)
    api.upload_file(path_or_fileobj=entries.encode(), path_in_repo=".eval_results/x.yaml", repo_id=model)


@pytest.fixture(scope="module")
def board(alice, bob) -> str:
    def commit(path: str, content: bytes) -> str:
        operations = [CommitOperationAdd(path, content)]
        return alice.create_commit("alice/board", operations, commit_message=path, repo_type="dataset").oid

    alice.create_repo("alice/board", repo_type="dataset")
    commit("eval.yaml", EVAL)
    old = commit("train.parquet", sounds(2))
    same = commit("train.parquet", sounds(3))
    newest = commit("README.md", b"# words\n")
    report(alice, "alice/board-middle", 0.8, 0.6, 0.9, newest)
    report(alice, "alice/board-best", 0.9, 0.7, 1.0, same)
    report(bob, "bob/board-low", 0.2, 0.1, 0.3, old)
    report(bob, "bob/board-lost", 0.1, 0.0, 0.2, "f" * 40)
    report(bob, "bob/board-private", 0.95, 0.9, 1.0, newest, private=True)
    return "/datasets/alice/board"


def test_models_are_ranked_with_intervals_and_the_data_they_were_scored_on(web, board):
    page = web.get(f"{board}/leaderboard").text
    models = re.findall(r'<th scope="row"><a href="/([^"]+)">', page)
    assert models == ["alice/board-best", "alice/board-middle", "bob/board-low", "bob/board-lost"]
    rows = page.split("<tbody>")[1].split("</tr>")
    assert "<strong>0.900</strong><small>0.700 to 1.000</small>" in rows[0]
    assert "<strong>0.800</strong>" in rows[0], "macro-F1 is beside accuracy"
    assert [re.findall(r'class="tag[^"]*">([^<]+)<', row)[-1] for row in rows[:4]] == [
        "same data as now",
        "newest",
        "other data than now",
        "unknown here",
    ]
    assert "ytaudio compare alice/board-best alice/board-middle" in page
    assert "overlap cannot be told apart" in page
    assert "What is &lt;b&gt;heard&lt;/b&gt;." in page
    assert f'href="{board}/leaderboard"' in web.get(board).text


def test_private_models_are_ranked_for_those_who_may_read_them(bob, own_hub, board):
    import httpx2

    page = httpx2.get(f"{own_hub.url}{board}/leaderboard", headers={"Authorization": f"Bearer {bob.token}"}).text
    assert re.findall(r'<th scope="row"><a href="/([^"]+)">', page)[0] == "bob/board-private"


def test_the_api_ranks_the_same_models(alice, board):
    ranked = [entry.model_id for entry in alice.get_dataset_leaderboard("alice/board")]
    assert list(dict.fromkeys(ranked))[:2] == ["alice/board-best", "alice/board-middle"]


def test_an_empty_leaderboard_says_how_to_enter(web, alice):
    alice.create_repo("alice/unscored", repo_type="dataset")
    alice.upload_file(
        path_or_fileobj=b"tasks: 5\n", path_in_repo="eval.yaml", repo_id="alice/unscored", repo_type="dataset"
    )
    page = web.get("/datasets/alice/unscored/leaderboard").text
    assert "ytaudio evaluate run --dataset alice/unscored" in page
    alice.create_repo("alice/no-board", repo_type="dataset")
    missing = web.get("/datasets/alice/no-board/leaderboard", headers={"Accept": "text/html"})
    assert missing.status_code == 404
    assert "no eval.yaml" in missing.text


def test_a_models_page_shows_its_results(web, board):
    page = web.get("/alice/board-best").text
    assert f'<a href="{board}">alice/board</a>' in page
    assert "0.700 to 1.000" in page
    assert "<td>test</td>" in page


@pytest.mark.parametrize("value", ["x", None, True, [1], {"a": 1}, 10**400, float("nan"), float("inf")])
def test_values_that_cannot_be_ranked_are_left_out(value):
    entry = {"filename": "x", "data": {"dataset": {"id": "a/b", "task_id": "t"}, "value": value}}
    assert results_of({"evalResults": [entry]}) == []


def test_model_index_speaks_where_eval_results_do_not():
    entry = {"filename": "x", "data": {"dataset": {"id": "a/b", "task_id": "t"}, "value": 0.5, "notes": ["odd"]}}
    metrics = [5, {"type": "f1", "value": 0.25}]
    index = [
        {"results": 5},
        {"results": [5, {"dataset": 5}, {"dataset": {"type": "c/d"}, "metrics": 5}]},
        {"results": [{"dataset": {"type": name}, "metrics": metrics} for name in ("a/b", "c/d")]},
    ]
    found = results_of({"evalResults": [entry, {"filename": "y", "error": "bad"}], "model-index": index})
    assert [(result.dataset, result.task, result.value) for result in found] == [("a/b", "t", 0.5), ("c/d", "f1", 0.25)]
