import time

import pytest

from ytaudio.media import Media, Reason, open_media
from ytaudio.media.pieces import Part
from ytaudio.media.playlists import MOST_SEGMENTS, read_fragments, read_playlist
from ytaudio.media.ranges import StreamError

URL = "https://example.org/a/b/list.m3u8?token=x/y"
END = "#EXT-X-ENDLIST"


def text(*lines: str) -> str:
    return "\n".join(["#EXTM3U", *lines])


def test_addresses_begin_where_the_playlist_came_from():
    names = ("1.ts?q=a/b", "/top/2.ts", "//cdn.example.org/3.ts", "https://other.org/4.ts", "../5.ts")
    segments = read_playlist(text(*(line for name in names for line in ("#EXTINF:4,", name)), END), URL)
    assert [segment.part.url for segment in segments] == [
        "https://example.org/a/b/1.ts?q=a/b",
        "https://example.org/top/2.ts",
        "https://cdn.example.org/3.ts",
        "https://other.org/4.ts",
        "https://example.org/a/5.ts",
    ]
    assert [segment.begins_s for segment in segments] == [0, 4, 8, 12, 16]


def test_windows_lines_a_mark_in_front_and_unknown_tags_do_not_matter():
    odd = ("#EXT-X-PROGRAM-DATE-TIME:never", "#EXT-X-TARGETDURATION:", "#EXT-X-DATERANGE:broken=", "# a remark", "")
    told = "\r\n".join(["\ufeff#EXTM3U", *odd, "#EXTINF:4.5", "1.ts", "#EXTINF:0,", "2.ts", END])
    assert [(segment.seconds, segment.group) for segment in read_playlist(told, URL)] == [(4.5, 0), (0.0, 0)]


def test_byte_ranges_follow_each_other_and_headers_have_theirs():
    lines = ['#EXT-X-MAP:URI="all.mp4",BYTERANGE="700@0"', "#EXTINF:4,", "#EXT-X-BYTERANGE:100@700", "all.mp4"]
    lines += ["#EXTINF:4,", "#EXT-X-BYTERANGE:50", "all.mp4", "#EXTINF:4,", "other.mp4", END]
    first, second, third = read_playlist(text(*lines), URL)
    base = "https://example.org/a/b/"
    assert first.part == Part(base + "all.mp4", 700, 100) and second.part == Part(base + "all.mp4", 800, 50)
    assert third.part == Part(base + "other.mp4") and third.init == first.init == Part(base + "all.mp4", 0, 700)


def test_keys_have_a_vector_of_their_own_or_the_number_of_the_segment():
    lines = ["#EXT-X-MEDIA-SEQUENCE:9", "#EXTINF:4,", "0.ts", '#EXT-X-KEY:METHOD=AES-128,URI="k"', "#EXTINF:4,", "1.ts"]
    lines += ['#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0xFF', "#EXTINF:4,", "2.ts", "#EXT-X-KEY:METHOD=NONE", "#EXTINF:4,"]
    found = read_playlist(text(*lines, "3.ts", END), URL)
    assert [segment.part.iv for segment in found] == [b"", bytes(15) + b"\x0a", bytes(15) + b"\xff", b""]
    assert [bool(segment.part.key_url) for segment in found] == [False, True, True, False]


def test_discontinuities_begin_groups_but_not_in_front():
    mark = "#EXT-X-DISCONTINUITY"
    lines = [mark, "#EXTINF:4,", "0.ts", mark, "#EXTINF:4,", "1.ts", "#EXTINF:4,", "2.ts", END]
    assert [segment.group for segment in read_playlist(text("#EXT-X-DISCONTINUITY-SEQUENCE:3", *lines), URL)] == [
        0,
        1,
        1,
    ]


REFUSED = {
    "live": (text("#EXTINF:4,", "1.ts"), Reason.LIVE),
    "event": (text("#EXT-X-PLAYLIST-TYPE:EVENT", "#EXTINF:4,", "1.ts"), Reason.LIVE),
    "sample-aes": (text('#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://x"', "#EXTINF:4,", "1.ts", END), Reason.DRM),
    "keyformat": (
        text('#EXT-X-KEY:METHOD=AES-128,URI="k",KEYFORMAT="com.widevine"', "#EXTINF:4,", "1.ts", END),
        Reason.DRM,
    ),
    "pictures": (text("#EXT-X-I-FRAMES-ONLY", "#EXTINF:4,", "1.ts", END), Reason.NO_AUDIO),
    "a page": ("<html>please log in</html>", Reason.UNSUPPORTED),
    "nothing": ("", Reason.UNSUPPORTED),
    "empty": (text(END), Reason.UNSUPPORTED),
    "all missing": (text("#EXTINF:4,", "#EXT-X-GAP", "1.ts", END), Reason.UNSUPPORTED),
    "no seconds": (text("#EXTINF:0,", "1.ts", END), Reason.UNSUPPORTED),
    "no length": (text("#EXTINF:,", "1.ts", END), Reason.UNSUPPORTED),
    "no number": (text("#EXTINF:nan,", "1.ts", END), Reason.UNSUPPORTED),
    "negative": (text("#EXTINF:-4,", "1.ts", END), Reason.UNSUPPORTED),
    "endless": (text("#EXTINF:inf,", "1.ts", END), Reason.UNSUPPORTED),
    "no range": (text("#EXTINF:4,", "#EXT-X-BYTERANGE:0@5", "1.ts", END), Reason.UNSUPPORTED),
    "odd range": (text("#EXTINF:4,", "#EXT-X-BYTERANGE:x@y", "1.ts", END), Reason.UNSUPPORTED),
    "a file here": (text("#EXTINF:4,", "file:///etc/passwd", END), Reason.UNSUPPORTED),
    "a header here": (text('#EXT-X-MAP:URI="file:///etc/passwd"', "#EXTINF:4,", "1.ts", END), Reason.UNSUPPORTED),
    "a key here": (text('#EXT-X-KEY:METHOD=AES-128,URI="data:,k"', "#EXTINF:4,", "1.ts", END), Reason.UNSUPPORTED),
    "odd vector": (text('#EXT-X-KEY:METHOD=AES-128,URI="k",IV=zz', "#EXTINF:4,", "1.ts", END), Reason.UNSUPPORTED),
    "long vector": (
        text(f'#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0x{"f" * 40}', "#EXTINF:4,", "1", END),
        Reason.UNSUPPORTED,
    ),
    "a bad address": (text("#EXTINF:4,", "http://[::1/1.ts", END), Reason.UNSUPPORTED),
    "master of nothing": (text("#EXT-X-STREAM-INF:BANDWIDTH=1"), Reason.NO_AUDIO),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_read_in_windows_is_refused_with_its_reason(kind):
    told, reason = REFUSED[kind]
    with pytest.raises(StreamError) as caught:
        read_playlist(told, URL)
    assert caught.value.reason is reason and len(caught.value.detail) > 10


def test_of_many_streams_the_sound_alone_or_the_slowest_is_taken():
    streams = ["#EXT-X-STREAM-INF:BANDWIDTH=900000", "big.m3u8", "#EXT-X-STREAM-INF:BANDWIDTH=200000", "small.m3u8"]
    assert read_playlist(text(*streams), URL) == "https://example.org/a/b/small.m3u8"
    media = ['#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="de",URI="de.m3u8"']
    media += ['#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="en",DEFAULT=YES,URI="en.m3u8"']
    assert read_playlist(text(*media, *streams), URL) == "https://example.org/a/b/en.m3u8"


def test_a_playlist_that_lists_itself_ends(site):
    site.add_file("circle.m3u8", text("#EXT-X-STREAM-INF:BANDWIDTH=1", "circle.m3u8").encode())
    media = Media("x", f"{site.url}/files/circle.m3u8", {}, 60.0, "", "", "", "", "", protocol="m3u8_native")
    found = open_media(media)
    assert found.reason is Reason.UNSUPPORTED and site.requests == 3


def test_a_playlist_as_large_as_a_film_is_not_read(site):
    media = Media("x", site.add_file("huge.m3u8", b"#" * (48 << 20)), {}, 60.0, *[""] * 5, protocol="m3u8_native")
    assert open_media(media).reason is Reason.UNSUPPORTED
    site.close()  # cuts the answer, so that it is counted
    assert site.bytes_sent < 16 << 20, "it is refused by its length, unread"


def test_thousands_of_segments_are_read_in_no_time_and_more_than_that_are_refused():
    lines = [line for k in range(20_000) for line in ("#EXTINF:2.0,", f"{k}.ts")]
    began = time.monotonic()
    assert len(read_playlist(text(*lines, END), URL)) == 20_000
    assert time.monotonic() - began < 10
    with pytest.raises(StreamError, match="more than"):
        read_playlist(text(*lines * 6, END), URL)
    with pytest.raises(StreamError, match="longer than"):
        read_playlist(text(*["#EXT-X-KEY:METHOD=NONE"] * 6_000, *lines[:2], END), URL)
    with pytest.raises(StreamError, match="longer than"):
        read_playlist(text(*["x"] * 1_100_000, *lines[:2], END), URL)
    with pytest.raises(StreamError, match="more than"):
        read_fragments([{"url": "https://x/1", "duration": 1}] * (MOST_SEGMENTS + 1), "")


def test_fragments_of_dash_as_yt_dlp_tells_them():
    told = [{"path": "init.mp4"}, {"path": "1.m4s", "duration": 2}, {"url": "https://y/2.m4s", "duration": 2.5}]
    first, second, third = read_fragments(
        [*told, {"path": "init2.mp4"}, {"path": "3.m4s", "duration": 2}], "https://x/v/"
    )
    assert first.part.url == "https://x/v/1.m4s" and first.init == Part("https://x/v/init.mp4")
    assert (second.part.url, second.begins_s, second.group) == ("https://y/2.m4s", 2.0, 0)
    assert (third.init, third.begins_s, third.group) == (Part("https://x/v/init2.mp4"), 4.5, 1), "of another period"
    with pytest.raises(StreamError):
        read_fragments([{"path": "1.m4s"}, {"path": "2.m4s"}], "https://x/")
