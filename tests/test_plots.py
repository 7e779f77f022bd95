import io

import numpy as np
import pytest
from matplotlib.image import imread

from ytaudio import plots

HOSTILE = ["$x^{", "a\nb | c", "\\frac", "x" * 200, "猫", "$$"]


def picture(png: bytes) -> np.ndarray:
    return imread(io.BytesIO(png))


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("labels", [["a"], ["a", "b", "c", "d"], [f"label {n}" for n in range(120)], HOSTILE])
def test_plots_bear_any_number_and_any_name_of_labels(labels):
    splits = {"train": {label: {"videos": n, "clips": n, "channels": 1} for n, label in enumerate(labels)}, "test": {}}
    shapes = [
        picture(plots.classes(splits, labels)).shape,
        picture(plots.confusion(np.eye(len(labels), dtype=int), labels)).shape,
    ]
    assert all(200 < side < 3000 for shape in shapes for side in shape[:2])


def test_what_is_plotted_shows():
    right, wrong = (picture(plots.confusion(matrix, ["a", "b"])) for matrix in ([[9, 0], [0, 9]], [[0, 9], [9, 0]]))
    assert (right != wrong).any()


def test_the_same_scores_give_the_same_bytes():
    assert plots.confusion([[1, 2], [0, 3]], ["a", "b"]) == plots.confusion([[1, 2], [0, 3]], ["a", "b"])


@pytest.mark.parametrize(
    "history",
    [(), ({"epoch": 1.0, "loss": 0.5},), ({"epoch": 1.0, "eval_loss": 0.5, "eval_accuracy": 1.0}, {"x": 1.0})],
)
def test_a_training_curve_is_drawn_from_whatever_was_logged(history):
    assert picture(plots.training(history)).ndim == 3
