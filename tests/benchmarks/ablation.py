"""What each choice of recipes/spectrogram_cnn.yaml brings on real recordings, with intervals, beside the floors.

`python tests/benchmarks/ablation.py RECORDINGS OUT` takes hours on two cores. RECORDINGS is a folder with manifest.csv
(path, label, package) as tests/test_real_audio.py reads. Each recording gives one clip, its central 5 s, and its
channel is the package it comes from. First the whole recipe with one source left out at a time, then every variant on
fewer folds of sources, each against the whole recipe on the same folds. Every fold is kept: a run that was ended goes
on. `--only NAME ...` runs some variants, `--jobs` several at a time, a core each. At the end, or at Ctrl-C, tables of
all that is finished go to OUT/ablation.md and OUT/ablation.json; `--table` prints them and neither runs nor writes.

The recipe was tuned on these very sources. So that the floor has had the same, there is one more of it, whose
regression counts classes alike and whose strength of regularisation is the one that does best here.

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
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow.parquet as pq
import soxr

from ytaudio.clips import SAMPLING_RATE, encode
from ytaudio.evaluation.crossscores import (
    CHANNELS,
    MEASURES,
    MODEL,
    VIDEOS,
    CrossValidation,
    Measured,
    difference,
    measures,
)
from ytaudio.evaluation.floors import MFCC, mfcc_statistics
from ytaudio.ledger import ClipRecord, Outcome
from ytaudio.parquet import write_split
from ytaudio.visits import clip_path

RECIPES = Path(__file__).parents[2] / "recipes"
CLIP_S = 5.0
WHOLE, LEFT_OUT = "the recipe", "leave-one-out"  # a variant's name, and the folder of the main table
TUNED, STRENGTHS = (
    "MFCC floor, tuned here",
    (1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0),
)  # C of scikit-learn's LogisticRegression
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
SHORT: dict[str, Any] = {
    "max_steps": 100,
    "config": {"width": 8},
}  # of the variants, of which there are many: a third of the time
VARIANTS: dict[str, dict[str, Any]] = {
    WHOLE: {},
    "plain: none of its choices, no SpecAugment": {**PLAIN, "config": {**UNLEVELLED, "apply_spec_augment": False}},
    "without SpecAugment": {"config": {"apply_spec_augment": False}},
    "class weights instead of oversampling": {"oversample": False, "class_weights": "balanced"},
    "with mixup 0.2": {"mixup_alpha": 0.2},
    "with EMA 0.95": {"ema_decay": 0.95},
    "with label smoothing 0.1": {"label_smoothing_factor": 0.1},
    "with gain of 6 dB": {"gain_db": 6},
    "with time shift of 0.5 s": {"time_shift_s": 0.5},
    "without rooms, tilt, low-pass and noise": {**PLAIN, "oversample": True},
    "without levelling (top_db, normalize_level)": {"config": {"top_db": 0, "normalize_level": False}},
    "without Freq-MixStyle": {"config": {"mixstyle": 0}},
    "one crop a clip in evaluation, not three": {"crops": 1},
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


def shortened(name: str) -> dict[str, Any]:
    """What a variant changes, SHORT included."""
    return {**SHORT, **VARIANTS[name], "config": {**SHORT["config"], **VARIANTS[name].get("config", {})}}


def command(dataset: Path, folder: Path, changes: dict[str, Any], folds: str, seeds: list[int]) -> list[str]:
    """The command that cross-validates a variant."""
    changes = dict(changes)
    config = {**CONFIG, **changes.pop("config", {})}
    settings = {**SMALL, **changes, "model_config": json.dumps(config), "folds": folds, "output_dir": str(folder)}
    options = [f"--{name}={value}" for name, value in settings.items()]
    recipe = [sys.executable, str(RECIPES / "crossvalidate.py"), str(RECIPES / "spectrogram_cnn.yaml")]
    return [*recipe, "--dataset_name", str(dataset), *options, f"--name={folder.name}", "--seeds", *map(str, seeds)]


def launch(argv: list[str], log: Path) -> None:
    """Run a command on one core, what it says at the end of a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as file:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run(argv, check=True, stdout=file, stderr=subprocess.STDOUT, env=environment)


def run(dataset: Path, folder: Path, changes: dict[str, Any], folds: str, seeds: list[int]) -> CrossValidation:
    """Cross-validate a variant in a process of its own, or read what it gave before."""
    done = folder / "crossvalidation.json"
    if not done.is_file() or CrossValidation.load(done).seeds != tuple(seeds):
        launch(command(dataset, folder, changes, folds, seeds), folder / "log.txt")
    return CrossValidation.load(done)


def slug(name: str) -> str:
    """A variant's folder."""
    return "".join(c if c.isalnum() else "-" for c in name.split(":")[0].split(" (")[0].lower())


def with_tuned_floor(cross: CrossValidation, dataset: Path) -> CrossValidation:
    """The same with one floor more: balanced, its C the best on these very sources, each left out in turn."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = pq.read_table(dataset / "data", columns=["audio", "video_id"]).to_pylist()
    sound = {row["video_id"]: row["audio"]["bytes"] for row in rows}
    heard = mfcc_statistics(sound[video] for video in cross.videos)
    truth, channels = np.asarray(cross.truth), np.asarray(cross.channels)
    found = []
    for strength in STRENGTHS:
        answers = np.zeros_like(truth)
        for channel in np.unique(channels):
            rest = channels != channel
            regression = LogisticRegression(C=strength, class_weight="balanced", max_iter=5_000)
            fitted = make_pipeline(StandardScaler(), regression).fit(heard[rest], truth[rest])
            answers[~rest] = fitted.predict(heard[~rest])
        recalls = [np.mean(answers[truth == label] == label) for label in np.unique(truth)]
        found.append((np.mean(recalls), strength, tuple(map(int, answers))))
    _, strength, best = max(found)
    print(f"{TUNED}: C = {strength:g}", flush=True)
    return replace(cross, answers={**cross.answers, TUNED: (best,) * len(cross.seeds)})


Rows = dict[str, dict[str, dict[str, Measured]]]  # what is measured, over what, by which measure


def main_figures(cross: CrossValidation) -> Rows:
    """The recipe, the floors, and it minus them, with each source left out in turn."""
    rows: Rows = {}
    for over in (CHANNELS, VIDEOS):
        for system in cross.answers:
            rows.setdefault("CNN" if system == MODEL else system, {})[over] = measures(cross, system, over)
        for floor in (MFCC, TUNED):
            rows.setdefault(f"CNN minus {floor}", {})[over] = difference(cross, cross, MODEL, floor, over)
    return rows


def main_table(rows: Rows) -> list[str]:
    """The same as Markdown."""
    lines = ["| | intervals over | " + " | ".join(MEASURES) + " |", "|---|---|" + "---|" * len(MEASURES)]
    for over, units in ((CHANNELS, "sources and seeds"), (VIDEOS, "recordings and seeds")):
        lines += [
            f"| {name} | {units} | " + " | ".join(map(str, row[over].values())) + " |" for name, row in rows.items()
        ]
    return lines


def ablation_figures(found: dict[str, CrossValidation]) -> dict[str, dict[str, Any]]:
    """Each variant's balanced accuracy, and its paired difference to the whole recipe once that is finished."""
    whole, rows = found.get(WHOLE), {}
    for name, cross in found.items():
        rows[name] = {
            "balanced_accuracy": measures(cross, MODEL, VIDEOS)["balanced_accuracy"],
            "seconds_a_training": cross.seconds / (len(cross.seeds) * int(cross.folds)),
        }
        if whole is not None and cross is not whole:
            for over in (VIDEOS, CHANNELS):
                gap = difference(cross, whole, MODEL, MODEL, over)
                rows[name][f"minus_the_recipe_over_{over}"] = gap["balanced_accuracy"]
    return rows


def ablation_table(rows: dict[str, dict[str, Any]]) -> list[str]:
    """The same as Markdown."""
    lines = [
        "| variant | balanced accuracy | minus the recipe, over recordings | the same over sources | s a training |",
        "|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        gaps = [row.get(f"minus_the_recipe_over_{over}", "") for over in (VIDEOS, CHANNELS)]
        own = row["balanced_accuracy"]
        lines.append(f"| {name} | {own} | {gaps[0]} | {gaps[1]} | {row['seconds_a_training']:.0f} |")
    return lines


def finished(out: Path, folds: str, seeds: list[int]) -> dict[str, CrossValidation]:
    """Variants whose folds are all there, the whole recipe first."""
    found = {name: out / slug(name) / "crossvalidation.json" for name in VARIANTS}
    loaded = {name: CrossValidation.load(path) for name, path in found.items() if path.is_file()}
    return {name: one for name, one in loaded.items() if (one.folds, one.seeds) == (folds, tuple(seeds))}


def report(out: Path, folds: str, seeds: list[int]) -> tuple[str, str]:
    """All that is finished, as Markdown and as JSON."""
    lines, figures = ["# Real recordings", ""], {}
    main = out / LEFT_OUT / "crossvalidation.json"
    if main.is_file():
        cross = with_tuned_floor(CrossValidation.load(main), out / "dataset")
        rows, sources = main_figures(cross), len(set(cross.channels))
        lines += [f"{len(cross.videos)} recordings of {sources} sources, one source left out at a time,"]
        lines += [f"seeds {', '.join(map(str, cross.seeds))}. Mean ± deviation over seeds (95 % interval).", ""]
        lines += [*main_table(rows), ""]
        figures["one source left out"] = {
            "recordings": len(cross.videos),
            "sources": sources,
            "seeds": cross.seeds,
            "rows": {name: {over: _plain(one) for over, one in row.items()} for name, row in rows.items()},
        }
    found = ablation_figures(finished(out, folds, seeds))
    if found:
        lines += [f"{folds} folds of sources, {len(seeds)} seeds; {len(found)} of {len(VARIANTS)} variants."]
        lines += ["Each is half as wide and two thirds as long as the recipe above.", ""]
        lines += ablation_table(found)
        rows_of = {name: _plain(row) for name, row in found.items()}
        figures["variants"] = {"folds": folds, "seeds": seeds, "rows": rows_of}
    return "\n".join(lines) + "\n", json.dumps(figures, indent=1) + "\n"


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: asdict(one) if isinstance(one, Measured) else one for name, one in row.items()}


def run_all(args: argparse.Namespace) -> None:
    """Everything that is asked for and not done yet."""
    dataset = make_dataset(args.recordings, args.out)
    names = [name for name in VARIANTS if name == WHOLE or name.startswith(tuple(args.only))]
    with ThreadPoolExecutor(args.jobs) as workers:
        try:
            first = []
            for seed in [] if args.no_main else args.seeds:  # a process each, in one folder; gathered below
                one = command(dataset, args.out / LEFT_OUT, {}, "groups", [seed])
                first.append(workers.submit(launch, one, args.out / LEFT_OUT / f"log-{seed}.txt"))
            tasks = {
                name: workers.submit(run, dataset, args.out / slug(name), shortened(name), args.folds, args.seeds)
                for name in names
            }
            for task in first:
                task.result()
            if first:
                run(dataset, args.out / LEFT_OUT, {}, "groups", args.seeds)
            for name, variant in tasks.items():
                print(f"{name}: {measures(variant.result())['balanced_accuracy']}", flush=True)
        except KeyboardInterrupt:
            print("interrupted: what is running ends, the rest is left out", flush=True)
            workers.shutdown(cancel_futures=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="*", default=list(VARIANTS), help="variants, by the beginning of their names")
    parser.add_argument("--folds", default="3", help="of sources, for the variants")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2, help="variants at a time, a core each")
    parser.add_argument("--no-main", action="store_true", help="the variants alone")
    parser.add_argument("--table", action="store_true", help="print what is finished; run and write nothing")
    args = parser.parse_args()
    began = time.monotonic()
    if not args.table:
        run_all(args)
    text, figures = report(args.out, args.folds, args.seeds)
    if not args.table:
        text += f"\n{time.monotonic() - began:.0f} s in this run.\n"
        (args.out / "ablation.md").write_text(text, encoding="utf-8")
        (args.out / "ablation.json").write_text(figures, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
