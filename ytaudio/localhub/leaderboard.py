"""The page of a dataset that ranks the models which report results on it."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from starlette.responses import Response

from ytaudio.localhub import cards
from ytaudio.localhub.errors import HubError
from ytaudio.localhub.history import Commit, Tree
from ytaudio.localhub.rendering import repo_page
from ytaudio.localhub.repo import Repo
from ytaudio.localhub.results import Result, check_has_leaderboard, reported_on
from ytaudio.localhub.web import Call

_TASKS_MAX = 8  # columns of measures
_ROWS_MAX = 500


@dataclass(frozen=True, slots=True)
class Row:
    """A model at one revision of the dataset."""

    rank: int
    model: str
    results: dict[str, Result]  # by task
    revision: str
    standing: str  # of that revision: "newest", "same data", "other data" or "unknown"
    notes: str
    date: str


def leaderboard(call: Call) -> Response:
    """GET /datasets/{id}/leaderboard: models by the first measure of eval.yaml, best first."""
    repo = call.repo()
    check_has_leaderboard(repo)
    commit = repo.resolve("main")
    described = _eval_yaml(call, repo.tree(commit))
    found = reported_on(call, repo.id)
    tasks = _tasks(described, [result for _, result, _ in found])
    rows = _rows(repo, commit, [(model.id, result) for model, result, _ in found], tasks)
    return repo_page(
        call,
        "leaderboard.html",
        repo,
        commit,
        tab="leaderboard",
        tasks=tasks,
        rows=rows,
        description=described.get("description") if isinstance(described.get("description"), str) else "",
        overlapping=_overlapping(rows, tasks),
        pair=[row.model for row in rows[:2]] if len(rows) > 1 else [],
    )


def _eval_yaml(call: Call, tree: Tree) -> dict[str, Any]:
    entry = tree["eval.yaml"]
    if entry.size > cards.MAX_TEXT:
        return {}
    try:
        read = cards.read_yaml(call.store.objects.read(entry.sha256).decode("utf-8", "replace"))
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _tasks(described: dict[str, Any], results: list[Result]) -> list[str]:
    """The measures in eval.yaml's order, and then what models report beside them."""
    listed = described.get("tasks")
    named = [task.get("id") for task in (listed if isinstance(listed, list) else []) if isinstance(task, dict)]
    tasks = [task for task in named if isinstance(task, str)] + [result.task for result in results]
    return list(dict.fromkeys(tasks))[:_TASKS_MAX]


def _rows(repo: Repo, commit: Commit, found: list[tuple[str, Result]], tasks: list[str]) -> list[Row]:
    grouped: dict[tuple[str, str, str], dict[str, Result]] = {}
    for model, result in found:
        if result.task in tasks:
            grouped.setdefault((model, result.filename, result.revision), {}).setdefault(result.task, result)
    standings = {revision: _standing(repo, commit, revision) for _, _, revision in grouped}

    def place(item: tuple[tuple[str, str, str], dict[str, Result]]) -> tuple[list[float], str]:
        values = [-item[1][task].value if task in item[1] else float("inf") for task in tasks]
        return values, item[0][0]

    rows = []
    for rank, ((model, _, revision), results) in enumerate(sorted(grouped.items(), key=place), start=1):
        one = next(iter(results.values()))
        rows.append(Row(rank, model, results, revision, standings[revision], one.notes, one.date))
    return rows[:_ROWS_MAX]


def _standing(repo: Repo, newest: Commit, revision: str) -> str:
    """How the dataset at a revision stands to the dataset as it is now."""
    try:
        scored = repo.resolve(revision) if revision else None
    except HubError:
        scored = None
    if scored is None:
        return "unknown"
    if scored.id == newest.id:
        return "newest"
    return "same data" if _data(repo.tree(scored)) == _data(repo.tree(newest)) else "other data"


def _data(tree: Tree) -> dict[str, str]:
    return {path: entry.sha256 for path, entry in tree.items() if path.endswith(".parquet")}


def _overlapping(rows: list[Row], tasks: list[str]) -> bool:
    """Whether the first measure's intervals of two neighbours in the ranking overlap."""
    spans = [row.results[tasks[0]].interval for row in rows if tasks[0] in row.results] if tasks else []
    known = [span for span in spans if span]
    return any(above[0] <= below[1] for above, below in pairwise(known))
