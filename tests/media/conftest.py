"""A video site of one test's own."""

import pytest

from ytaudio.catalog import Video
from ytaudio.testing import MediaSite


@pytest.fixture
def site():
    with MediaSite() as running:
        yield running


@pytest.fixture
def put(site):
    """A function: put a video online, and get the catalogue's idea of it."""

    def add(video) -> Video:
        site.add(video)
        return Video(video.id, f"https://www.youtube.com/watch?v={video.id}", "", "", video.category)

    return add
