from dataclasses import replace

import pytest
from media import real_files, real_streams

from ytaudio.catalog import Video
from ytaudio.clips import Window
from ytaudio.media import Media, Reason, locate, open_media, read_window
from ytaudio.media.locating import choose_format
from ytaudio.testing import make_videos

(VIDEO,) = make_videos(("food",), 1, seed=71, mp4=0.0)


def form(format_id: str, protocol: str, *, acodec: str | None = "mp4a.40.2", vcodec: str = "none", **more):
    common = {"format_id": format_id, "url": f"https://x/{format_id}", "protocol": protocol, "ext": "m4a"}
    return {**common, "acodec": acodec, "vcodec": vcodec, **more}


FRAGMENTS = [{"path": "init.mp4"}, {"path": "1.m4s", "duration": 4.0}]
FORMATS = [
    form("picture", "m3u8_native", acodec="none", vcodec="avc1", tbr=100),
    form("film-low", "m3u8_native", vcodec="avc1", acodec=None, tbr=300),
    form("film-high", "m3u8_native", vcodec="avc1", tbr=2500),
    form("sound-128", "m3u8_native", abr=128),
    form("sound-48", "http_dash_segments", abr=48, fragments=FRAGMENTS, fragment_base_url="https://x/"),
    form("from-start", "http_dash_segments", abr=64, fragments=lambda ctx: FRAGMENTS),
    form("smooth", "ism", abr=64),
    form("locked", "m3u8_native", abr=64, has_drm=True),
]


def test_of_streams_in_pieces_sound_alone_near_the_rate_is_chosen_then_the_smallest():
    def choice(formats):
        chosen = choose_format(formats)
        return chosen if isinstance(chosen, str) else chosen["format_id"]

    assert choice([*FORMATS, form("file", "https", vcodec="avc1", tbr=900)]) == "file", "a file goes before all of them"
    assert choice(FORMATS) == "sound-48"
    assert choice(FORMATS[:4]) == "sound-128"
    assert choice(FORMATS[:3]) == "film-low"
    assert choice(FORMATS[5:]) == "only offered as http_dash_segments, ism, which has no windows"
    assert choice([FORMATS[0], FORMATS[7]]) == "no format has sound"
    assert choice([form("perhaps", "m3u8_native", has_drm="maybe")]) == "perhaps", "its playlist will tell"


@pytest.mark.parametrize(("container", "protocol"), [("hls-ts", "m3u8_native"), ("dash", "http_dash_segments")])
def test_a_stream_in_pieces_comes_through_yt_dlp(container, protocol, put, site):
    found = locate(put(replace(VIDEO, container=container, duration_s=100.0)))
    assert isinstance(found, Media) and found.protocol == protocol
    told_s = [segment.seconds for segment in found.segments]
    assert told_s == ([*[9.6] * 10, pytest.approx(4.0, abs=0.05)] if container == "dash" else [])
    assert all(segment.init is not None for segment in found.segments)
    assert read_window(found, Window(50.0, 5.0)).shape == (80_000,)


def test_a_link_to_a_playlist_goes_through_yt_dlp_and_tells_its_own_length(site):
    for name, data in real_streams.streamed("ts").items():
        site.add_file(name, data, "application/vnd.apple.mpegurl" if name.endswith("m3u8") else "video/mp2t")
    found = locate(Video("u1", f"{site.url}/files/{real_streams.PLAYLIST}", "", "", "history"))
    assert isinstance(found, Media) and found.protocol == "m3u8_native"
    assert found.duration_s == pytest.approx(real_files.SECONDS, abs=0.05)
    assert read_window(found, Window(30.0, 2.0)).shape == (32_000,)


def test_a_link_to_a_live_playlist_is_live(site):
    text = real_streams.streamed("ts")[real_streams.PLAYLIST].decode()
    live = text.replace("#EXT-X-PLAYLIST-TYPE:VOD\n", "").replace("#EXT-X-ENDLIST\n", "")
    url = site.add_file("live.m3u8", live.encode(), "application/vnd.apple.mpegurl")
    assert locate(Video("u1", url, "", "", "")).reason is Reason.LIVE


@pytest.mark.parametrize(
    "tag", ['SAMPLE-AES,URI="skd://key",KEYFORMAT="com.apple.streamingkeydelivery"', "SAMPLE-AES-CTR"]
)
def test_a_link_to_a_locked_playlist_is_drm(tag, site):
    text = real_streams.streamed("ts")[real_streams.PLAYLIST].replace(
        b"#EXTINF", f"#EXT-X-KEY:METHOD={tag}\n#EXTINF".encode(), 1
    )
    url = site.add_file("locked.m3u8", text, "application/vnd.apple.mpegurl")
    found = locate(Video("u1", url, "", "", ""))  # yt-dlp knows some locks by sight
    assert (open_media(found) if isinstance(found, Media) else found).reason is Reason.DRM
