import http.client
import io
import socket
import ssl
from dataclasses import replace
from email.utils import formatdate

import pytest
from media import real_files
from yt_dlp import YoutubeDL
from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.networking import Response
from yt_dlp.networking.exceptions import (
    CertificateVerifyError,
    HTTPError,
    IncompleteRead,
    RequestError,
    TransportError,
)
from yt_dlp.utils import DownloadError, ExtractorError, GeoRestrictedError, UnsupportedError

from ytaudio.catalog import Video
from ytaudio.media import Access, Failure, Media, Reason, classify, locate
from ytaudio.media.access import youtube_dl
from ytaudio.media.failures import read_retry_after, retry_after_s
from ytaudio.media.locating import choose_format
from ytaudio.testing import make_videos

(VIDEO,) = make_videos(("food",), 1, seed=31, mp4=0.0)
IMPATIENT = Access(timeout_s=5, retries=0, backoff_s=0)

EXPECTED = {
    "ok": None,
    "silent": None,
    "removed": Reason.REMOVED,
    "private": Reason.PRIVATE,
    "members_only": Reason.MEMBERS_ONLY,
    "age_restricted": Reason.AGE_RESTRICTED,
    "geo_blocked": Reason.GEO_BLOCKED,
    "drm": Reason.DRM,
    "live": Reason.LIVE,
    "upcoming": Reason.UPCOMING,
    "no_audio": Reason.NO_AUDIO,
    "bot_check": Reason.BOT_CHECK,
    "rate_limited": Reason.RATE_LIMITED,
    "network": Reason.NETWORK,
    "server_error": Reason.SERVER_ERROR,
}
SENTENCES = {
    "Incomplete YouTube ID abc. URL https://youtu.be/abc looks truncated.": Reason.BAD_LINK,
    "'//x' is not a valid URL. Set --default-search": Reason.BAD_LINK,
    "Video unavailable": Reason.REMOVED,
    "Video unavailable. This video is not available": Reason.REMOVED,
    "This video isn't available anymore": Reason.REMOVED,
    "This video has been removed by the uploader": Reason.REMOVED,
    "This video has been removed for violating YouTube's Terms of Service": Reason.REMOVED,
    "This video is no longer available because the YouTube account associated with it has been terminated.": (
        Reason.REMOVED
    ),
    "This video is no longer available because the uploader has closed their YouTube account.": Reason.REMOVED,
    "Video unavailable. This video is no longer available due to a copyright claim by X": Reason.REMOVED,
    "This video contains content from X, who has blocked it on copyright grounds": Reason.REMOVED,
    "This live stream recording is not available.": Reason.REMOVED,
    "This channel does not exist.": Reason.REMOVED,
    "Private video. Sign in if you've been granted access to this video": Reason.PRIVATE,
    "This video is private": Reason.PRIVATE,
    "This video is private. If the owner of this video has granted you access, please sign in.": Reason.PRIVATE,
    "This video is only available for registered users. Use --cookies": Reason.PRIVATE,
    "Join this channel to get access to members-only content": Reason.MEMBERS_ONLY,
    "This video is available to this channel's members on level: Fan (or any higher level).": Reason.MEMBERS_ONLY,
    "This video is only available to Music Premium members": Reason.MEMBERS_ONLY,
    "This video requires payment to watch.": Reason.MEMBERS_ONLY,
    "Sign in to confirm your age. This video may be inappropriate for some users.": Reason.AGE_RESTRICTED,
    "This video is age-restricted and only available on YouTube.": Reason.AGE_RESTRICTED,
    "The following content is not appropriate for all ages": Reason.AGE_RESTRICTED,
    "AGE_VERIFICATION_REQUIRED": Reason.AGE_RESTRICTED,
    "The uploader has not made this video available in your country": Reason.GEO_BLOCKED,
    "This video is not available in your country": Reason.GEO_BLOCKED,
    "This video contains content from X, who has blocked it in your country on copyright grounds": Reason.GEO_BLOCKED,
    "This video is not available from your location due to geo restriction": Reason.GEO_BLOCKED,
    "Sign in to confirm you’re not a bot. Use --cookies": Reason.BOT_CHECK,
    "Sign in to confirm you're not a bot. Use --cookies": Reason.BOT_CHECK,
    "Video unavailable. YouTube is requiring a captcha challenge before playback": Reason.BOT_CHECK,
    "Video unavailable. This content isn't available, try again later": Reason.RATE_LIMITED,
    "Video unavailable. This content isn’t available, try again later. The current session has been rate-limited by "
    "YouTube for up to an hour. It is recommended to use `-t sleep`": Reason.RATE_LIMITED,
    "All player responses are invalid. Your IP is likely being blocked by Youtube": Reason.RATE_LIMITED,
    "This video is DRM protected": Reason.DRM,
    "Premieres in 3 hours": Reason.UPCOMING,
    "This live event will begin in a few moments.": Reason.UPCOMING,
    "Premiere will begin shortly": Reason.UPCOMING,
    "Offline.": Reason.LIVE,
    "This live event has ended.": Reason.LIVE,
    "We're processing this video. Check back later.": Reason.LIVE,
    "Video unavailable. Playback on other websites has been disabled by the video owner": Reason.UNSUPPORTED,
    "No video formats found!": Reason.NO_AUDIO,
    "Requested format is not available. Use --list-formats": Reason.NO_AUDIO,
    "The page needs to be reloaded.": Reason.SERVER_ERROR,
    "Some sentence nobody has met": Reason.UNKNOWN,
}


@pytest.mark.parametrize("state", EXPECTED)
def test_every_state_of_a_video_comes_through_yt_dlp_as_its_reason(state, put):
    found = locate(put(replace(VIDEO, state=state)), access=IMPATIENT)
    if EXPECTED[state] is None:
        assert isinstance(found, Media)
    else:
        assert isinstance(found, Failure) and found.reason is EXPECTED[state]
        assert found.video_id == VIDEO.id and len(found.detail) > 10 and "ERROR:" not in found.detail


def test_what_the_site_tells_of_a_video_is_kept(site, put):
    found = locate(put(VIDEO))
    assert (found.title, found.channel_id, found.channel) == (VIDEO.title, VIDEO.channel_id, VIDEO.channel)
    assert found.duration_s == pytest.approx(VIDEO.duration_s, abs=0.5) and len(found.upload_date) == 8
    assert found.stream_url.startswith(site.url) and found.http_headers["Accept-Language"] == "en-us,en;q=0.5"


def test_a_video_that_the_site_does_not_know_is_removed(site):
    assert locate(Video("A" * 11, f"https://youtu.be/{'A' * 11}", "", "", "")).reason is Reason.REMOVED


UNFORESEEN = {Reason.UNKNOWN, Reason.NO_AUDIO}  # "No video formats found!" is raised as a bug of the extractor


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_has_its_reason_however_it_is_wrapped(sentence):
    root = ExtractorError(sentence, expected=SENTENCES[sentence] not in UNFORESEEN, video_id="x", ie="youtube")
    assert classify(root) is SENTENCES[sentence]
    assert classify(DownloadError(f"ERROR: {root}", (type(root), root, None))) is SENTENCES[sentence]


class Raises:
    """An extractor whose work ends with this, inside a real YoutubeDL."""

    def __init__(self, error: BaseException):
        self._error = error

    def __call__(self, url: str) -> Failure:
        class OfATest(InfoExtractor):
            _VALID_URL = r"https?://test/.*"
            error = self._error

            def _real_extract(self, url):
                raise self.error

        ydl = YoutubeDL({"quiet": True, "no_warnings": True, "logger": youtube_dl(IMPATIENT).params["logger"]}, False)
        ydl.add_info_extractor(OfATest())
        return locate(Video("v", url, "", "", ""), ydl=ydl)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_comes_through_yt_dlp_as_its_reason_with_its_full_text(sentence):
    found = Raises(ExtractorError(sentence, expected=SENTENCES[sentence] not in UNFORESEEN))("http://test/x")
    assert found.reason is SENTENCES[sentence] and sentence in found.detail


def http_error(status: int, **headers: str) -> HTTPError:
    return HTTPError(Response(io.BytesIO(b""), "http://x", headers, status=status))


TYPES = [
    (http_error(404), Reason.REMOVED),
    (http_error(410), Reason.REMOVED),
    (http_error(403), Reason.SERVER_ERROR),
    (http_error(500), Reason.SERVER_ERROR),
    (http_error(302), Reason.SERVER_ERROR),
    (http_error(407), Reason.NETWORK),
    (http_error(429), Reason.RATE_LIMITED),
    (http_error(418), Reason.UNKNOWN),
    (GeoRestrictedError("Video unavailable", countries=["DE", "XX"]), Reason.GEO_BLOCKED),
    (UnsupportedError("https://example.org/"), Reason.UNSUPPORTED),
    (RequestError("Unable to handle request"), Reason.BAD_LINK),
    (TransportError("connection reset"), Reason.NETWORK),
    (IncompleteRead(5, 7), Reason.NETWORK),
    (http.client.IncompleteRead(b"half", 8), Reason.NETWORK),
    (CertificateVerifyError("self-signed certificate"), Reason.NETWORK),
    (ssl.SSLEOFError("unexpected end"), Reason.NETWORK),
    (TimeoutError("too slow"), Reason.NETWORK),
    (ConnectionResetError(104, "reset by peer"), Reason.NETWORK),
    (socket.gaierror(-2, "Name or service not known"), Reason.NETWORK),
    (KeyError("streamingData"), Reason.UNKNOWN),
]


@pytest.mark.parametrize("error, reason", TYPES, ids=[f"{type(e).__name__}-{r.value}" for e, r in TYPES])
def test_types_and_statuses_come_before_sentences_through_yt_dlp_too(error, reason):
    assert classify(error) is reason
    assert classify(ExtractorError("Video unavailable", cause=error)) is (
        reason if reason not in (Reason.UNKNOWN, Reason.BAD_LINK) else Reason.REMOVED
    )
    found = Raises(error)("http://test/x")
    told = str(error).rpartition(":")[2].rpartition("]")[2].strip()  # yt-dlp puts its own name in front
    assert found.reason is reason and told in found.detail


def test_the_countries_of_a_block_are_told():
    error = GeoRestrictedError("The uploader has not made this video available", countries=["DE", "FR"])
    found = Raises(error)("http://test/x")
    assert "This video is available in Germany, France" in found.detail


def test_what_nobody_foresaw_keeps_its_types_and_where_it_came_from():
    error = ExtractorError("Cannot identify player", cause=ValueError("a brace is not closed"))
    error.__context__ = KeyError("streamingData")
    detail = Raises(error)("http://test/x").detail
    for part in ("Cannot identify player", "ValueError: a brace is not closed", "KeyError: 'streamingData'"):
        assert part in detail
    assert detail.startswith("DownloadError: ") and "\n" not in detail


RETRY_AFTER = {"7": 7.0, " 120 ": 120.0, "0": 0.0, "-5": 0.0, "1e9": 0.0, "soon": 0.0, "": 0.0, "9" * 14: 86_400.0}


def test_retry_after_is_seconds_or_a_date_and_nonsense_is_none():
    now = 1_800_000_000.0
    for told, seconds in RETRY_AFTER.items():
        assert read_retry_after(told, now) == seconds
        assert retry_after_s(ExtractorError("slow down", cause=http_error(429, **{"Retry-After": told}))) == seconds
    assert read_retry_after(formatdate(now + 90, usegmt=True), now) == 90.0
    assert read_retry_after(formatdate(now - 90, usegmt=True), now) == 0.0
    assert read_retry_after("Fri, 31 Dec 99999 23:59:59 GMT", now) == 0.0
    assert read_retry_after("\u0665", now) == 0.0, "a digit elsewhere"
    assert retry_after_s(http_error(500, **{"Retry-After": "7"})) == retry_after_s(KeyError("x")) == 0.0


@pytest.mark.parametrize("state", ["rate_limited", "server_error"])
def test_a_page_that_asks_for_time_is_heard(state, site, put):
    site.retry_after = "33"
    assert locate(put(replace(VIDEO, state=state)), access=IMPATIENT).retry_after_s == 33.0
    assert locate(put(replace(VIDEO, state="removed")), access=IMPATIENT).retry_after_s == 0.0


def test_a_page_that_is_gone_and_a_bare_scheme(site):
    def reason(url: str) -> Reason:
        return locate(Video("u1", url, "", "", ""), access=IMPATIENT).reason

    assert reason(f"{site.url}/files/nothing.mp3") is Reason.REMOVED
    assert reason("http://") is Reason.BAD_LINK


def test_an_extractor_that_breaks_is_unknown_with_its_full_text(put):
    class Broken:
        def extract_info(self, url, download):
            raise KeyError("streamingData")

    found = locate(put(VIDEO), ydl=Broken())
    assert found.reason is Reason.UNKNOWN and found.detail == "KeyError: 'streamingData'"


class Tells:
    """An extractor that tells this of every video."""

    def __init__(self, **info):
        self.info = {"url": "http://127.0.0.1:9/x", "protocol": "http", **info}
        self.urlopen = youtube_dl(IMPATIENT).urlopen

    def extract_info(self, url, download):
        return self.info


def test_hostile_text_becomes_plain_text():
    told = {"title": "bad \ud83d half\x00\r\n\x1b[31m", "channel_id": 678, "channel": ["x"], "upload_date": 20260101}
    found = locate(Video("v", "http://x", "", "", ""), ydl=Tells(duration=30, **told))
    assert (found.title, found.channel_id, found.channel) == ("bad ? half [31m", "678", "['x']")
    assert found.upload_date == "20260101" and found.license == ""
    found = locate(Video("v", "http://x", "its own", "", ""), ydl=Tells(duration=30, title=None))
    assert (found.title, found.channel_id) == ("its own", "")


def test_hostile_details_of_a_failure_become_plain_text(put):
    class Broken:
        def extract_info(self, url, download):
            raise ExtractorError("half \udcff a\nline", expected=True)

    detail = locate(put(VIDEO), ydl=Broken()).detail
    assert "half ? a line" in detail and detail.encode()


@pytest.mark.parametrize("told", [None, "soon", float("nan"), float("inf"), -5, [30], 10**400])
def test_a_length_that_is_none_is_measured(told, site):
    url = site.add_file("sound.wav", real_files.encoded("wav"))
    found = locate(Video("v", url, "", "", ""), ydl=Tells(url=url, duration=told))
    assert found.duration_s == pytest.approx(real_files.SECONDS, abs=0.05)


def form(format_id: str, ext: str = "webm", **more):
    common = {"url": "https://x/" + format_id, "protocol": "https", "vcodec": "none", "acodec": "opus", "ext": ext}
    return {"format_id": format_id, **common, **more}


FORMATS = [
    form("sb0", "mhtml", acodec="none", protocol="mhtml"),
    form("91", "mp4", vcodec="avc1", acodec="mp4a.40.5", protocol="m3u8_native"),
    form("18", "mp4", vcodec="avc1", acodec="mp4a.40.2", tbr=300),
    form("139", "m4a", acodec="mp4a.40.5", container="m4a_dash", abr=49),
    form("140", "m4a", acodec="mp4a.40.2", container="m4a_dash", abr=129),
    form("250-drc", abr=64, format_note="low, DRC"),
    form("249", abr=50),
    form("250", abr=66),
    form("251", abr=130),
]


def test_the_cheapest_format_is_chosen():
    def choice(formats):
        chosen = choose_format(formats)
        return chosen if isinstance(chosen, str) else chosen["format_id"]

    assert choice(FORMATS) == "250"
    assert choice([f for f in FORMATS if f["ext"] != "webm"]) == "139"
    assert choice(FORMATS[:3]) == "18"
    assert choice(FORMATS[:2]) == "91", "a stream in pieces is better than none"
    assert choice(FORMATS[:1]) == "no format has sound"
    assert choice([{**f, "abr": "fast", "language_preference": []} for f in FORMATS[2:]]) in {"249", "250", "251"}
    dubbed = [{**f, "language_preference": -1} for f in FORMATS]
    assert choice([*dubbed, form("140-1", "m4a", container="m4a_dash", abr=129, language_preference=10)]) == "140-1"
