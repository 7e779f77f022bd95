"""Links that would lead ytaudio into the machine it runs on, or the network behind it.

127.0.0.2 is called public here, and 127.0.0.1 is not: whatever is tried, nobody may ever connect to the server there.
"""

import os
from contextlib import contextmanager
from dataclasses import replace
from functools import cache

import pytest
from media import real_files
from media.guarded import HANDLERS, ONCE, PRIVATE, PUBLIC, Names, guarded_dl
from media.wire import Wire, answer

from ytaudio.building import Plan, build
from ytaudio.catalog import Video, parse_link, read_catalog
from ytaudio.clips import Window
from ytaudio.engine import Machines, collect_on
from ytaudio.inputs import find_media
from ytaudio.ledger import Settings, open_ledger, read_ledger
from ytaudio.manners import Manners
from ytaudio.media import Access, Failure, Media, Reason, local_file, locate, online, open_media
from ytaudio.shares import merge
from ytaudio.sources import read_source
from ytaudio.splits import PROTOCOLS
from ytaudio.testing import MediaSite

SPELLINGS = {
    "plain": "http://127.0.0.1:{port}/",
    "a name": "http://localhost:{port}/",
    "a dot at the end": "http://127.0.0.1.:{port}/",
    "a decimal number": "http://2130706433:{port}/",
    "hexadecimal": "http://0x7f000001:{port}/",
    "octal": "http://0177.0.0.01:{port}/",
    "two parts": "http://127.1:{port}/",
    "mixed": "http://0x7f.1:{port}/",
    "too large for a byte": "http://127.0.1:{port}/",
    "zero": "http://0:{port}/",
    "no address": "http://0.0.0.0:{port}/",
    "IPv6": "http://[::1]:{port}/",
    "no address of IPv6": "http://[::]:{port}/",
    "IPv4 in IPv6": "http://[::ffff:127.0.0.1]:{port}/",
    "IPv4 in IPv6, in hexadecimal": "http://[::ffff:7f00:1]:{port}/",
    "IPv4-compatible": "http://[::127.0.0.1]:{port}/",
    "NAT64": "http://[64:ff9b::127.0.0.1]:{port}/",
    "6to4": "http://[2002:7f00:1::]:{port}/",
    "link-local": "http://[fe80::1%25lo]:{port}/",
    "full width": "http://\uff11\uff12\uff17.0.0.1:{port}/",
    "another full stop": "http://127\u30020\u30020\u30021:{port}/",
    "circled digits": "http://\u2460\u2461\u2466.0.0.1:{port}/",
    "percent signs": "http://%31%32%37.0.0.1:{port}/",
    "a user in front": "http://good.example@127.0.0.1:{port}/",
    "a user and a password": "http://good.example:80@127.0.0.1:{port}/",
    "a backslash": "http://good.example\\@127.0.0.1:{port}/",
    "a hash": "http://127.0.0.1:{port}#@good.example/",
    "a tab": "http://127.0.\t0.1:{port}/",
    "no scheme": "//127.0.0.1:{port}/",
    "TLS": "https://127.0.0.1:{port}/",
    "cloud metadata": "http://169.254.169.254/latest/meta-data/",
    "cloud metadata over IPv6": "http://[fd00:ec2::254]/",
    "carrier's network": "http://100.100.100.200/",
    "a file": "file:///etc/passwd",
    "a file of a host": "file://localhost/etc/passwd",
    "data": "data:text/html,<video src=x>",
    "FTP": "ftp://127.0.0.1:{port}/x.mp3",
    "RTMP": "rtmp://127.0.0.1:{port}/x",
    "gopher": "gopher://127.0.0.1:{port}/x",
    "a search": "ytsearch:sound",
    "a web socket": "ws://127.0.0.1:{port}/",
}


@cache
def guarded(handler="Requests"):
    """A YoutubeDL for all attacks that leave no trace in it; to make one takes 130 ms."""
    return guarded_dl(handler)


@contextmanager
def vault():
    """The server that nobody may reach; leaving it asserts that nobody did."""
    with Wire(lambda head: answer("200 OK", b"secret"), PRIVATE) as wire:
        yield wire
        assert wire.connections == 0, wire.asked


def found_at(url, ydl, protocol="https"):
    """The link's page, or the stream itself, up to its first window: a Failure where one step is refused."""
    if protocol == "page":
        media = locate(Video("v", url, "", "", ""), ydl, access=ONCE)
    else:
        media = Media("v", url, {}, 60.0, "", "", "", "", "", protocol=protocol)
    reader = media if isinstance(media, Failure) else open_media(media, ONCE, ydl)
    if isinstance(reader, Failure):
        return reader
    with reader:
        return reader.window(Window(1.0, 2.0))


@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_link_into_this_machine_is_refused_however_it_is_written(spelling, handler):
    with vault() as private:
        url = SPELLINGS[spelling].format(port=private.port)
        for protocol in ("page", "https", "m3u8_native"):
            if protocol != "page" and url.startswith("file:"):
                continue  # what `locate` made is trusted: it never makes such a stream of a link
            found = found_at(url, guarded(handler), protocol)
            web = url.startswith(("http:", "https:")) or (url.startswith("//") and protocol != "page")
            assert found.reason is (Reason.PRIVATE_HOST if web else Reason.BAD_LINK), found


@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_redirect_into_this_machine_is_refused(spelling, handler):
    with vault() as private:
        there = SPELLINGS[spelling].format(port=private.port).encode().decode("latin-1")
        with Wire(lambda head: answer("302 Found", Location=there), PUBLIC) as public:
            for protocol in ("page", "https", "m3u8_native"):
                found = found_at(f"{public.url}/x", guarded(handler), protocol)
                assert isinstance(found, Failure) and found.reason.kind != "wall", found
            assert public.connections >= 3


def test_a_redirect_is_refused_with_its_reason_at_once_and_for_good():
    with vault() as private, Wire(lambda head: answer("302 Found", Location=private.url), PUBLIC) as public:
        patient = replace(ONCE, retries=2, backoff_s=30.0)  # which nobody waits for
        found = locate(Video("v", public.url, "", "", ""), guarded(), access=patient)
        assert found.reason is Reason.PRIVATE_HOST and found.reason.kind == "permanent"
        assert found.detail == (
            "127.0.0.1 leads to a private network (127.0.0.1): give --allow-private-hosts if you mean it"
        )
        media = Media("v", f"{public.url}/x", {}, 60.0, "", "", "", "", "")
        assert open_media(media, patient, guarded()).reason is Reason.PRIVATE_HOST


def playlist(*lines):
    return "\n".join(["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-TARGETDURATION:10", *lines, "#EXT-X-ENDLIST", ""])


PLAYLISTS = {
    "a segment": playlist("#EXTINF:10,", "{there}"),
    "a key": playlist('#EXT-X-KEY:METHOD=AES-128,URI="{there}"', "#EXTINF:10,", "{here}/a.ts"),
    "a header": playlist('#EXT-X-MAP:URI="{there}"', "#EXTINF:10,", "{here}/a.mp4"),
    "a variant": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{there}\n",
    "a sound of its own": '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="{there}"\n'
    '#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"\n{here}/v.m3u8\n',
}
THERE = (
    "{private}/x",
    "//127.0.0.1:{port}/x",
    "http://0x7f.1:{port}/x",
    "file:///etc/hostname",
    "data:video/mp2t;base64,R0A=",
)


@pytest.mark.parametrize("there", THERE)
@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_playlist_that_names_this_machine_is_refused(kind, there):
    with vault() as private:
        there = there.format(private=private.url, port=private.port)

        def say(head: str) -> bytes:
            text = PLAYLISTS[kind].format(there=there, here=public.url)
            return answer("200 OK", text.encode() if ".m3u8" in head.split()[1] else bytes(188 * 16))

        with Wire(say, PUBLIC) as public:
            for protocol in ("page", "m3u8_native"):
                found = found_at(f"{public.url}/list.m3u8", guarded(), protocol)
                assert isinstance(found, Failure), found
                wanted = (Reason.UNSUPPORTED, Reason.BAD_LINK)
                if "127" in there or "0x7f" in there:
                    wanted = (Reason.PRIVATE_HOST,)
                assert found.reason in wanted, found


MPD = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT20S">'
    '<BaseURL>{there}</BaseURL><Period><AdaptationSet mimeType="audio/mp4" codecs="mp4a.40.2">'
    '<SegmentTemplate media="$Number$.m4s" initialization="i.mp4" duration="10" timescale="1"/>'
    '<Representation id="1" bandwidth="64000" audioSamplingRate="44100"/></AdaptationSet></Period></MPD>'
)


@pytest.mark.parametrize("there", ["{private}/", "http://2130706433:{port}/", "file:///etc/", "data:,"])
def test_a_manifest_of_dash_that_names_this_machine_is_refused(there):
    with vault() as private:
        text = MPD.format(there=there.format(private=private.url, port=private.port))
        typed = {"Content_Type": "application/dash+xml"}
        with Wire(lambda head: answer("200 OK", text.encode(), **typed), PUBLIC) as public:
            found = found_at(f"{public.url}/x.mpd", guarded(), "page")
            wanted = (Reason.PRIVATE_HOST,) if "{p" in there else (Reason.UNSUPPORTED, Reason.BAD_LINK, Reason.NO_AUDIO)
            assert found.reason in wanted, found


PAGES = {
    "a video": '<video><source src="{there}" type="video/mp4"></video>',
    "a sound": '<audio src="{there}"></audio>',
    "a stream": '<video src="{there}" type="application/x-mpegurl"></video>',
    "an embedded page": '<iframe src="{there}"></iframe><meta property="og:video" content="{there}">',
    "a card": '<meta name="twitter:player:stream" content="{there}">',
    "JSON-LD": '<script type="application/ld+json">{{"@context": "https://schema.org", "@type": "VideoObject", '
    '"name": "x", "contentUrl": "{there}"}}</script>',
    "a refresh": '<meta http-equiv="refresh" content="0; url={there}">',
    "a player": '<script>jwplayer(\'x\').setup({{"file": "{there}"}})</script>',
}


@pytest.mark.parametrize("kind", PAGES)
def test_a_page_that_names_this_machine_leads_nowhere(kind, tmp_path):
    secret = tmp_path / "secret.wav"
    secret.write_bytes(real_files.encoded("wav"))
    with vault() as private:
        for there in (f"{private.url}/x.mp4", f"{private.url}/x.m3u8", f"{secret.as_uri()}#.m3u8", secret.as_uri()):
            page = f"<html><head><title>x</title></head><body>{PAGES[kind].format(there=there)}</body></html>"
            typed = {"Content_Type": "text/html"}
            with Wire(lambda head, page=page, typed=typed: answer("200 OK", page.encode(), **typed), PUBLIC) as public:
                found = found_at(public.url, guarded(), "page")
                assert isinstance(found, Failure), there
                seen = found.reason in (Reason.PRIVATE_HOST, Reason.BAD_LINK, Reason.UNSUPPORTED)
                assert found.reason is Reason.PRIVATE_HOST if there.startswith("http:") else seen, found


def test_a_format_that_names_a_file_of_this_machine_is_no_media(tmp_path):
    """yt-dlp takes an address that ends in .m3u8, if only behind a hash, for a playlist, whatever its scheme."""
    (tmp_path / "secret.wav").write_bytes(real_files.encoded("wav"))

    class Extractor:
        def __init__(self, url: str, protocol: str) -> None:
            self.info = {"url": url, "protocol": protocol, "duration": 10}

        def extract_info(self, url, download):
            return self.info

    secret = (tmp_path / "secret.wav").as_uri()
    for url in (f"{secret}#.m3u8", secret, f" {secret}", f"\x01{secret}", secret.replace("file", "FILE")):
        for protocol in ("http", "https", "m3u8_native", "http_dash_segments"):
            found = locate(Video("v", "http://x", "", "", ""), Extractor(url, protocol), access=ONCE)
            assert isinstance(found, Failure) and "secret" not in found.detail, found


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_name_that_moves_between_two_lookups_is_refused_where_it_connects(handler):
    """DNS rebinding: each connection is made to the address that was looked at, by one lookup."""
    with vault() as private, Wire(lambda head: answer("200 OK", b"page"), PUBLIC) as public:
        names = Names(rebinds_example=[[PUBLIC], [PRIVATE]])
        ydl = guarded_dl(handler, names)
        assert ydl.urlopen(f"http://rebinds.example:{public.port}/").read() == b"page"
        found = found_at(f"http://rebinds.example:{private.port}/x.webm", ydl)
        assert found.reason is Reason.PRIVATE_HOST and f"({PRIVATE})" in found.detail
        assert names.asked["rebinds.example"] == 2, "one lookup a connection"


@pytest.mark.parametrize("addresses", [[PRIVATE], [PRIVATE, PUBLIC], ["127.0.0.3", PRIVATE], ["10.0.0.1"]])
def test_a_name_with_a_private_address_is_refused(addresses):
    with vault() as private:
        found = found_at(f"http://trap.example:{private.port}/x", guarded_dl(names=Names(trap_example=[addresses])))
        assert found.reason is Reason.PRIVATE_HOST and addresses[0] in found.detail


def test_a_name_whose_public_address_is_dead_does_not_fall_back_to_a_private_one():
    with vault() as private:
        names = Names(trap_example=[[PUBLIC, PRIVATE]])  # nobody listens at this port of the public one
        assert found_at(f"http://trap.example:{private.port}/x", guarded_dl(names=names)).reason is Reason.PRIVATE_HOST


@pytest.fixture(scope="module", params=HANDLERS)
def proxied(request):
    """A proxy of the user's on this machine, and a YoutubeDL that goes by it."""
    with Wire(lambda head: answer("200 OK", b"secret"), PRIVATE) as proxy:
        yield proxy, guarded_dl(request.param, Names(), replace(ONCE, proxy=proxy.url))


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_users_proxy_is_not_asked_for_a_private_address(spelling, proxied):
    proxy, ydl = proxied
    with vault() as private:
        found = found_at(SPELLINGS[spelling].format(port=private.port), ydl, "page")
        assert isinstance(found, Failure) and proxy.asked == [], (found, proxy.asked)


@pytest.mark.parametrize("handler", HANDLERS)
def test_what_comes_through_the_users_proxy_redirects_nowhere_private(handler):
    there = "http://metadata.google.internal/", "http://169.254.169.254/", "https://intranet/", "http://trap.example/"
    for location in there:
        with Wire(lambda head, to=location: answer("302 Found", Location=to), PRIVATE) as proxy:
            ydl = guarded_dl(handler, Names(trap_example=[["10.1.2.3"]]), replace(ONCE, proxy=proxy.url))
            found = found_at("http://good.example/", ydl)
            assert found.reason is Reason.PRIVATE_HOST and len(proxy.asked) == 1, (location, proxy.asked)


LISTS = {
    "a.m3u8": playlist("#EXTINF:10,", "secret.wav"),
    "b.m3u8": playlist("#EXTINF:10,", "{private}/x.ts"),
    "c.m3u8": playlist("#EXTINF:10,", "concat:secret.wav|{private}"),
    "d.m3u8": playlist('#EXT-X-KEY:METHOD=AES-128,URI="{private}/k"', "#EXTINF:10,", "secret.wav"),
    "e.m3u8": playlist("#EXTINF:10,", "pipe:0"),
    "a.ffconcat": "ffconcat version 1.0\nfile secret.wav\n",
    "b.ffconcat": "ffconcat version 1.0\nfile {private}/x\n",
    "c.ffconcat": "ffconcat version 1.0\nfile secret.wav\noption protocol_whitelist file,http,tcp\noption safe 0\n",
    "a.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n",
    "a.mpd": MPD.format(there="{private}/"),
    "a.idx": "# VobSub index file, v7\ntimestamp: 00:00:00:000, filepos: 000000000\n",
    "a.pls": "[playlist]\nFile1={private}/\n",
    "a.asx": '<asx><entry><ref href="{private}/"/></entry></asx>',
    "a.ram": "rtsp://127.0.0.1:{port}/x\n",
    "a%d.png": "",
}


@pytest.mark.parametrize("name", LISTS)
def test_a_file_that_lists_others_opens_none_of_them(name, tmp_path, monkeypatch):
    """FFmpeg reads playlists by itself, if it is let."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.wav").write_bytes(real_files.encoded("wav"))
    with vault() as private:
        text = LISTS[name].replace("{private}", private.url).replace("{port}", str(private.port))
        (tmp_path / name).write_text(text)
        found = local_file(tmp_path / name)
        assert isinstance(found, Failure) and found.reason in (Reason.UNSUPPORTED, Reason.NO_AUDIO), found


def test_nobody_is_asked_whether_a_private_network_is_there():
    with vault() as private:
        assert not online([private.url, f"http://localhost:{private.port}/"], ONCE)


def test_links_that_are_no_web_addresses_are_refused_by_the_catalogue_and_by_classify(tmp_path):
    for url in (
        "file:///etc/passwd",
        "data:,x",
        "ftp://127.0.0.1/x",
        "javascript:1",
        "ytsearch:x",
        "concat:a|b",
        "//x/y",
    ):
        with pytest.raises(ValueError, match="bad_link"):
            parse_link(url)
        with find_media(url, ONCE) as found:
            assert found.reason is Reason.BAD_LINK, url
    (tmp_path / "x.csv").write_text("link,category\nfile:///etc/passwd,food\ndQw4w9WgXcQ,food\n")
    assert [each.reason for each in read_catalog(tmp_path / "x.csv").rejected] == ["bad_link"]


def test_classify_refuses_a_private_host():
    with vault() as private, find_media(f"{private.url}/x.wav", ONCE) as found:
        assert found.reason is Reason.PRIVATE_HOST


SETTINGS = Settings(clips_per_video=1, clip_seconds=2.0)


@pytest.fixture
def listed(tmp_path):
    """A site on loopback and a CSV of plain links to its four sounds."""
    with MediaSite() as site:
        links = [site.add_file(f"{k}.wav", real_files.encoded("wav"), "audio/wav") for k in range(4)]
        rows = [f"{link},{'food' if k % 2 else 'travel'}" for k, link in enumerate(links)]
        (tmp_path / "x.csv").write_text("\n".join(["link,category", *rows, ""]))
        site.reset_counts()
        yield site, read_source(str(tmp_path / "x.csv"))


def test_build_leaves_private_links_alone_and_takes_them_where_that_is_allowed(listed, tmp_path):
    site, source = listed
    plan = Plan(SETTINGS, PROTOCOLS["default"], threads=2, manners=Manners(patience_s=0.0), access=ONCE)
    with pytest.raises(Exception, match="private_host"):
        build(source, tmp_path / "out", plan)
    outcomes = read_ledger(tmp_path / "out")[1].values()
    assert {outcome.failure.reason for outcome in outcomes} == {Reason.PRIVATE_HOST} and len(outcomes) == 4
    assert site.requests == 0
    report = build(source, tmp_path / "out", replace(plan, access=replace(ONCE, allow_private_hosts=True)))
    assert report.collected == 4 and site.requests > 0


def test_tasks_on_other_machines_take_the_launchers_word_not_their_environments(listed, tmp_path):
    site, source = listed
    assert os.environ["YTAUDIO_ALLOW_PRIVATE_HOSTS"] == "1", "the tasks' environment allows it; the job does not"
    for allowed, collected in ((False, 0), (True, 4)):
        access = Access(retries=0, allow_private_hosts=allowed)
        retry = [Reason.PRIVATE_HOST] if allowed else []
        with open_ledger(tmp_path / "out", SETTINGS) as ledger:
            machines = Machines("local", 1, threads=2, access=access)
            collect_on(machines, source.catalog.videos, ledger, SETTINGS, retry=retry)
            merge(tmp_path / "out", ledger, SETTINGS)
            assert sum(bool(outcome.clips) for outcome in ledger.outcomes.values()) == collected
        assert (site.requests > 0) is allowed
