"""Rows, single cells and counts of a Parquet file that anybody may have written, within bounds.

It runs in a process of its own (see `readers`): what no bound foresees ends that process and nothing else.
"""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import types

from ytaudio.localhub.features import NAMES_MAX, Column, columns_of

FOOTER_MAX = 24 << 20  # bytes of a file's own description
GROUP_MAX = 512 << 20  # bytes that the columns asked for may unpack to in one row group
CELL_MAX = 64 << 20  # bytes of a sound or a picture
ROWS_MAX = 500  # rows asked for at once
_TEXT_MAX = 300  # characters of a cell that are shown
_BATCH = 4 << 20  # bytes to hold at a time, about
_BATCH_ROWS = 16_384


class UnreadableError(ValueError):
    """A file that is not shown; the message is one sentence for whoever looks at the page."""


def _open(path: str) -> pq.ParquetFile:
    """A file whose description is of a reasonable size.

    Raises:
        UnreadableError: it has no such description.
    """
    with Path(path).open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 8))
        length, mark = int.from_bytes(file.read(4), "little"), file.read(4)
    if size < 12 or mark != b"PAR1" or length > size - 12:
        raise UnreadableError("This is no whole Parquet file: it may have been cut off while it was written.")
    if length > FOOTER_MAX:
        raise UnreadableError(f"This file's description alone has {length / 1e6:.0f} MB, too much to show its rows.")
    return pq.ParquetFile(
        path, buffer_size=1 << 20, pre_buffer=False, arrow_extensions_enabled=False, schema_depth_limit=64
    )


def describe(path: str) -> dict[str, Any]:
    """How many rows a file has, and its first columns."""
    file = _open(path)
    schema = file.schema_arrow
    found = [asdict(column) for column in columns_of(schema)]
    return {"rows": max(0, file.metadata.num_rows), "columns": found, "left_out": len(schema) - len(found)}


def rows(path: str, first: int, count: int, label: int = -1, value: int = 0) -> dict[str, Any]:
    """Rows from `first` on, a list of cells each: text, a label's number, None; True for a sound or picture.

    Args:
        path: the file.
        first: number of the first row, from 0; with a label, of the first row that has it.
        count: how many.
        label: number of a column of labels; -1 for all rows.
        value: the label that the rows are to have.
    """
    file, count = _open(path), min(count, ROWS_MAX)
    total = file.metadata.num_rows
    wanted = list(range(first, min(first + count, total))) if label < 0 else _having(file, label, value, first, count)
    columns = columns_of(file.schema_arrow)
    found: list[list[Any]] = []
    for group, numbers in _by_group(file, wanted):
        cells = [_cells(file, group, column, numbers) for column in columns]
        found += [list(row) for row in zip(*cells, strict=True)] if cells else [[] for _ in numbers]
    return {"numbers": wanted[: len(found)], "rows": found}


def cell(path: str, row: int, column: int) -> bytes:
    """The bytes of a sound or a picture.

    Raises:
        UnreadableError: the cell holds none, or one beyond measure.
    """
    file = _open(path)
    columns = columns_of(file.schema_arrow)
    if not 0 <= column < len(columns) or columns[column].kind not in ("audio", "image"):
        raise UnreadableError("This column holds no sounds and no pictures.")
    for group, numbers in _by_group(file, [row] if 0 <= row < file.metadata.num_rows else []):
        name = columns[column].name
        picked = next(_picked(file, group, name, f"{name}.bytes", numbers), None)
        held = picked.field("bytes") if picked is not None else None
        if held is not None and held[0].is_valid:
            if len(held[0].as_buffer()) > CELL_MAX:
                raise UnreadableError(f"This cell has more than {CELL_MAX >> 20} MB: download the file to open it.")
            return held[0].as_py()
    raise UnreadableError("This cell is empty.")


def counts(path: str, column: int) -> dict[str, int]:
    """How often each label occurs, by its number."""
    file, found = _open(path), dict[str, int]()
    for _, values in _labels(file, column):
        for pair in pc.value_counts(values).to_pylist():
            key = str(pair["values"])
            if key in found or len(found) < NAMES_MAX:
                found[key] = found.get(key, 0) + pair["counts"]
    return found


def _labels(file: pq.ParquetFile, column: int) -> Iterator[tuple[int, pa.Array]]:
    """A column of labels in pieces: (number of the piece's first row, labels)."""
    columns = columns_of(file.schema_arrow)
    if not 0 <= column < len(columns) or columns[column].kind != "label":
        raise UnreadableError("This column holds no labels.")
    start = 0
    for group in range(file.num_row_groups):
        for batch in _batches(file, group, columns[column].name):
            yield start, batch.column(0)
            start += batch.num_rows


def _having(file: pq.ParquetFile, column: int, value: int, first: int, count: int) -> list[int]:
    """Numbers of the rows that have a label: `count` of them, from the `first` on."""
    found: list[int] = []
    passed = 0
    for start, values in _labels(file, column):
        at = pc.indices_nonzero(pc.equal(values, value))
        wanted = at[max(0, first - passed) :][: count - len(found)]
        found += [start + i for i in wanted.to_pylist()]
        passed += len(at)
        if len(found) >= count:
            break
    return found


def _by_group(file: pq.ParquetFile, wanted: list[int]) -> Iterator[tuple[int, list[int]]]:
    """Numbers of rows, rising, as (row group, numbers within it)."""
    start = at = 0
    for group in range(file.num_row_groups):
        end = start + max(0, file.metadata.row_group(group).num_rows)
        until = at
        while until < len(wanted) and wanted[until] < end:
            until += 1
        if until > at:
            yield group, [number - start for number in wanted[at:until]]
        start, at = end, until
        if at == len(wanted):
            return


def _batches(file: pq.ParquetFile, group: int, path: str) -> Iterator[pa.RecordBatch]:
    """What a row group holds below a path, in pieces of a few megabytes.

    Raises:
        UnreadableError: it unpacks to more than is read here.
    """
    described = file.metadata.row_group(group)
    size = 0
    for i in range(described.num_columns):
        chunk = described.column(i)
        if chunk.path_in_schema == path or chunk.path_in_schema.startswith(f"{path}."):
            size += max(0, chunk.total_uncompressed_size)
    if size > GROUP_MAX:
        raise UnreadableError(
            f"A row group of this file holds {size / 1e6:.0f} MB in one column, too much to show: "
            "write it with smaller row groups."
        )
    each = size // max(1, described.num_rows)
    fitting = max(1, min(_BATCH_ROWS, _BATCH // max(1, each)))
    yield from file.iter_batches(batch_size=fitting, row_groups=[group], columns=[path], use_threads=False)


def _picked(file: pq.ParquetFile, group: int, name: str, path: str, numbers: list[int]) -> Iterator[pa.Array]:
    """The cells with these numbers (rising) in a column of a row group, in pieces; stops after the last."""
    start = at = 0
    for batch in _batches(file, group, path):
        end = start + batch.num_rows
        here = [number - start for number in numbers[at:] if number < end]
        if here:
            column = batch.column(batch.schema.get_all_field_indices(name)[0])
            whole = here[-1] - here[0] + 1 == len(here)
            yield column.slice(here[0], len(here)) if whole else column.take(pa.array(here))
        start, at = end, at + len(here)
        if at == len(numbers):
            return
    raise UnreadableError("A row group of this file holds fewer rows than it says.")


def _cells(file: pq.ParquetFile, group: int, column: Column, numbers: list[int]) -> list[Any]:
    path = column.name
    if column.kind in ("audio", "image"):
        names = file.schema_arrow.field(file.schema_arrow.get_all_field_indices(path)[0]).type
        if names.get_field_index("path") < 0:
            return [True] * len(numbers)  # only reading the bytes would tell
        path = f"{path}.path"
    return [cell for part in _picked(file, group, column.name, path, numbers) for cell in _shown(part, column.kind)]


def _shown(values: pa.Array, kind: str) -> list[Any]:
    """Cells as a page shows them, cut to a length that fits."""
    if kind in ("audio", "image"):
        return [valid or None for valid in values.is_valid().to_pylist()]
    if kind == "label":
        return values.to_pylist()
    if types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if types.is_string(values.type) or types.is_large_string(values.type):
        long = types.is_large_string(values.type)
        starts = pc.binary_slice(values.cast(pa.large_binary() if long else pa.binary()), 0, 4 * _TEXT_MAX + 4)
        return [None if cell is None else _cut(cell.decode("utf-8", "replace")) for cell in starts.to_pylist()]
    if types.is_binary(values.type) or types.is_large_binary(values.type) or types.is_fixed_size_binary(values.type):
        return [None if size is None else f"{size:,} bytes" for size in pc.binary_length(values).to_pylist()]
    if types.is_floating(values.type):
        return [None if cell is None else f"{cell:.6g}" for cell in values.to_pylist()]
    return [None if cell is None else _cut(str(cell)) for cell in values.to_pylist()]


def _cut(text: str) -> str:
    return text if len(text) <= _TEXT_MAX else f"{text[:_TEXT_MAX]}…"
