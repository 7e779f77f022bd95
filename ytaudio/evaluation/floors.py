"""Two floors under every score: the commonest class, and a logistic regression on MFCC statistics."""

import hashlib
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from huggingface_hub.constants import HF_HOME

from ytaudio.clips import SAMPLING_RATE, decode_from, repeat_to
from ytaudio.evaluation.scores import Floor, by_video, floor_of
from ytaudio.training.data import encoded
from ytaudio.training.streaming import ClipStream

CENTRE_S = 5.0  # of each clip that the MFCC floor hears
COEFFICIENTS = 20
STREAMED = 1_000  # clips of train that a floor learns from where they are streamed
MAJORITY, MFCC = "majority class", "MFCC and logistic regression"
_known: dict[str, dict[str, Floor]] = {}


def floors(
    dataset: Mapping[str, Any], split: str, labels: tuple[str, ...], dataset_id: str, revision: str
) -> dict[str, Floor]:
    """Both floors on a split, learnt from the split "train"; {} for a dataset without one, or without its labels.

    Of a stream the regression learns from STREAMED clips of train at the most, and says so.
    A floor belongs to a commit, so it is worked out once for each and kept in the Hugging Face cache folder; a dataset
    without a commit (a folder) is worked out every time.
    """
    if "train" not in dataset or min(dataset["train"]["label"], default=-1) < 0:
        return {}
    most = STREAMED if isinstance(dataset["train"], ClipStream) else 0
    key = hashlib.sha256(
        repr((dataset_id, revision, split, labels, CENTRE_S, COEFFICIENTS, most, 2)).encode()
    ).hexdigest()
    path = Path(HF_HOME) / "ytaudio" / "floors" / f"{key}.json"
    if revision and key not in _known and path.is_file():
        read = json.loads(path.read_text())
        _known[key] = {name: _floor(**values) for name, values in read.items()}
    if not revision or key not in _known:
        _known[key] = _learn(dataset, split, labels)
        if revision:
            _write(path, json.dumps({name: asdict(floor) for name, floor in _known[key].items()}))
    return dict(_known[key])


def _floor(accuracy_interval: list[float], macro_f1_interval: list[float], **rest: Any) -> Floor:
    low, high = accuracy_interval
    lower, higher = macro_f1_interval
    return Floor(accuracy_interval=(low, high), macro_f1_interval=(lower, higher), **rest)


def _write(path: Path, text: str) -> None:
    """Write whole or not at all: another process may read at the same moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}")
    part.write_text(text)
    part.replace(path)


def _learn(dataset: Mapping[str, Any], split: str, labels: tuple[str, ...]) -> dict[str, Floor]:
    truth, keys = np.asarray(dataset["train"]["label"]), keys_of(dataset[split])
    shares = np.bincount(truth, minlength=len(labels)) / len(truth)
    name = labels[int(shares.argmax())]
    majority = by_video(keys, np.tile(shares, (len(keys), 1)), labels)
    found = {MAJORITY: floor_of(f"says {name!r}, the commonest class of train, of everything", majority, labels)}
    chosen, learnt = list(range(len(truth))), "train"
    if isinstance(dataset["train"], ClipStream) and len(truth) > STREAMED:
        chosen, learnt = list(itertools.islice(dataset["train"].order(1, 1), STREAMED)), f"{STREAMED} clips of train"
    if len(set(truth[chosen].tolist())) > 1:
        train = mfcc_statistics(encoded_clips(dataset["train"], chosen))
        scored = mfcc_statistics(encoded_clips(dataset[split]))
        spread = np.zeros((len(keys), len(labels)))
        spread[:, np.unique(truth[chosen])] = logistic(train, truth[chosen], scored)
        text = (
            f"logistic regression on means and deviations of {COEFFICIENTS} MFCCs and their deltas, over the central "
            f"{CENTRE_S:g} s of each clip, learnt on {learnt}"
        )
        found[MFCC] = floor_of(text, by_video(keys, spread, labels), labels)
    return found


def keys_of(split: Any) -> list[tuple[str, str, int]]:
    """Video id, channel id and label's index of every clip; a dataset without video ids counts each row as a video."""
    rows = len(split)
    videos = split["video_id"] if "video_id" in split.column_names else [str(row) for row in range(rows)]
    channels = split["channel_id"] if "channel_id" in split.column_names else [""] * rows
    return list(zip(videos, channels, split["label"], strict=True))


def encoded_clips(split: Any, places: Iterable[int] | None = None) -> Iterator[bytes]:
    """The encoded sound of every row, or of those at `places`, whether the dataset holds it or points to a file."""
    rows = split.select_columns("audio") if isinstance(split, Dataset) else split
    for place in range(len(rows)) if places is None else places:
        yield encoded(rows[place]["audio"])


def mfcc_statistics(clips: Iterable[bytes]) -> np.ndarray:
    """MFCCs by librosa, summed up over time: encoded clips to float32 (clips, 4 x COEFFICIENTS)."""
    import librosa  # takes a second to import, and only floors need it

    samples, rows = int(CENTRE_S * SAMPLING_RATE), []
    for flac in clips:
        waveform = decode_from(flac, lambda length: max(0, (length - samples) // 2), samples)
        waveform = repeat_to(waveform, SAMPLING_RATE)
        mfcc = librosa.feature.mfcc(y=waveform, sr=SAMPLING_RATE, n_mfcc=COEFFICIENTS)
        delta = librosa.feature.delta(mfcc)
        rows.append(np.concatenate([mfcc.mean(1), mfcc.std(1), delta.mean(1), delta.std(1)]))
    return np.asarray(rows, dtype=np.float32)


def logistic(train: np.ndarray, truth: np.ndarray, heard: np.ndarray) -> np.ndarray:
    """Probabilities of the classes in `truth`, sorted: (clips, features) to (clips, classes)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=2_000)).fit(train, truth).predict_proba(heard)
