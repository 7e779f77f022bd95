import json
import math
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from making import COMMIT, LABELS, build_folder

from ytaudio.clips import Window
from ytaudio.errors import UserError
from ytaudio.ledger import Settings, read_ledger
from ytaudio.links import link_features, read_links, write_links

SHARD = "train-00000-of-00001.parquet"
REPORT = {"clips_per_video": 2, "clip_seconds": 2.0, "seed": 7, "protocol": "default"}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build_folder(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def shards(built, tmp_path_factory):
    return write_links(built, sorted((built / "dataset" / "data").glob("*.parquet")), tmp_path_factory.mktemp("links"))


def test_links_name_every_clip_of_the_dataset_with_its_exact_window(built, shards):
    _, outcomes = read_ledger(built)
    originals = sorted((built / "dataset" / "data").glob("*.parquet"))
    assert [path.name for path in shards] == [path.name for path in originals]
    for path, original in zip(shards, originals, strict=True):
        rows, source = pq.read_table(path).to_pylist(), pq.read_table(original).to_pylist()
        assert [(row["video_id"], row["clip"], row["label"]) for row in rows] == [
            (row["video_id"], row["clip"], row["label"]) for row in source
        ]
        for row in rows:
            clip = outcomes[row["video_id"]].clips[row["clip"]]
            assert (row["start_s"], row["sha256"], row["fingerprint"]) == (clip.start_s, clip.sha256, clip.fingerprint)
            assert row["seconds"] * 16_000 == clip.samples
    assert any(math.modf(row["start_s"])[0] == 1 / 3 for row in rows), "a float32 would have rounded it"


def test_neither_sound_nor_words_of_others_are_in_the_links(built, shards):
    for path in shards:
        content = path.read_bytes()
        assert b"fLaC" not in content and b"Title" not in content and b"Words" not in content
        assert set(pq.read_schema(path).names) == set(link_features(LABELS))


def test_what_is_written_is_read_again(built, shards):
    catalog, published = read_links(shards, "tester/links", COMMIT, REPORT)
    _, outcomes = read_ledger(built)
    assert not catalog.rejected and catalog.categories == LABELS
    assert {video.id: (video.url, video.category) for video in catalog.videos} == {
        outcome.video_id: (outcome.url, outcome.category) for outcome in outcomes.values()
    }
    assert published.windows["made000003A"] == [Window(1 / 3, 2.0), Window(10 + 1 / 3, 2.0)]
    assert set(published.sides.values()) == {"train", "validation", "test"} and len(published.sides) == 9
    assert published.settings == Settings(2, 2.0, 7, f"tester/links@{COMMIT}")


def test_a_ledger_of_another_build_is_refused(built, tmp_path):
    other = build_folder(tmp_path / "other", rate=0.5)
    shards = sorted((built / "dataset" / "data").glob("*.parquet"))
    with pytest.raises(UserError, match=r"does not know clip . of made.* same build command again"):
        write_links(other, shards, tmp_path)
    fewer = build_folder(tmp_path / "fewer", channels=5)
    with pytest.raises(UserError, match="does not know clip"):
        write_links(fewer, shards, tmp_path)


GOOD = {
    "video_id": "abcdefghijk",
    "url": "https://www.youtube.com/watch?v=abcdefghijk",
    "label": 0,
    "clip": 0,
    "start_s": 1.5,
    "seconds": 2.0,
    "sha256": "ab" * 32,
    "fingerprint": "AQACAAMA",
    "channel_id": "UC1",
}
OTHER = {**GOOD, "video_id": "abcdefghij2", "url": "https://www.youtube.com/watch?v=abcdefghij2"}


def shard_of(folder, rows, labels=LABELS, name=SHARD):
    pq.write_table(pa.Table.from_pylist(rows, schema=link_features(labels).arrow_schema), folder / name)
    return folder / name


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("bad_link", {"video_id": "../../../etc"}),
        ("bad_link", {"video_id": "abcdefghij/"}),
        ("bad_link", {"video_id": None}),
        ("bad_link", {"url": "file:///etc/passwd"}),
        ("bad_link", {"url": "https://www.youtube.com/watch?v=abcdefghij3"}),
        ("bad_link", {"url": "http://elsewhere.example/a.mp3"}),
        ("bad_link", {"url": None}),
        ("bad_label", {"label": 7}),
        ("bad_label", {"label": -1}),
        ("bad_label", {"label": None}),
        ("bad_window", {"start_s": -0.5}),
        ("bad_window", {"start_s": float("nan")}),
        ("bad_window", {"start_s": float("inf")}),
        ("bad_window", {"start_s": 1e9}),
        ("bad_window", {"seconds": 0.0}),
        ("bad_window", {"seconds": -2.0}),
        ("bad_window", {"seconds": 3600.0}),
        ("bad_window", {"seconds": None}),
        ("bad_window", {"clip": -1}),
        ("bad_window", {"clip": 2}),
        ("bad_hash", {"sha256": "../../x"}),
        ("bad_hash", {"sha256": None}),
        ("bad_hash", {"fingerprint": "not base64!"}),
        ("bad_hash", {"fingerprint": "AQAC"}),
        ("bad_hash", {"fingerprint": "AQACAAMA" * 1000}),
        ("bad_hash", {"fingerprint": None}),
    ],
)
def test_a_row_that_cannot_be_trusted_is_refused_by_its_line(tmp_path, reason, changes):
    catalog, published = read_links([shard_of(tmp_path, [OTHER, {**GOOD, **changes}])], "a/b", COMMIT, REPORT)
    assert [(line.line, line.reason) for line in catalog.rejected] == [(2, reason)]
    assert set(published.clips) == set(published.sides) == {OTHER["video_id"]}
    with pytest.raises(UserError, match=r"has no usable row \(1 refused\)"):
        read_links([shard_of(tmp_path, [{**GOOD, **changes}])], "a/b", COMMIT, REPORT)


def test_rows_that_contradict_one_another_are_refused(tmp_path):
    first = shard_of(tmp_path, [GOOD, GOOD, {**GOOD, "clip": 1, "label": 1}, {**GOOD, "clip": 1}])
    second = shard_of(tmp_path, [{**GOOD, "clip": 1}, OTHER], name="test-00000-of-00001.parquet")
    catalog, published = read_links([first, second], "a/b", COMMIT, REPORT)
    assert [(line.line, line.reason) for line in catalog.rejected] == [
        (2, "duplicate"),
        (3, "conflict"),
        (5, "conflict"),
    ]
    assert published.sides == {GOOD["video_id"]: "train", OTHER["video_id"]: "test"}
    assert [clip.index for clip in published.clips[GOOD["video_id"]]] == [0, 1]


@pytest.mark.parametrize("label", ["Art Music\n", "x" * 101, "food\x1b[2j", ""])
def test_labels_that_are_not_normalised_are_refused(tmp_path, label):
    with pytest.raises(UserError, match="no usable row"):
        read_links([shard_of(tmp_path, [GOOD], [label, "b", "c"])], "a/b", COMMIT, REPORT)


@pytest.mark.parametrize(
    "changes",
    [
        {"clips_per_video": 0},
        {"clips_per_video": True},
        {"clips_per_video": "2"},
        {"clip_seconds": 1e9},
        {"clip_seconds": float("nan")},
        {"seed": 2**70},
        {"seed": None},
        {"protocol": None},
        {"protocol": "nobody's"},
        {"protocol": ["default"]},
    ],
    ids=json.dumps,
)
def test_a_report_without_sound_settings_is_one_sentence(tmp_path, changes):
    with pytest.raises(UserError, match=r"report.json of hub:a/b at 0123456789ab lacks the settings"):
        read_links([shard_of(tmp_path, [GOOD])], "a/b", COMMIT, {**REPORT, **changes})


def test_files_of_another_kind_are_one_sentence(tmp_path, built):
    for shard in (
        next((built / "dataset" / "data").glob("train-*.parquet")),
        shard_of(tmp_path, [GOOD], name="extra-00000-of-00001.parquet"),
    ):
        with pytest.raises(UserError, match="is not a file of a links-only dataset"):
            read_links([shard], "a/b", COMMIT, REPORT)
    broken = tmp_path / SHARD
    for content in (b"PAR1", b"", shard_of(tmp_path, [GOOD]).read_bytes()[:-50]):
        broken.write_bytes(content)
        with pytest.raises(UserError, match="cannot be read as Parquet"):
            read_links([broken], "a/b", COMMIT, REPORT)
    pq.write_table(pa.table({"label": [1]}), broken)
    with pytest.raises(UserError, match="is not a file of a links-only dataset"):
        read_links([broken], "a/b", COMMIT, REPORT)


def test_a_file_with_flipped_bits_is_read_or_refused_in_one_sentence(tmp_path):
    whole = shard_of(tmp_path, [GOOD, OTHER] * 20).read_bytes()
    dice, refused = random.Random(1), 0
    for _ in range(150):
        flipped = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            flipped[dice.randrange(len(flipped))] ^= 1 << dice.randrange(8)
        (tmp_path / SHARD).write_bytes(flipped)
        try:
            catalog, published = read_links([tmp_path / SHARD], "a/b", COMMIT, REPORT)
        except UserError as error:
            refused += 1
            assert "\n" not in str(error)
        else:
            assert set(published.clips) == {video.id for video in catalog.videos}
    assert 10 < refused < 150


def test_forged_types_of_columns_are_one_sentence(tmp_path):
    table = pa.Table.from_pylist([GOOD], schema=link_features(LABELS).arrow_schema)
    for forged in (b"{", b'{"info": {"features": {"label": {"_type": "ClassLabel"}}}}', b"[" * 100_000, b"7"):
        pq.write_table(table.replace_schema_metadata({b"huggingface": forged}), tmp_path / SHARD)
        with pytest.raises(UserError, match=r"cannot be read as Parquet|is not a file of a links-only dataset"):
            read_links([tmp_path / SHARD], "a/b", COMMIT, REPORT)
    bad = pa.array([b"https://\xff\xfe"], pa.binary()).view(pa.string())
    pq.write_table(table.set_column(1, table.schema.field("url"), bad), tmp_path / SHARD)
    with pytest.raises(UserError, match="cannot be read as Parquet"):
        read_links([tmp_path / SHARD], "a/b", COMMIT, REPORT)


def test_a_small_file_that_unpacks_to_very_much_is_one_sentence(tmp_path, monkeypatch):
    """Five kilobytes: 20,000 times one link of a megabyte, which would be 20 GB; and a row repeated for ever."""
    table = pa.Table.from_pylist(
        [{**GOOD, "url": "https://e.org/" + "a" * 2**20}], schema=link_features(LABELS).arrow_schema
    )
    zeros = pa.array([0] * 20_000, pa.int32())
    coded = [pa.DictionaryArray.from_arrays(zeros, column.combine_chunks()) for column in table.columns]
    bomb = pa.Table.from_arrays(coded, names=table.schema.names).replace_schema_metadata(table.schema.metadata)
    pq.write_table(bomb, tmp_path / SHARD, dictionary_pagesize_limit=2**30)
    with pytest.raises(UserError, match="cannot be read as Parquet"):
        read_links([tmp_path / SHARD], "a/b", COMMIT, REPORT)
    monkeypatch.setattr("ytaudio.links.MOST_REFUSED", 50)
    with pytest.raises(UserError, match="too many rows that cannot be used"):
        read_links([shard_of(tmp_path, [GOOD] * 60)], "a/b", COMMIT, REPORT)
