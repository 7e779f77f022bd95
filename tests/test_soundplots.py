import numpy as np
import pytest
from test_answers import made

from ytaudio.soundplots import spectrogram, timeline

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("labels", [["food"], ["food", None, "travel"], [f"label $x_{k}$ \\frac\n" for k in range(24)]])
def test_timelines_are_drawn_whatever_the_labels(labels):
    assert timeline(made(labels, 40_000.0), "a title $of$ \\any kind " * 9).startswith(PNG)


@pytest.mark.parametrize("samples", [0, 1, 1023, 16_000 * 300])
def test_spectrograms_are_drawn_of_any_length(samples):
    sound = np.random.default_rng(0).standard_normal(samples).astype(np.float32) * 0.1
    assert spectrogram(sound).startswith(PNG)
