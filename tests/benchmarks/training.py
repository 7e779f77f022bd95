"""Our training beside the official example's: `python tests/benchmarks/training.py [--model cnn] [--steps 5]`.

The example is transformers' examples/pytorch/audio-classification/run_audio_classification.py, followed to the letter
in what costs time: whole clips decoded by datasets (torchcodec where it is installed, else soundfile, and the output
says which), a random piece of each, the feature extractor on the batch, Trainer with its defaults and its collator,
which makes a mask. Ours is `clip_trainer`. Both train the same model with random weights on the same clips of 30 s, in
crops of the same length and batches of the same size; no layer is dropped at random, so that all steps are alike.

First the way of a clip from the dataset to a crop, both in turn in one process. Then steps: each side is a process of
its own, so that its peak memory is its own; they take turns, a step each, and a side waits for its turn inside
Trainer's loop, so a step is all that Trainer does from one optimiser step to the next, reading the batch included.
On a GPU ours is also compiled, and takes --large-batch clips; there rates are what to compare.
"""

import argparse
import importlib.util
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import randint
from statistics import median
from typing import Any

import numpy as np
import torch
from datasets import Audio, ClassLabel, Dataset, Features, Value, disable_progress_bars
from transformers import (
    AutoModelForAudioClassification,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    set_seed,
)

from ytaudio.clips import SAMPLING_RATE, encode
from ytaudio.training.checkpoints import load_classifier
from ytaudio.training.choices import AccuracyArguments
from ytaudio.training.data import ClipCollator, open_dataset
from ytaudio.training.fitting import clip_trainer
from ytaudio.training.freezing import freeze

LABELS = ["art_music", "food", "history", "travel"]
CLIPS, CLIP_S = 48, 30.0
TORCHCODEC = importlib.util.find_spec("torchcodec") is not None
SIDES = {
    "example": "the example, fp32",
    "ours": "ours, fp32",
    "bf16": "ours, bf16",
    "compiled": "ours, bf16, compiled, larger batches",
}


def write_clips(folder: Path) -> None:
    """Clips of 30 s, tones in noise, as Parquet: 16 bit FLAC of about 800 KB each."""
    draw, seconds = np.random.default_rng(0), np.arange(round(CLIP_S * SAMPLING_RATE)) / SAMPLING_RATE
    rows: dict[str, list[Any]] = {"audio": [], "label": [], "video_id": []}
    for number in range(CLIPS):
        tone = 0.2 * np.sin(2 * np.pi * (200 + 40 * number) * seconds) + 0.05 * draw.standard_normal(seconds.size)
        rows["audio"].append({"bytes": encode(tone.astype(np.float32)), "path": f"{number}.flac"})
        rows["label"].append(number % len(LABELS))
        rows["video_id"].append(f"video{number}")
    plain = {"bytes": Value("binary"), "path": Value("string")}
    features = {"audio": plain, "label": ClassLabel(names=LABELS), "video_id": Value("string")}
    made = Dataset.from_dict(rows, Features(features)).cast_column("audio", Audio(SAMPLING_RATE, decode=False))
    (folder / "data").mkdir(parents=True)
    made.cast_column("audio", Audio(SAMPLING_RATE)).to_parquet(folder / "data" / "train-00000-of-00001.parquet")


def random_subsample(wav: np.ndarray, max_length: float, sample_rate: int = 16_000) -> np.ndarray:
    """As the example's."""
    sample_length = round(sample_rate * max_length)
    if len(wav) <= sample_length:
        return wav
    random_offset = randint(0, len(wav) - sample_length - 1)
    return wav[random_offset : random_offset + sample_length]


def whole(audio: Any) -> np.ndarray:
    """A clip as the example has it, decoded whole."""
    if TORCHCODEC:
        return audio["array"]
    import io

    import soundfile

    return soundfile.read(io.BytesIO(audio["bytes"]), dtype="float32")[0]


def example_rows(folder: Path) -> Dataset:
    """The clips, decoded by datasets where torchcodec is there for it."""
    return open_dataset(folder)[0]["train"].cast_column("audio", Audio(SAMPLING_RATE, decode=TORCHCODEC))


def example_dataset(folder: Path, extractor: Any, crop_seconds: float) -> Dataset:
    """The example's train split, with its train_transforms."""
    name = extractor.model_input_names[0]

    def train_transforms(batch: dict[str, list[Any]]) -> dict[str, Any]:
        wavs = [random_subsample(whole(audio), crop_seconds, extractor.sampling_rate) for audio in batch["audio"]]
        inputs = extractor(wavs, sampling_rate=extractor.sampling_rate)
        return {name: inputs.get(name), "labels": list(batch["label"])}

    rows = example_rows(folder)
    rows.set_transform(train_transforms, output_all_columns=False)
    return rows


def model_folder(kind: str, folder: Path) -> Path:
    """The model with random weights, and its extractor, as a checkpoint that both sides load."""
    set_seed(0)
    if kind == "cnn":
        model, extractor = load_classifier("spectrogram_cnn", LABELS)
    else:
        sizes = {} if kind == "wav2vec2" else {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 64}
        names = {"id2label": dict(enumerate(LABELS)), "label2id": {label: k for k, label in enumerate(LABELS)}}
        model = AutoModelForAudioClassification.from_config(Wav2Vec2Config(layerdrop=0.0, **sizes, **names))
        extractor = Wav2Vec2FeatureExtractor()
    model.save_pretrained(folder / "model")
    extractor.save_pretrained(folder / "model")
    return folder / "model"


class Turns(TrainerCallback):
    """Waits after each step until the parent says go; then times the next one and says how long it took."""

    def __init__(self, batch: int) -> None:
        self.batch, self.began, self.used = batch, 0.0, 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        took, used = time.perf_counter() - self.began, time.process_time() - self.used
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        device = torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else 0.0
        said = {"took": took, "used": used, "clips": self.batch, "peak": peak, "device": device}
        print(json.dumps(said), flush=True)
        if sys.stdin.readline().strip() != "go":
            control.should_training_stop = True
        self.began, self.used = time.perf_counter(), time.process_time()


def side(which: str, given: argparse.Namespace, folder: Path) -> None:
    """One side's training, a step whenever the parent says so."""
    set_seed(0)
    cuda, large = torch.cuda.is_available(), which == "compiled"
    batch = given.large_batch if large else given.batch
    settings: dict[str, Any] = {"max_steps": 10_000, "disable_tqdm": True, "save_strategy": "no", "report_to": "none"}
    settings |= {"per_device_train_batch_size": batch, "remove_unused_columns": False, "use_cpu": not cuda}
    settings |= {"dataloader_num_workers": given.workers, "dataloader_pin_memory": cuda}
    if which in ("bf16", "compiled"):
        settings |= {"bf16": True, "torch_compile": large}
    args = TrainingArguments(str(folder / which), **settings)
    if which == "example":
        mask = given.model != "cnn"
        extractor = Wav2Vec2FeatureExtractor.from_pretrained(folder / "model", return_attention_mask=mask)
        model = AutoModelForAudioClassification.from_pretrained(folder / "model")
        if given.model != "cnn":
            model.freeze_feature_encoder()
        data = example_dataset(folder / "data", extractor, given.crop_seconds)
        trainer = Trainer(model=model, args=args, train_dataset=data, processing_class=extractor)
    else:
        model, extractor = load_classifier(folder / "model", LABELS)
        freeze(model, "none" if given.model == "cnn" else "feature_encoder")
        train = open_dataset(folder / "data")[0]["train"]
        trainer = clip_trainer(
            model, extractor, args, AccuracyArguments(), train, None, crop_seconds=given.crop_seconds
        )
    trainer.add_callback(Turns(batch))
    trainer.train()


def take_turns(given: argparse.Namespace, folder: Path) -> dict[str, list[dict[str, float]]]:
    """Each side's steps, after one that is not counted."""
    sides = [name for name in SIDES if name != "compiled" or torch.cuda.is_available()]
    command = [sys.executable, __file__, *sys.argv[1:], "--folder", str(folder), "--side"]
    children = {
        name: subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in sides
    }
    found: dict[str, list[dict[str, float]]] = {name: [] for name in sides}

    def answer(name: str) -> dict[str, float]:
        for line in children[name].stdout or ():
            if line.startswith('{"took"'):
                return json.loads(line)
        raise SystemExit(f"{SIDES[name]} ended before its time")

    for name in sides:
        answer(name)
    for turn in range(given.steps + 1):
        for name, child in children.items():
            assert child.stdin
            child.stdin.write("go\n")
            child.stdin.flush()
            said = answer(name)
            if turn:
                found[name].append(said)
    for child in children.values():
        child.communicate("stop\n")
    return found


def reading(given: argparse.Namespace, folder: Path) -> None:
    """Milliseconds a clip from the dataset's row to a crop, and to the model's input."""
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(folder / "model")
    rows = example_rows(folder / "data")
    ours = open_dataset(folder / "data")[0]["train"].select_columns(["audio", "label"])
    transformed = example_dataset(folder / "data", extractor, given.crop_seconds)
    collator = ClipCollator(extractor, given.crop_seconds, random=True)
    batches = [list(range(n, n + given.batch)) for n in range(0, CLIPS - given.batch + 1, given.batch)]
    ways = {
        "row to crop": (
            lambda at: [random_subsample(whole(audio), given.crop_seconds) for audio in rows[at]["audio"]],
            lambda at: [collator.crop(row) for row in ours.__getitems__(at)],
        ),
        "row to the model's input": (
            lambda at: transformed.__getitems__(at),
            lambda at: collator(ours.__getitems__(at)),
        ),
    }
    print(f"\n| {CLIP_S:g} s FLAC to {given.crop_seconds:g} s, ms a clip | the example | ours | times |")
    print("|---|---|---|---|")
    for name, pair in ways.items():
        took: tuple[list[float], list[float]] = ([], [])
        for turn in range(4):
            collator.set_epoch(turn)
            for which, way in enumerate(pair):
                for at in batches:
                    began = time.perf_counter()
                    way(at)
                    took[which].append((time.perf_counter() - began) / len(at) * 1000)
        theirs, mine = map(median, took)
        print(f"| {name} | {theirs:.2f} | {mine:.2f} | {theirs / mine:.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=("wav2vec2", "cnn", "tiny"), default="wav2vec2")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--large-batch", type=int, default=64)
    parser.add_argument("--crop-seconds", type=float, default=5.0)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--side", choices=tuple(SIDES), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        side(given.side, given, given.folder)
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        disable_progress_bars()
        write_clips(folder / "data")
        model_folder(given.model, folder)
        decoder = "datasets with torchcodec" if TORCHCODEC else "soundfile (torchcodec is not installed)"
        print(f"The example decodes whole clips by {decoder}; ours reads the crop by soundfile.")
        reading(given, folder)
        found = take_turns(given, folder)
    cores = f"{torch.get_num_threads()} threads"
    print(f"\n{given.model}, {given.crop_seconds:g} s crops, batches of {given.batch}, {given.steps} steps, {cores}\n")
    print("| | ms a step | processor ms | clips a second | times the example | peak memory, MB | of the GPU, MB |")
    print("|---|---|---|---|---|---|---|")
    rates = {name: median(said["clips"] / said["took"] for said in steps) for name, steps in found.items()}
    for name, steps in found.items():
        took, used = (median(said[what] for said in steps) * 1000 for what in ("took", "used"))
        last = steps[-1]
        device = f"{last['device']:.0f}" if last["device"] else ""
        ratio = rates[name] / rates["example"]
        figures = f"{took:.0f} | {used:.0f} | {rates[name]:.2f} | {ratio:.2f} | {last['peak']:.0f}"
        print(f"| {SIDES[name]} | {figures} | {device} |")


if __name__ == "__main__":
    main()
