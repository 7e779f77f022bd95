"""Clips per second by threads at 0 and 200 ms latency; `python tests/benchmarks/threads.py`, about 2 minutes.

Made-up videos of 10 minutes, one clip of 10 s each, on a loopback site. The site has a process of its own, apart from
the one that reads, so they share the machine's cores but not Python's lock. The clock starts when everything is
imported and ends when the last outcome is in the ledger: each thread's own YoutubeDL (130 ms) is counted, which weighs
on these short runs and not on long ones.
"""

import argparse
import multiprocessing
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from ytaudio.catalog import Video
from ytaudio.collect import collect
from ytaudio.ledger import Settings, open_ledger
from ytaudio.media import Access, locate
from ytaudio.testing import MediaSite, SiteVideo, make_videos

VIDEOS_A_THREAD, FEWEST = 4, 16
SETTINGS = Settings(clips_per_video=1, clip_seconds=10.0, seed=0)
LOOPBACK = Access(allow_private_hosts=True)


def collected(videos: list[SiteVideo], threads: int) -> tuple[int, float]:
    """Clips made, and seconds taken, by one run of collect into a new folder."""
    wanted = [Video(video.id, f"https://youtu.be/{video.id}", "", "", video.category) for video in videos]
    with tempfile.TemporaryDirectory() as folder, open_ledger(folder, SETTINGS) as ledger:
        began = time.perf_counter()
        collect(wanted, ledger, SETTINGS, threads=threads, locate=partial(locate, access=LOOPBACK))
        return sum(len(outcome.clips) for outcome in ledger.outcomes.values()), time.perf_counter() - began


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 4, 16, 32], help="the first is the baseline")
    parser.add_argument("--latency", type=float, nargs="+", default=[0.0, 0.2], help="seconds before every answer")
    arguments = parser.parse_args()
    most = max(FEWEST, VIDEOS_A_THREAD * max(arguments.threads))
    videos = make_videos(per_category=-(-most // 4), seed=7, duration_s=(600.0, 600.0))[:most]
    print(f"one clip of {SETTINGS.clip_seconds:.0f} s from each video; {os.cpu_count()} cores\n")
    print(f"{'latency':>7} {'threads':>7} {'clips':>6} {'seconds':>8} {'clips/s':>8} {'speed-up':>8} {'requests':>8}")
    # a process that has begun before the site has threads, and that keeps what it imported
    with MediaSite(videos) as site, ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as reader:
        for video in videos:
            site.media(video.id)  # made now, not on the clock
        reader.submit(collected, videos[:2], 2).result()
        for latency_s in arguments.latency:
            site.latency_s, baseline = latency_s, 0.0
            for threads in arguments.threads:
                site.reset_counts()
                part = videos[: max(FEWEST, VIDEOS_A_THREAD * threads)]
                clips, seconds = reader.submit(collected, part, threads).result()
                if clips != len(part):
                    raise SystemExit(f"{len(part) - clips} of {len(part)} videos gave no clip")
                rate = clips / seconds
                baseline = baseline or rate
                cells = f"{clips:6} {seconds:8.2f} {rate:8.2f} {rate / baseline:8.2f} {site.requests:8}"
                print(f"{latency_s * 1000:4.0f} ms {threads:7} {cells}", flush=True)


if __name__ == "__main__":
    main()
