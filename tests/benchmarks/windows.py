"""What 30 s in the middle of 1 min, 1 h and 11 h cost: bytes, requests, seconds; `python tests/benchmarks/windows.py`.

The media is made up and served on loopback, once with every answer at once and once after 200 ms, as by a far server.
Bytes and requests are counted by the server, so of an answer that its client breaks off (as ffmpeg does under
download_ranges) what was already under way counts too. What it costs to find the stream on its page is left out of
every row. The limit is what no reader can do without: the window's own packets, the header, and the index or playlist.
"""

import argparse
import itertools
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from yt_dlp import YoutubeDL
from yt_dlp.utils import download_range_func

from ytaudio.catalog import Video
from ytaudio.clips import Window
from ytaudio.media import Access, Failure, Media, locate, read_window
from ytaudio.testing import MediaSite, SiteVideo, make_videos

LENGTHS = {"1 min": 60.0, "1 h": 3600.0, "11 h": 11 * 3600.0}
CONTAINERS = ("webm", "mp4", "hls-ts", "hls-fmp4")
SECONDS = 30.0
LOOPBACK = Access(timeout_s=60, allow_private_hosts=True)
DELAYS_S = (0.0, 0.2)
# (container, length, way): how many of the delays are bearable; what is not listed bears both
BEARABLE = {
    ("hls-fmp4", "11 h", "download_ranges"): 1,  # ffmpeg fetches every segment up to the window
    ("hls-ts", "1 h", "whole download"): 1,  # 375 segments, one after the other
    ("hls-fmp4", "1 h", "whole download"): 1,
    **{(container, "11 h", "whole download"): 0 for container in CONTAINERS},
}


def ours(media: Media, window: Window) -> None:
    """Read the window by ytaudio."""
    heard = read_window(media, window, LOOPBACK)
    if not isinstance(heard, np.ndarray) or heard.size != SECONDS * 16_000:
        raise SystemExit(f"the window cannot be read: {heard}")


def yt_dlps(video: SiteVideo, window: Window | None) -> None:
    """Download the window by yt-dlp's download_ranges, which runs ffmpeg, or without a window all of the sound."""
    with tempfile.TemporaryDirectory() as folder:
        options: dict[str, Any] = {
            "quiet": True,
            "noprogress": True,
            "no_warnings": True,
            "format": "bestaudio/best",
            "fixup": "never",
            "outtmpl": str(Path(folder) / "%(id)s.%(ext)s"),
        }
        if window:
            ends = [(window.start_s, window.start_s + window.seconds)]
            options |= {"download_ranges": download_range_func(None, ends), "force_keyframes_at_cuts": True}
        with YoutubeDL(options) as ydl:
            ydl.download([f"https://youtu.be/{video.id}"])


def measure(site: MediaSite, work: Callable[[], None], repeats: int) -> tuple[int, int, float]:
    """Bytes and requests of media, as the server counts them, and the median of the seconds."""
    took = []
    for _ in range(repeats):
        site.reset_counts()
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    asked = [r for r in site.log if r.path.startswith("/media/") and not r.path.endswith("master.m3u8")]
    return sum(r.bytes for r in asked), len(asked), statistics.median(took)


def rows(site: MediaSite, video: SiteVideo, name: str, repeats: int) -> list[tuple[int, int]]:
    """Print one line for each way of reading a video; the answer is bytes and requests of ours."""
    site.add(video)
    file = site.media(video.id)
    assert file is not None
    window = Window(video.duration_s / 2 - SECONDS / 2, SECONDS)
    limit = SECONDS * file.size / file.duration_s + file.index_bytes
    found = locate(Video(video.id, f"https://youtu.be/{video.id}", "", "", ""), access=LOOPBACK)
    if isinstance(found, Failure):
        raise SystemExit(f"the video cannot be located: {found.detail}")
    label = f"{video.container:9} {name:6}"
    print(f"{label} {'the limit':16} {limit / 1000:10,.0f} {1:8.2f}")
    ways: dict[str, Callable[[], None]] = {"ytaudio": lambda: ours(found, window)}
    if shutil.which("ffmpeg"):
        ways["download_ranges"] = lambda: yt_dlps(video, window)
    ways["whole download"] = lambda: yt_dlps(video, None)
    result = []
    for way, work in ways.items():
        cells = []
        for delay_s in DELAYS_S[: BEARABLE.get((video.container, name, way), len(DELAYS_S))]:
            site.latency_s = delay_s
            sent, requests, seconds = measure(site, work, repeats if way == "ytaudio" else 1)
            cells = cells or [f"{sent / 1000:10,.0f} {sent / limit:8.2f} {requests:8}"]
            cells.append(f"{seconds:8.2f}")
            if way == "ytaudio":
                result.append((sent, requests))
        site.latency_s = 0.0
        print(
            f"{label} {way:16} {' '.join(cells) or f'{file.size / 1000:10,.0f} {file.size / limit:8.2f} not tried'}",
            flush=True,
        )
    return result


def main() -> None:
    """Print the table, and what the lengths have in common."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="the seconds of ytaudio are the median of so many")
    arguments = parser.parse_args()
    (video,) = make_videos(("history",), 1, seed=1)
    print(f"{SECONDS:.0f} s in the middle; seconds with every answer at once, and after 200 ms\n")
    heads = f"{'KB':>10} {'of limit':>8} {'requests':>8} {'at once':>8} {'200 ms':>8}"
    print(f"{'container':9} {'length':6} {'way':16} {heads}")
    began = time.monotonic()
    with MediaSite() as site:
        costs = {
            container: [
                rows(site, replace(video, container=container, duration_s=duration_s), name, arguments.repeats)[0]
                for name, duration_s in LENGTHS.items()
            ]
            for container in CONTAINERS
        }
    print()
    for container, cost in costs.items():
        sizes = [sent for sent, _ in cost]
        most = max(max(a, b) / min(a, b) for a, b in itertools.combinations(sizes, 2))
        print(
            f"{container:9} requests at most {max(r for _, r in cost)}, bytes of any two lengths within {most - 1:.0%}"
        )
    if not shutil.which("ffmpeg"):
        print("\nyt-dlp's download_ranges is left out: it needs an ffmpeg binary, and none is on PATH.")
    print(f"\nall of it took {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
