import numpy as np
import pytest
import soundfile
import torch
from making import cnn_folder, model_folder, training_run

from ytaudio.classifier import Classifier
from ytaudio.errors import ModelError
from ytaudio.listening import listen
from ytaudio.media import Failure
from ytaudio.training.features import features

LABELS = ("art_music", "food", "history", "travel")
RATE = 16_000
NAN = torch.full((1, len(LABELS)), float("nan"))


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    return Classifier.load(str(cnn_folder(tmp_path_factory.mktemp("model"), LABELS)))


def noise(seconds, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, round(seconds * RATE)).astype(np.float32)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_a_file_of_any_rate_and_format_is_answered(classifier, tmp_path, suffix):
    path = tmp_path / f"sound.{suffix}"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.3, 0.3, (44_100 * 7, 2)), 44_100)
    answer = classifier.classify(path, crops=6)
    assert answer.crops == 1 and sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert answer.probability == max(answer.probabilities.values()) == answer.probabilities[answer.label]
    assert isinstance(classifier.classify(tmp_path / "none.wav"), Failure)


def test_the_average_is_over_crops_and_short_ones_are_repeated(classifier):
    crops = [noise(5), noise(0.1)]
    both = classifier.answer(crops).probabilities
    each = [classifier.answer([crop]).probabilities for crop in crops]
    again = classifier.answer([np.tile(crops[1], 60)]).probabilities
    for label in LABELS:
        assert both[label] == pytest.approx((each[0][label] + each[1][label]) / 2, abs=1e-5)
        assert each[1][label] == pytest.approx(again[label], abs=1e-5)


def test_crops_that_agree_are_those_whose_own_choice_is_the_answer(classifier):
    answer = classifier._averaged(np.array([[0.9, 0.1, 0, 0], [0.2, 0.8, 0, 0], [0.1, 0.9, 0, 0]], np.float32))
    assert (answer.label, answer.agreeing, answer.crops) == (LABELS[1], 2, 3)


def test_a_model_hears_crops_of_the_length_it_was_trained_on(tmp_path):
    folder = model_folder(tmp_path / "model")
    training_run(crop_seconds=3.25).save(folder)
    assert Classifier.load(str(folder)).crop_seconds == 3.25
    (folder / "training_run.json").unlink()
    assert Classifier.load(str(folder)).crop_seconds == 5.0


def test_inputs_that_share_a_batch_are_answered_as_alone(classifier):
    heard = [listen((noise(seconds, seed), RATE), seconds=5.0) for seed, seconds in enumerate((31, 4, 90, 12))]
    together = classifier.answers(heard)
    assert [one.answer.crops for one in together] == [6, 1, 6, 2]
    for one, timeline in zip(heard, together, strict=True):
        alone = classifier.answers([one])[0].answer
        assert timeline.answer.probabilities == pytest.approx(alone.probabilities, abs=1e-5)
        assert timeline.answer.agreeing == alone.agreeing
    assert classifier.answers([]) == []


def test_a_timeline_has_bounded_parts_that_lie_side_by_side_and_silence_is_not_asked_about(classifier):
    sound = np.concatenate([noise(20), np.zeros(20 * RATE, np.float32), noise(23, 1)])
    timeline = classifier.timeline((sound, RATE), parts=6)
    ends = [part.start_s + part.seconds for part in timeline.parts]
    assert len(ends) == 6 and timeline.duration_s == ends[-1] == pytest.approx(63)
    assert [part.start_s for part in timeline.parts[1:]] == pytest.approx(ends[:-1])
    assert [bool(part.label) for part in timeline.parts] == [True, True, False, False, True, True]
    assert timeline.parts[2].probabilities == {} and timeline.parts[2].dbfs == -120
    loud = [part.probabilities for part in timeline.parts if part.label]
    assert timeline.answer.crops == 4
    for label in LABELS:
        assert timeline.answer.probabilities[label] == pytest.approx(np.mean([one[label] for one in loud]))


def test_a_model_for_several_labels_at_once_tells_each_by_itself(classifier, monkeypatch):
    monkeypatch.setattr(classifier.model.config, "problem_type", "multi_label_classification")
    several = classifier.probabilities([noise(5)])[0]
    monkeypatch.undo()
    one = classifier.probabilities([noise(5)])[0]
    with torch.inference_mode():
        logits = classifier.model(features(classifier.extractor, [noise(5)])).logits[0]
    np.testing.assert_allclose(several, logits.sigmoid(), atol=1e-5)
    np.testing.assert_allclose(one, logits.softmax(-1), atol=1e-5)


def test_a_model_that_answers_nan_is_named(classifier, monkeypatch):
    monkeypatch.setitem(classifier.model.__dict__, "forward", lambda **inputs: type("Out", (), {"logits": NAN})())
    with pytest.raises(ModelError, match="NaN"):
        classifier.answer([noise(5)])


def test_where_no_record_tells_the_crop_it_is_what_the_model_hears_at_once(tmp_path, classifier):
    from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

    config = ASTConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    ASTForAudioClassification(config).save_pretrained(tmp_path)
    ASTFeatureExtractor().save_pretrained(tmp_path)
    assert Classifier.load(str(tmp_path)).crop_seconds == pytest.approx(10.24)
    assert classifier.crop_seconds == 5.0
