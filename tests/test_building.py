from dataclasses import replace
from datetime import datetime

import pytest

from ytaudio.building import Plan, build, reasons, wall_sentence
from ytaudio.errors import UserError
from ytaudio.ledger import Settings, read_ledger
from ytaudio.manners import Manners
from ytaudio.media import Access, Failure, Reason
from ytaudio.printing import report_lines
from ytaudio.sources import read_source
from ytaudio.splits import PROTOCOLS
from ytaudio.testing import MediaSite, make_videos, with_states, write_catalog

NOON = datetime(2026, 1, 2, 12, 0)
PLAN = Plan(
    Settings(clips_per_video=1, clip_seconds=2.0),
    PROTOCOLS["default"],
    threads=4,
    manners=Manners(patience_s=0.0),
    access=Access(retries=0, backoff_s=0.0),
)


def test_reasons_are_named_one_by_one_with_commas_or_all():
    assert reasons(["removed", "private, geo_blocked"]) == {Reason.REMOVED, Reason.PRIVATE, Reason.GEO_BLOCKED}
    assert reasons(["all"]) == {reason for reason in Reason if reason.kind != "wall"}
    assert reasons([]) == frozenset()
    with pytest.raises(UserError, match=r"no reason bot_check, lost to retry: give all, removed, .*unknown\.$"):
        reasons(["lost", "bot_check"])


@pytest.mark.parametrize(
    ("wall", "parts"),
    [
        (Failure("", Reason.BOT_CHECK, "not a bot"), ["bot_check: not a bot", "some hours", "--cookies", "--proxy"]),
        (Failure("", Reason.RATE_LIMITED, "429"), ["an hour", "same command"]),
        (Failure("", Reason.RATE_LIMITED, "429", 2700.0), ["until 12:45", "same command"]),
        (Failure("", Reason.RATE_LIMITED, "429", 86_400.0), ["until 2026-01-03 12:00"]),
        (Failure("", Reason.OFFLINE, "no route"), ["offline", "no route", "when the network is back"]),
    ],
)
def test_a_wall_is_one_sentence_that_says_when_and_how_to_go_on(wall, parts):
    sentence = wall_sentence(wall, NOON)
    assert all(part in sentence for part in parts) and "no video is blamed" in sentence
    assert sentence.count("\n") == 0


def test_a_source_becomes_a_dataset_and_a_wall_is_a_value(tmp_path):
    videos = make_videos(("food", "travel"), 4, seed=8, duration_s=(10, 20))
    source = read_source(str(write_catalog(tmp_path / "youtube.csv", videos)))
    with MediaSite(with_states(videos, ["rate_limited"] * len(videos))) as site:
        built = build(source, tmp_path / "out", PLAN)
        assert isinstance(built, Failure) and built.reason is Reason.RATE_LIMITED
        assert read_ledger(tmp_path / "out")[1] == {}
        for video in with_states(videos, ["private"]):
            site.add(video)
        report = build(source, tmp_path / "out", PLAN)
    assert (report.attempted, report.collected, report.failed) == (8, 7, {"private": 1})
    assert list((tmp_path / "out" / "dataset" / "data").glob("train-*.parquet"))


def test_a_video_that_alone_meets_a_wall_keeps_nobody_from_the_dataset(tmp_path):
    videos = make_videos(("food", "travel"), 4, seed=8, duration_s=(10, 20))
    source = read_source(str(write_catalog(tmp_path / "youtube.csv", videos)))
    with MediaSite(videos) as site:
        build(source, tmp_path / "out", replace(PLAN, per_category=1))
        odd = next(one for one in videos if one.id not in read_ledger(tmp_path / "out")[1])
        site.add(with_states([odd], ["bot_check"])[0])
        report = build(source, tmp_path / "out", PLAN)
    assert (report.attempted, report.collected, report.unvisited) == (7, 7, 1)
    assert len(report.left) == 1 and report.left[0].startswith("bot_check: ")
    assert any("1 met a wall that others did not" in str(line) for line in report_lines(report, tmp_path))
