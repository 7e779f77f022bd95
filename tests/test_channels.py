import pyarrow as pa
import pyarrow.parquet as pq
from making import dataset_folder

from ytaudio.channels import Channel, Spread, channels_of

SPLITS = ("train", "validation", "test")


def shards_of(folder):
    return {split: sorted((folder / "dataset" / "data").glob(f"{split}-*.parquet")) for split in SPLITS}


def test_channels_are_counted_by_videos_over_all_splits(tmp_path):
    found = channels_of(shards_of(dataset_folder(tmp_path, {"train": 9, "validation": 2, "test": 1}, a_channel=4)))
    assert found.all.sizes == (4, 4, 2, 1, 1) and found.all.videos == 12, "two clips of a video are one"
    assert {label: spread.sizes for label, spread in found.by_label.items()} == {
        "art_music": (2, 1, 1, 1),  # of a channel with videos of three labels, each label counts its own
        "food": (2, 1, 1),
        "travel": (1, 1, 1),
    }
    assert found.by_split == {"train": 3, "validation": 1, "test": 1}
    three = ("art_music", "food", "travel")
    assert found.largest == (
        Channel("channel train 0", 4, three, "train"),
        Channel("channel train 1", 4, three, "train"),
    )


def test_a_video_whose_channel_nobody_knows_is_a_channel_of_its_own(tmp_path):
    shards = shards_of(dataset_folder(tmp_path, {"train": 6, "validation": 1, "test": 1}, a_channel=3))
    table = pq.read_table(shards["train"][0])
    at = table.schema.get_field_index("channel_id")
    unknown = pa.array([""] * 4 + [None] * 2 + table["channel_id"].to_pylist()[6:], pa.string())
    pq.write_table(table.set_column(at, table.schema.field(at), unknown), shards["train"][0])
    found = channels_of(shards)
    assert found.unnamed == 3 and found.all.sizes == (3, 1, 1, 1, 1, 1)
    assert [one.channel_id for one in found.largest] == ["channel train 1"]


def test_the_largest_channel_is_named_first(tmp_path):
    found = channels_of(shards_of(dataset_folder(tmp_path, {"train": 7, "validation": 5, "test": 1}, a_channel=7)))
    assert [one.videos for one in found.largest] == [7, 5]


def test_what_the_largest_channels_hold():
    spread = Spread((6, 2, 1, 1))
    assert (spread.share(1), spread.share(2), spread.share(9), spread.typical) == (0.6, 0.8, 1.0, 1.5)


def test_only_youtubes_channels_have_a_page_that_is_known():
    known = "UC6NkILxtMFF8wLIqoMTAshE"
    assert Channel(known, 3, (), "train").page == f"https://www.youtube.com/channel/{known}"
    for other in ("", "@handle", known[:-1], f"{known}/../x", "UC" + "猫" * 22):
        assert Channel(other, 3, (), "train").page == ""
