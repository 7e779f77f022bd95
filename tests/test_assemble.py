import base64
import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from datasets import Audio, load_dataset

from ytaudio import clips
from ytaudio.assemble import assemble
from ytaudio.catalog import Catalog, Rejected, Video
from ytaudio.errors import UserError
from ytaudio.fingerprints import fingerprint
from ytaudio.ledger import ClipRecord, Outcome, Settings
from ytaudio.media import Failure, Reason
from ytaudio.parquet import features
from ytaudio.splits import PROTOCOLS
from ytaudio.testing.sounds import render
from ytaudio.visits import clip_path

LABELS = ("art_music", "food", "history", "travel")
SETTINGS = Settings(clips_per_video=2, clip_seconds=1.0, seed=3)


def build(folder, per_class=20, channels=10, prints=lambda label, n, index: ""):
    """A build's outcome without the network: real clip files, real records."""
    rng = np.random.default_rng(0)
    videos, outcomes = [], {}
    for label in LABELS:
        for n in range(per_class):
            video = Video(f"{label}_{n:02d}", f"https://example.org/{label}/{n}", "t|itle\n", "", label)
            made = []
            for index in range(2):
                flac = clips.encode(rng.uniform(-0.5, 0.5, 16_000).astype(np.float32))
                clip_path(folder, video.id, index).parent.mkdir(parents=True, exist_ok=True)
                clip_path(folder, video.id, index).write_bytes(flac)
                digest = hashlib.sha256(flac).hexdigest()
                made.append(ClipRecord(index, 2.0 * index, 1.0, 16_000, -10.0, digest, prints(label, n, index)))
            channel = f"{label}-{n % channels}"
            outcomes[video.id] = Outcome(
                video.id, label, video.url, video.title, channel, 60.0, tuple(made), None, 1_000, 0.1
            )
            videos.append(video)
    gone = Video("gone", "https://example.org/gone", "", "", "food")
    failure = Failure("gone", Reason.REMOVED, "Video unavailable")
    outcomes["gone"] = Outcome("gone", "food", gone.url, "", "", 0.0, (), failure, 0, 0.1)
    return Catalog((*videos, gone), (Rejected(7, "duplicate", "x"),)), outcomes


@pytest.fixture
def built(tmp_path):
    catalog, outcomes = build(tmp_path)
    report = assemble(tmp_path, catalog, outcomes, SETTINGS, protocol=PROTOCOLS["default"], source="youtube.csv")
    return tmp_path, catalog, outcomes, report


def test_load_dataset_gives_every_clip_once_with_its_columns_and_its_sound(built):
    folder, _, outcomes, report = built
    loaded = load_dataset(str(folder / "dataset")).cast_column("audio", Audio(decode=False))
    assert sorted(loaded) == ["test", "train", "validation"]
    assert loaded["train"].features["label"].names == list(LABELS)
    assert list(loaded["train"].features) == list(features(LABELS))
    rows = [row for split in loaded.values() for row in split]
    assert len(rows) == report.clips == 160
    assert {(row["video_id"], row["clip"]) for row in rows} == {
        (o.video_id, c.index) for o in outcomes.values() for c in o.clips
    }
    for row in rows:
        outcome = outcomes[row["video_id"]]
        assert LABELS[row["label"]] == outcome.category
        assert (row["url"], row["title"], row["channel_id"]) == (outcome.url, outcome.title, outcome.channel_id)
        assert hashlib.sha256(row["audio"]["bytes"]).hexdigest() == outcome.clips[row["clip"]].sha256
        assert row["start_s"] == outcome.clips[row["clip"]].start_s


def test_the_audio_column_is_the_librarys_own_feature(built):
    folder, *_ = built
    loaded = load_dataset(str(folder / "dataset"), split="train")
    assert loaded.features["audio"] == Audio(sampling_rate=16_000)


def test_no_channel_is_in_two_splits(built):
    folder, *_ = built
    loaded = load_dataset(str(folder / "dataset")).remove_columns("audio")
    sides = {split: set(rows["channel_id"]) for split, rows in loaded.items()}
    assert all(sides.values())
    assert not sides["train"] & sides["validation"]
    assert not (sides["train"] | sides["validation"]) & sides["test"]


def test_the_report_counts_what_happened(built):
    folder, _, _, report = built
    assert json.loads((folder / "dataset" / "report.json").read_text())["clips"] == report.clips
    assert (report.requested, report.rejected) == (82, {"duplicate": 1})
    assert (report.attempted, report.collected, report.failed) == (81, 80, {"removed": 1})
    assert report.failed_examples == {"removed": ["https://example.org/gone: Video unavailable"]}
    assert report.hours == pytest.approx(160 / 3600, abs=1e-3)
    for label in LABELS:
        assert sum(report.splits[split][label]["videos"] for split in report.splits) == 20


def test_the_same_ledger_gives_the_same_bytes_whatever_its_order(built, tmp_path):
    folder, catalog, outcomes, _ = built
    before = {p.name: p.read_bytes() for p in (folder / "dataset" / "data").iterdir()}
    shuffled = dict(reversed(outcomes.items()))
    assemble(folder, catalog, shuffled, SETTINGS, protocol=PROTOCOLS["default"], source="youtube.csv")
    assert {p.name: p.read_bytes() for p in (folder / "dataset" / "data").iterdir()} == before


def test_the_catalogue_has_the_last_word_on_a_label(built):
    folder, catalog, outcomes, _ = built
    renamed = {"food": "cooking", "travel": "food"}
    videos = tuple(replace(v, category=renamed.get(v.category, v.category)) for v in catalog.videos)
    assemble(folder, Catalog(videos, ()), outcomes, SETTINGS, protocol=PROTOCOLS["default"])
    loaded = load_dataset(str(folder / "dataset")).remove_columns("audio")
    names = loaded["train"].features["label"].names
    assert names == ["art_music", "cooking", "food", "history"]
    asked = {video.id: video.category for video in videos}
    for split in loaded.values():
        assert all(names[row["label"]] == asked[row["video_id"]] for row in split)


def test_a_limit_takes_the_first_of_the_visiting_order(built):
    folder, catalog, outcomes, _ = built
    report = assemble(folder, catalog, outcomes, SETTINGS, protocol=PROTOCOLS["default"], per_category=12)
    assert (report.clips, report.used, report.collected) == (4 * 12 * 2, 4 * 12, 80)


def test_the_figures_of_a_report_add_up(built):
    folder, catalog, outcomes, _ = built
    known = dict(list(outcomes.items())[3:]) | {"elsewhere": outcomes[catalog.videos[0].id]}
    refused = (Rejected(7, "bad_link", "x"), Rejected(9, "duplicate", "y"))
    report = assemble(
        folder, Catalog(catalog.videos, refused), known, SETTINGS, protocol=PROTOCOLS["default"], per_category=12
    )
    assert report.unvisited == 3
    assert report.requested == sum(report.rejected.values()) + report.attempted + report.unvisited
    assert report.attempted == report.collected + sum(report.failed.values()) == len(known) - 1
    totals = {name: sum(each[name] for each in report.attempts.values()) for name in ("visited", "good", "failed")}
    assert totals == {
        "visited": report.attempted,
        "good": report.collected,
        "failed": report.attempted - report.collected,
    }


def test_lab_is_short_and_says_so(built):
    folder, catalog, outcomes, _ = built
    report = assemble(folder, catalog, outcomes, SETTINGS, protocol=PROTOCOLS["lab"])
    assert set(report.splits) == {"train", "validation"}
    assert any("of 98 videos of food: 20 were collected" in sentence for sentence in report.missing)


def test_large_splits_are_cut_into_shards(built, monkeypatch):
    folder, catalog, outcomes, _ = built
    monkeypatch.setattr("ytaudio.parquet.SHARD_BYTES", 200_000)
    monkeypatch.setattr("ytaudio.parquet.ROWS_A_GROUP", 5)
    assemble(folder, catalog, outcomes, SETTINGS, protocol=PROTOCOLS["default"])
    names = sorted(p.name for p in (folder / "dataset" / "data").glob("train-*"))
    assert len(names) > 3 and names[0] == f"train-00000-of-{len(names):05d}.parquet"
    assert load_dataset(str(folder / "dataset"), split="train").num_rows == 112


def test_nothing_collected_is_one_sentence_with_the_reasons(tmp_path):
    catalog = Catalog((Video("gone", "u", "", "", "food"),), ())
    _, outcomes = build(tmp_path, per_class=0)
    with pytest.raises(UserError, match=r"No video gave a clip \(removed 1\)\. Of .*gone: Video unavailable\. OUT/"):
        assemble(tmp_path, catalog, outcomes, SETTINGS, protocol=PROTOCOLS["default"])
    assert not (tmp_path / "dataset").exists()


def test_videos_that_share_a_sound_are_on_one_side_and_listed_with_their_labels(tmp_path):
    """Two videos of every class have the sound of one of food; each clip is its own file all the same."""
    same = fingerprint(render("food", 1000, "UC1", 160_000))

    def prints(label, n, index):
        rng = np.random.default_rng([LABELS.index(label), n, index])
        own = base64.b64encode(rng.integers(1, 2**16, 68, dtype=np.uint16).tobytes()).decode()
        return same if n in (3, 7) and index == 1 else own

    catalog, outcomes = build(tmp_path, channels=20, prints=prints)
    report = assemble(tmp_path, catalog, outcomes, SETTINGS, protocol=PROTOCOLS["default"])
    alike = {f"{label}_{n:02d}" for label in LABELS for n in (3, 7)}
    loaded = load_dataset(str(tmp_path / "dataset")).remove_columns("audio")
    assert [split for split, rows in loaded.items() if alike & set(rows["video_id"])] != []
    assert sum(bool(alike & set(rows["video_id"])) for rows in loaded.values()) == 1
    assert report.duplicate_pairs == len(report.duplicates) == 28
    assert {video for pair in report.duplicates for video in (pair["a"], pair["b"])} == alike
    assert all(pair["similarity"] == 1.0 for pair in report.duplicates)
    first = report.duplicates[0]
    assert first["labels"] == [first["a"][:-3], first["b"][:-3]] and len(set(first["labels"])) == 2
    assert json.loads((tmp_path / "dataset" / "report.json").read_text())["duplicates"] == report.duplicates


def test_a_class_that_one_sound_melts_into_one_group_is_told_with_the_reason(tmp_path):
    same = fingerprint(render("food", 1000, "UC1", 160_000))
    catalog, outcomes = build(tmp_path, channels=20, prints=lambda label, n, index: same if label == "food" else "")
    report = assemble(tmp_path, catalog, outcomes, SETTINGS, protocol=PROTOCOLS["default"])
    assert [sentence for sentence in report.missing if "validation" in sentence] == [
        "validation has no videos of food: 20 were collected, from 20 channels that are kept whole, and shared sounds "
        "leave 1 of them."
    ]


def test_a_rebuilt_dataset_keeps_its_published_sides(built):
    folder, catalog, outcomes, _ = built
    sides = {video_id: "test" if video_id.endswith("3") else "train" for video_id in outcomes if video_id[-2:] != "00"}
    report = assemble(
        folder, catalog, outcomes, SETTINGS, protocol=PROTOCOLS["lab"], sides=sides, rebuilt={"videos": {"gone": 1}}
    )
    loaded = load_dataset(str(folder / "dataset")).remove_columns("audio")
    assert {video: split for split, rows in loaded.items() for video in rows["video_id"]} == {
        video: split for video, split in sides.items() if video != "gone"
    }
    assert report.missing == ["train has 17 of the 18 published videos of food."]
    assert report.rebuilt == {"videos": {"gone": 1}}


def test_the_report_says_how_many_attempts_each_class_took(built):
    _, _, _, report = built
    assert report.attempts["food"] == {"visited": 21, "good": 20, "failed": 1}
    assert report.attempts["travel"] == {"visited": 20, "good": 20, "failed": 0}


def test_a_clip_that_is_gone_is_one_sentence_and_the_old_dataset_stays(built):
    folder, catalog, outcomes, report = built
    clip_path(folder, "food_03", 1).unlink()
    with pytest.raises(UserError, match=r"food_03/1\.flac is missing: give the same command again"):
        assemble(folder, catalog, outcomes, SETTINGS, protocol=PROTOCOLS["default"])
    assert sorted(path.name for path in folder.iterdir()) == ["clips", "dataset"]
    assert sum(split.num_rows for split in load_dataset(str(folder / "dataset")).values()) == report.clips
