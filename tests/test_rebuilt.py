import hashlib
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from huggingface_hub import HfApi, snapshot_download

from ytaudio import building
from ytaudio.clips import Window
from ytaudio.errors import UserError
from ytaudio.fingerprints import fingerprint
from ytaudio.hub import push_dataset
from ytaudio.ledger import ClipRecord, Outcome, Settings, read_ledger
from ytaudio.links import Published, PublishedClip
from ytaudio.manners import Manners
from ytaudio.media import Access, Failure, Reason
from ytaudio.rebuilt import check_rebuilt, rebuilt_lines, sides_kept
from ytaudio.sources import read_source
from ytaudio.splits import PROTOCOLS
from ytaudio.testing import MediaSite, make_videos, write_catalog
from ytaudio.testing.sounds import render

PLAN = building.Plan(
    Settings(clips_per_video=2, clip_seconds=6.0),
    PROTOCOLS["default"],
    threads=4,
    manners=Manners(patience_s=0.0),
    access=Access(retries=0, backoff_s=0.0),
)
SOUND = render("food", 1000, "UC1", 16_000 * 8)
HEARD, ANOTHER = fingerprint(SOUND), fingerprint(render("travel", 9000, "UC2", 16_000 * 8))


def published(**clips: tuple[PublishedClip, ...]) -> Published:
    settings = Settings(2, 8.0, 0, "tester/links@" + "a" * 40)
    return Published("tester/links", "a" * 40, clips, dict.fromkeys(clips, "train"), settings, "default")


def clip(index: int = 0, sha256: str = "1" * 64, heard: str = HEARD) -> PublishedClip:
    return PublishedClip(index, Window(10.0 * index, 8.0), sha256, heard)


def outcome(video_id: str, *found: tuple[float, str, str], failure: Failure | None = None) -> Outcome:
    records = tuple(
        ClipRecord(n, start_s, 8.0, 128_000, -20.0, sha256, heard) for n, (start_s, sha256, heard) in enumerate(found)
    )
    return Outcome(video_id, "food", "", "", "", 60.0, records, failure, 0, 0.0)


@pytest.mark.parametrize(
    ("kind", "before", "found"),
    [
        ("identical", clip(), [(0.0, "1" * 64, HEARD)]),
        ("same_sound", clip(), [(0.0, "2" * 64, fingerprint(0.3 * SOUND))]),
        ("unproven", clip(heard=""), [(0.0, "2" * 64, "")]),
        ("changed", clip(), [(0.0, "2" * 64, ANOTHER)]),
        ("changed", clip(), [(0.0, "2" * 64, "")]),
        ("changed", clip(), [(10.0, "1" * 64, HEARD)]),
    ],
)
def test_a_clip_is_what_its_bytes_then_its_sound_say(kind, before, found):
    rebuilt = check_rebuilt(published(v=(before,)), {"v": outcome("v", *found)})
    assert rebuilt["clips"] == {"identical": 0, "same_sound": 0, "unproven": 0, "changed": 0, kind: 1}
    assert rebuilt["videos"][kind] == 1 and sum(rebuilt["videos"].values()) == 1
    assert rebuilt["changed"] == (["v"] if kind == "changed" else [])


def test_a_video_is_what_its_worst_clip_is_and_a_changed_one_is_left_out():
    both = (clip(0), clip(1))
    of = published(same=both, worse=both, gone=both, later=both, gone2=both)
    outcomes = {
        "same": outcome("same", (0.0, "1" * 64, HEARD), (10.0, "1" * 64, HEARD)),
        "worse": outcome("worse", (0.0, "1" * 64, HEARD), (10.0, "3" * 64, ANOTHER)),
        "gone": outcome("gone", failure=Failure("gone", Reason.REMOVED, "Video unavailable")),
        "gone2": outcome("gone2", failure=Failure("gone2", Reason.PRIVATE, "Private video")),
        "stranger": outcome("stranger", (0.0, "1" * 64, HEARD)),
    }
    rebuilt = check_rebuilt(of, outcomes)
    assert rebuilt["videos"] == {
        "identical": 1,
        "same_sound": 0,
        "unproven": 0,
        "changed": 1,
        "gone": 2,
        "unvisited": 1,
    }
    assert rebuilt["gone"] == {"removed": 1, "private": 1}
    assert rebuilt["gone_examples"]["removed"] == ["gone: Video unavailable"]
    assert set(sides_kept(of, rebuilt)) == {"same", "gone", "gone2", "later"}
    lines = " ".join(rebuilt_lines(rebuilt))
    assert "5 videos" in lines and "left out: 1 video (worse)" in lines and "(removed 1, private 1)" in lines


@pytest.fixture(scope="module")
def first(hub, tmp_path_factory):
    """A dataset that was built, and published without its audio, with the videos it was built from."""
    place = tmp_path_factory.mktemp("first")
    videos = make_videos(("food", "travel"), 6, channels_per_category=6, seed=5, duration_s=(14, 40), alike=0.0)
    with MediaSite(videos):
        source = read_source(str(write_catalog(place / "youtube.csv", videos)))
        building.build(source, place / "out", PLAN)
    push_dataset(place / "out", "tester/links", links_only=True)
    return place / "out", videos


def rows_of(folder) -> dict[tuple[str, int], tuple[str, bytes, dict]]:
    """Video and clip to the split, the audio's bytes and the rest of the row."""
    found = {}
    for path in sorted((folder / "dataset" / "data").glob("*.parquet")):
        for row in pq.read_table(path).to_pylist():
            found[row["video_id"], row["clip"]] = path.name.split("-")[0], row.pop("audio")["bytes"], row
    return found


def test_a_rebuild_of_what_is_all_there_is_the_same_dataset(first, tmp_path):
    original, videos = first
    with MediaSite(videos):
        source = read_source("hub:tester/links", folder=tmp_path / "again")
        report = building.build(source, tmp_path / "again", PLAN)
    assert rows_of(tmp_path / "again") == rows_of(original)
    for path in sorted((original / "dataset" / "data").glob("*.parquet")):
        assert path.read_bytes() == (tmp_path / "again" / "dataset" / "data" / path.name).read_bytes()
    commit = HfApi().dataset_info("tester/links").sha
    assert report.source == f"hub:tester/links@{commit}" and report.rebuilt["of"] == f"tester/links@{commit}"
    assert report.rebuilt["videos"] == {
        "identical": 12,
        "same_sound": 0,
        "unproven": 0,
        "changed": 0,
        "gone": 0,
        "unvisited": 0,
    }


def test_a_rebuild_says_what_has_gone_and_leaves_out_what_sounds_different(first, tmp_path):
    original, videos = first
    sides = {video_id: split for (video_id, _), (split, _, _) in rows_of(original).items()}
    removed, private, changed = sorted(videos, key=lambda video: sides[video.id] != "train")[:3]
    now = {
        removed.id: replace(removed, state="removed"),
        private.id: replace(private, state="private"),
        changed.id: replace(changed, seed=changed.seed + 7_000_000),
    }
    with MediaSite([now.get(video.id, video) for video in videos]):
        report = building.build(read_source("hub:tester/links"), tmp_path, PLAN)
    assert report.rebuilt["gone"] == {"removed": 1, "private": 1}
    assert report.rebuilt["changed"] == [changed.id]
    assert report.rebuilt["videos"]["identical"] == 9 and report.used == 9
    kept = {key: row for key, row in rows_of(original).items() if key[0] not in now}
    assert rows_of(tmp_path) == kept
    lines = rebuilt_lines(report.rebuilt)
    assert any("removed 1" in line and "private 1" in line for line in lines)
    assert any(changed.id in line and "left out" in line for line in lines)


def test_where_nothing_is_left_one_sentence_says_what_became_of_it(first, tmp_path):
    _, videos = first
    with (
        MediaSite([replace(video, state="removed") for video in videos]),
        pytest.raises(UserError, match=r"No video could be rebuilt\. .* 12 videos \(removed 12\)"),
    ):
        building.build(read_source("hub:tester/links"), tmp_path, PLAN)


def test_no_sound_and_no_words_of_others_are_published(first):
    original, videos = first
    folder = snapshot_download("tester/links", repo_type="dataset")
    content = b"".join(path.read_bytes() for path in Path(folder).rglob("*") if path.is_file())
    assert b"fLaC" not in content
    assert not [video.title for video in videos if video.title.encode() in content]
    _, outcomes = read_ledger(original)
    flac = (original / "clips" / videos[0].id / "0.flac").read_bytes()
    assert hashlib.sha256(flac).hexdigest() == outcomes[videos[0].id].clips[0].sha256
    assert flac[100:132] not in content
