"""A demo of audio classifiers, for a Space: upload or record a sound, every model answers side by side.

The models are the lines of models.txt beside this file. It imports nothing of ytaudio: what a Space needs is in
requirements.txt.
"""

from functools import cache
from pathlib import Path

import gradio as gr
import numpy as np
import soxr
from transformers import pipeline

MODELS = (Path(__file__).parent / "models.txt").read_text().split()
SAMPLING_RATE = 16_000  # Hz
LONGEST_S = 60.0


@cache
def classifier(model: str):
    """The pipeline of one model, loaded once."""
    return pipeline("audio-classification", model=model, trust_remote_code=True)


def classify(recording: tuple[int, np.ndarray] | None) -> list[dict[str, float]]:
    """One {label: probability} a model for (sampling rate, int16 samples or (samples, channels))."""
    if recording is None:
        raise gr.Error("There is no sound yet: upload a file or record one.")
    rate, samples = recording
    waveform = samples.astype(np.float32) / (np.iinfo(samples.dtype).max if samples.dtype.kind == "i" else 1.0)
    if waveform.ndim == 2:
        waveform = waveform.mean(axis=1)
    waveform = soxr.resample(waveform[: int(LONGEST_S * rate)], rate, SAMPLING_RATE)
    heard = np.pad(waveform, (0, max(0, SAMPLING_RATE - waveform.size)), mode="wrap")
    answers = []
    for model in MODELS:
        found = classifier(model)({"array": heard, "sampling_rate": SAMPLING_RATE}, top_k=None)
        answers.append({answer["label"]: answer["score"] for answer in found})
    return answers


def demo() -> gr.Interface:
    """The page."""
    return gr.Interface(
        fn=classify,
        inputs=gr.Audio(
            sources=["upload", "microphone"], type="numpy", label=f"Up to {LONGEST_S:.0f} seconds are heard"
        ),
        outputs=[gr.Label(label=model) for model in MODELS],
        title="What is this video about, from its sound?",
        flagging_mode="never",
    )


if __name__ == "__main__":
    demo().launch()
