"""What each choice of recipes/spectrogram_cnn.yaml brings on real recordings, with intervals, beside the floors.

`python tests/benchmarks/ablation.py RECORDINGS OUT` takes about an hour and a half on two quiet cores. RECORDINGS is a
folder with manifest.csv (path, label, package) as tests/test_real_audio.py reads. Each recording gives one clip, its
central 5 s, and its channel is the package it comes from. First the whole recipe with one source left out at a time,
then every variant on fewer folds of sources, each against the whole recipe on the same folds. Every fold is kept: a run
that was ended goes on. `--only NAME ...` runs some variants, `--jobs` several at a time, a core each.

Pooling, layer weights, a head's learning rate and head-first training are for pretrained backbones: with random
weights, which is all that could be had here, they say nothing about accuracy, so they are not in this table.
"""

import argparse
import csv
import hashlib
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import soxr

from ytaudio.clips import SAMPLING_RATE, encode
from ytaudio.evaluation.crossscores import (
    CHANNELS,
    MEASURES,
    MODEL,
    VIDEOS,
    CrossValidation,
    difference,
    measures,
)
from ytaudio.evaluation.floors import MFCC
from ytaudio.ledger import ClipRecord, Outcome
from ytaudio.parquet import write_split
from ytaudio.visits import clip_path

RECIPES = Path(__file__).parents[2] / "recipes"
CLIP_S = 5.0
CONFIG = {"width": 16, "depth": 4, "dropout": 0.2, "top_db": 50, "normalize_level": True, "mixstyle": 0.5}
SMALL = {  # beside the recipe's own: what makes a training take half a minute of one core
    "crop_seconds": 1.5,  # every recording has that much: repetition would tell how long it is
    "max_steps": 150,
    "per_device_train_batch_size": 32,
    "learning_rate": 3e-3,
    "max_grad_norm": 10,
    "bf16": True,
    "use_cpu": True,
    "validation": "none",
}
PLAIN = {"reverberation": 0, "tilt_db": 0, "low_pass": 0, "noise": 0, "oversample": False}
UNLEVELLED = {"top_db": 0, "normalize_level": False, "mixstyle": 0}
VARIANTS: dict[str, dict[str, object]] = {
    "the recipe": {},
    "plain: none of its choices, no SpecAugment": {**PLAIN, "config": {**UNLEVELLED, "apply_spec_augment": False}},
    "without levelling (top_db, normalize_level)": {"config": {"top_db": 0, "normalize_level": False}},
    "without Freq-MixStyle": {"config": {"mixstyle": 0}},
    "without SpecAugment": {"config": {"apply_spec_augment": False}},
    "without reverberation": {"reverberation": 0},
    "without tilt": {"tilt_db": 0},
    "without low-pass": {"low_pass": 0},
    "without noise": {"noise": 0},
    "without oversampling": {"oversample": False},
    "class weights instead of oversampling": {"oversample": False, "class_weights": "balanced"},
    "one crop a clip in evaluation, not three": {"crops": 1},
    "with mixup 0.2": {"mixup_alpha": 0.2},
    "with gain of 6 dB": {"gain_db": 6},
    "with time shift of 0.5 s": {"time_shift_s": 0.5},
    "with EMA 0.95": {"ema_decay": 0.95},
    "with label smoothing 0.1": {"label_smoothing_factor": 0.1},
}


def central(path: Path) -> np.ndarray:
    """The central 5 s of a recording: float32 (samples,) at 16 kHz, the mean of its channels."""
    with av.open(str(path), format="gsm" if path.suffix == ".gsm" else None, metadata_errors="ignore") as source:
        frames = list(source.decode(audio=0))
    rate, layout = frames[0].sample_rate, av.AudioResampler(format="fltp")
    planes = [piece.to_ndarray() for frame in frames for piece in layout.resample(frame)]
    waveform = soxr.resample(np.concatenate(planes, axis=1).mean(axis=0), rate, SAMPLING_RATE, quality="HQ")
    samples = int(CLIP_S * SAMPLING_RATE)
    start = max(0, (len(waveform) - samples) // 2)
    return waveform[start : start + samples]


def make_dataset(recordings: Path, folder: Path) -> Path:
    """The recordings as `ytaudio build` would write them: a video with one clip each, a channel each package."""
    target = folder / "dataset" / "data"
    if target.is_dir():
        return target.parent
    with (recordings / "manifest.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    outcomes = []
    for number, row in enumerate(rows):
        name, waveform = f"real{number:06d}A", central(recordings / row["path"])
        path, seconds = clip_path(folder, name, 0), len(waveform) / SAMPLING_RATE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(waveform))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        clip = ClipRecord(0, 0.0, round(seconds, 4), waveform.size, -9.0, digest, "")
        outcomes.append(
            Outcome(name, row["label"], row["path"], row["path"], row["package"], seconds, (clip,), None, 1, 0.1)
        )
    part = target.with_name("part")
    part.mkdir(parents=True, exist_ok=True)
    write_split(outcomes, folder, sorted({row["label"] for row in rows}), part, "train")
    part.rename(target)
    return target.parent


def command(dataset: Path, folder: Path, changes: dict[str, object], folds: str, seeds: list[int]) -> list[str]:
    """The command that cross-validates a variant."""
    changes = dict(changes)
    config = {**CONFIG, **changes.pop("config", {})}  # type: ignore[dict-item]
    settings = {**SMALL, **changes, "model_config": json.dumps(config), "folds": folds, "output_dir": str(folder)}
    options = [f"--{name}={value}" for name, value in settings.items()]
    recipe = [sys.executable, str(RECIPES / "crossvalidate.py"), str(RECIPES / "spectrogram_cnn.yaml")]
    return [*recipe, "--dataset_name", str(dataset), *options, f"--name={folder.name}", "--seeds", *map(str, seeds)]


def run(dataset: Path, folder: Path, changes: dict[str, object], folds: str, seeds: list[int]) -> CrossValidation:
    """Cross-validate a variant in a process of its own, or read what it gave before."""
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / "crossvalidation.json"
    if not done.is_file() or CrossValidation.load(done).seeds != tuple(seeds):
        with (folder / "log.txt").open("a") as log:
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            argv = command(dataset, folder, changes, folds, seeds)
            subprocess.run(argv, check=True, stdout=log, stderr=subprocess.STDOUT, env=environment)
    return CrossValidation.load(done)


def slug(name: str) -> str:
    """A variant's folder."""
    return "".join(c if c.isalnum() else "-" for c in name.split(":")[0].split(" (")[0].lower())


def main_table(cross: CrossValidation) -> list[str]:
    """The recipe and the floors, each source left out in turn, with both kinds of interval."""
    lines = ["| | intervals over | " + " | ".join(MEASURES) + " |", "|---|---|" + "---|" * len(MEASURES)]
    for over in (CHANNELS, VIDEOS):
        units = "sources and seeds" if over == CHANNELS else "recordings and seeds"
        rows = {system: measures(cross, system, over) for system in cross.answers}
        rows["CNN minus MFCC floor"] = difference(cross, cross, MODEL, MFCC, over)
        for system, found in rows.items():
            shown = "CNN" if system == MODEL else system
            lines.append(f"| {shown} | {units} | " + " | ".join(map(str, found.values())) + " |")
    return lines


def ablation_table(whole: CrossValidation, variants: dict[str, CrossValidation]) -> list[str]:
    """Each variant, and its paired difference to the whole recipe."""
    lines = [
        "| variant | balanced accuracy | minus the recipe, over recordings | the same over sources | s a training |",
        "|---|---|---|---|---|",
    ]
    for name, cross in variants.items():
        own = measures(cross, MODEL, VIDEOS)["balanced_accuracy"]
        gaps = [
            str(difference(cross, whole, MODEL, MODEL, over)["balanced_accuracy"]) if cross is not whole else ""
            for over in (VIDEOS, CHANNELS)
        ]
        trainings = len(cross.seeds) * int(cross.folds)
        lines.append(f"| {name} | {own} | {gaps[0]} | {gaps[1]} | {cross.seconds / trainings:.0f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="*", default=list(VARIANTS), help="variants, by the beginning of their names")
    parser.add_argument("--folds", default="6", help="of sources, for the variants")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2, help="variants at a time, a core each")
    parser.add_argument("--no-main", action="store_true", help="the variants alone")
    args = parser.parse_args()
    began = time.monotonic()
    dataset = make_dataset(args.recordings, args.out)
    names = [name for name in VARIANTS if name == "the recipe" or name.startswith(tuple(args.only))]
    lines = ["# Real recordings", ""]
    with ThreadPoolExecutor(args.jobs) as workers:
        tasks = {}
        if not args.no_main:
            for seed in args.seeds:  # a process each, in one folder; the last call below gathers them
                workers.submit(run_seed, dataset, args.out / "leave-one-out", seed)
        for name in names:
            tasks[name] = workers.submit(run, dataset, args.out / slug(name), VARIANTS[name], args.folds, args.seeds)
        found = {}
        for name, task in tasks.items():
            found[name] = task.result()
            print(f"{name}: {measures(found[name])['balanced_accuracy']}", flush=True)
    if not args.no_main:
        cross = run(dataset, args.out / "leave-one-out", {}, "groups", args.seeds)
        lines += [
            f"{len(cross.videos)} recordings of {len(set(cross.channels))} sources, one source left out at a time,"
        ]
        lines += [f"{len(cross.seeds)} seeds. Mean ± deviation over seeds (95 % interval).", "", *main_table(cross), ""]
    lines += [
        f"{args.folds} folds of sources, {len(args.seeds)} seeds.",
        "",
        *ablation_table(found["the recipe"], found),
    ]
    lines += ["", f"{time.monotonic() - began:.0f} s in this run."]
    text = "\n".join(lines) + "\n"
    (args.out / "ablation.md").write_text(text)
    print(text)


def run_seed(dataset: Path, folder: Path, seed: int) -> None:
    """One seed of the leave-one-source-out run."""
    folder.mkdir(parents=True, exist_ok=True)
    argv = command(dataset, folder, {}, "groups", [seed])
    with (folder / f"log-{seed}.txt").open("a") as log:
        subprocess.run(
            argv, check=True, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )


if __name__ == "__main__":
    main()
