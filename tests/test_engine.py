import pytest

from ytaudio import media
from ytaudio.catalog import Video
from ytaudio.collect import collect
from ytaudio.engine import Job, collect_on, share
from ytaudio.errors import UserError
from ytaudio.ledger import Settings, open_ledger, read_ledger
from ytaudio.shares import merge, task_folder
from ytaudio.testing import MediaSite, make_videos, with_states

SETTINGS = Settings(clips_per_video=1, clip_seconds=2.0, seed=0)


@pytest.fixture(scope="module")
def site():
    made = make_videos(("food", "travel"), 3, channels_per_category=3, seed=4, duration_s=(10, 20))
    with MediaSite(with_states(made, ["private"])) as running:
        running.videos = tuple(Video(v.id, f"https://youtu.be/{v.id}", "", "", v.category) for v in made)
        yield running


def job(site, folder):
    return Job(site.videos, folder, SETTINGS, None, 2, media.Access())


def test_every_video_is_in_exactly_one_share(site):
    shares = [share(site.videos, SETTINGS, rank, 4) for rank in range(4)]
    assert sorted(v.id for s in shares for v in s) == sorted(v.id for v in site.videos)


def test_two_tasks_merged_equal_one_machine(site, tmp_path):
    collect_on("local", job(site, tmp_path / "many"), 2)
    assert {rank for rank in range(2) if (task_folder(tmp_path / "many", rank) / "ledger.jsonl").exists()} == {0, 1}
    with open_ledger(tmp_path / "many", SETTINGS) as ledger:
        assert merge(tmp_path / "many", ledger, SETTINGS) == len(site.videos)
        assert merge(tmp_path / "many", ledger, SETTINGS) == 0
    with open_ledger(tmp_path / "one", SETTINGS) as ledger:
        collect(site.videos, ledger, SETTINGS, threads=2)
    many, one = (read_ledger(tmp_path / name)[1] for name in ("many", "one"))
    assert {v: (o.clips, o.failure) for v, o in many.items()} == {v: (o.clips, o.failure) for v, o in one.items()}
    files = [{p.relative_to(tmp_path / n) for p in (tmp_path / n / "clips").rglob("*")} for n in ("many", "one")]
    assert files[0] == files[1] and files[0]


def test_what_is_done_is_not_read_again(site, tmp_path):
    collect_on("local", job(site, tmp_path), 2)
    site.reset_counts()
    collect_on("local", job(site, tmp_path), 2)
    assert site.requests == 0


def test_an_unknown_engine_is_one_sentence(site, tmp_path):
    with pytest.raises(UserError, match="no engine kubernetes"):
        collect_on("kubernetes", job(site, tmp_path), 2)
