import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from making import dataset_folder

from ytaudio.clips import SAMPLING_RATE, decode
from ytaudio.examples import LONGEST_S, MOST, examples_of, file_stem


def train_of(folder):
    return sorted((folder / "dataset" / "data").glob("train-*.parquet"))


def test_two_clips_of_different_channels_a_class_and_always_the_same(tmp_path):
    shards = train_of(dataset_folder(tmp_path, {"train": 12}, a_channel=6))
    found = examples_of(shards)
    assert [(e.label, e.path) for e in found] == [
        (label, f"examples/{label}{end}.flac") for label in ("art_music", "food", "travel") for end in ("", "-2")
    ]
    rows = {row["url"]: row for row in pq.read_table(shards[0]).to_pylist()}
    channels = [rows[e.url]["channel_id"] for e in found]
    assert channels == ["channel train 0", "channel train 1"] * 3
    assert [e.title for e in found] == [rows[e.url]["title"] for e in found]
    assert found == examples_of(shards)


def test_a_video_whose_channel_nobody_knows_is_a_channel_of_its_own(tmp_path):
    (shard,) = train_of(dataset_folder(tmp_path, {"train": 6}))
    table = pq.read_table(shard)
    at = table.schema.get_field_index("channel_id")
    pq.write_table(table.set_column(at, table.schema.field(at), pa.array([None] * len(table), pa.string())), shard)
    assert len({example.url for example in examples_of([shard])}) == 6


def test_an_example_is_the_middle_of_its_clip(tmp_path):
    shards = train_of(dataset_folder(tmp_path, {"train": 1}, labels=("food",), seconds=10.0))
    (example,) = examples_of(shards)  # one channel: one example
    (row, _) = pq.read_table(shards[0]).to_pylist()
    assert (example.seconds, example.start_s) == (LONGEST_S, 1.0)
    whole = decode(row["audio"]["bytes"])
    assert np.array_equal(decode(example.flac), whole[SAMPLING_RATE : 9 * SAMPLING_RATE])
    assert len(example.flac) <= LONGEST_S * SAMPLING_RATE * 2


def test_rows_are_found_in_later_groups_and_files(tmp_path):
    (shard,) = train_of(dataset_folder(tmp_path, {"train": 12}))
    before, table = examples_of([shard]), pq.read_table(shard)
    parts = [shard.with_name(f"train-0000{n}-of-00002.parquet") for n in (0, 1)]
    for number, part in enumerate(parts):  # the first file holds one class alone
        pq.write_table(table.slice(2 * number, 2 if not number else None), part, row_group_size=3)
    assert {e.path: e.flac for e in examples_of(parts)} == {e.path: e.flac for e in before}


def test_many_classes_have_one_example_each_and_no_more_than_there_is_room_for(tmp_path):
    labels = [f"label {n:02d}" for n in range(MOST + 3)]
    found = examples_of(train_of(dataset_folder(tmp_path, {"train": len(labels)}, labels=labels, seconds=1.0)))
    assert [e.label for e in found] == labels[:MOST] and found[3].path == "examples/label-03.flac"


@pytest.mark.parametrize(
    ("label", "stem"),
    [
        ("art_music", "art_music"),
        ("../../x", "x"),
        ("a b/c", "a-b-c"),
        ("Crème Brûlée", "creme-brulee"),
        ("x" * 100, "x" * 40),
        ("猫", "sound"),
        ("..", "sound"),
        ("\0\n|<script>", "script"),
        ("CON", "con-sound"),
        ("console", "console"),
    ],
)
def test_a_label_becomes_a_file_name_that_any_system_bears(label, stem):
    assert file_stem(label) == stem


def test_labels_that_look_alike_as_file_names_have_files_of_their_own(tmp_path):
    labels = ("a b/c", "A-b c", "a-b-c-2", "猫", "犬", "../../x")
    found = examples_of(train_of(dataset_folder(tmp_path, {"train": 12}, labels=labels, seconds=1.0)))
    paths = [e.path for e in found]
    assert len({path.casefold() for path in paths}) == len(paths) == 12
    assert [paths[n].removeprefix("examples/") for n in (0, 1, 2, 3, 4)] == [
        *("a-b-c.flac", "a-b-c-2.flac", "a-b-c-3.flac", "a-b-c-4.flac"),
        "a-b-c-2-2.flac",
    ]
    assert all(path.startswith("examples/") and ".." not in path for path in paths)
