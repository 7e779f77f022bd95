"""Seconds from the start of a process to its first optimiser step: `python tests/benchmarks/startup.py [--before DIR]`.

recipes/finetune.py is started as a user would, on a tiny dataset and a tiny model, so that what is left is the way
there: imports, dataset, model, Trainer, first batch, first step. Beside it the same for the official example of
transformers, with its own imports and calls (but for `evaluate.load`, which fetches its metric from the Hub), and, with
--before, for another checkout of this project. They take turns; medians are printed, of wall time and the processor's.
"""

import argparse
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import runpy
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
STAGES = ("imports and settings", "dataset", "model", "Trainer", "first batch", "first step")
EXAMPLE = """
import logging, os, sys
from dataclasses import dataclass, field
from random import randint
import datasets
import evaluate
import numpy as np
from datasets import DatasetDict, load_dataset
import transformers
from transformers import (AutoConfig, AutoFeatureExtractor, AutoModelForAudioClassification, HfArgumentParser, Trainer,
                          TrainingArguments, set_seed)
from transformers.utils import check_min_version
from transformers.utils.versions import require_version
data, model = sys.argv[1:3]
(args,) = HfArgumentParser((TrainingArguments,)).parse_args_into_dataclasses(sys.argv[3:])
MARK("imports and settings")
set_seed(args.seed)
raw = DatasetDict(train=load_dataset(data, split="train"), eval=load_dataset(data, split="validation"))
extractor = AutoFeatureExtractor.from_pretrained(model, return_attention_mask=True)
raw = raw.cast_column("audio", datasets.Audio(sampling_rate=16_000, decode=TORCHCODEC))
def whole(audio):
    if TORCHCODEC:
        return audio["array"]
    import io, soundfile
    return soundfile.read(io.BytesIO(audio["bytes"]), dtype="float32")[0]
def train_transforms(batch):
    wavs = [whole(audio)[:16_000] for audio in batch["audio"]]
    return {"input_values": extractor(wavs, sampling_rate=16_000).get("input_values"), "labels": list(batch["label"])}
MARK("dataset")
labels = raw["train"].features["label"].names
config = AutoConfig.from_pretrained(model, num_labels=len(labels))
model = AutoModelForAudioClassification.from_pretrained(model, config=config)
model.freeze_feature_encoder()
raw["train"].set_transform(train_transforms, output_all_columns=False)
MARK("model")
trainer = Trainer(model=model, args=args, train_dataset=raw["train"], processing_class=extractor)
MARK("Trainer")
trainer.train()
"""


class Clock(importlib.abc.MetaPathFinder):
    """Notes when stages end, by wrapping functions of modules as they are imported, and ends with the first step."""

    PLACES = {  # noqa: RUF012 (module to (function or method, stage that its beginning ends, stage that its end ends))
        "ytaudio.training.data": [("open_dataset", "imports and settings", "dataset")],
        "ytaudio.training.checkpoints": [("load_classifier", "", "model")],
        "transformers.trainer": [("Trainer.__init__", "", "Trainer"), ("Trainer.training_step", "first batch", "")],
        "transformers.trainer_callback": [("CallbackHandler.on_step_end", "first step", "")],
    }

    def __init__(self, began: float) -> None:
        self.began = began
        self.ends: dict[str, tuple[float, float]] = {}

    def mark(self, stage: str) -> None:
        """A stage has ended: its time since the process began, and the processor's."""
        if stage:
            used = os.times()
            self.ends.setdefault(stage, (time.time() - self.began, used.user + used.system))
        if stage == STAGES[-1]:
            print("ends " + json.dumps(self.ends), flush=True)
            os._exit(0)

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        """The module's own spec, whose loader wraps what is to be timed."""
        if name not in self.PLACES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec and spec.loader:
            run = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                run(module)
                for dotted, before, after in self.PLACES[name]:
                    *owner, function = dotted.split(".")
                    self.wrap(getattr(module, owner[0]) if owner else module, function, before, after)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec

    def wrap(self, owner: Any, name: str, before: str, after: str) -> None:
        """Let a function tell when it begins and ends."""
        inner = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            self.mark(before)
            found = inner(*args, **kwargs)
            self.mark(after)
            return found

        setattr(owner, name, timed)


def child(which: str, began: float, folder: Path, checkout: Path) -> None:
    """One start, which prints the ends of its stages and is cut off after its first step."""
    clock = Clock(began)
    settings = ["--output_dir", str(folder / f"out-{time.time_ns()}"), "--max_steps", "9", "--use_cpu", "true"]
    settings += ["--per_device_train_batch_size", "4"]
    sys.meta_path.insert(0, clock)
    if which == "example":
        Clock.PLACES = {name: found for name, found in Clock.PLACES.items() if name.startswith("transformers")}
        sys.argv = [
            "example",
            str(folder / "dataset"),
            str(folder / "model"),
            *settings,
            "--remove_unused_columns",
            "false",
        ]
        torchcodec = importlib.util.find_spec("torchcodec") is not None
        exec(EXAMPLE, {"MARK": clock.mark, "TORCHCODEC": torchcodec, "__name__": "__main__"})
    else:
        names = ["--dataset_name", str(folder / "dataset"), "--model_name_or_path", str(folder / "model")]
        sys.path.insert(0, str(checkout))
        sys.argv = ["finetune.py", *settings, *names, "--crop_seconds", "1", "--freeze", "feature_encoder"]
        runpy.run_path(str(checkout / "recipes" / "finetune.py"), run_name="__main__")


def one(which: str, folder: Path, checkout: Path) -> dict[str, tuple[float, float]]:
    """The ends of the stages of one start."""
    command = [sys.executable, __file__, "--child", which, "--folder", str(folder), "--checkout", str(checkout)]
    done = subprocess.run([*command, "--began", str(time.time())], capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("ends "):
            return json.loads(line[5:])
    raise SystemExit(f"{which} came to no step:\n{done.stdout[-500:]}{done.stderr[-3000:]}")


def table(found: dict[str, list[dict[str, tuple[float, float]]]]) -> None:
    """Print what each stage took, in the middle of all starts."""
    print(f"| seconds of wall time (of the processor) | {' | '.join(found)} |\n|---|{'---|' * len(found)}")
    total: dict[str, list[float]] = {}
    before = dict.fromkeys(found, (0.0, 0.0))
    for stage in STAGES:
        cells = []
        for name, starts in found.items():
            ends = tuple(median(start[stage][kind] for start in starts) for kind in (0, 1))
            cells.append(f"{ends[0] - before[name][0]:.2f} ({ends[1] - before[name][1]:.2f})")
            before[name] = ends
            total[name] = list(ends)
        print(f"| {stage} | {' | '.join(cells)} |")
    print(f"| all | {' | '.join(f'{wall:.2f} ({cpu:.2f})' for wall, cpu in total.values())} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--before", type=Path, help="another checkout of this project")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--began", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--checkout", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child, given.began, given.folder, given.checkout)
        return
    sys.path.insert(0, str(HERE.parent))
    from making import LABELS, dataset_folder

    from ytaudio.testing.models import tiny_wav2vec2

    sides = {"the example": ("example", ROOT), "ours": ("ours", ROOT)}
    if given.before:
        sides["ours, before"] = ("ours", given.before.resolve())
    found: dict[str, list[Any]] = {name: [] for name in sides}
    with tempfile.TemporaryDirectory() as place:
        dataset_folder(Path(place))
        tiny_wav2vec2(Path(place) / "model", LABELS)
        for _ in range(given.starts + 1):
            for name, (which, checkout) in sides.items():
                found[name].append(one(which, Path(place), checkout))
    table({name: starts[1:] for name, starts in found.items()})  # the first start fills the disk's cache


if __name__ == "__main__":
    main()
