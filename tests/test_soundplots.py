import pytest
from test_answers import made

from ytaudio.soundplots import timeline

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("labels", [["food"], ["food", None, "travel"], [f"label $x_{k}$ \\frac\n" for k in range(24)]])
def test_timelines_are_drawn_whatever_the_labels(labels):
    assert timeline(made(labels, 40_000.0), "a title $of$ \\any kind " * 9).startswith(PNG)
