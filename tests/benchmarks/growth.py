"""What a longer list and a larger dataset cost: seconds and peak memory at three sizes, and how they grow.

`python tests/benchmarks/growth.py` takes about five minutes; `--part list|ledger|publish` one part of it, `--tenth` a
tenth of each size. Every measurement is a process of its own, and memory is that process's highest (VmHWM). The
exponent is the slope of log seconds over log size, 1 being linear; CPU seconds tell more on a busy machine. Files are
made up, and the Hub is an embedded one in its own process on loopback.
"""

import argparse
import base64
import csv
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

LABELS = ("art_music", "food", "history", "travel")
LINES = (10_000, 100_000, 1_000_000)  # of a catalogue, and outcomes of a ledger
MEGABYTES = (50, 200, 800)  # of clips
CLIP_BYTES = 300_000
VIDEOS_A_CHANNEL = 3  # about


def video_ids(count: int) -> Iterator[str]:
    """Ids that look like YouTube's."""
    for n in range(count):
        yield base64.urlsafe_b64encode(hashlib.sha256(str(n).encode()).digest()[:8])[:11].decode()


def write_catalogue(folder: Path, count: int) -> None:
    """A CSV like Kaggle's, with five forms of link."""
    forms = ("https://www.youtube.com/watch?v={}", "https://youtu.be/{}", "{}", "http://m.youtube.com/watch?v={}&t=9s")
    forms = (*forms, "https://media.example.org/{}.ogg")
    with (folder / "list.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("link", "title", "description", "category"))
        for n, video_id in enumerate(video_ids(count)):
            form = forms[0] if n % 10 < 6 else forms[n % 5]
            words = "A description of some length, as they have on the site. " * 3
            rows.writerow((form.format(video_id), f"The title of video {n}, and more", words, LABELS[n % 4]))


def write_ledger(folder: Path, count: int) -> None:
    """A ledger of good videos of one clip each; one in fifty is a shifted, harmed copy on another channel."""
    rng = np.random.default_rng(0)
    prints = rng.integers(1, 2**16, (count, 68), dtype=np.uint16)
    channels = rng.zipf(1.6, count) % (count // VIDEOS_A_CHANNEL + 1)
    for copy, of in zip(rng.choice(count, count // 50, replace=False), rng.choice(count, count // 50), strict=True):
        channels[copy] = count + copy
        shift = int(rng.integers(20))
        prints[copy, : 68 - shift] = prints[of, shift:]
        prints[copy] ^= ((rng.random((68, 16)) < 0.07) @ (1 << np.arange(16))).astype(np.uint16)
    clip = {"index": 0, "start_s": 25.0, "seconds": 10.0, "samples": 160000, "dbfs": -20.0, "sha256": "0" * 64}
    with (folder / "ledger.jsonl").open("w", encoding="utf-8") as file:
        settings = {"clips_per_video": 1, "clip_seconds": 10.0, "seed": 0, "windows_of": ""}
        file.write(json.dumps({"settings": settings}) + "\n")
        for n, video_id in enumerate(video_ids(count)):
            clip["fingerprint"] = base64.b64encode(prints[n].tobytes()).decode()
            outcome = {"video_id": video_id, "category": LABELS[n % 4], "title": f"The title of video {n}, and more"}
            outcome |= {"url": f"https://www.youtube.com/watch?v={video_id}", "channel_id": f"UC{channels[n]:022d}"}
            outcome |= {"duration_s": 60.0, "clips": [clip], "failure": None, "bytes_read": 200_000, "seconds": 1.5}
            file.write(json.dumps({**outcome, "read_with": "2026.10.26"}) + "\n")


def clips_of(megabytes: int) -> Iterator[tuple[str, int, bytes]]:
    """Video id, clip and FLAC bytes, four clips a video: noise, so that each clip is about CLIP_BYTES long."""
    from ytaudio.clips import encode

    rng = np.random.default_rng(0)
    kinds = [encode(rng.uniform(-0.5, 0.5, 160_000).astype(np.float32)) for _ in range(8)]
    for n, video_id in enumerate(video_ids(megabytes * 1_000_000 // CLIP_BYTES // 4)):
        for index in range(4):
            yield video_id, index, kinds[(n + index) % 8]


def read_list(folder: Path) -> int:
    from ytaudio.catalog import read_catalog

    return len(read_catalog(folder / "list.csv").videos)


def read_list_by_csv(folder: Path) -> int:
    with (folder / "list.csv").open(newline="", encoding="utf-8") as file:
        return len(list(csv.DictReader(file)))


def read_list_by_pandas(folder: Path) -> int:
    import pandas

    return len(pandas.read_csv(folder / "list.csv").to_dict("records"))


def split_ledger(folder: Path) -> int:
    """What is done between the last visit and the first clip written."""
    from ytaudio.assemble import place
    from ytaudio.catalog import Catalog, Video
    from ytaudio.ledger import read_ledger
    from ytaudio.splits import PROTOCOLS

    began = time.perf_counter()
    settings, outcomes = read_ledger(folder)
    print(f"    reading {time.perf_counter() - began:.1f} s", file=sys.stderr, flush=True)
    catalog = Catalog(tuple(Video(o.video_id, o.url, o.title, "", o.category) for o in outcomes.values()), ())
    placement = place(catalog, outcomes, settings, PROTOCOLS["default"])
    print(
        f"    {len(placement.pairs)} pairs share a sound; {placement.missing or 'every share is met'}", file=sys.stderr
    )
    return sum(map(len, placement.splits.values()))


def publish(folder: Path) -> int:
    """Clips and outcomes to a dataset, and to the Hub."""
    from ytaudio.assemble import assemble
    from ytaudio.catalog import Catalog, Video
    from ytaudio.hub import push_dataset
    from ytaudio.ledger import read_ledger
    from ytaudio.splits import PROTOCOLS

    settings, outcomes = read_ledger(folder)
    catalog = Catalog(tuple(Video(o.video_id, o.url, o.title, "", o.category) for o in outcomes.values()), ())
    report = assemble(folder, catalog, outcomes, settings, protocol=PROTOCOLS["default"])
    push_dataset(folder, f"ours-{folder.name}")
    return report.clips


def publish_by_datasets(folder: Path) -> int:
    """The same clips by Dataset.from_generator and its push_to_hub, rows and sound alone."""
    from datasets import Dataset, Features, Value

    def rows() -> Iterator[dict[str, Any]]:
        for path in sorted((folder / "clips").glob("*/*.flac")):
            yield {"audio": {"bytes": path.read_bytes(), "path": path.name}, "video_id": path.parent.name}

    sound = {"bytes": Value("binary"), "path": Value("string")}
    made = Dataset.from_generator(
        rows, features=Features({"audio": sound, "video_id": Value("string")}), cache_dir=str(folder / "cache")
    )
    made.push_to_hub(f"theirs-{folder.name}")
    return len(made)


def write_clips(folder: Path, megabytes: int) -> None:
    """A build's folder: clips and the ledger that speaks of them."""
    from ytaudio.ledger import ClipRecord, Outcome, Settings

    made: dict[str, list[ClipRecord]] = {}
    for video_id, index, flac in clips_of(megabytes):
        path = folder / "clips" / video_id / f"{index}.flac"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(flac)
        record = ClipRecord(index, 10.0 * index, 10.0, 160_000, -10.0, hashlib.sha256(flac).hexdigest())
        made.setdefault(video_id, []).append(record)
    with (folder / "ledger.jsonl").open("w", encoding="utf-8") as file:
        settings = Settings(clips_per_video=4)
        file.write(json.dumps({"settings": {name: getattr(settings, name) for name in settings.__slots__}}) + "\n")
        for n, (video_id, clips) in enumerate(made.items()):
            url = f"https://www.youtube.com/watch?v={video_id}"
            of = Outcome(video_id, LABELS[n % 4], url, "A title", f"UC{n // 2}", 60.0, tuple(clips), None, 0, 1.0)
            file.write(of.to_json() + "\n")


def serve(folder: Path) -> int:
    """A Hub until standard input ends."""
    from ytaudio.localhub import LocalHub

    with LocalHub(folder, users={"hf_growthgrowthgrowthgrowth000000": "tester"}) as hub:
        print(json.dumps(hub.environment()), flush=True)
        sys.stdin.read()
    return 0


CHILDREN: dict[str, Callable[[Path], int]] = {
    work.__name__: work
    for work in (read_list, read_list_by_csv, read_list_by_pandas, split_ledger, publish, publish_by_datasets, serve)
}


def child(name: str, folder: Path) -> None:
    """Do one piece of work, and print its seconds, highest memory in MB and a number that shows it was done."""
    began, busy = time.perf_counter(), time.process_time()
    done = CHILDREN[name](folder)
    if name == "serve":
        return
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - busy
    status = Path("/proc/self/status").read_text()
    highest_kb = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "mb": int(highest_kb) / 1e3, "done": done}))


def measured(name: str, folder: Path, environment: dict[str, str]) -> dict[str, float]:
    """One piece of work in a fresh process."""
    command = [sys.executable, __file__, "--child", name, str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=os.environ | environment)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def table(
    title: str,
    sizes: tuple[int, ...],
    unit: str,
    make: Callable[[Path, int], None],
    ways: dict[str, str],
    environment: dict[str, str],
) -> None:
    """Measure each way at each size and print a line a way."""
    print(f"\n{title}", flush=True)
    found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix=f"growth{size}-") as place:
            make(Path(place), size)
            for way, name in ways.items():
                found[way].append(measured(name, Path(place), environment))
    print(f"  {'':30}" + "".join(f"{f'{size:,} {unit}':>30}" for size in sizes) + "  exponent")
    for way, results in found.items():
        slope = np.polyfit(np.log(sizes), np.log([one["seconds"] for one in results]), 1)[0]
        cells = [f"{one['seconds']:.1f} s ({one['cpu_seconds']:.1f} CPU) {one['mb']:,.0f} MB" for one in results]
        print(f"  {way:30}" + "".join(f"{cell:>30}" for cell in cells) + f"{slope:>10.2f}", flush=True)


@contextmanager
def embedded_hub() -> Iterator[dict[str, str]]:
    """A Hub in a process of its own; gives the environment that names it."""
    with tempfile.TemporaryDirectory(prefix="growth-hub-") as place:
        command = [sys.executable, __file__, "--child", "serve", place + "/hub"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as hub:
            assert hub.stdin and hub.stdout
            quiet = {
                "NO_PROXY": "127.0.0.1,localhost",
                "HF_HOME": place + "/hf",
                "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
                "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            }
            yield json.loads(hub.stdout.readline()) | quiet
            hub.stdin.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("list", "ledger", "publish"))
    parser.add_argument("--tenth", action="store_true", help="a tenth of each size")
    parser.add_argument("--child", nargs=2, metavar=("WORK", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child[0], Path(given.child[1]))
        return
    parts = (given.part,) if given.part else ("list", "ledger", "publish")
    lines, megabytes = (tuple(n // 10 if given.tenth else n for n in sizes) for sizes in (LINES, MEGABYTES))
    if "list" in parts:
        ways = {"read_catalog": "read_list", "list(csv.DictReader)": "read_list_by_csv"}
        ways["pandas.read_csv to dicts"] = "read_list_by_pandas"
        table("a CSV to videos and refused lines", lines, "lines", write_catalogue, ways, {})
    if "ledger" in parts:
        ways = {"ledger, duplicates, splits": "split_ledger"}
        table("a ledger to splits that share no channel and no sound", lines, "outcomes", write_ledger, ways, {})
    if "publish" in parts:
        ways = {"assemble and push_dataset": "publish", "from_generator().push_to_hub": "publish_by_datasets"}
        with embedded_hub() as environment:
            table("clips to a published dataset", megabytes, "MB", write_clips, ways, environment)


if __name__ == "__main__":
    main()
