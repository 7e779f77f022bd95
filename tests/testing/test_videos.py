import csv
import re
from collections import Counter, defaultdict

from ytaudio.catalog import read_catalog
from ytaudio.testing import make_videos, with_states, write_catalog


def test_videos_are_many_channels_and_some_of_a_channel_are_alike():
    videos = make_videos(("food", "travel"), 40, channels_per_category=8, seed=3)
    assert Counter(video.category for video in videos) == {"food": 40, "travel": 40}
    assert len({video.id for video in videos}) == 80
    assert all(re.fullmatch(r"[\w-]{11}", video.id) and 60 <= video.duration_s <= 600 for video in videos)
    assert {video.container for video in videos} == {"webm", "mp4"}
    characters = defaultdict(set)
    for video in videos:
        characters[video.seed // 1000].add(video.channel_id)
    assert len(characters) < 80, "no two videos are alike"
    assert all(len(channels) == 1 for channels in characters.values()), "a sound is on two channels"
    assert len({(video.category, video.channel_id) for video in videos}) == 16
    assert make_videos(("food", "travel"), 40, channels_per_category=8, seed=3) == videos


def test_a_catalogue_holds_what_was_asked_for(tmp_path):
    videos = make_videos(per_category=5, seed=1)
    path = write_catalog(tmp_path / "youtube.csv", videos, dead=4, duplicates=6, bad_links=5, empty_cells=3)
    with path.open(newline="", encoding="utf-8") as file:
        assert next(csv.reader(file)) == ["link", "title", "description", "category"]
    catalog = read_catalog(path)
    assert len(catalog.videos) == 20 + 4
    assert {video.id for video in videos} < {video.id for video in catalog.videos}
    refused = Counter(rejected.reason for rejected in catalog.rejected)
    assert refused["duplicate"] == 6 and refused["empty"] == 3
    assert refused["bad_link"] + refused["not_a_video"] == 5
    text = path.read_text()
    assert "youtu.be/" in text and "watch?v=" in text


def test_states_are_put_on_the_first_videos():
    videos = make_videos(per_category=2, seed=1)
    changed = with_states(videos, ["private", "silent"])
    assert [video.state for video in changed[:3]] == ["private", "silent", "ok"]
    assert [video.id for video in changed] == [video.id for video in videos]
