"""The viewer: a split's rows a page at a time, and each sound and picture under an address of its own."""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from starlette.responses import Response

from ytaudio.localhub import cards
from ytaudio.localhub.errors import HubError, entry_not_found
from ytaudio.localhub.history import Commit
from ytaudio.localhub.objects import Objects
from ytaudio.localhub.readers import Readers, UnansweredError
from ytaudio.localhub.rendering import APART, repo_page
from ytaudio.localhub.repo import Repo
from ytaudio.localhub.splits import Split, splits_of
from ytaudio.localhub.web import Call

_ROWS = 50  # on a page
_COUNTED_MAX = 5_000_000  # rows of a split whose labels are counted
_BROKEN_MAX = 3  # files that cannot be read before the rest is left out
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_MAGIC = (
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"\xff\xf1", "audio/aac"),
    (b"\x1aE\xdf\xa3", "audio/webm"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
)


@dataclass(frozen=True, slots=True)
class Part:
    """A file of a split that can be read."""

    path: str
    stored: Path
    rows: int
    columns: tuple[dict[str, Any], ...]
    left_out: int  # columns that are not shown


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of a split that its rows can be chosen by."""

    column: int
    name: str
    counts: tuple[tuple[int, str, int], ...]  # (number, name, rows)
    by_file: tuple[dict[str, int], ...]


@lru_cache(maxsize=64)
def _splits(objects: Objects, repo: Repo, commit: Commit) -> list[Split]:
    tree = repo.tree(commit)
    return splits_of(tree, cards.card_data(objects, tree))


@lru_cache(maxsize=1024)
def _described(readers: Readers, stored: Path) -> dict[str, Any]:
    return readers.ask("describe", stored)


@lru_cache(maxsize=1024)
def _counted(readers: Readers, stored: Path, column: int) -> dict[str, int]:
    return readers.ask("counts", stored, column=column)


def viewer(call: Call) -> Response:
    """GET .../viewer[/{revision}]: rows of one of a repo's splits."""
    repo = call.repo()
    commit = repo.resolve(call.revision())
    splits = _splits(call.store.objects, repo, commit)
    query = call.request.query_params
    named = next((split for split in splits if query.get("file") in split.paths), None)
    split = named or _chosen(splits, query.get("config"), query.get("split"))
    if split is None:
        return repo_page(call, "viewer.html", repo, commit, tab="viewer", splits=[], split=None)
    parts, broken = _parts(call, repo, commit, split)
    labels, choice = _labels(call, parts, broken), None
    if labels and query.get("label", "").isdecimal():
        choice = next((item for item in labels.counts if str(item[0]) == query["label"]), None)
    total = choice[2] if choice else sum(part.rows for part in parts)
    asked = call.number("row", 1 << 62, most=1 << 62) if not choice else 1 << 62
    pages = max(1, -(-total // _ROWS))
    number = asked // _ROWS + 1 if asked < total else call.number("page", 1, most=1 << 40)
    number = min(max(1, number), pages)
    rows = _rows(call, parts, labels, choice, (number - 1) * _ROWS, broken)
    return repo_page(
        call,
        "viewer.html",
        repo,
        commit,
        tab="viewer",
        splits=splits,
        split=split,
        columns=parts[0].columns if parts else (),
        left_out=parts[0].left_out if parts else 0,
        rows=rows,
        labels=labels,
        choice=choice,
        total=total,
        asked=asked,
        number=number,
        pages=pages,
        broken=broken,
    )


def _chosen(splits: list[Split], config: str | None, name: str | None) -> Split | None:
    """The split that is asked for, or else the nearest there is."""
    of_config = [split for split in splits if split.config == config] or splits
    return next((split for split in of_config if split.name == name), of_config[0] if of_config else None)


def _parts(call: Call, repo: Repo, commit: Commit, split: Split) -> tuple[list[Part], list[tuple[str, str]]]:
    """A split's files that can be shown together, and those that cannot, each with a sentence."""
    tree, parts, broken = repo.tree(commit), list[Part](), list[tuple[str, str]]()
    for path in split.paths:
        stored = call.store.objects.path(tree[path].sha256)
        try:
            found = _described(call.store.readers, stored)
        except UnansweredError as error:
            broken.append((path, str(error)))
            if len(broken) >= _BROKEN_MAX:
                break
            continue
        part = Part(path, stored, found["rows"], tuple(found["columns"]), found["left_out"])
        if parts and part.columns != parts[0].columns:
            broken.append((path, f"Its columns are not those of {parts[0].path}, so its rows are left out."))
        else:
            parts.append(part)
    return parts, broken


def _labels(call: Call, parts: list[Part], broken: list[tuple[str, str]]) -> Labels | None:
    """How often each label of the first column of labels occurs, where counting is cheap."""
    columns = parts[0].columns if parts else ()
    at = next((i for i, column in enumerate(columns) if column["kind"] == "label"), None)
    if at is None or sum(part.rows for part in parts) > _COUNTED_MAX:
        return None
    try:
        by_file = [_counted(call.store.readers, part.stored, at) for part in parts]
    except UnansweredError as error:
        broken.append((columns[at]["name"], str(error)))
        return None
    names, totals = columns[at]["names"], dict[str, int]()
    for counts in by_file:
        for label, count in counts.items():
            totals[label] = totals.get(label, 0) + count
    numbers = [i for i in range(len(names)) if totals.get(str(i))]
    return Labels(at, columns[at]["name"], tuple((i, names[i], totals[str(i)]) for i in numbers), tuple(by_file))


def _rows(
    call: Call,
    parts: list[Part],
    labels: Labels | None,
    choice: tuple[int, str, int] | None,
    first: int,
    broken: list[tuple[str, str]],
) -> list[tuple[Part, int, int, list[Any]]]:
    """A page of rows: (file, number in the file, number in the split, cells)."""
    found: list[tuple[Part, int, int, list[Any]]] = []
    passed = before = 0  # rows that fit, and rows at all, of the files so far
    for i, part in enumerate(parts):
        fitting = labels.by_file[i].get(str(choice[0]), 0) if labels and choice else part.rows
        missing = _ROWS - len(found)
        if missing and first < passed + fitting:
            asked: dict[str, Any] = {"first": max(0, first - passed), "count": missing}
            if labels and choice:
                asked |= {"label": labels.column, "value": choice[0]}
            try:
                answer = call.store.readers.ask("rows", part.stored, **asked)
            except UnansweredError as error:
                broken.append((part.path, str(error)))
                return found
            numbered = zip(answer["numbers"], answer["rows"], strict=True)
            found += [(part, number, before + number, cells) for number, cells in numbered]
        passed, before = passed + fitting, before + part.rows
    return found


def cell(call: Call) -> Response:
    """GET .../cell/{revision}/{column}/{row}/{path}: one sound or picture, or the range of it that is asked for."""
    repo = call.repo()
    commit = repo.resolve(call.revision())
    entry = repo.tree(commit).get(call.path["path"])
    numbers = [call.path[name] for name in ("row", "column")]
    if entry is None or not all(n.isascii() and n.isdecimal() and len(n) < 16 for n in numbers):
        raise entry_not_found("There is no such cell.", commit.id)
    row, column = map(int, numbers)
    etag = f'"{entry.sha256[:32]}-{row}-{column}"'
    headers = {**APART, "Accept-Ranges": "bytes", "ETag": etag, "Cache-Control": "private, max-age=600"}
    if call.request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    try:
        content = call.store.readers.ask("cell", call.store.objects.path(entry.sha256), row=row, column=column)
    except UnansweredError as error:
        raise HubError(404, str(error)) from None
    kind = media_type(content)
    headers["Content-Disposition"] = "inline" if kind else "attachment; filename=cell.bin"
    return ranged(call, content, headers, kind or "application/octet-stream")


def media_type(content: bytes) -> str | None:
    """What a sound or a picture is, by its first bytes; None for what is neither."""
    if content[:4] in (b"RIFF", b"RF64"):
        return {b"WAVE": "audio/wav", b"WEBP": "image/webp"}.get(content[8:12])
    if content[4:8] == b"ftyp":
        return "image/avif" if content[8:12] in (b"avif", b"avis") else "audio/mp4"
    return next((kind for magic, kind in _MAGIC if content.startswith(magic)), None)


def ranged(call: Call, content: bytes, headers: dict[str, str], kind: str) -> Response:
    """Content, or the one range of it that is asked for (RFC 9110, 14.1.2); a Range that is none is ignored."""
    asked = _RANGE.fullmatch(call.request.headers.get("range", ""))
    if not asked or not (asked[1] or asked[2]):
        return Response(content, headers=headers, media_type=kind)
    size = len(content)
    if asked[1]:
        start, end = int(asked[1]), min(int(asked[2]) if asked[2] else size - 1, size - 1)
        if asked[2] and int(asked[2]) < start:
            return Response(content, headers=headers, media_type=kind)
    else:
        start, end = max(0, size - int(asked[2])), size - 1
    if start >= size or end < start:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{size}"})
    headers = {**headers, "Content-Range": f"bytes {start}-{end}/{size}"}
    return Response(content[start : end + 1], status_code=206, headers=headers, media_type=kind)
