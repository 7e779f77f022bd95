import sys

import pytest
from making import LABELS
from sklearn.metrics import f1_score

from ytaudio.evaluation.metric import TopicMetric, _library


def test_metric_needs_no_network_and_equals_scikit_learn():
    truth, predicted = [0, 0, 1, 1, 2, 2], [0, 1, 1, 1, 2, 0]
    found = TopicMetric().compute(predictions=predicted, references=truth, labels=list(LABELS))
    assert found["accuracy"] == pytest.approx(4 / 6, abs=1e-6)
    assert found["macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro"), abs=1e-6)
    assert found["f1_by_category"] == pytest.approx({"art_music": 0.5, "food": 0.8, "travel": 2 / 3}, abs=1e-6)


def test_metric_names_classes_by_number_without_labels():
    found = TopicMetric().compute(predictions=[0, 3], references=[0, 0])
    assert set(found["f1_by_category"]) == {"0", "3"}


def test_the_library_is_found_from_a_folder_that_holds_a_script_of_its_name(tmp_path, monkeypatch):
    (tmp_path / "evaluate.py").write_text("raise SystemExit('this is the script')")
    monkeypatch.setattr("sys.path", [str(tmp_path), *sys.path])
    for name in [name for name in sys.modules if name.split(".")[0] == "evaluate"]:
        monkeypatch.delitem(sys.modules, name)
    assert hasattr(_library(), "Metric")
    assert sys.path[0] == str(tmp_path)
