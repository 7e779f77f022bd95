"""What a demo needs, published on the embedded Hub: a small dataset, and two tiny models."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from huggingface_hub import HfApi
from making import LABELS, dataset_folder, model_folder, scores_of, training_run

from ytaudio.hub import push_dataset, push_model
from ytaudio.testing import SiteVideo
from ytaudio.testing.models import tiny

DATASET, FIRST, SECOND = "tester/demo-sounds", "tester/demo-wav2vec2", "tester/demo-cnn"
VIDEO = SiteVideo("abcdefghijk", "travel", "UC1", "a channel", 95.0, 4000, title="Coast <b>road</b> & rain")
GONE = SiteVideo("goneabcdefg", "food", "UC2", "another", 20.0, 5000, title="Gone", state="removed")
SILENT = SiteVideo("silenceabcd", "food", "UC2", "another", 20.0, 6000, title="Silence", state="silent")


def publish(place: Path) -> None:
    """The dataset, a wav2vec2 that tells of its training and its scores, and a CNN with code of its own."""
    import ytaudio.models  # noqa: F401  which tells transformers of the CNN

    push_dataset(dataset_folder(place / "data", {"train": 6, "validation": 3, "test": 6}), DATASET)
    commit = HfApi().dataset_info(DATASET).sha
    first = model_folder(place / "first")
    training_run(dataset_id=DATASET, dataset_revision=commit).save(first)
    scores_of([0, 1, 2, 0], [0, 1, 2, 1], dataset_id=DATASET, dataset_revision=commit).save(first)
    push_model(first, FIRST)
    tiny("spectrogram_cnn", place / "second", LABELS)
    push_model(place / "second", SECOND)


def start(words: list[str], log: Path, environment: dict[str, str], cwd: Path | None = None) -> tuple:
    """A process that serves the page, and the address it prints."""
    with log.open("w") as out:
        seen = {**os.environ, "PYTHONUNBUFFERED": "1", **environment}  # or the address stays in a buffer
        process = subprocess.Popen(words, stdout=out, stderr=out, env=seen, cwd=cwd)
    until = time.monotonic() + 150
    while time.monotonic() < until and process.poll() is None:
        said = log.read_text()
        if "http://127.0.0.1:" in said:
            return process, "http://127.0.0.1:" + said.split("http://127.0.0.1:")[1].split()[0].rstrip("/")
        time.sleep(0.1)
    process.kill()
    raise AssertionError(f"there is no page:\n{log.read_text()}")


def ask(address: str, *data: object, name: str = "ask") -> tuple[str, object]:
    """What the page's API answers: the kind of its last event, and its data."""
    body = json.dumps({"data": list(data)}).encode()
    call = f"{address}/gradio_api/call/{name}"
    request = urllib.request.Request(call, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        event = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{call}/{event}", timeout=60) as answer:
        lines = answer.read().decode().strip().splitlines()
    kind, said = lines[-2].removeprefix("event: "), json.loads(lines[-1].removeprefix("data: "))
    return kind, said[0] if isinstance(said, list) and said else said


PYTHON = sys.executable
