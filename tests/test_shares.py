from dataclasses import replace

import pytest
from object_store import Objects

from ytaudio.catalog import Video
from ytaudio.clips import Window
from ytaudio.collect import collect
from ytaudio.errors import UserError
from ytaudio.launches import task_place, tasks_in
from ytaudio.ledger import LEDGER, Outcome, Settings, open_ledger
from ytaudio.media import VERSION, Failure, Reason
from ytaudio.places import PARTS, Place
from ytaudio.shares import SHARE, deal, merge, new_launch, read_share, still_needed, worth
from ytaudio.testing import MediaSite, make_videos
from ytaudio.turns import visiting_order
from ytaudio.visits import clip_path

SETTINGS = Settings(clips_per_video=2, clip_seconds=2.0, seed=0)
CATEGORIES = ("food", "travel")
VIDEOS = [
    Video(f"{c[:4]}{n:07d}", f"https://youtu.be/{c[:4]}{n:07d}", "", "", c) for c in CATEGORIES for n in range(10)
]
ORDER = visiting_order(VIDEOS, 0)


def outcome(video, reason=None, version=VERSION):
    failure = Failure(video.id, reason, "said so") if reason else None
    made = () if reason else ("a clip",)
    return Outcome(video.id, video.category, video.url, "", "", 9.0, made, failure, 0, 0.0, version)


def test_every_video_is_in_exactly_one_share_and_a_task_takes_every_nth_of_each_category():
    dealt = deal(still_needed(VIDEOS, {}, 0), 4)
    assert sorted(v.id for some in dealt for v in some) == sorted(v.id for v in VIDEOS)
    assert [v.id for v in dealt[1] if v.category == "food"] == [v.id for v in ORDER["food"][1::4]]
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1


def test_few_videos_of_many_categories_go_round():
    few = [Video(f"{n:011d}", "", "", "", f"category {n}") for n in range(8)]
    assert [len(some) for some in deal(still_needed(few, {}, 0), 4)] == [2, 2, 2, 2]


def test_needed_is_what_is_not_settled_before_enough_good_ones():
    food = ORDER["food"]
    known = {v.id: outcome(v) for v in (food[0], food[2], food[5])}
    known[food[1].id] = outcome(food[1], Reason.PRIVATE)
    known[food[3].id] = outcome(food[3], Reason.NETWORK)
    need = still_needed(food, known, 0, per_category=3)["food"]
    assert (need.videos, need.wanted) == ((food[3], food[4]), None), "what lies before the third good one"
    need = still_needed(food, known, 0, per_category=5, tried={food[3].id})["food"]
    assert (need.videos, need.wanted) == ((food[4], *food[6:]), 2)
    need = still_needed(food, known, 0, per_category=2, retry={Reason.PRIVATE})["food"]
    assert need.videos == (food[1],)
    assert still_needed(food, known, 0, per_category=1) == {}
    assert still_needed(food, known, 0)["food"].wanted is None


def test_clips_are_worth_more_than_a_final_failure_and_that_more_than_another():
    video = VIDEOS[0]
    rising = [None, outcome(video, Reason.LIVE), outcome(video, Reason.REMOVED), outcome(video)]
    assert [worth(one) for one in rising] == sorted({worth(one) for one in rising})
    assert worth(outcome(video, Reason.NO_AUDIO, "2020.01.01")) < worth(outcome(video, Reason.NO_AUDIO))


@pytest.mark.parametrize("windows", [None, {v.id: [Window(1.5, 2.0), Window(7.0, 2.0)] for v in VIDEOS}])
def test_a_share_comes_back_as_it_was_dealt(tmp_path, windows):
    dealt = deal(still_needed([replace(v, title='Ünïcode\u2028 "x"') for v in VIDEOS], {}, 0), 3)
    launch = new_launch(Place.at(tmp_path), dealt, windows)
    assert [task.url for task in tasks_in(Place.at(tmp_path))] == [task_place(launch, rank).url for rank in range(3)]
    videos, given = read_share(task_place(launch, 2))
    assert videos == dealt[2] and given == (windows and {v.id: windows[v.id] for v in videos})
    with pytest.raises(UserError, match=r"holds no videos\.jsonl on this machine"):
        read_share(task_place(launch, 3))


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    """A task's place with real clips: six videos, one of them private."""
    shared = tmp_path_factory.mktemp("shared")
    made = make_videos(CATEGORIES, 3, channels_per_category=2, seed=3, duration_s=(10, 20))
    videos = [Video(v.id, f"https://youtu.be/{v.id}", "", "", v.category) for v in made]
    launch = new_launch(Place.at(shared), [videos])
    site = MediaSite([replace(made[0], state="private"), *made[1:]])
    with site, open_ledger(task_place(launch, 0).folder, SETTINGS) as ledger:
        collect(videos, ledger, SETTINGS, threads=2)
        return shared, dict(ledger.outcomes)


def clips_of(folder, outcomes):
    return [clip_path(folder, o.video_id, clip.index) for o in outcomes.values() for clip in o.clips]


def test_a_merge_takes_no_room_where_links_do_and_leaves_the_task_its_own(collected, tmp_path_factory):
    shared, outcomes = collected
    out = shared / "out"
    with open_ledger(out, SETTINGS) as ledger:
        assert (merge(shared, ledger, SETTINGS), merge(shared, ledger, SETTINGS)) == (6, 0)
        assert ledger.outcomes == outcomes
    here = clips_of(out, outcomes)
    assert len(here) == 10 and all(path.stat().st_nlink >= 2 for path in here)


def test_a_merge_that_was_killed_goes_on_and_clips_that_are_not_what_they_say_stay_away(collected, tmp_path):
    shared, outcomes = collected
    good = [o for o in outcomes.values() if o.clips]
    half = clip_path(tmp_path, f"{good[0].video_id}.part", 0)
    half.parent.mkdir(parents=True)
    half.write_bytes(b"fLaC")  # of a merge killed while it fetched
    whole = clip_path(tmp_path, good[1].video_id, 0)
    whole.parent.mkdir(parents=True)
    whole.write_bytes(b"of a merge killed before its line was written")
    [task] = tasks_in(Place.at(shared))
    victim = clip_path(task.folder, good[2].video_id, 1)
    kept = victim.read_bytes()
    victim.unlink()
    victim.write_bytes(kept[:-1])
    try:
        with open_ledger(tmp_path, SETTINGS) as ledger:
            assert merge(shared, ledger, SETTINGS) == 5 and good[2].video_id not in ledger.outcomes
            victim.write_bytes(kept)
            assert merge(shared, ledger, SETTINGS) == 1 and ledger.outcomes.keys() == outcomes.keys()
    finally:
        victim.write_bytes(kept)
    assert len(list((tmp_path / "clips").iterdir())) == len(good) and not list(tmp_path.rglob("*.part"))
    assert whole.read_bytes().startswith(b"fLaC")


def test_a_merge_keeps_what_is_worth_more(collected, tmp_path):
    shared, outcomes = collected
    [private] = [o for o in outcomes.values() if o.failure]
    [clipped, *_] = [o for o in outcomes.values() if o.clips]
    with open_ledger(tmp_path, SETTINGS) as ledger:
        mine = replace(private, failure=Failure(private.video_id, Reason.REMOVED, "seen from here"))
        ledger.append(mine)
        ledger.append(replace(clipped, clips=(), failure=Failure(clipped.video_id, Reason.GEO_BLOCKED, "from here")))
        assert merge(shared, ledger, SETTINGS) == 5
        assert ledger.outcomes[private.video_id] == mine and ledger.outcomes[clipped.video_id].clips


def test_a_merge_refuses_other_settings_and_passes_over_tasks_that_have_not_begun(collected, tmp_path):
    shared, _ = collected
    other = replace(SETTINGS, clips_per_video=3)
    with (
        open_ledger(tmp_path / "other", other) as ledger,
        pytest.raises(UserError, match="--clips-per-video was 2 and is"),
    ):
        merge(shared, ledger, other)
    launch = new_launch(Place.at(tmp_path), [VIDEOS, VIDEOS])
    (task_place(launch, 1).folder / LEDGER).write_bytes(b'{"settings": {"clips_')
    with open_ledger(tmp_path, SETTINGS) as ledger:
        assert merge(tmp_path, ledger, SETTINGS) == 0


def test_a_merge_downloads_from_an_object_store(collected, tmp_path):
    shared, outcomes = collected
    [task] = tasks_in(Place.at(shared))
    with Objects(tmp_path / "packages"):
        there = task_place(Place.at("objects://bucket/run/launches/20260102T030405-abcdef"), 0)
        there.write(SHARE, b"")
        for path in task.folder.rglob("*.flac"):
            there.write(str(path.relative_to(task.folder)), path.read_bytes())
        there.write(f"{PARTS}/000000-ab.jsonl", (task.folder / LEDGER).read_bytes())
        with open_ledger(tmp_path / "out", SETTINGS) as ledger:
            assert merge("objects://bucket/run", ledger, SETTINGS) == 6
    for path in clips_of(tmp_path / "out", outcomes):
        assert path.read_bytes() == (task.folder / path.relative_to(tmp_path / "out")).read_bytes()
        assert path.stat().st_nlink == 1
