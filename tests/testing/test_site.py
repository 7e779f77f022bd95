import http.client
import os
import subprocess
import sys
import threading
from dataclasses import replace
from urllib.request import Request, urlopen

import pytest

from ytaudio.testing import MediaSite, make_videos

(VIDEO,) = make_videos(("food",), 1, seed=11, mp4=0.0)
LOCATE = """
from ytaudio.catalog import Video
from ytaudio.media import locate
print(locate(Video({0!r}, "https://youtu.be/{0}", "", "", "food")))
"""


@pytest.fixture
def site():
    with MediaSite([VIDEO]) as running:
        yield running


def get(site, path, asked=None, method="GET"):
    with urlopen(Request(site.url + path, headers={"Range": asked} if asked else {}, method=method)) as answer:
        return answer.status, answer.headers, answer.read()


def test_ranges_head_and_lengths(site):
    path = f"/media/{VIDEO.id}.webm"
    status, headers, whole = get(site, path)
    size = len(whole)
    assert status == 200 and headers["Accept-Ranges"] == "bytes" and headers["Content-Type"] == "audio/webm"
    for asked, start, stop in (("0-99", 0, 100), (f"{size - 5}-", size - 5, size), ("-7", size - 7, size)):
        status, headers, part = get(site, path, f"bytes={asked}")
        assert status == 206 and part == whole[start:stop]
        assert headers["Content-Range"] == f"bytes {start}-{stop - 1}/{size}"
    status, headers, nothing = get(site, path, "bytes=0-99", method="HEAD")
    assert (status, headers["Content-Length"], nothing) == (206, "100", b"")
    with pytest.raises(OSError, match="416"):
        get(site, path, f"bytes={size}-")
    assert site.bytes_sent == size + 100 + 5 + 7
    assert [request.status for request in site.log] == [200, 206, 206, 206, 206, 416]
    assert site.log[1].range == "bytes=0-99" and site.log[1].path == path


def test_a_connection_serves_many_requests(site):
    site.add_file("hello.txt", b"hello world", "text/plain")
    connection = http.client.HTTPConnection(site.url.removeprefix("http://"))
    for _ in range(3):
        connection.request("GET", "/files/hello.txt", headers={"Range": "bytes=6-"})
        assert connection.getresponse().read() == b"world"
    sock = connection.sock
    connection.request("GET", "/nowhere")
    answer = connection.getresponse()
    assert answer.status == 404 and answer.read() and connection.sock is sock
    connection.close()


def test_a_video_asked_for_at_once_by_many_is_made_once(site):
    found = []
    threads = [threading.Thread(target=lambda: found.append(site.media(VIDEO.id))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(media) for media in found}) == 1


def test_a_child_process_finds_youtube_here(site):
    script = LOCATE.format(VIDEO.id)
    environment = {**os.environ, **site.environment()}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert f"{site.url}/media/{VIDEO.id}.webm" in done.stdout


def test_a_process_whose_plugins_are_loaded_already_finds_it_too():
    script = f"""
from yt_dlp import YoutubeDL
YoutubeDL({{"quiet": True}}).get_info_extractor("Youtube").suitable("https://youtu.be/{VIDEO.id}")
from ytaudio.testing import MediaSite, SiteVideo
with MediaSite([{VIDEO!r}]) as site:
    {LOCATE.format(VIDEO.id).strip().replace(chr(10), chr(10) + "    ")}
"""
    environment = {k: v for k, v in os.environ.items() if k != "YTAUDIO_MEDIA_SITE"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Media("), done.stdout


def test_leaving_the_site_leaves_no_trace_and_youtube_is_youtube_again():
    from ytaudio.catalog import Video
    from ytaudio.media import Access, Failure, locate

    before, path = dict(os.environ), list(sys.path)
    with MediaSite([VIDEO]) as site:
        assert os.environ["YTAUDIO_MEDIA_SITE"] == site.url
    assert dict(os.environ) == before and sys.path == path
    with MediaSite() as other:
        pass
    found = locate(Video(VIDEO.id, f"https://youtu.be/{VIDEO.id}", "", "", ""), access=Access(retries=0, timeout_s=1))
    assert isinstance(found, Failure), "the tests' guard lets nothing out, so the real site cannot be reached"
    assert site.requests == other.requests == 0


def test_what_cannot_be_is_said(site):
    with pytest.raises(ValueError, match="unknown state 'gone'"):
        site.add(replace(VIDEO, state="gone"))
    with pytest.raises(ValueError, match="unknown misbehaviour '418'"):
        site.misbehave(VIDEO.id, "418")
