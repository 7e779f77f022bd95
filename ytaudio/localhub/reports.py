"""Evaluation results as a model's files report them, before anybody makes sense of them."""

from collections.abc import Iterable
from typing import Any

from ytaudio.localhub.cards import MAX_TEXT, read_yaml
from ytaudio.localhub.history import Tree
from ytaudio.localhub.objects import Objects

_FILES_MAX = 200  # of results that are read


def eval_results(objects: Objects, tree: Tree) -> list[dict[str, Any]]:
    """The entries of `.eval_results/*.yaml`, `{filename, verified, data}`; a bad file gives `{filename, error}`."""
    results: list[dict[str, Any]] = []
    paths = [path for path in tree if path.startswith(".eval_results/") and path.endswith((".yaml", ".yml"))]
    for path in sorted(paths)[:_FILES_MAX]:
        if tree[path].size <= MAX_TEXT:
            try:
                entries = read_yaml(objects.read(tree[path].sha256).decode("utf-8", "replace"))
                results += [_result(path, entry) for entry in (entries if isinstance(entries, list) else [entries])]
            except ValueError as error:
                results.append({"filename": path, "error": str(error)})
    return results


def _result(path: str, entry: Any) -> dict[str, Any]:
    dataset = entry.get("dataset") if isinstance(entry, dict) else None
    if not isinstance(dataset, dict) or not {"id", "task_id"} <= dataset.keys() or "value" not in entry:
        raise ValueError("an entry needs dataset.id, dataset.task_id and value")
    return {"filename": path, "verified": False, "data": entry}


def model_index(card: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The results in a model card's `model-index`; None without a usable one."""
    index = card.get("model-index")
    usable: Iterable[Any] = index if isinstance(index, list) else ()
    return [entry for entry in usable if isinstance(entry, dict)] or None
