import io

import numpy as np
import pytest
from matplotlib.image import imread

from ytaudio import plots
from ytaudio.channels import Spread
from ytaudio.evaluation.calibration import calibration

HOSTILE = ["$x^{", "a\nb | c", "\\frac", "x" * 200, "猫", "$$"]


def picture(png: bytes) -> np.ndarray:
    return imread(io.BytesIO(png))


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("labels", [["a"], ["a", "b", "c", "d"], [f"label {n}" for n in range(120)], HOSTILE])
def test_plots_bear_any_number_and_any_name_of_labels(labels):
    splits = {"train": {label: {"videos": n, "clips": n, "channels": 1} for n, label in enumerate(labels)}, "test": {}}
    values = {label: n / len(labels) for n, label in enumerate(labels)}
    shares = np.full((9, len(labels)), 1 / len(labels))
    shapes = [
        picture(plots.f1(values, dict.fromkeys(labels, (0.0, 1.0)), dict.fromkeys(labels, 3))).shape,
        picture(plots.reliability(calibration(shares, [0] * 9, range(9)))).shape,
        picture(plots.classes(splits, labels)).shape,
        picture(plots.channels(Spread((9, 2, 1)), dict.fromkeys(labels, Spread((9, 1))))).shape,
        picture(plots.confusion(np.eye(len(labels), dtype=int), labels)).shape,
    ]
    assert all(200 < side < 3000 for shape in shapes for side in shape[:2])


def test_what_is_plotted_shows():
    right, wrong = (picture(plots.confusion(matrix, ["a", "b"])) for matrix in ([[9, 0], [0, 9]], [[0, 9], [9, 0]]))
    assert (right != wrong).any()
    f1 = [picture(plots.f1({"a": 0.5}, {"a": interval}, {"a": 9})) for interval in ((0.4, 0.6), (0.1, 0.9))]
    assert (f1[0] != f1[1]).any()
    one, many = Spread((9,)), Spread((1,) * 9)
    held = [picture(plots.channels(Spread((9, 9)), {"a": one, "b": other})) for other in (one, many)]
    assert (held[0] != held[1]).any()
    shares = np.tile([0.8, 0.2], (50, 1))
    sure = [picture(plots.reliability(calibration(shares, truth, range(50)))) for truth in ([0] * 50, [1] * 50)]
    assert (sure[0] != sure[1]).any()


def test_the_same_scores_give_the_same_bytes():
    assert plots.confusion([[1, 2], [0, 3]], ["a", "b"]) == plots.confusion([[1, 2], [0, 3]], ["a", "b"])


@pytest.mark.parametrize(
    "history",
    [(), ({"epoch": 1.0, "loss": 0.5},), ({"epoch": 1.0, "eval_loss": 0.5, "eval_accuracy": 1.0}, {"x": 1.0})],
)
def test_a_training_curve_is_drawn_from_whatever_was_logged_and_has_a_panel_for_what_was_scored(history):
    shown = picture(plots.training(history)).shape
    validated = any("eval_macro_f1" in entry or "eval_accuracy" in entry for entry in history)
    assert shown[1] == (1080 if validated else 540)
