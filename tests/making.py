"""Small real datasets, models and scores that several tests share."""

import hashlib
import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Audio, ClassLabel, Features, Value

from ytaudio.assemble import assemble
from ytaudio.catalog import Catalog, Video
from ytaudio.clips import SAMPLING_RATE, encode
from ytaudio.evaluation.scores import Prediction, Scores, figures
from ytaudio.ledger import ClipRecord, Outcome, Settings, open_ledger
from ytaudio.splits import PROTOCOLS
from ytaudio.training.runs import TrainingRun
from ytaudio.visits import clip_path

RECIPES = Path(__file__).parents[1] / "recipes"
LABELS = ("art_music", "food", "travel")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def load_recipe(name: str) -> ModuleType:
    """A recipe as a module; by another name than its own, since a library is called evaluate, too."""
    spec = importlib.util.spec_from_file_location(f"{name}_recipe", RECIPES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where typing looks a dataclass's hints up
    spec.loader.exec_module(module)
    return module


def tone(label: int, seed: int, seconds: float = 2.0) -> np.ndarray:
    """A sound whose pitch tells its label, in noise: float32 (samples,)."""
    time = np.arange(int(seconds * SAMPLING_RATE)) / SAMPLING_RATE
    noise = 0.05 * np.random.default_rng(seed).standard_normal(time.size)
    return (0.4 * np.sin(2 * np.pi * (300 + 700 * label) * time) + noise).astype(np.float32)


def dataset_folder(
    folder: Path, videos: dict[str, int] | None = None, labels=LABELS, seconds: float = 2.0, a_channel: int = 1
) -> Path:
    """What a build leaves: dataset/data/*.parquet and report.json, two clips a video, `a_channel` videos a channel."""
    videos = videos or {"train": 12, "validation": 6, "test": 6}
    features = Features(
        {
            "audio": Audio(sampling_rate=SAMPLING_RATE),
            "label": ClassLabel(names=list(labels)),
            "video_id": Value("string"),
            "clip": Value("int32"),
            "start_s": Value("float32"),
            "title": Value("string"),
            "channel_id": Value("string"),
            "url": Value("string"),
        }
    )
    (folder / "dataset" / "data").mkdir(parents=True)
    splits = {}
    for split, count in videos.items():
        rows = []
        for video in range(count):
            label, name = video % len(labels), f"{split[:4]}{video:06d}"
            for clip in range(2):
                sound = encode(tone(label, 2 * video + clip, seconds))
                audio = {"bytes": sound, "path": f"{name}_{clip}.flac"}
                link = f"https://www.youtube.com/watch?v={name}"
                channel = f"channel {split} {video // a_channel}"
                rows.append([audio, label, name, clip, 10.0 * clip, f"Video {video}", channel, link])
        table = [dict(zip(features, row, strict=True)) for row in rows]
        path = folder / "dataset" / "data" / f"{split}-00000-of-00001.parquet"
        pq.write_table(pa.Table.from_pylist(table, schema=features.arrow_schema), path)
        each = {label: range(n, count, len(labels)) for n, label in enumerate(labels)}
        splits[split] = {
            label: {"videos": len(of), "clips": 2 * len(of), "channels": len({video // a_channel for video in of})}
            for label, of in each.items()
            if of
        }
    write_report(folder / "dataset", labels=list(labels), splits=splits, clips=2 * sum(videos.values()))
    return folder


def write_report(folder: Path, **changes) -> dict:
    report = {
        "source": "youtube.csv",
        "requested": 40,
        "rejected": {"duplicate": 2},
        "rejected_lines": [],
        "attempted": 30,
        "collected": 24,
        "used": 24,
        "failed": {"private": 3, "removed": 3},
        "failed_examples": {"private": ["abc: Private video"], "removed": ["def: Video unavailable | <b>gone</b>"]},
        "unvisited": 8,
        "clips": 48,
        "hours": 0.03,
        "bytes_read": 1_000_000,
        "labels": list(LABELS),
        "splits": {},
        "missing": ["test lacks 3 videos of food."],
        "protocol": "default",
        "seed": 0,
        "clip_seconds": 2.0,
        "clips_per_video": 2,
        "versions": {"ytaudio": "0.1.0"},
        "created": "2026-01-02T03:04:05+00:00",
        **changes,
    }
    (folder / "report.json").write_text(json.dumps(report))
    return report


def scores_of(truth, predicted, labels=LABELS, model="tester/model", **changes) -> Scores:
    """Scores from the labels' numbers, a video each with two clips that agree with it."""
    eye = 0.9 * np.eye(len(labels)) + 0.1 / len(labels)
    predictions = tuple(
        Prediction(f"video{n}", f"channel{n}", labels[t], labels[p], tuple(eye[p].round(6)), (labels[p],) * 2)
        for n, (t, p) in enumerate(zip(truth, predicted, strict=True))
    )
    scores = Scores(
        model_id=model,
        model_revision=COMMIT,
        dataset_id="tester/data",
        dataset_revision=COMMIT,
        split="test",
        labels=tuple(labels),
        floors={},
        predictions=predictions,
        crop_seconds=1.5,
        crops=3,
        seconds=2.0,
        created="2026-01-02T03:04:05+00:00",
        versions={"torch": "2.13.0"},
        **figures(predictions, labels),
    )
    return replace(scores, **changes)


def training_run(**changes) -> TrainingRun:
    run = TrainingRun(
        base_model="spectrogram_cnn",
        base_revision="",
        dataset_id="tester/data",
        dataset_revision=COMMIT,
        labels=LABELS,
        settings={"learning_rate": 3e-5, "hub_token": "hf_abcdefghijklmnopqrstuvwxyz"},
        command="accelerate launch finetune.py --hub_token hf_abcdefghijklmnopqrstuvwxyz --note '```'",
        history=({"epoch": 1.0, "loss": 1.1}, {"epoch": 1.0, "eval_loss": 1.0, "eval_macro_f1": 0.5}),
        seconds=12.0,
        parameters=1000,
        trainable_parameters=900,
        crop_seconds=1.5,
        hardware="CPU",
        versions={"torch": "2.13.0"},
    )
    return replace(run, **changes)


def model_folder(folder: Path, labels=LABELS, seed: int = 0) -> Path:
    """A tiny wav2vec2 classifier with its extractor and the record of its training."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForSequenceClassification

    torch.manual_seed(seed)
    config = Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8, 8),
        conv_stride=(20, 16),
        conv_kernel=(20, 16),
        num_feat_extract_layers=2,
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
        classifier_proj_size=8,
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
    )
    Wav2Vec2ForSequenceClassification(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    training_run().save(folder)
    return folder


def cnn_folder(folder: Path, labels=LABELS) -> Path:
    """A tiny CNN of ours with random weights and its extractor."""
    from transformers import Wav2Vec2FeatureExtractor

    from ytaudio.models import SpectrogramCNNConfig, SpectrogramCNNForAudioClassification

    config = SpectrogramCNNConfig(width=4, depth=2, id2label=dict(enumerate(labels)))
    SpectrogramCNNForAudioClassification(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


def build_folder(folder: Path, channels: int = 9, labels=LABELS, seconds: float = 2.0, rate: float = 1 / 3) -> Path:
    """What a build leaves, ledger and clips too: a video a channel, two clips a video at odd times."""
    settings = Settings(clips_per_video=2, clip_seconds=seconds)
    videos = []
    with open_ledger(folder, settings) as ledger:
        for number in range(channels):
            name, label = f"made{number:06d}A", number % len(labels)
            url = f"https://www.youtube.com/watch?v={name}"
            videos.append(Video(name, url, f"Title {number}", f"Words {number}", labels[label]))
            clips = []
            for index in range(2):
                sound = tone(label, 2 * number + index, seconds)
                path = clip_path(folder, name, index)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(encode(sound))
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                clips.append(
                    ClipRecord(index, index * 10 + rate, round(seconds, 4), sound.size, -9.0, digest, "AQACAAMA")
                )
            ledger.append(
                Outcome(name, labels[label], url, f"Title {number}", f"UC{number}", 20.0, tuple(clips), None, 1, 0.1)
            )
        catalog = Catalog(tuple(videos), ())
        assemble(folder, catalog, ledger.outcomes, settings, protocol=PROTOCOLS["default"], source="youtube.csv")
    return folder
