"""Clips a second out of the loader: `python tests/benchmarks/loader.py [--batch 16] [--seconds 4]`.

A GPU of today takes over a thousand crops of 5 s a second. Measured, in turns, over clips of 30 s of FLAC in Parquet:
our loader with 0, 1 and 2 workers; the same out of memory (`preload`, as --preload has it); and the way of the official
example of transformers, which decodes whole clips through datasets (with torchcodec where it is installed, else
soundfile, and the output says which). Each ends in what the model is fed: `Wav2Vec2FeatureExtractor`, which wav2vec2
and our CNN share, and AST's, which computes spectrograms.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import torch
from datasets import disable_progress_bars
from torch.utils.data import DataLoader
from training import CLIP_S, TORCHCODEC, example_dataset, write_clips
from transformers import ASTFeatureExtractor, Wav2Vec2FeatureExtractor

from ytaudio.training.data import ClipCollator, open_dataset
from ytaudio.training.preloading import preload

EXTRACTORS = {"wav2vec2, CNN": Wav2Vec2FeatureExtractor, "AST": ASTFeatureExtractor}
TURNS = 3


def endless(loader: DataLoader) -> Iterator[Any]:
    """Batches without end; workers stay."""
    while True:
        yield from loader


def rate(batches: Iterator[Any], batch: int, seconds: float) -> float:
    """Clips a second over about so many seconds, one batch being waited for first."""
    next(batches)
    began, clips = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        next(batches)
        clips += batch
    return clips / (time.perf_counter() - began)


def ways(folder: Path, extractor: Any, given: argparse.Namespace) -> dict[str, Iterator[Any]]:
    """Every way's endless batches, by its name; nothing is read yet."""
    rows = open_dataset(folder)[0]["train"].select_columns(["audio", "label"])
    collator = ClipCollator(extractor, given.crop_seconds, random=True)

    def ours(split: Any, workers: int) -> Iterator[Any]:
        return endless(
            DataLoader(
                split,
                batch_size=given.batch,
                collate_fn=collator,
                drop_last=True,
                shuffle=True,
                num_workers=workers,
                persistent_workers=workers > 0,
            )
        )

    theirs = example_dataset(folder, extractor, given.crop_seconds)
    held = preload(rows)
    example = DataLoader(theirs, batch_size=given.batch, collate_fn=extractor.pad, drop_last=True, shuffle=True)
    found = {"the example's, 0 workers": endless(example)}
    for workers in (0, 1, 2):
        found[f"ours from Parquet, {workers} workers"] = ours(rows, workers)
    for workers in (0, 1, 2):
        found[f"ours from memory, {workers} workers"] = ours(held, workers)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--crop-seconds", type=float, default=5.0)
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each way is measured, in each turn")
    given = parser.parse_args()
    disable_progress_bars()
    torch.set_num_threads(1)  # as in workers
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as place:
        write_clips(Path(place) / "clips")
        for name, extractor in EXTRACTORS.items():
            rates: dict[str, list[float]] = {}
            for _ in range(TURNS):
                for way, batches in ways(Path(place) / "clips", extractor(), given).items():
                    rates.setdefault(way, []).append(rate(batches, given.batch, given.seconds))
            for way, measured in rates.items():
                found.setdefault(way, {})[name] = median(measured)
    decoder = "datasets with torchcodec" if TORCHCODEC else "soundfile (torchcodec is not installed)"
    print(f"{CLIP_S:g} s FLAC to {given.crop_seconds:g} s crops, batches of {given.batch}, {os.cpu_count()} cores;")
    print(f"the example decodes whole clips by {decoder}.\n")
    print(f"| clips a second | {' | '.join(EXTRACTORS)} |\n|---|{'---|' * len(EXTRACTORS)}")
    for way, by_extractor in found.items():
        print(f"| {way} | {' | '.join(f'{by_extractor[name]:.0f}' for name in EXTRACTORS)} |")


if __name__ == "__main__":
    main()
