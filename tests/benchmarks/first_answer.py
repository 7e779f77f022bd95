"""Seconds to the first answer for a sound file of 10 s: `python tests/benchmarks/first_answer.py [--model USER/NAME]`.

Each way is a process of its own that loads a model, answers for one file and ends: a plain script on
`transformers.pipeline`, `ytaudio classify`, and `ytaudio.classify` in Python, in turns, with one thread each
(OMP_NUM_THREADS=1), once before they are timed. The seconds of the processor (user and system, from start to end of the
process) are what is to be compared: they depend less than the clock's on what else the machine does. Without --model it
is a spectrogram CNN of the size that recipes/spectrogram_cnn.yaml trains, with new weights, in a folder.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

PIPELINE = """
import sys, soundfile, transformers
transformers.logging.set_verbosity_error()
classify = transformers.pipeline("audio-classification", model=sys.argv[1], trust_remote_code=True)
waveform, sampling_rate = soundfile.read(sys.argv[2], dtype="float32")
print(classify({"array": waveform, "sampling_rate": sampling_rate}))
"""
IN_PYTHON = "import sys, ytaudio; print(ytaudio.classify(sys.argv[2], model=sys.argv[1]))"


def ways(model: str, path: str) -> dict[str, list[str]]:
    """Names of the ways, and their commands."""
    python = sys.executable
    return {
        "transformers.pipeline": [python, "-c", PIPELINE, model, path],
        "ytaudio classify": [python, "-m", "ytaudio.cli", "classify", path, "--model", model],
        "ytaudio.classify(...)": [python, "-c", IN_PYTHON, model, path],
    }


def one(command: list[str]) -> tuple[float, float]:
    """Seconds of the processor and of the wall clock that one process took."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    wall_s, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{command[:3]} failed:\n{done.stderr[-3000:]}")
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, wall_s


def new_model(folder: Path) -> str:
    """A spectrogram CNN with new weights and four labels, saved as a training saves it."""
    from transformers import Wav2Vec2FeatureExtractor

    from ytaudio.models import SpectrogramCNNConfig, SpectrogramCNNForAudioClassification

    config = SpectrogramCNNConfig(id2label=dict(enumerate(("art_music", "food", "history", "travel"))))
    SpectrogramCNNForAudioClassification(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return str(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a model on the Hub that HF_ENDPOINT names, or a folder")
    parser.add_argument("--times", type=int, default=5)
    given = parser.parse_args()
    import numpy as np
    import soundfile

    with tempfile.TemporaryDirectory() as place:
        path = str(Path(place) / "ten.wav")
        soundfile.write(path, np.random.default_rng(0).uniform(-0.3, 0.3, 160_000), 16_000)
        commands = ways(given.model or new_model(Path(place) / "model"), path)
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(given.times + 1):
            for name, command in commands.items():
                found[name].append(one(command))
    print("| one thread | processor, s: median (least) | wall clock, s: median (least) |\n|---|---|---|")
    for name, runs in found.items():
        cpu, wall = zip(*runs[1:], strict=True)  # the first fills caches
        print(f"| {name} | {median(cpu):.2f} ({min(cpu):.2f}) | {median(wall):.2f} ({min(wall):.2f}) |")


if __name__ == "__main__":
    main()
