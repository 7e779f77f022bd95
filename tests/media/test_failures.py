from dataclasses import replace

import pytest
from media import real_files
from yt_dlp.networking.exceptions import RequestError, TransportError
from yt_dlp.utils import DownloadError, ExtractorError, GeoRestrictedError, UnsupportedError

from ytaudio.catalog import Video
from ytaudio.media import Access, Failure, Media, Reason, classify, locate
from ytaudio.media.access import youtube_dl
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
    "This video has been removed for violating YouTube's Terms of Service": Reason.REMOVED,
    "This video is no longer available because the YouTube account associated with it has been terminated.": (
        Reason.REMOVED
    ),
    "Private video. Sign in if you've been granted access to this video": Reason.PRIVATE,
    "Join this channel to get access to members-only content": Reason.MEMBERS_ONLY,
    "Sign in to confirm your age. This video may be inappropriate for some users.": Reason.AGE_RESTRICTED,
    "Sign in to confirm you’re not a bot. Use --cookies": Reason.BOT_CHECK,
    "Sign in to confirm you're not a bot. Use --cookies": Reason.BOT_CHECK,
    "Video unavailable. YouTube is requiring a captcha challenge before playback": Reason.BOT_CHECK,
    "Video unavailable. This content isn't available, try again later": Reason.RATE_LIMITED,
    "Your IP is likely being blocked by YouTube": Reason.RATE_LIMITED,
    "This video is DRM protected": Reason.DRM,
    "Premieres in 3 hours": Reason.UPCOMING,
    "This live event will begin in a few moments.": Reason.UPCOMING,
    "No video formats found!": Reason.NO_AUDIO,
    "Requested format is not available": Reason.NO_AUDIO,
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


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_has_its_reason_however_it_is_wrapped(sentence):
    root = ExtractorError(sentence, expected=SENTENCES[sentence] is not Reason.UNKNOWN, video_id="x", ie="youtube")
    assert classify(root) is SENTENCES[sentence]
    assert classify(DownloadError(f"ERROR: {root}", (type(root), root, None))) is SENTENCES[sentence]


def test_types_come_before_sentences():
    assert classify(GeoRestrictedError("Video unavailable", countries=["DE"])) is Reason.GEO_BLOCKED
    assert classify(ExtractorError("Video unavailable", cause=TransportError("reset"))) is Reason.NETWORK
    assert classify(UnsupportedError("https://example.org/")) is Reason.UNSUPPORTED
    assert classify(TimeoutError("too slow")) is Reason.NETWORK
    assert classify(RequestError("Unable to handle request")) is Reason.BAD_LINK
    assert classify(KeyError("streamingData")) is Reason.UNKNOWN


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
    assert detail.startswith("half ? a line") and detail.encode()


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
    assert choice(FORMATS[:2]) == "only offered as m3u8_native, which has no ranges"
    assert choice(FORMATS[:1]) == "no format has sound"
    assert choice([{**f, "abr": "fast", "language_preference": []} for f in FORMATS[2:]]) in {"249", "250", "251"}
    dubbed = [{**f, "language_preference": -1} for f in FORMATS]
    assert choice([*dubbed, form("140-1", "m4a", container="m4a_dash", abr=129, language_preference=10)]) == "140-1"
