"""Rows of Parquet files, sound and hostile: an answer or a sentence, and never the end of the server."""

import random
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
from parquets import LABELS, MEDIA, flac, png, sounds, written

from ytaudio.localhub import parquet_rows
from ytaudio.localhub.readers import Readers, UnansweredError


@pytest.fixture(scope="module")
def readers():
    made = Readers(time_s=20)
    yield made
    made.close()


@pytest.fixture
def stored(tmp_path):
    def run(content: bytes):
        path = tmp_path / "x.parquet"
        path.write_bytes(content)
        return path

    return run


def test_a_file_is_described_by_the_features_of_the_libraries(readers, stored):
    found = readers.ask("describe", stored(sounds()))
    assert found["rows"] == 120
    assert [(column["name"], column["kind"]) for column in found["columns"]] == [
        ("audio", "audio"),
        ("label", "label"),
        ("title", "text"),
        ("url", "text"),
    ]
    assert found["columns"][1]["names"] == LABELS


def test_rows_across_row_groups_and_past_the_end(readers, stored):
    path = stored(sounds())
    found = readers.ask("rows", path, first=30, count=5)
    assert found["numbers"] == [30, 31, 32, 33, 34]
    assert found["rows"][2] == [True, 0, "<b>title 32</b>", "https://example.com/32"]
    assert readers.ask("rows", path, first=118, count=50)["numbers"] == [118, 119]
    assert readers.ask("rows", path, first=500, count=50) == {"numbers": [], "rows": []}


def test_rows_of_a_label(readers, stored):
    path = stored(sounds())
    assert readers.ask("counts", path, column=1) == {"0": 60, "1": 60}
    found = readers.ask("rows", path, first=14, count=3, label=1, value=1)
    assert found["numbers"] == [29, 31, 33]
    assert [row[1] for row in found["rows"]] == [1, 1, 1]


def test_a_cell_is_the_bytes_that_were_written(readers, stored):
    path = stored(sounds())
    assert readers.ask("cell", path, row=33, column=0) == flac(0.5, 200 + 33 % 7)
    for row, column in ((33, 1), (33, 9), (120, 0), (-1, 0)):
        with pytest.raises(UnansweredError):
            readers.ask("cell", path, row=row, column=column)


def test_other_types_are_shown_as_text_of_a_reasonable_length(readers, stored):
    values = {
        "image": pa.array([{"bytes": png(), "path": None}, None], MEDIA),
        "long": ["x" * 5000, None],
        "letters": ["é" * 400, None],
        "bytes": [b"12345", None],
        "number": [1 / 3, None],
        "nested": [[{"a": 1}], None],
        "when": pa.array([0, None], pa.timestamp("s")),
        "kind": pa.array(["p", None]).dictionary_encode(),
    }
    path = stored(written(values))
    kinds = [column["kind"] for column in readers.ask("describe", path)["columns"]]
    assert kinds[0] == "image", "a struct of bytes and path named image"
    first, second = readers.ask("rows", path, first=0, count=2)["rows"]
    assert first[0] is True
    assert len(first[1]) == len(first[2]) == 301
    assert first[3:] == ["5 bytes", "0.333333", "[{'a': 1}]", "1970-01-01 00:00:00", "p"]
    assert second == [None] * 8


def test_text_that_is_no_unicode_is_shown_all_the_same(readers, stored):
    broken = pa.StringArray.from_buffers(1, pa.py_buffer(np.array([0, 3], np.int32)), pa.py_buffer(b"a\xff\xfe"))
    assert readers.ask("rows", stored(written({"t": broken})), first=0, count=1)["rows"] == [["a��"]]


@pytest.mark.parametrize("cut", [0, 3, 100, -1, -9])
def test_a_truncated_file_gets_a_sentence(readers, stored, cut):
    with pytest.raises(UnansweredError, match="no whole Parquet file"):
        readers.ask("describe", stored(sounds(4)[:cut]))


def test_a_description_beyond_measure_is_not_read(readers, tmp_path):
    path = tmp_path / "x.parquet"
    with path.open("wb") as file:
        file.truncate(40 << 20)
        file.seek(0, 2)
        file.write((30 << 20).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(UnansweredError, match="31 MB"):
        readers.ask("describe", path)


def test_a_thousand_columns_are_cut_and_nesting_without_end_is_refused(readers, stored):
    found = readers.ask("describe", path := stored(written({f"c{i}": [1] for i in range(1000)})))
    assert (len(found["columns"]), found["left_out"]) == (40, 960)
    assert len(readers.ask("rows", path, first=0, count=1)["rows"][0]) == 40
    deep = pa.array([1])
    for _ in range(80):
        deep = pa.StructArray.from_arrays([deep], ["n"])
    with pytest.raises(UnansweredError, match="nested"):
        readers.ask("describe", stored(written({"deep": deep})))


def test_a_bomb_ends_at_most_the_process_that_reads_it(readers, stored):
    """50 MB of one text, a thousand times: 2 kB of file, 50 GB of rows."""
    indices = pa.array([0] * 1000, pa.int32())
    bomb = stored(written({"d": pa.DictionaryArray.from_arrays(indices, ["x" * (50 << 20)])}, compression="zstd"))
    assert bomb.stat().st_size < 10_000
    assert readers.ask("describe", bomb)["rows"] == 1000
    with pytest.raises(UnansweredError, match="more memory than it may"):
        readers.ask("rows", bomb, first=0, count=50)
    assert readers.ask("describe", bomb)["rows"] == 1000, "the next question is answered"


def test_a_row_group_that_says_it_is_too_large_is_not_unpacked(readers, stored, monkeypatch):
    monkeypatch.setattr(parquet_rows, "GROUP_MAX", 1000)
    with pytest.raises(parquet_rows.UnreadableError, match="smaller row groups"):
        parquet_rows.cell(str(stored(sounds(4))), 0, 0)


def test_a_file_that_takes_too_long_is_given_up(stored):
    path = stored(sounds(4))
    impatient = Readers(time_s=0.001)
    try:
        with pytest.raises(UnansweredError, match="takes longer"):
            impatient.ask("describe", path)
    finally:
        impatient.close()


def test_bytes_changed_at_random_give_an_answer_or_a_sentence(readers, stored):
    content, rng = sounds(40), random.Random(0)
    footer = int.from_bytes(content[-8:-4], "little")
    refused = 0
    for _ in range(80):
        changed = bytearray(content)
        for _ in range(rng.choice([1, 4])):
            changed[rng.randrange(len(content) - 8 - footer, len(content) - 8)] = rng.randrange(256)
        path = stored(bytes(changed))
        for action, arguments in (("describe", {}), ("rows", {"first": 0, "count": 50}), ("counts", {"column": 1})):
            try:
                readers.ask(action, path, **arguments)
            except UnansweredError as error:
                refused += 1
                assert 10 < len(str(error)) < 400
    assert refused > 20


def test_many_ask_at_once_and_a_closed_pool_starts_again(readers, stored):
    path = stored(sounds())
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda i: readers.ask("rows", path, first=i, count=1)["numbers"], range(40)))
    assert answers == [[i] for i in range(40)]
    readers.close()
    assert readers.ask("describe", path)["rows"] == 120


def test_a_million_rows_are_paged_at_once(readers, stored):
    rows = 1_000_000
    path = stored(written({"i": np.arange(rows), "t": np.full(rows, "some text")}, row_group_size=rows))
    for first in (0, rows - 50):
        began = time.monotonic()
        assert readers.ask("rows", path, first=first, count=50)["rows"][0] == [str(first), "some text"]
        assert time.monotonic() - began < 5
