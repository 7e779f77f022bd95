"""The small catalogue, the site, and the dataset that an uninterrupted build makes of them: once a session."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from crash.forge import Forge
from crash.world import World, made_of

from ytaudio.catalog import Video
from ytaudio.testing import MediaSite, make_videos, write_catalog
from ytaudio.turns import visiting_order


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> Iterator[World]:
    place = tmp_path_factory.mktemp("crash")
    videos = {v.id: v for v in make_videos(("food", "travel"), 6, channels_per_category=3, seed=1, duration_s=(8, 15))}
    order = visiting_order([Video(v.id, "", "", "", v.category) for v in videos.values()], 0)
    for category, place_in_line, state in (("food", 0, "removed"), ("food", 2, "silent"), ("travel", 1, "private")):
        one = order[category][place_in_line].id
        videos[one] = replace(videos[one], state=state)
    with MediaSite(videos.values()) as site, Forge(place / "runs") as forge:
        for one in videos:
            site.media(one)
        csv = write_catalog(place / "youtube.csv", videos.values(), duplicates=1)
        world = World(site, forge, csv, {}, 0, [], sorted(videos))
        done = world.build(place / "clean", watched=str(place / "clean"))
        assert done.code == 0, done.stderr
        world.clean, world.moments = made_of(place / "clean"), done.moments
        world.visited = sorted(world.asked() & set(videos))
        yield world
