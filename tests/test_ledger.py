import json
import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytaudio.ledger import ClipRecord, CollectError, Outcome, Settings, open_ledger, read_ledger
from ytaudio.media import VERSION, Failure, Reason

SETTINGS = Settings(clips_per_video=2, clip_seconds=2.0, seed=0)


def outcome(video_id="abc", failure=None, title="t"):
    made = () if failure else (ClipRecord(0, 1.5, 2.0, 32_000, -20.0, "0" * 64),)
    return Outcome(video_id, "food", "https://example.org", title, "UC1", 60.0, made, failure, 1_000, 0.5)


@given(st.text(), st.sampled_from(Reason), st.text())
def test_any_outcome_is_one_line_and_comes_back_equal(title, reason, detail):
    for one in (outcome(title=title), outcome(failure=Failure("abc", reason, detail), title=title)):
        line = one.to_json()
        assert "\n" not in line
        assert Outcome.from_json(json.loads(line.encode("utf-8", "surrogatepass"))) == one


def test_what_was_appended_is_read_back_and_the_last_word_counts(tmp_path):
    flaky = outcome("b", Failure("b", Reason.NETWORK, "timed out"))
    with open_ledger(tmp_path, SETTINGS) as ledger:
        for one in (outcome("a"), flaky, outcome("b")):
            ledger.append(one)
    assert read_ledger(tmp_path) == (SETTINGS, {"a": outcome("a"), "b": outcome("b")})


@pytest.mark.parametrize("kept", range(1, 60, 7))
def test_a_ledger_cut_anywhere_keeps_its_whole_lines_and_can_be_written_on(tmp_path, kept):
    with open_ledger(tmp_path, SETTINGS) as ledger:
        ledger.append(outcome("a"))
        ledger.append(outcome("b"))
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(path.read_bytes()[:-kept])
    with open_ledger(tmp_path, SETTINGS) as ledger:
        assert set(ledger.outcomes) == {"a"}
        ledger.append(outcome("c"))
    assert set(read_ledger(tmp_path)[1]) == {"a", "c"}


def test_a_line_is_on_disk_when_append_returns(tmp_path, monkeypatch):
    flushed = []

    def fsync(descriptor, really=os.fsync):
        really(descriptor)
        flushed.append(os.fstat(descriptor))

    monkeypatch.setattr(os, "fsync", fsync)
    with open_ledger(tmp_path, SETTINGS) as ledger:
        assert any(stat.st_ino == tmp_path.stat().st_ino for stat in flushed), "its name, too"
        for video_id in "ab":
            ledger.append(outcome(video_id))
            now = (tmp_path / "ledger.jsonl").stat()
            assert (flushed[-1].st_ino, flushed[-1].st_size) == (now.st_ino, now.st_size)


def test_permanent_failures_and_clips_are_settled_and_temporary_ones_are_not():
    assert outcome().settled
    for reason in Reason:
        failed = replace(outcome(failure=Failure("abc", reason, "")), read_with=VERSION)
        assert failed.settled is (reason.kind == "permanent")


@pytest.mark.parametrize("reason", [Reason.NO_AUDIO, Reason.UNSUPPORTED])
def test_what_yt_dlp_could_not_read_is_tried_again_after_its_upgrade(reason):
    assert not replace(outcome(failure=Failure("abc", reason, "")), read_with="2020.1.1").settled
    assert replace(outcome(failure=Failure("abc", Reason.REMOVED, "")), read_with="2020.1.1").settled


def test_changed_settings_are_refused_by_name(tmp_path):
    with open_ledger(tmp_path, SETTINGS):
        pass
    changed = Settings(clips_per_video=2, clip_seconds=5.0, seed=0)
    with pytest.raises(CollectError, match=r"--clip-seconds was 2\.0 and is now 5\.0"), open_ledger(tmp_path, changed):
        pass


def test_a_second_builder_is_refused(tmp_path):
    with (
        open_ledger(tmp_path, SETTINGS),
        pytest.raises(CollectError, match="Another build"),
        open_ledger(tmp_path, SETTINGS),
    ):
        pass
    with open_ledger(tmp_path, SETTINGS) as ledger:
        assert ledger.outcomes == {}


def test_a_folder_without_a_ledger_or_not_writable_is_one_sentence(tmp_path):
    with pytest.raises(CollectError, match="holds no ledger"):
        read_ledger(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(CollectError, match="Cannot write"), open_ledger(tmp_path / "file", SETTINGS):
        pass


@pytest.mark.parametrize(
    "line", ["{not json}", "null", "[]", "[" * 100_000, '{"video_id": "a"}', "9" * 5_000], ids=range(6)
)
def test_a_line_that_is_no_outcome_is_named(line, tmp_path):
    with open_ledger(tmp_path, SETTINGS) as ledger:
        ledger.append(outcome("a"))
    with (tmp_path / "ledger.jsonl").open("a") as file:
        file.write(f"{line}\n")
    for read in (lambda: read_ledger(tmp_path), lambda: open_ledger(tmp_path, SETTINGS).__enter__()):
        with pytest.raises(CollectError, match=r"Line 3 of .*: remove that line"):
            read()
