"""What 30 s in the middle of 1 min, 1 h and 11 h cost: bytes, requests, seconds; `python tests/benchmarks/windows.py`.

The media is made up and served on loopback. Bytes and requests are counted by the server, so of an answer that its
client breaks off (as ffmpeg does under download_ranges) what was already under way counts too. `--latency 0.2` puts
200 ms before every answer, as a far server would.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from yt_dlp import YoutubeDL
from yt_dlp.utils import download_range_func

from ytaudio.catalog import Video
from ytaudio.clips import Window
from ytaudio.media import Access, Failure, locate, read_window
from ytaudio.testing import MediaSite, SiteVideo, make_videos

LENGTHS = {"1 min": 60.0, "1 h": 3600.0, "11 h": 11 * 3600.0}
SECONDS = 30.0


def ours(site: MediaSite, video: SiteVideo, window: Window, repeats: int) -> tuple[int, int, float]:
    """Bytes, requests and median seconds of a window read by ytaudio, the stream being located already."""
    media = locate(Video(video.id, f"https://youtu.be/{video.id}", "", "", ""), access=Access(timeout_s=60))
    if isinstance(media, Failure):
        raise SystemExit(f"the video cannot be located: {media.detail}")
    took = []
    for _ in range(repeats):
        site.reset_counts()
        began = time.perf_counter()
        heard = read_window(media, window)
        took.append(time.perf_counter() - began)
        if not isinstance(heard, np.ndarray) or heard.size != SECONDS * 16_000:
            raise SystemExit(f"the window cannot be read: {heard}")
    return site.bytes_sent, site.requests, statistics.median(took)


def yt_dlps(site: MediaSite, video: SiteVideo, window: Window) -> tuple[int, int, float]:
    """Bytes, requests and seconds of the same window by yt-dlp's download_ranges, which runs ffmpeg."""
    with tempfile.TemporaryDirectory() as folder:
        options = {
            "quiet": True,
            "noprogress": True,
            "no_warnings": True,
            "format": "bestaudio",
            "outtmpl": str(Path(folder) / "%(id)s.%(ext)s"),
            "download_ranges": download_range_func(None, [(window.start_s, window.start_s + window.seconds)]),
            "force_keyframes_at_cuts": True,
        }
        with YoutubeDL(options) as ydl:
            site.reset_counts()
            began = time.perf_counter()
            ydl.download([f"https://youtu.be/{video.id}"])
            took = time.perf_counter() - began
    streamed = [request for request in site.log if request.path.startswith("/media/")]
    return sum(request.bytes for request in streamed), len(streamed), took


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before every answer")
    parser.add_argument("--repeats", type=int, default=5, help="the seconds are the median of so many")
    arguments = parser.parse_args()
    (video,) = make_videos(("history",), 1, seed=1)
    print(f"{SECONDS:.0f} s in the middle, {arguments.latency * 1000:.0f} ms before every answer\n")
    print(f"{'container':9} {'length':6} {'way':24} {'KB':>9} {'of limit':>8} {'requests':>8} {'seconds':>8}")
    with MediaSite() as site:
        for container in ("webm", "mp4"):
            for name, duration_s in LENGTHS.items():
                made = replace(video, container=container, duration_s=duration_s)
                site.add(made)
                file = site.media(made.id)
                site.latency_s = arguments.latency
                window = Window(duration_s / 2 - SECONDS / 2, SECONDS)
                limit = SECONDS * file.size / file.duration_s + file.index_bytes

                def show(way: str, sent: float, *rest: float, of: float = limit, row: str = f"{container:9} {name:6}"):
                    cells = "".join(f" {cell:8.{digits}f}" for cell, digits in zip(rest, (0, 2), strict=False))
                    print(f"{row} {way:24} {sent / 1000:9,.0f} {sent / of:8.2f}{cells}")

                show("limit: window and index", limit)
                show("ytaudio", *ours(site, made, window, arguments.repeats))
                if shutil.which("ffmpeg"):
                    show("yt-dlp download_ranges", *yt_dlps(site, made, window))
                show("the whole file", file.size)
                site.latency_s = 0.0
    if not shutil.which("ffmpeg"):
        print("\nyt-dlp's download_ranges is left out: it needs an ffmpeg binary, and none is on PATH.")


if __name__ == "__main__":
    main()
