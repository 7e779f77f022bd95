import json
from dataclasses import replace

import fsspec
import pytest
from object_store import Objects

from ytaudio.errors import UserError
from ytaudio.ledger import LEDGER, ClipRecord, Outcome, Settings, open_ledger, read_ledger
from ytaudio.places import PARTS, Mirror, Place, read_outcomes, read_parts
from ytaudio.visits import clip_path

SETTINGS = Settings(clips_per_video=1, clip_seconds=2.0, seed=0)
NEVER_S = 3600.0  # between two mirrors: a test sends by itself


@pytest.fixture(params=["disk", "objects"])
def place(request, tmp_path):
    if request.param == "disk":
        yield Place.at(tmp_path / "place")
        return
    with Objects(tmp_path / "packages"):
        yield Place.at("objects://bucket/run/")


@pytest.fixture
def store(tmp_path):
    with Objects(tmp_path / "packages") as running:
        yield running


def write_video(folder, ledger, name):
    """A finished video as a visit leaves it."""
    path = clip_path(folder, name, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"clip of " + name.encode())
    made = (ClipRecord(0, 0.0, 2.0, 32_000, -20.0, "0" * 64),)
    ledger.append(Outcome(name, "food", "", "", "", 9.0, made, None, 0, 0.0))


def test_what_is_written_is_read_listed_and_replaced(place):
    assert place.names() == [] and place.read("a/b.txt") is None
    for content in (b"one", b"two"):
        place.write("a/b.txt", content)
        assert (place / "a").read("b.txt") == content
    place.write("c", b"")
    assert place.names() == ["a", "c"] and (place / "a").names() == ["b.txt"] and place.read("c") == b""


def test_a_place_on_a_disk_is_a_folder_wherever_one_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for named in ("run", "./run", tmp_path / "run", f"file://{tmp_path}/run"):
        assert Place.at(named).folder == tmp_path / "run"
    assert Place.at("memory://run").folder is None


def test_a_place_that_cannot_be_is_one_sentence():
    for url in ("nonsense://bucket", "dropbox://bucket/run"):
        with pytest.raises(UserError, match="cannot be reached"):
            Place.at(url)


def test_the_store_of_these_tests_cannot_append_or_rename(store):
    fs = fsspec.filesystem("objects")
    with pytest.raises(NotImplementedError):
        fs.open("objects://bucket/a", "ab")
    with pytest.raises(NotImplementedError):
        fs.mv("objects://bucket/a", "objects://bucket/b")


def test_a_mirror_sends_clips_before_the_lines_that_speak_of_them(store, tmp_path):
    place, folder = Place.at("objects://bucket/run/00000"), tmp_path / "scratch"
    with open_ledger(folder, SETTINGS) as ledger, Mirror(folder, place, NEVER_S) as mirror:
        write_video(folder, ledger, "first")
        mirror.send()
        mirror.send()
        assert list(store.content) == ["bucket/run/00000/clips/first/0.flac", *store.names(".jsonl")]
        assert len(store.names(".jsonl")) == 1 and clip_path(folder, "first", 0).stat().st_size == 0
        write_video(folder, ledger, "second")
        assert len(store.names(".jsonl")) == 1
    assert len(store.names(".jsonl")) == 2, "and once more at its end"
    assert store.content["bucket/run/00000/clips/second/0.flac"] == b"clip of second"
    settings, outcomes = read_outcomes(place, tmp_path)
    assert settings == SETTINGS and list(outcomes) == ["first", "second"]


def test_a_task_that_begins_again_elsewhere_knows_what_was_mirrored(store, tmp_path):
    place = Place.at("objects://bucket/run/00000")
    for name in ("first", "second"):
        folder = tmp_path / name
        with Mirror(folder, place, NEVER_S), open_ledger(folder, SETTINGS) as ledger:
            write_video(folder, ledger, name)
    assert clip_path(tmp_path / "second", "first", 0).is_file()
    assert read_parts(place) == (tmp_path / "second" / LEDGER).read_bytes()
    with Mirror(tmp_path / "third", place, NEVER_S):
        assert read_ledger(tmp_path / "third") == read_ledger(tmp_path / "second")
    assert len(store.names(".jsonl")) == 2, "what was fetched is not sent again"


def test_a_mirror_goes_on_after_a_refusal_and_the_last_one_is_told(store, tmp_path):
    place, folder = Place.at("objects://bucket/run/00000"), tmp_path / "scratch"
    refused = pytest.raises(OSError, match="Connection refused")
    with open_ledger(folder, SETTINGS) as ledger, refused, Mirror(folder, place, NEVER_S) as mirror:
        write_video(folder, ledger, "first")
        store.server.shutdown()
        store.server.server_close()
        with pytest.raises(OSError, match="Connection refused"):
            mirror.send()
    assert clip_path(folder, "first", 0).stat().st_size > 0


def test_a_part_that_was_cut_short_loses_its_last_line_only(store, tmp_path):
    place = Place.at("objects://bucket/run/00000")
    with Mirror(tmp_path / "a", place, NEVER_S), open_ledger(tmp_path / "a", SETTINGS) as ledger:
        write_video(tmp_path / "a", ledger, "first")
        write_video(tmp_path / "a", ledger, "second")
    [name] = store.names(".jsonl")
    lines = store.content[name]
    store.content[name] = lines[:-9]
    (place / PARTS).write("000001-later.jsonl", lines.splitlines(keepends=True)[0] + json.dumps({}).encode())
    assert list(read_outcomes(place, tmp_path)[1]) == ["first"]
    assert read_outcomes(replace(place, url="objects://bucket/none"), tmp_path) is None
