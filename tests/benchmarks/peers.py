"""One clip of 10 s from each of 40 videos of 1 h, by ytaudio and by its peers; `python tests/benchmarks/peers.py`.

The videos are made up (fragmented MP4, as YouTube's itag 140, which every peer takes) and served on loopback, YouTube's
extractor being replaced by the plugin of ytaudio.testing in every process. The site has a process of its own, and so
has every way; requests and bytes are counted by the site. What is too slow to be done with all videos is done with a
few of them and multiplied, and its line says so. "clips" counts the files that decode to 10 s of sound.

The peers are installed beside ytaudio, since one of them needs numpy 1, and take part when their interpreter is named:

    python -m venv peers && peers/bin/pip install -U pip
    peers/bin/pip install video2dataset==1.3.0 audioset-download==1.1 "pyarrow<20"
    python tests/benchmarks/peers.py --peers-python peers/bin/python

Without "pyarrow<20" pip installs one that wants numpy 2 beside video2dataset's numpy 1, and `import video2dataset` ends
in an ImportError. An ffmpeg binary must be on PATH for all but ytaudio. video2dataset downloads the whole sound and
cuts it by copying packets (its precision "exact" encodes the whole hour again: 583 s for 40 videos on 2 cores); it asks
for m4a only, so of a video without one it keeps nothing. audioset-download downloads the whole sound and decodes it up
to the clip; it gets from here the list of segments that it would fetch from AudioSet's server. With today's yt-dlp its
files end in .ogg.ogg, and their clips are empty where yt-dlp mends the container first: the same cut is made twice.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av

from ytaudio.testing import MediaSite, SiteVideo, make_videos, write_catalog

CLIP_S = 10.0
HOUR_S = 3600.0
TIMEOUT_S = 900.0  # for one way
INSTALL = "see the head of this file, then --peers-python peers/bin/python"

# each script is run by an interpreter with one JSON object as its argument: folder, ids, start_s, stop_s, threads;
# what it prints last is the seconds it took without imports, or nothing where the whole process counts
COLLECT = """
import json, sys, time
from ytaudio.catalog import Video
from ytaudio.collect import collect
from ytaudio.ledger import Settings, open_ledger
job, settings = json.loads(sys.argv[1]), Settings(1, 10.0, 0)
videos = [Video(name, f"https://youtu.be/{name}", "", "", "all") for name in job["ids"]]
with open_ledger(job["folder"], settings) as ledger:
    began = time.perf_counter()
    collect(videos, ledger, settings, threads=job["threads"])
    print(time.perf_counter() - began)
"""
YT_DLP = """
import json, sys
from yt_dlp import YoutubeDL
from yt_dlp.utils import download_range_func
job = json.loads(sys.argv[1])
options = {"quiet": True, "noprogress": True, "no_warnings": True, "format": "bestaudio",
           "outtmpl": job["folder"] + "/%(id)s.%(ext)s"}
if job["ranges"]:
    ranges = download_range_func(None, [(job["start_s"], job["stop_s"])])
    options |= {"download_ranges": ranges, "force_keyframes_at_cuts": True}
with YoutubeDL(options) as ydl:
    ydl.download([f"https://www.youtube.com/watch?v={name}" for name in job["ids"]])
"""
VIDEO2DATASET = """
import json, sys
from pathlib import Path
from video2dataset import video2dataset
if __name__ == "__main__":
    job = json.loads(sys.argv[1])
    folder, span = Path(job["folder"]), [job["start_s"], job["stop_s"]]
    lines = [{"url": f"https://www.youtube.com/watch?v={name}", "clips": [span]} for name in job["ids"]]
    (folder / "urls.json").write_text(json.dumps(lines))
    config = {
        "subsampling": {},
        "reading": {"yt_args": {"download_size": 360, "download_audio_rate": 44100, "yt_metadata_args": None},
                    "timeout": 60, "sampler": None},
        "storage": {"number_sample_per_shard": 20, "oom_shard_count": 5, "captions_are_subtitles": False},
        "distribution": {"processes_count": 2, "thread_count": job["threads"] // 2, "subjob_size": 1000,
                         "distributor": "multiprocessing"},
    }
    (folder / "config.yaml").write_text(json.dumps(config))
    video2dataset(str(folder / "urls.json"), output_folder=str(folder / "out"), output_format="files",
                  input_format="json", url_col="url", clip_col="clips", encode_formats={"audio": "m4a"},
                  tmp_dir=str(folder), config=str(folder / "config.yaml"))
"""
AUDIOSET_DOWNLOAD = """
import json, sys
import joblib
from audioset_download import Downloader
job = json.loads(sys.argv[1])
class Given(Downloader):
    def read_class_mapping(self):
        self.machine_to_display_mapping = {"/m/all": "all"}
given = Given(job["folder"])
given.format, given.quality = "vorbis", 5  # its defaults
joblib.Parallel(n_jobs=job["jobs"])(
    joblib.delayed(given.download_file)(name, job["start_s"], job["stop_s"], "/m/all") for name in job["ids"])
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one way took for all videos."""

    way: str
    clips: int  # files of sound that came out and last as long as they should
    bytes: float  # of bodies, as the site counted them
    requests: float
    seconds: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Bench:
    """The site, its videos, and where to put things."""

    site: MediaSite
    videos: list[SiteVideo]
    place: Path
    threads: int

    def run(self, way: str, command: list[str], videos: list[SiteVideo], folder: Path, note: str = "", **more) -> Cost:
        """Run a command that ends with a job, and tell its cost, multiplied up to all videos."""
        start_s = HOUR_S / 2 - CLIP_S / 2
        job = {"folder": str(folder), "ids": [video.id for video in videos], "threads": self.threads}
        job |= {"start_s": start_s, "stop_s": start_s + CLIP_S, **more}
        return self._timed(way, [*command, json.dumps(job)], videos, folder, note)

    def _timed(self, way: str, command: list[str], videos: list[SiteVideo], folder: Path, note: str) -> Cost:
        folder.mkdir(exist_ok=True)
        self.site.reset_counts()
        path = os.pathsep.join([str(Path(command[0]).parent), os.environ.get("PATH", "")])
        began = time.perf_counter()
        environment = {**os.environ, "PATH": path, "YTAUDIO_ALLOW_PRIVATE_HOSTS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=TIMEOUT_S)
        took = time.perf_counter() - began
        sound = [p for p in folder.rglob("*") if p.suffix in (".flac", ".m4a", ".webm", ".mp4", ".ogg", ".parquet")]
        if done.returncode or not sound:
            raise SystemExit(f"{way} ended with {done.returncode}: {(done.stderr or done.stdout)[-2000:]}")
        if command[2] == COLLECT:
            took = float(done.stdout)
        times = len(self.videos) / len(videos)
        note = f"{note}{', ' if note else ''}{len(videos)} videos, times {times:g}" if times > 1 else note
        clips = sum(abs(seconds_of(p) - CLIP_S) < 1.0 for p in sound)
        return Cost(way, clips, self.site.bytes_sent * times, self.site.requests * times, took * times, note)

    def build(self) -> Cost:
        """The whole of `ytaudio build`, from the start of its process to the Parquet files."""
        folder = self.place / "build"
        csv = write_catalog(self.place / "youtube.csv", self.videos)
        options = ["--clips-per-video", "1", "--clip-seconds", str(CLIP_S), "--threads", str(self.threads)]
        command = [sys.executable, "-m", "ytaudio.cli", "build", str(csv), str(folder), *options]
        return self._timed("ytaudio build", command, self.videos, folder, "start, Parquet and report included")


def seconds_of(path: Path) -> float:
    """How long a file of sound lasts, by decoding it; 0 if it holds none, and what its header says of a large one."""
    try:
        with av.open(str(path)) as file:
            if path.stat().st_size > 4 << 20:
                return (file.duration or 0) / av.time_base
            return sum(frame.samples / frame.sample_rate for frame in file.decode(audio=0))
    except (av.FFmpegError, IndexError):
        return 0.0


def has(python: str | None, module: str) -> bool:
    """Whether this interpreter can import a module."""
    return bool(python) and not subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode


def ways(bench: Bench, few: int, python: str | None) -> list[Callable[[], Cost | str]]:
    """The ways in the order of the table: each tells its cost, or why it does not take part."""
    place, part = bench.place, bench.videos[:few]
    ffmpeg = shutil.which("ffmpeg") is not None

    def script(code: str, with_python: str = sys.executable) -> list[str]:
        return [with_python, "-c", code]

    def peer(way: str, module: str, code: str, videos: list[SiteVideo], **more) -> Cost | str:
        if not ffmpeg or not has(python, module):
            return f"{way}: not installed; {INSTALL}" if ffmpeg else f"{way}: needs an ffmpeg binary on PATH"
        return bench.run(way, script(code, str(python)), videos, place / module, **more)

    def download_ranges() -> Cost | str:
        if not ffmpeg:
            return "yt-dlp download_ranges: needs an ffmpeg binary on PATH (apt-get install ffmpeg)"
        return bench.run("yt-dlp download_ranges", script(YT_DLP), part, place / "ranges", "one by one", ranges=True)

    return [
        bench.build,
        lambda: bench.run("ytaudio collect", script(COLLECT), bench.videos, place / "collect", "without the imports"),
        download_ranges,
        lambda: bench.run("yt-dlp, whole", script(YT_DLP), part, place / "whole", "one by one, not cut", ranges=False),
        lambda: peer(
            "video2dataset 1.3.0", "video2dataset", VIDEO2DATASET, bench.videos, note="2 processes, cut at packets"
        ),
        lambda: peer(
            "audioset-download 1.1", "audioset_download", AUDIOSET_DOWNLOAD, part, note="2 processes at a time", jobs=2
        ),
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=40)
    parser.add_argument("--few", type=int, default=4, help="videos for what is too slow to be done with all")
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before every answer")
    parser.add_argument("--peers-python", metavar="PATH", help="an interpreter that has the peers installed")
    arguments = parser.parse_args()
    videos = make_videos(per_category=-(-arguments.videos // 4), seed=4, duration_s=(HOUR_S, HOUR_S), mp4=1.0)
    videos = videos[: arguments.videos]
    print(f"one clip of {CLIP_S:.0f} s from each of {len(videos)} videos of 1 h; {arguments.latency * 1000:.0f} ms")
    print(f"before every answer; {arguments.threads} threads; {os.cpu_count()} cores\n")
    print(f"{'way':24} {'clips':>5} {'MB':>9} {'requests':>8} {'seconds':>8} {'bytes':>8} {'time':>7}")
    first: Cost | None = None
    with MediaSite(videos) as site, tempfile.TemporaryDirectory() as place:
        for video in videos:
            site.media(video.id)  # made now, not on the clock
        site.latency_s = arguments.latency
        bench = Bench(site, videos, Path(place), arguments.threads)
        for way in ways(bench, arguments.few, arguments.peers_python):
            cost = way()
            if isinstance(cost, str):
                print(cost, flush=True)
                continue
            first = first or cost
            ratios = f"{cost.bytes / first.bytes:7.1f}x {cost.seconds / first.seconds:6.1f}x"
            cells = f"{cost.clips:5} {cost.bytes / 1e6:9,.1f} {cost.requests:8,.0f} {cost.seconds:8.1f} {ratios}"
            print(f"{cost.way:24} {cells}  {cost.note}", flush=True)


if __name__ == "__main__":
    main()
