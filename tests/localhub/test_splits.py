"""Which files make which split, by a card that may say anything."""

import time

import pytest

from ytaudio.localhub.history import Entry
from ytaudio.localhub.splits import splits_of


def tree(*paths: str) -> dict[str, Entry]:
    return dict.fromkeys(paths, Entry("", "", 1, lfs=True))


def named(*arguments) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(split.config, split.name, split.paths) for split in splits_of(*arguments)]


def test_by_the_card():
    files = tree("data/test-0.parquet", "data/train-0.parquet", "data/train-1.parquet", "extra/all.parquet", "x.csv")
    data_files = [{"split": "test", "path": "data/test-*"}, {"split": "train", "path": ["data/train-*.parquet"]}]
    card = {
        "configs": [
            {"config_name": "default", "data_files": data_files},
            {"config_name": "more", "data_files": "extra/*.parquet"},
        ]
    }
    assert named(files, card) == [
        ("default", "train", ("data/train-0.parquet", "data/train-1.parquet")),
        ("default", "test", ("data/test-0.parquet",)),
        ("more", "train", ("extra/all.parquet",)),
    ]


def test_by_the_files_names():
    files = tree(
        "data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet", "en/val/0000.parquet", "a.md"
    )
    assert named(files, {}) == [
        ("default", "train", ("data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet")),
        ("en", "validation", ("en/val/0000.parquet",)),
    ]
    assert named(tree("predictions/test.parquet"), {}) == [("predictions", "test", ("predictions/test.parquet",))]
    assert named(tree("README.md"), {}) == []


@pytest.mark.parametrize(
    "configs",
    [5, "x", [5], [[]], [{}], {"a": 1}, [{"config_name": 5, "data_files": 5}], [{"data_files": [{"path": [{}]}]}],
     [{"data_files": {"train": None}}], [{"data_files": "no/such/*.parquet"}], [{"config_name": None, "data_dir": 3}]],
)  # fmt: skip
def test_a_card_of_another_form_leaves_the_names(configs):
    assert named(tree("train.parquet"), {"configs": configs}) == [("default", "train", ("train.parquet",))]


def test_patterns_without_end_take_no_time():
    files = tree(*(f"{'a' * 200}{i}.parquet" for i in range(2000)))
    card = {"configs": [{"data_files": [{"split": f"s{i}", "path": "*a" * 40 + "b"} for i in range(500)]}]}
    began = time.monotonic()
    splits_of(files, card)
    assert time.monotonic() - began < 20
