"""Which of a repo's Parquet files make which split: as its card's `configs` say, else by the files' names."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ytaudio.localhub.history import Tree

FILES_MAX = 1_000  # of a split that are read
_CHOICES_MAX = 200  # splits of all configs together
_PATTERNS_MAX = 200
_SHARD = re.compile(r"(?:[-_.]\d{1,6}(?:-of-\d{1,6})?)+$")
_SPLITS = {"valid": "validation", "val": "validation", "dev": "validation", "eval": "test", "training": "train"}
_ORDER = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Split:
    """Some of a repo's Parquet files, under the names by which `load_dataset` finds them."""

    config: str
    name: str
    paths: tuple[str, ...]


def splits_of(tree: Tree, card: dict[str, Any]) -> list[Split]:
    """All splits of a repo that Parquet files hold; by config as they are listed, train first."""
    paths = sorted(path for path in tree if path.endswith(".parquet"))
    found: dict[tuple[str, str], list[str]] = {}
    left = _PATTERNS_MAX
    for config, split, pattern in _patterns(card):
        if left := left - 1:
            deep = "**" in pattern
            fitting = [path for path in paths if deep or path.count("/") == pattern.count("/")]
            known = found.setdefault((config, split), [])
            known += [path for path in fitting if fnmatchcase(path, pattern) and path not in known]
        else:
            break
    if not any(found.values()):
        for path in paths:
            found.setdefault(_named(path), []).append(path)
    configs = list(dict.fromkeys(config for config, _ in found))
    splits = [Split(config, name, tuple(held[:FILES_MAX])) for (config, name), held in found.items() if held]
    return sorted(splits, key=lambda split: (configs.index(split.config), _place(split.name)))[:_CHOICES_MAX]


def _place(name: str) -> tuple[int, str]:
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)


def _patterns(card: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(config, split, pattern of paths) as a card's `configs` give them; what has another form is none."""
    configs = card.get("configs")
    for entry in configs if isinstance(configs, list) else []:
        if not isinstance(entry, dict):
            continue
        config, files = str(entry.get("config_name") or "default"), entry.get("data_files")
        folder = f"{entry['data_dir']}/".removeprefix("./").lstrip("/") if entry.get("data_dir") else ""
        if isinstance(files, dict):
            files = [{"split": split, "path": path} for split, path in files.items()]
        for item in files if isinstance(files, list) else [files]:
            split, given = (item.get("split"), item.get("path")) if isinstance(item, dict) else (None, item)
            for pattern in given if isinstance(given, list) else [given]:
                if isinstance(pattern, str):
                    yield config, str(split or "train"), folder + pattern.removeprefix("./").lstrip("/")


def _named(path: str) -> tuple[str, str]:
    """(config, split) by a file's name: `data/train-00000-of-00002.parquet`, `CONFIG/SPLIT/0000.parquet`."""
    *folders, name = path.removesuffix(".parquet").split("/")
    name = _SHARD.sub("", name)
    if not name.strip("0123456789") and folders:
        name = folders.pop()
    config = "/".join(folders[1:] if folders[:1] == ["data"] else folders)
    return config or "default", _SPLITS.get(name, name or "train")
