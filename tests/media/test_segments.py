import gzip
import random
import re
from dataclasses import replace
from itertools import accumulate

import numpy as np
import pytest
from Cryptodome.Cipher import AES
from Cryptodome.Util.Padding import pad
from media import real_files, real_streams
from media.misbehaviour import EXPECTED
from media.real_streams import PLAYLIST
from media.wire import Wire, answer

from ytaudio.clips import Window
from ytaudio.media import Access, Failure, Media, Reason, locate, open_media
from ytaudio.testing import make_videos
from ytaudio.testing.sounds import render
from ytaudio.testing.streams import STREAMS, TransportStream, VirtualStream
from ytaudio.testing.virtual import CHUNK_S, encode_loop

(VIDEO,) = make_videos(("history",), 1, seed=51, mp4=0.0)
QUICK = Access(timeout_s=30.0, retries=1, backoff_s=0.0)
HASTY = replace(QUICK, timeout_s=1.0)
HOUR_S = 3600.0
WINDOWS = (Window(41.3, 8.0), Window(1.0, 5.0), Window(20.017, 3.5), Window(0.0, 2.0), Window(53.5, 5.0))
MIDDLE = Window(19.5, 3.0)  # inside the fourth segment


def listed(url: str, duration_s: float = real_files.SECONDS) -> Media:
    return Media("listed", url, {}, duration_s, "", "", "", "", "", protocol="m3u8_native")


@pytest.fixture
def serve(site):
    """A function: put the files of a stream online, under a name of their own, and get the media."""

    def add(files: dict[str, bytes], prefix: str = "") -> Media:
        names = sorted(files, key=len, reverse=True)
        for name, data in files.items():
            if name == PLAYLIST:
                for other in names:
                    data = re.sub(
                        rb'(?m)(^|")' + re.escape(other.encode()), rb"\g<1>" + (prefix + other).encode(), data
                    )
            site.add_file(prefix + name, data)
        return listed(f"{site.url}/files/{prefix}{PLAYLIST}")

    return add


def playlist(segments: list[tuple[str, float]], *, head: str = "", marks: dict[int, str] | None = None) -> bytes:
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:10", *([head] if head else [])]
    for number, (name, seconds) in enumerate(segments):
        lines += [*([marks[number]] if marks and number in marks else []), f"#EXTINF:{seconds},", name]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""]).encode()


def told(kind: str) -> list[tuple[str, float]]:
    """The segments that FFmpeg's playlist lists, by name and seconds."""
    text = real_streams.streamed(kind)[PLAYLIST].decode()
    return [(name, float(seconds)) for seconds, name in re.findall(r"#EXTINF:([\d.]+),\n(\S+)", text)]


def assert_is(
    heard: np.ndarray | Failure, truth: np.ndarray, start_s: float, seconds: float, least: float = 0.985
) -> None:
    """Check that a window is whole, and that it is this stretch of the true sound.

    A sound of some kHz that stands one sample (63 us) elsewhere has a correlation of 0.9, and AAC puts noise of its own
    into each decoding.
    """
    start, size = round(start_s * 16_000), round(seconds * 16_000)
    assert isinstance(heard, np.ndarray), heard
    assert heard.dtype == np.float32 and heard.size == size
    assert np.corrcoef(heard, truth[start : start + size])[0, 1] > least


@pytest.mark.parametrize("kind", real_streams.KINDS)
def test_a_window_is_a_stretch_of_the_full_decode_in_any_order(kind, site, serve):
    media = serve(real_streams.streamed(kind))
    truth = real_streams.decoded(kind)
    if kind == "fmp4-opus":  # what the full decode cuts off in front, the file counts as time: 312 samples at 48 kHz
        truth = np.concatenate([np.zeros(104, np.float32), truth])
    site.reset_counts()
    with open_media(media) as reader:
        assert reader.duration_s == pytest.approx(truth.size / 16_000, abs=0.05)
        first = {window: reader.window(window) for window in WINDOWS}
        for window, heard in first.items():
            assert_is(heard, truth, window.start_s, window.seconds)
        for window in sorted(WINDOWS, key=lambda window: -window.start_s):
            assert np.array_equal(reader.window(window), first[window])
        end = reader.window(Window(57.0, 20.0))
        assert end.size == pytest.approx(truth.size - 57 * 16_000, abs=2), "the last window is as long as the stream"
        assert (reader.bytes_read, reader.requests) == (site.bytes_sent, site.requests)


@pytest.mark.parametrize("kind", ["ts", "fmp4-ranges"])
def test_only_overlapped_segments_are_read_and_playlist_and_header_once(kind, site, serve):
    media = serve(real_streams.streamed(kind))
    site.reset_counts()
    with open_media(media) as reader:
        assert site.requests == (2 if kind == "ts" else 3) and site.bytes_sent < 40_000, (
            "playlist, header, first packet"
        )
        for start_s in (19.5, 31.5, 43.5):
            before = site.requests
            assert reader.window(Window(start_s, 3.0)).size == 48_000
            assert site.requests == before + 1
        assert reader.window(Window(44.0, 2.0)).size == 32_000 and site.requests == before + 1, "its segment is known"
    asked = [request.path for request in site.log]
    assert asked.count(f"/files/{PLAYLIST}") == 1 and asked.count("/files/init.mp4") <= 1


def test_stretches_of_one_resource_that_follow_each_other_are_one_request(site, serve):
    media = serve(real_streams.streamed("ts-ranges"))
    with open_media(media) as reader:
        site.reset_counts()
        assert reader.window(Window(10.0, 30.0)).size == 480_000
        assert site.requests == 1 and site.log[0].range.startswith("bytes=")


def test_after_a_discontinuity_the_clock_is_another_and_the_lengths_go_on(serve):
    files, segments = real_streams.streamed("ts"), told("ts")
    twice = segments[2:6] + segments[:5]
    begins = list(accumulate((seconds for _, seconds in segments), initial=0.0))
    media = serve({**files, PLAYLIST: playlist(twice, marks={4: "#EXT-X-DISCONTINUITY"})}, "twice-")
    truth = real_streams.decoded("ts")
    seam_s = begins[6] - begins[2]
    with open_media(media) as reader:
        assert_is(reader.window(Window(5.0, 4.0)), truth, begins[2] + 5.0, 4.0, least=0.9)
        beyond = Window(seam_s + 8.0, 4.0)
        late = reader.window(beyond)
        assert_is(late, truth, 8.0, 4.0, least=0.9)
        across = reader.window(Window(seam_s - 2.0, 4.0))
        assert across.size == 64_000
        before, after = truth[round((begins[6] - 2.0) * 16_000) :][:32_000], truth[:32_000]
        assert np.corrcoef(across[:31_500], before[:31_500])[0, 1] > 0.9
        assert np.corrcoef(across[33_500:], after[1_500:])[0, 1] > 0.9
        assert np.array_equal(reader.window(beyond), late)


def made(kind, duration_s: float) -> VirtualStream:
    loop = encode_loop(render("history", 51_000, "UCsegments"), kind, 64_000)
    return VirtualStream(loop, kind, duration_s)


def parts(stream: VirtualStream, count: int) -> dict[str, bytes]:
    return {f"{k}.ts": stream.part(f"{k}.ts")[0] for k in range(count)}


def test_a_clock_of_33_bits_runs_over(serve):
    whole_s = 2**33 / 90_000
    windows = [Window(start_s, 4.0) for start_s in (2.0, 17.0, 33.0, 60.0)]
    heard = {}
    for begins_s in (10.0, whole_s - 20.0, whole_s - 0.01, whole_s - 19.2):
        stream = made(TransportStream(begins_s), 80.0)
        files = {**parts(stream, 9), PLAYLIST: stream.part(PLAYLIST)[0]}
        with open_media(serve(files, f"{begins_s:.0f}-")) as reader:
            heard[begins_s] = [reader.window(window) for window in windows]
    for begins_s, found in heard.items():
        for ours, right in zip(found, heard[10.0], strict=True):
            assert ours.shape == (64_000,)
            assert np.abs(ours - right).max() < 1e-3, f"a clock that begins at {begins_s} s"


def test_a_clock_that_starts_anew_with_every_segment_gives_way_to_the_lengths(serve):
    stream = made(TransportStream(), 80.0)
    again = {f"{k}.ts": TransportStream().chunk(stream._groups[k % 3], 0) for k in range(8)}
    text = stream.part(PLAYLIST)[0].replace(b"8.ts", b"7.ts")
    with (
        open_media(serve({**parts(stream, 9), PLAYLIST: stream.part(PLAYLIST)[0]}, "right-")) as right,
        open_media(serve({**again, PLAYLIST: text}, "anew-")) as reader,
    ):
        for window in (Window(3.0, 4.0), Window(17.0, 9.0), Window(50.0, 4.0)):
            assert np.corrcoef(reader.window(window), right.window(window))[0, 1] > 0.999


def test_lengths_rounded_to_seconds_do_not_lead_astray(site, put, serve):
    put(replace(VIDEO, container="hls-ts", duration_s=HOUR_S))
    base = f"{site.url}/media/{VIDEO.id}/"
    names = [(f"{base}{k}.ts", 10) for k in range(375)]  # each is 9.6 s long
    site.add_file("rounded.m3u8", playlist(names))
    with (
        open_media(listed(base + "index.m3u8")) as exact,
        open_media(listed(f"{site.url}/files/rounded.m3u8", HOUR_S)) as reader,
    ):
        assert reader.duration_s == HOUR_S, "the page knows better"
        for start_s in (3000.0, 100.0, 3590.0):
            assert np.array_equal(reader.window(Window(start_s, 6.0)), exact.window(Window(start_s, 6.0)))
            assert reader.requests < 60


@pytest.mark.parametrize("vector", [None, 7])
def test_encrypted_segments_are_read_with_their_key(vector, site, serve):
    key, segments, files = bytes(range(16)), told("ts"), real_streams.streamed("ts")

    def locked(number: int, data: bytes) -> bytes:
        iv = (number + 40 if vector is None else vector).to_bytes(16, "big")
        return AES.new(key, AES.MODE_CBC, iv).encrypt(pad(data, 16))

    hidden = {name: locked(k, files[name]) for k, (name, _) in enumerate(segments)}
    told_vector = f",IV=0x{vector:032X}" if vector else ""
    head = f'#EXT-X-MEDIA-SEQUENCE:40\n#EXT-X-KEY:METHOD=AES-128,URI="locked-key?who=me,you"{told_vector}'
    site.add_file("locked-key", key)
    media = serve({**hidden, PLAYLIST: playlist(segments, head=head)}, "locked-")
    site.reset_counts()
    with open_media(media) as reader:
        for window in WINDOWS:
            assert_is(reader.window(window), real_streams.decoded("ts"), window.start_s, window.seconds)
    assert [request.path for request in site.log].count("/files/locked-key?who=me,you") == 1
    site.add_file("locked-key", b"too short")
    assert open_media(media).reason is Reason.DRM


def test_an_encrypted_header_is_read_with_the_key_of_its_segments(site, serve):
    files, key, iv = real_streams.streamed("fmp4"), b"k" * 16, b"\0" * 15 + b"\x01"

    def locked(data: bytes) -> bytes:
        return AES.new(key, AES.MODE_CBC, iv).encrypt(pad(data, 16))

    hidden = {name: locked(data) for name, data in files.items() if name != PLAYLIST}
    head = '#EXT-X-KEY:METHOD=AES-128,URI="head-key",IV=0x01\n#EXT-X-MAP:URI="init.mp4"'
    site.add_file("head-key", key)
    with open_media(serve({**hidden, PLAYLIST: playlist(told("fmp4"), head=head)}, "head-")) as reader:
        assert_is(reader.window(MIDDLE), real_streams.decoded("fmp4"), MIDDLE.start_s, MIDDLE.seconds)


@pytest.mark.parametrize("muxer", ["adts", "mp3"])
def test_segments_without_a_container_tell_their_time_in_a_tag(muxer, serve):
    segments, lengths, truth = real_streams.packed(muxer)
    names = [f"{k}.{muxer}" for k in range(len(segments))]
    files = dict(zip(names, segments, strict=True))
    listing = list(zip(names, lengths, strict=True))
    with open_media(serve({**files, PLAYLIST: playlist(listing)}, f"{muxer}-")) as reader:
        for start_s in (22.0, 3.0, 41.0):
            heard = reader.window(Window(start_s, 4.0))
            assert_is(heard, truth, start_s, 4.0)
    rounded = [(name, 5) for name in names]  # 4.99 s each: only the tags tell
    with open_media(serve({**files, PLAYLIST: playlist(rounded)}, f"{muxer}-rounded-")) as reader:
        assert_is(reader.window(Window(41.0, 4.0)), truth, 41.0, 4.0)


def test_what_the_playlist_says_is_missing_is_silent_and_the_rest_is_right(site, serve):
    files, segments = real_streams.streamed("ts"), told("ts")
    begins = list(accumulate((seconds for _, seconds in segments), initial=0.0))
    missing = segments[3][0]
    text = playlist(segments, marks={3: "#EXT-X-GAP"})
    media = serve({**{n: d for n, d in files.items() if n != missing}, PLAYLIST: text}, "gap-")
    truth = real_streams.decoded("ts")
    with open_media(media) as reader:
        heard = reader.window(Window(begins[3] - 2.0, 10.0))
        assert heard.size == 160_000 and np.all(heard[34_000:126_000] == 0)
        assert np.corrcoef(heard[:31_000], truth[round((begins[3] - 2) * 16_000) :][:31_000])[0, 1] > 0.999
        back = round((begins[4] - begins[3] + 2.2) * 16_000)
        assert np.corrcoef(heard[back:], truth[round((begins[3] - 2) * 16_000) + back :][: 160_000 - back])[0, 1] > 0.99
        assert reader.window(Window(begins[3] + 1.0, 3.0)).reason is Reason.UNSUPPORTED


HARMLESS = {"416", "ignore_range", "wrong_content_range"}  # to a request for all of a segment


@pytest.mark.parametrize("kind", ["ts", "ts-ranges"])
@pytest.mark.parametrize("how", EXPECTED)
def test_a_segment_answered_wrongly_is_a_failure_of_its_window(how, kind, site, serve):
    media = serve(real_streams.streamed(kind), "wrong-")
    name = "wrong-" + (told("ts")[3][0] if kind == "ts" else f"{PLAYLIST.removesuffix('m3u8')}ts")
    with open_media(media, HASTY if how == "stall" else QUICK) as reader:
        site.misbehave(name, how, times=2)
        before = reader.bytes_read
        heard = reader.window(MIDDLE)
        if kind == "ts" and how in HARMLESS - {"416"}:
            assert heard.size == 48_000, "no range was asked for"
        else:
            assert isinstance(heard, Failure) and heard.reason is EXPECTED[how] and heard.video_id == "listed"
            assert reader.bytes_read - before < 400_000
        while site.next_misbehaviour(name):
            pass
        assert_is(reader.window(MIDDLE), real_streams.decoded("ts"), MIDDLE.start_s, MIDDLE.seconds)


@pytest.mark.parametrize("how", ["500", "truncate", "stall"])
def test_what_passes_is_tried_again(how, site, serve):
    media = serve(real_streams.streamed("ts"), "again-")
    with open_media(media, HASTY if how == "stall" else QUICK) as reader:
        site.misbehave("again-" + told("ts")[3][0], how)
        assert_is(reader.window(MIDDLE), real_streams.decoded("ts"), MIDDLE.start_s, MIDDLE.seconds)


@pytest.mark.parametrize("how", ["404", "429", "truncate"])
def test_a_playlist_or_first_segment_answered_wrongly_is_a_failure(how, site, serve):
    media = serve(real_streams.streamed("ts"), "start-")
    for name in (PLAYLIST, "index0.ts"):
        site.misbehave("start-" + name, how, times=4)
        assert open_media(media, QUICK).reason is EXPECTED[how]


def test_a_whole_download_never_happens_silently(site, put):
    found = locate(put(replace(VIDEO, container="hls-ts", duration_s=11 * HOUR_S)))
    with open_media(found, QUICK) as reader:
        before = reader.bytes_read
        heard = reader.window(Window(0.0, 2 * HOUR_S))
        assert heard.reason is Reason.UNSUPPORTED and "16 MB" in heard.detail
        assert reader.bytes_read - before < 1 << 20
        assert reader.window(Window(100.0, 5.0)).shape == (80_000,), "one refused window spoils the next"


@pytest.mark.parametrize("container", STREAMS)
def test_cost_grows_with_the_playlist_alone(container, site, put):
    costs = []
    for duration_s in (300.0, HOUR_S, 11 * HOUR_S):
        found = locate(put(replace(VIDEO, container=container, duration_s=duration_s)))
        assert isinstance(found, Media) and found.protocol != "https"
        stream = site.media(VIDEO.id)
        site.reset_counts()
        with open_media(found) as reader:
            # as far into a segment, whatever the length
            start_s = int(duration_s / 2 / CHUNK_S) * CHUNK_S + 2.0
            assert reader.window(Window(start_s, 30.0)).shape == (480_000,)
            assert reader.duration_s == pytest.approx(duration_s, abs=0.05)
        texts = sum(r.bytes for r in site.log if r.path.endswith("m3u8"))
        costs.append((site.requests, site.bytes_sent - texts))
        assert site.bytes_sent - texts < 1.6 * 30 * stream.size / stream.duration_s + 40_000
    requests, sizes = zip(*costs, strict=True)
    assert set(requests) <= {5, 6, 7} and max(sizes) < 1.05 * min(sizes)


@pytest.mark.parametrize("container", STREAMS)
def test_the_middle_of_eleven_hours_is_where_it_should_be(container, put):
    found = locate(put(replace(VIDEO, container=container, duration_s=11 * HOUR_S)))
    with open_media(found) as reader:
        early, late = reader.window(Window(33.8, 6.0)), reader.window(Window(700 * 28.8 + 5.0, 6.0))
        assert early.shape == late.shape == (96_000,)
        assert np.abs(early - late).max() < 1e-3


def test_the_users_cookies_and_headers_travel_with_every_segment(site, serve, tmp_path):
    host = site.url.split("//")[1].split(":")[0]
    jar = tmp_path / "cookies.txt"
    jar.write_text(f"# Netscape HTTP Cookie File\n{host}\tFALSE\t/\tFALSE\t0\tLOGIN\tsecret\n")
    media = replace(serve(real_streams.streamed("fmp4")), http_headers={"X-Test": "yes"})
    site.reset_counts()
    with open_media(media, replace(QUICK, cookies=jar)) as reader:
        assert reader.window(MIDDLE).size == 48_000
    assert len(site.log) == 4
    assert all(r.headers["Cookie"] == "LOGIN=secret" and r.headers["X-Test"] == "yes" for r in site.log)


def test_a_server_without_ranges_lengths_or_manners():
    """A redirected playlist, zipped, and segments of unknown length."""
    files = real_streams.streamed("ts")

    def say(head: str) -> bytes:
        path = head.split()[1]
        if path == "/short":
            return answer("302 Found", Location="/deep/er/list.m3u8?token=a/b")
        if path.startswith("/deep/er/list.m3u8"):
            return answer("200 OK", gzip.compress(files[PLAYLIST]), Content_Encoding="gzip")
        if (name := path.removeprefix("/deep/er/")) in files:
            return answer("200 OK", files[name], Content_Length="")
        return answer("404 Not Found")

    with Wire(say) as wire, open_media(listed(f"{wire.url}/short"), QUICK) as reader:
        assert "gzip" in wire.asked[0] and "identity" in wire.asked[-1]
        assert_is(reader.window(MIDDLE), real_streams.decoded("ts"), MIDDLE.start_s, MIDDLE.seconds)


@pytest.mark.parametrize(
    "told",
    [gzip.compress(b"#EXTM3U\n" * 999)[:-20], gzip.compress(bytes(17 << 20)), b"\x1f\x8bno"],
    ids=["cut", "large", "other"],
)
def test_a_page_that_is_zipped_badly_or_to_burst_is_a_failure(told):
    with Wire(lambda head: answer("200 OK", told, Content_Encoding="gzip")) as wire:
        found = open_media(listed(wire.url), replace(QUICK, retries=0))
        assert isinstance(found, Failure) and found.reason in (Reason.SERVER_ERROR, Reason.NETWORK)


@pytest.mark.parametrize("protocol", ["https", "m3u8_native"])
def test_a_file_that_lists_files_of_this_machine_opens_none_of_them(protocol, site, tmp_path, monkeypatch):
    (tmp_path / "secret.wav").write_bytes(real_files.encoded("wav"))
    monkeypatch.chdir(tmp_path)
    listing = b"ffconcat version 1.0\nfile secret.wav\n"
    site.add_file("listing.ts", listing)
    site.add_file("listing.m3u8", playlist([("listing.ts", 10.0)]))
    url = f"{site.url}/files/listing.{'m3u8' if protocol == 'm3u8_native' else 'ts'}"
    found = open_media(replace(listed(url), protocol=protocol))
    assert isinstance(found, Failure) and found.reason is Reason.UNSUPPORTED


def test_a_wall_names_its_time(site, serve):
    site.retry_after = "7"
    with open_media(serve(real_streams.streamed("ts"), "wall-"), QUICK) as reader:
        site.misbehave("wall-" + told("ts")[3][0], "429")
        assert reader.window(MIDDLE).retry_after_s == 7.0


def spoiled(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    how = rng.randrange(5)
    if how == 0:
        changed = bytearray(data)
        for _ in range(rng.choice((1, 10, 300))):
            changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        return bytes(changed)
    return (data[:at], data[at:], rng.randbytes(len(data)), b"")[how - 1]


@pytest.mark.parametrize("kind", ["ts", "fmp4", "ts-ranges"])
def test_harmed_segments_and_playlists_never_crash_or_lie(kind, site):
    rng = random.Random(kind)
    for number in range(15):
        files = dict(real_streams.streamed(kind))
        for name in rng.sample(sorted(files), min(3, len(files) - 1)):
            files[name] = spoiled(files[name], rng)
        for name, data in files.items():
            site.add_file(name, data)
        opened = open_media(listed(f"{site.url}/files/{PLAYLIST}"), replace(QUICK, retries=0))
        if isinstance(opened, Failure):
            continue
        with opened as reader:
            for window in (Window(20.0, 5.0), Window(57.0, 10.0)):
                heard = reader.window(window)
                if not isinstance(heard, Failure):
                    assert heard.dtype == np.float32 and heard.size <= window.seconds * 16_000, number
                    assert np.isfinite(heard).all()
