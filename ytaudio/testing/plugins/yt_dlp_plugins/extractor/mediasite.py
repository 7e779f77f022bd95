"""A yt-dlp plugin: YouTube's links and ids, answered by a MediaSite on loopback.

It takes YoutubeIE's place, so links and ids are parsed by the real code. Without the variable YTAUDIO_MEDIA_SITE it is
YoutubeIE unchanged.
"""

import os
from urllib.parse import urljoin

from yt_dlp.extractor.youtube import YoutubeIE
from yt_dlp.networking.exceptions import HTTPError
from yt_dlp.utils import ExtractorError

VARIABLE = "YTAUDIO_MEDIA_SITE"
# what YouTube's player answers, and yt-dlp raises, word for word
SENTENCES = {
    "removed": "Video unavailable. This video has been removed by the uploader",
    "private": "Private video. Sign in if you've been granted access to this video",
    "members_only": (
        "Join this channel to get access to members-only content like this video, and other exclusive perks."
    ),
    "age_restricted": "Sign in to confirm your age. This video may be inappropriate for some users",
    "bot_check": "Sign in to confirm you’re not a bot",
    "upcoming": "Premieres in 6 hours",
}


class _MediaSiteIE(YoutubeIE, plugin_name="mediasite"):
    def _real_extract(self, url):
        site = os.environ.get(VARIABLE)
        if not site:
            return super()._real_extract(url)
        video_id = self._match_id(url)
        try:
            about = self._download_json(urljoin(site, f"/api/video/{video_id}"), video_id, note=False)
        except ExtractorError as error:
            if isinstance(error.cause, HTTPError) and error.cause.status == 404:
                self.raise_no_formats("Video unavailable", expected=True, video_id=video_id)
            raise
        state = about["state"]
        if state in SENTENCES:
            reason = SENTENCES[state]
            if "sign in" in reason.lower():
                reason = f"{reason}. {self._youtube_login_hint}"
            self.raise_no_formats(reason, expected=True, video_id=video_id)
        if state == "geo_blocked":
            message = "The uploader has not made this video available in your country"
            self.raise_geo_restricted(message, ["DE", "FR"], metadata_available=True)
        if state == "drm":
            self.report_drm(video_id)
        return {
            "id": video_id,
            "title": about["title"],
            "channel": about["channel"],
            "channel_id": about["channel_id"],
            "channel_url": f"https://www.youtube.com/channel/{about['channel_id']}",
            "uploader": about["channel"],
            "upload_date": about["upload_date"],
            "license": about["license"] or None,
            "duration": round(about["duration"]),  # YouTube tells whole seconds
            "live_status": "is_live" if state == "live" else "not_live",
            "formats": self._formats(site, about, state),
        }

    def _formats(self, site, about, state):
        video = {
            "url": urljoin(site, f"/media/{about['id']}.video"),
            "format_id": "160",
            "ext": "mp4",
            "vcodec": "avc1.4d400c",
            "acodec": "none",
            "container": "mp4_dash",
            "width": 256,
            "height": 144,
            "vbr": 110.0,
            "protocol": "https",
        }
        if state == "live":
            master = urljoin(site, f"/live/{about['id']}/index.m3u8")
            return [{"url": master, "format_id": "91", "ext": "mp4", "protocol": "m3u8_native"}]
        if "media_url" not in about:
            return [video]
        if about["container"].startswith("hls"):
            return self._extract_m3u8_formats(about["media_url"], about["id"], "m4a", "m3u8_native", m3u8_id="hls")
        if about["container"] == "dash":
            return self._extract_mpd_formats(about["media_url"], about["id"], mpd_id="dash")
        webm = about["container"] == "webm"
        abr = round(about["bit_rate"] / 1000, 3)
        audio = {
            "url": about["media_url"],
            "format_id": "250" if webm else "140",
            "format_note": "low" if webm else "medium",
            "ext": "webm" if webm else "m4a",
            "acodec": "opus" if webm else "mp4a.40.2",
            "vcodec": "none",
            "container": "webm_dash" if webm else "m4a_dash",
            "abr": abr,
            "tbr": abr,
            "asr": 48_000 if webm else 24_000,
            "audio_channels": 1,
            "filesize": about["filesize"],
            "language": "en",
            "protocol": "https",
            "http_headers": {"Accept-Language": "en-us,en;q=0.5"},
            "downloader_options": {"http_chunk_size": 10 << 20},
        }
        return [video, audio]
