import hashlib
import threading
import time

import pytest

from ytaudio import clips, media
from ytaudio.catalog import Video
from ytaudio.clips import Window
from ytaudio.collect import collect
from ytaudio.ledger import Settings, open_ledger, read_ledger
from ytaudio.manners import Manners
from ytaudio.media import Failure, Reason
from ytaudio.testing import MediaSite, make_videos
from ytaudio.turns import visiting_order
from ytaudio.visits import clip_path

CATEGORIES = ("food", "travel")
SETTINGS = Settings(clips_per_video=2, clip_seconds=2.0, seed=0)


@pytest.fixture(scope="module")
def site():
    made = make_videos(CATEGORIES, 6, channels_per_category=3, seed=1, duration_s=(20, 60))
    with MediaSite(made) as running:
        running.made = made
        yield running


@pytest.fixture
def videos(site):
    return [Video(v.id, f"https://www.youtube.com/watch?v={v.id}", "", "", v.category) for v in site.made]


def gather(folder, videos, **options):
    with open_ledger(folder, SETTINGS) as ledger:
        collected = collect(videos, ledger, SETTINGS, threads=3, **options)
        return collected, dict(ledger.outcomes)


def files(folder):
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*.flac")}


def test_every_video_becomes_the_clips_its_ledger_says(site, videos, tmp_path):
    collected, outcomes = gather(tmp_path, videos)
    assert collected.attempted == len(videos) == len(outcomes) and collected.stopped_by is None
    for video in videos:
        outcome = outcomes[video.id]
        assert outcome.failure is None and outcome.category == video.category
        assert outcome.channel_id and outcome.bytes_read > 0
        assert len(outcome.clips) == 2
        for clip in outcome.clips:
            flac = clip_path(tmp_path, video.id, clip.index).read_bytes()
            assert hashlib.sha256(flac).hexdigest() == clip.sha256
            assert clips.decode(flac).size == clip.samples == 32_000
    assert read_ledger(tmp_path) == (SETTINGS, outcomes)


def test_a_rerun_reads_nothing(site, videos, tmp_path):
    gather(tmp_path, videos)
    before = files(tmp_path)
    site.reset_counts()
    collected, _ = gather(tmp_path, videos)
    assert (collected.attempted, site.requests) == (0, 0)
    assert files(tmp_path) == before


def test_it_stops_at_enough_and_replaces_a_dead_video_by_the_next(site, videos, tmp_path):
    order = visiting_order(videos, SETTINGS.seed)
    dead = order["food"][1].id

    def locate(video):
        return Failure(dead, Reason.REMOVED, "Video unavailable") if video.id == dead else media.locate(video)

    _, outcomes = gather(tmp_path, videos, per_category=3, locate=locate)
    assert {v for v, o in outcomes.items() if o.clips} == {
        *(order["food"][n].id for n in (0, 2, 3)),
        *(order["travel"][n].id for n in (0, 1, 2)),
    }
    assert outcomes[dead].failure.reason is Reason.REMOVED


def failing(reasons):
    """A locate that fails for some videos."""

    def locate(video):
        reason = reasons.get(video.id)
        return Failure(video.id, reason, "said so") if reason else media.locate(video)

    return locate


def test_temporary_failures_are_tried_again_and_permanent_ones_are_not(site, videos, tmp_path):
    gone, flaky = videos[0].id, videos[1].id
    locate = failing({gone: Reason.PRIVATE, flaky: Reason.SERVER_ERROR})
    _, outcomes = gather(tmp_path, videos, locate=locate)
    assert outcomes[gone].failure and outcomes[flaky].failure
    visited = []
    _, outcomes = gather(tmp_path, videos, locate=lambda video: visited.append(video.id) or media.locate(video))
    assert visited == [flaky] and outcomes[flaky].clips and outcomes[gone].failure.detail == "said so"


def test_chosen_reasons_are_tried_again_though_they_are_settled(site, videos, tmp_path):
    gone, closed = videos[0].id, videos[1].id
    gather(tmp_path, videos, locate=failing({gone: Reason.REMOVED, closed: Reason.AGE_RESTRICTED}))
    _, outcomes = gather(tmp_path, videos, retry={Reason.AGE_RESTRICTED})
    assert outcomes[closed].clips and outcomes[gone].failure.reason is Reason.REMOVED


def test_a_video_whose_clip_files_are_gone_is_read_again(site, videos, tmp_path):
    gather(tmp_path, videos)
    before = files(tmp_path)
    clip_path(tmp_path, videos[2].id, 1).unlink()
    collected, _ = gather(tmp_path, videos)
    assert collected.attempted == 1 and files(tmp_path) == before


def test_a_wall_pauses_everything_then_ends_the_run_and_blames_no_video(site, videos, tmp_path):
    pauses, seen = [], []
    wall = Failure("", Reason.BOT_CHECK, "Sign in to confirm you're not a bot")
    collected, outcomes = gather(
        tmp_path,
        videos,
        locate=lambda video: wall,
        pause=pauses.append,
        show=lambda progress: seen.append(progress.waiting_s),
    )
    assert collected.stopped_by is wall and outcomes == {}
    assert tuple(pauses) == Manners().pauses_s() and set(pauses) <= set(seen)
    collected, outcomes = gather(tmp_path, videos)
    assert all(outcome.clips for outcome in outcomes.values()) and len(outcomes) == len(videos)


def test_after_a_short_wall_the_run_goes_on(site, videos, tmp_path):
    answers = iter([Failure("", Reason.RATE_LIMITED, "HTTP Error 429", retry_after_s=77.0)])
    pauses = []
    _, outcomes = gather(tmp_path, videos, locate=lambda v: next(answers, None) or media.locate(v), pause=pauses.append)
    assert pauses == [77.0] and len(outcomes) == len(videos)


def test_a_wall_in_the_middle_of_a_video_is_a_wall_too(site, videos, tmp_path):
    site.misbehave(videos[0].id, "429", times=1, after=1)
    pauses = []
    _, outcomes = gather(tmp_path, videos[:1], pause=pauses.append)
    assert len(pauses) == 1 and outcomes[videos[0].id].clips
    assert not list(tmp_path.rglob("*.part"))


def test_a_video_that_alone_meets_a_wall_stops_nobody_and_waits_for_another_day(site, videos, tmp_path):
    odd, pauses = visiting_order(videos, SETTINGS.seed)["food"][0], []
    gather(tmp_path, videos[:4])
    locate = failing({odd.id: Reason.BOT_CHECK})
    (tmp_path / "ledger.jsonl").write_text(
        "".join(line for line in (tmp_path / "ledger.jsonl").open() if odd.id not in line)
    )
    collected, outcomes = gather(tmp_path, videos, locate=locate, pause=pauses.append)
    assert collected.stopped_by is None and pauses == []
    assert [failure.reason for failure in collected.left] == [Reason.BOT_CHECK]
    assert outcomes.keys() == {video.id for video in videos} - {odd.id}, "no video is blamed for a wall"
    collected, outcomes = gather(tmp_path, videos)
    assert outcomes[odd.id].clips and collected.left == ()


def test_a_video_that_is_left_for_another_day_has_its_place_taken(site, videos, tmp_path):
    order = visiting_order(videos, SETTINGS.seed)
    odd = order["food"][1]
    with open_ledger(tmp_path, SETTINGS) as ledger:
        collect(order["food"][:1], ledger, SETTINGS, threads=1)
        ended = collect(
            order["food"], ledger, SETTINGS, per_category=3, threads=3, locate=failing({odd.id: Reason.BOT_CHECK})
        )
        good = [video.id for video in order["food"] if video.id in ledger.outcomes and ledger.outcomes[video.id].clips]
    assert good == [order["food"][n].id for n in (0, 2, 3)] and len(ended.left) == 1


def test_a_site_that_answers_pages_and_no_sound_is_a_wall_at_once(site, videos, tmp_path):
    gather(tmp_path, videos[:1])
    for video in videos:
        site.misbehave(video.id, "429", times=1)
    located = []
    with open_ledger(tmp_path, SETTINGS) as ledger:
        ended = collect(
            videos,
            ledger,
            SETTINGS,
            threads=1,
            manners=Manners(patience_s=0.0),
            locate=lambda video: located.append(video.id) or media.locate(video),
        )
    for video in videos:
        while site.next_misbehaviour(video.id):
            pass
    assert ended.stopped_by.reason is Reason.RATE_LIMITED
    assert len(located) == 2 and located[1] == videos[0].id, "the video that meets it, and the one that did not before"


def test_many_videos_that_alone_meet_a_wall_are_a_wall(site, videos, tmp_path):
    gather(tmp_path, videos[:1])
    walled = failing(dict.fromkeys((video.id for video in videos[1:]), Reason.BOT_CHECK))
    collected, outcomes = gather(tmp_path, videos, locate=walled, manners=Manners(patience_s=0.0))
    assert collected.stopped_by.reason is Reason.BOT_CHECK and outcomes.keys() == {videos[0].id}


def test_after_a_pause_one_video_goes_ahead_and_a_walled_site_is_not_hammered(site, videos, tmp_path):
    asked = [0]
    wall = Failure("", Reason.BOT_CHECK, "not a bot")

    def locate(video):
        asked[-1] += 1
        return wall

    collected, _ = gather(tmp_path, videos, locate=locate, pause=lambda seconds: asked.append(0))
    assert collected.stopped_by is wall
    assert asked[0] <= 3 and asked[1:] == [1] * len(Manners().pauses_s())


def test_of_many_walls_the_longest_time_that_the_site_names_is_waited(site, videos, tmp_path):
    together = threading.Barrier(3)
    offline = Failure("", Reason.OFFLINE, "nothing answers")
    walls = [*(Failure("", Reason.RATE_LIMITED, "429", retry_after_s=seconds) for seconds in (300.0, 0.0)), offline]

    def locate(video):
        if not walls:
            return media.locate(video)
        wall = walls.pop(0)
        together.wait(timeout=60)
        return wall

    pauses = []
    _, outcomes = gather(tmp_path, videos, locate=locate, pause=pauses.append)
    assert pauses == [300.0] and all(outcome.clips for outcome in outcomes.values())


@pytest.mark.parametrize("when", ["goes meanwhile", "comes back meanwhile"])
def test_what_others_were_answered_meanwhile_does_not_put_the_blame_on_a_video(when, site, videos, tmp_path):
    down, answered, tries, pauses, seen = threading.Event(), threading.Event(), [], [], set()

    def locate(video):
        if video.id != videos[0].id:
            again = video.id in seen  # as a witness
            seen.add(video.id)
            return Failure(video.id, Reason.NETWORK, "no route") if again and down.is_set() else media.locate(video)
        tries.append(video.id)
        if len(tries) > 2:
            return media.locate(video)
        if len(tries) == 2:
            assert answered.wait(timeout=60)
        (down.set if len(tries) == (2 if when.startswith("goes") else 1) else down.clear)()
        return Failure(video.id, Reason.NETWORK, "no route")

    def pause(seconds):
        pauses.append(seconds)
        down.clear()

    def show(progress):
        if len(tries) == 2 and sum(progress.good.values()) == len(videos) - 1:
            answered.set()

    def online(urls):
        return not down.is_set()

    _, outcomes = gather(tmp_path, videos, locate=locate, online=online, pause=pause, show=show)
    assert outcomes[videos[0].id].clips and len(outcomes) == len(videos) and len(pauses) == 1


def test_a_machine_that_is_offline_blames_no_video(site, videos, tmp_path):
    asked, pauses = [], []

    def online(urls):
        asked.append(tuple(urls))
        return False

    dead = failing(dict.fromkeys((video.id for video in videos), Reason.NETWORK))
    collected, outcomes = gather(tmp_path, videos, locate=dead, online=online, pause=pauses.append)
    assert collected.stopped_by.reason is Reason.OFFLINE and "said so" in collected.stopped_by.detail
    assert outcomes == {} and tuple(pauses) == Manners().pauses_s()
    assert asked and all("https://www.youtube.com/" in urls for urls in asked)
    assert len(gather(tmp_path, videos)[1]) == len(videos)


def test_a_network_that_comes_back_costs_no_video(site, videos, tmp_path):
    down = {"left": 7}

    def locate(video):
        down["left"] -= 1
        return Failure(video.id, Reason.NETWORK, "no route") if down["left"] >= 0 else media.locate(video)

    pauses = []
    _, outcomes = gather(tmp_path, videos, locate=locate, online=lambda urls: down["left"] < 0, pause=pauses.append)
    assert all(outcome.clips for outcome in outcomes.values()) and len(outcomes) == len(videos)


def test_a_dead_host_is_the_videos_own_fault_when_others_answer(site, videos, tmp_path):
    tries = []

    def locate(video):
        if video.id != videos[0].id:
            return media.locate(video)
        tries.append(video.id)
        return Failure(video.id, Reason.NETWORK, "no such host")

    collected, outcomes = gather(tmp_path, videos, locate=locate, online=lambda urls: True)
    assert collected.stopped_by is None and len(tries) == 2
    assert outcomes[videos[0].id].failure.reason is Reason.NETWORK and not outcomes[videos[0].id].settled


def test_visits_begin_apart(site, videos, tmp_path):
    pauses = []
    began = time.monotonic()
    gather(tmp_path, videos[:4], manners=Manners(sleep_s=0.2), pause=lambda s: pauses.append(s) or time.sleep(s))
    assert time.monotonic() - began >= 3 * 0.1
    assert all(0 < s <= 0.3 for s in pauses)


def test_windows_that_are_given_are_read_and_no_others(site, videos, tmp_path):
    windows = {video.id: [Window(3.25, 2.0), Window(11.0, 2.0)] for video in videos}
    _, outcomes = gather(tmp_path, videos, windows=windows)
    assert {tuple(clip.start_s for clip in outcome.clips) for outcome in outcomes.values()} == {(3.25, 11.0)}


def test_a_cut_last_line_is_forgotten_and_its_video_read_again(site, videos, tmp_path):
    gather(tmp_path, videos)
    ledger = tmp_path / "ledger.jsonl"
    whole = ledger.read_bytes()
    ledger.write_bytes(whole[:-30])
    site.reset_counts()
    collected, outcomes = gather(tmp_path, videos)
    assert collected.attempted == 1 and len(outcomes) == len(videos)
