import json
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import HfApi
from making import LABELS, dataset_folder, model_folder, scores_of
from transformers import AutoModelForAudioClassification

from ytaudio.errors import UserError
from ytaudio.evaluation.floors import MFCC
from ytaudio.evaluation.predictions import load_scores
from ytaudio.evaluation.scores import Scores
from ytaudio.evaluation.scoring import score_model


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return dataset_folder(tmp_path_factory.mktemp("data")) / "dataset"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return model_folder(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def scores(model, data):
    return score_model(str(model), str(data))


def test_scores_say_what_was_scored(scores, model, data):
    assert (scores.split, scores.videos, scores.clips, scores.labels) == ("test", 6, 12, LABELS)
    assert (scores.model_id, scores.dataset_id, scores.dataset_revision) == (str(model), str(data), "")
    assert scores.crop_seconds == 1.5, "as its training_run.json says"
    assert all(abs(sum(p.probabilities) - 1) < 1e-4 and len(p.clips_predicted) == 2 for p in scores.predictions)
    assert {p.channel_id for p in scores.predictions} == {f"channel test {n}" for n in range(6)}


def test_floors_hear_what_there_is_to_hear_and_guess_the_rest(scores):
    """The tones are told apart by any spectrum; the commonest class is one in three."""
    assert scores.floors["majority class"].accuracy == pytest.approx(1 / 3, abs=1e-6)
    assert scores.floors[MFCC].accuracy == 1
    assert scores.floors[MFCC].accuracy_interval[0] < 1


def test_a_clip_is_the_mean_over_its_crops(model, data):
    """As counted by hand, crop by crop."""
    from making import tone

    from ytaudio.clips import decode, encode
    from ytaudio.training.checkpoints import load_for_inference

    network, extractor = load_for_inference(str(model))
    sound = decode(encode(tone(0, 0)))
    shares = []
    for start in (0, 4_000, 8_000):  # three crops of 1.5 s in 2 s
        inputs = extractor(sound[start : start + 24_000], sampling_rate=16_000, return_tensors="pt").input_values
        with torch.no_grad():
            shares.append(network(inputs).logits.softmax(-1)[0].numpy())
    second = decode(encode(tone(0, 1)))
    for start in (0, 4_000, 8_000):
        inputs = extractor(second[start : start + 24_000], sampling_rate=16_000, return_tensors="pt").input_values
        with torch.no_grad():
            shares.append(network(inputs).logits.softmax(-1)[0].numpy())
    first = score_model(str(model), str(data), floors=False, crops=3, batch_size=5).predictions
    video = next(p for p in first if p.video_id == "test000000")
    assert video.probabilities == pytest.approx(tuple(np.mean(shares, axis=0)), abs=1e-4)


def test_labels_are_matched_by_name_not_by_number(model, data, scores, tmp_path):
    network = AutoModelForAudioClassification.from_pretrained(model)
    turn = [2, 0, 1]
    network.classifier.weight.data = network.classifier.weight.data[turn]
    network.classifier.bias.data = network.classifier.bias.data[turn]
    network.config.id2label = {place: LABELS[old].upper().replace("_", " ") for place, old in enumerate(turn)}
    network.config.label2id = {label: place for place, label in network.config.id2label.items()}
    turned = model_folder(tmp_path / "turned")
    network.save_pretrained(turned)
    again = score_model(str(turned), str(data), floors=False)
    assert again.confusion == scores.confusion
    assert np.allclose(
        [p.probabilities for p in again.predictions], [p.probabilities for p in scores.predictions], atol=1e-5
    )


def test_a_model_with_other_labels_is_refused_in_one_sentence(data, tmp_path):
    other = model_folder(tmp_path / "other", labels=("food", "travel", "history"))
    with pytest.raises(UserError, match="does not know the label art_music"):
        score_model(str(other), str(data), floors=False)


def test_a_model_that_knows_more_is_asked_for_the_datasets_labels_only(data, tmp_path):
    wide = model_folder(tmp_path / "wide", labels=("history", *LABELS, "sport"))
    found = score_model(str(wide), str(data), floors=False)
    assert found.labels == LABELS
    assert all(abs(sum(p.probabilities) - 1) < 1e-4 for p in found.predictions)


def test_validation_is_scored_where_there_is_no_test_and_a_class_may_be_absent(model, tmp_path):
    data = dataset_folder(tmp_path, {"train": 6, "validation": 2}) / "dataset"  # no travel among two videos
    found = score_model(str(model), str(data))
    assert found.split == "validation"
    assert sum(map(sum, found.confusion)) == 2
    assert set(found.f1_by_category) >= {"art_music", "food"}
    with pytest.raises(UserError, match="no split test: give one of train, validation"):
        score_model(str(model), str(data), split="test")


def test_a_model_that_answers_nan_is_not_given_a_score(data, tmp_path):
    network = AutoModelForAudioClassification.from_pretrained(model_folder(tmp_path))
    network.classifier.bias.data[0] = float("nan")
    network.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="NaN"):
        score_model(str(tmp_path), str(data), floors=False)


def test_our_own_cnn_is_scored_without_trusting_code(data, tmp_path):
    from transformers import Wav2Vec2FeatureExtractor

    from ytaudio.models import SpectrogramCNNConfig, SpectrogramCNNForAudioClassification

    config = SpectrogramCNNConfig(width=4, id2label=dict(enumerate(LABELS)))
    SpectrogramCNNForAudioClassification(config).save_pretrained(tmp_path)
    Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    assert score_model(str(tmp_path), str(data), floors=False).crop_seconds == 5.0, "what it is where nothing is said"


def test_clips_shorter_than_the_crop_are_heard(model, data):
    assert score_model(str(model), str(data), crop_seconds=3, floors=False).crop_seconds == 3


def test_scores_are_read_from_a_folder_or_from_the_hub(hub, tmp_path):
    scores = scores_of([0, 1, 2], [0, 1, 1])
    path = scores.save(tmp_path)
    assert load_scores(str(tmp_path)) == load_scores(str(path)) == scores
    api = HfApi()
    api.create_repo("tester/scored", exist_ok=True)
    with pytest.raises(UserError, match="tester/scored has no scores"):
        load_scores("tester/scored")
    api.upload_file(path_or_fileobj=path, path_in_repo="scores.json", repo_id="tester/scored")
    assert load_scores("tester/scored") == scores


@pytest.mark.parametrize("name", ["tester/nowhere", "../nowhere", "no such name"])
def test_scores_that_are_nowhere_are_one_sentence(name, hub):
    with pytest.raises(UserError) as refused:
        load_scores(name)
    assert "\n" not in str(refused.value) and name in str(refused.value)


def test_unreadable_scores_are_one_sentence(tmp_path):
    (tmp_path / "scores.json").write_text("{")
    with pytest.raises(UserError, match="score the model again"):
        load_scores(str(tmp_path))
    assert json.loads(Path(scores_of([0], [0]).save(tmp_path)).read_text())["videos"] == 1
    assert Scores.load(tmp_path).videos == 1


def saved_cnn(folder):
    from transformers import Wav2Vec2FeatureExtractor

    from ytaudio.models import SpectrogramCNNConfig, SpectrogramCNNForAudioClassification

    torch.manual_seed(0)
    config = SpectrogramCNNConfig(width=4, hidden_size=8, id2label=dict(enumerate(LABELS)))
    SpectrogramCNNForAudioClassification(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


def probabilities(scores):
    return np.asarray([p.probabilities for p in sorted(scores.predictions, key=lambda p: p.video_id)])


@pytest.mark.parametrize("make", [model_folder, saved_cnn], ids=["group-norm wav2vec2", "CNN"])
def test_a_score_does_not_depend_on_what_else_is_in_the_batch(make, data, tmp_path):
    name = str(make(tmp_path))
    alone, together, uneven = (
        probabilities(score_model(name, str(data), floors=False, crop_seconds=1.2, batch_size=size))
        for size in (1, 36, 7)
    )
    assert alone.std(axis=0).max() > 1e-5, "clips are told apart at all"
    assert np.abs(together - alone).max() <= 1e-6 and np.abs(uneven - alone).max() <= 1e-6


def test_a_tenth_of_a_second_and_ten_minutes_are_scored_by_their_crops_alone(model, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq
    from making import tone

    from ytaudio.clips import encode

    data = dataset_folder(tmp_path, {"train": 3, "test": 3}) / "dataset"
    path = data / "data" / "test-00000-of-00001.parquet"
    table = pq.read_table(path).slice(0, 2)
    long = np.zeros(600 * 16_000, np.float32)
    for start in (0, 600 * 16_000 // 2 - 12_000, 600 * 16_000 - 24_000):  # where three crops of 1.5 s are heard
        long[start : start + 24_000] = tone(1, 5, 1.5)
    clips = [{"bytes": encode(sound), "path": "a.flac"} for sound in (tone(0, 1, 0.1), long)]
    changed = table.set_column(0, table.schema.field("audio"), pa.array(clips, table.schema.field("audio").type))
    changed = changed.set_column(2, table.schema.field("video_id"), pa.array(["short", "long"]))
    pq.write_table(changed, path)
    found = {p.video_id: p.probabilities for p in score_model(str(model), str(data), floors=False).predictions}
    assert set(found) == {"short", "long"} and all(abs(sum(p) - 1) < 1e-4 for p in found.values())
    heard = {}
    for name, sound in (("short", np.tile(tone(0, 1, 0.1), 15)), ("long", tone(1, 5, 1.5))):
        (tmp_path / name).mkdir()
        changed = changed.slice(0, 1).set_column(
            0,
            table.schema.field("audio"),
            pa.array([{"bytes": encode(sound), "path": "a"}], table.schema.field("audio").type),
        )
        pq.write_table(changed, path)
        heard[name] = score_model(str(model), str(data), floors=False).predictions[0].probabilities
    assert found["short"] == pytest.approx(heard["short"], abs=1e-4)
    assert found["long"] == pytest.approx(heard["long"], abs=1e-3)


def test_a_streamed_split_is_scored_as_one_on_disk(hub, model, data, scores, monkeypatch):
    api = HfApi()
    api.create_repo("tester/to-stream", repo_type="dataset", exist_ok=True)
    api.upload_folder(repo_id="tester/to-stream", repo_type="dataset", folder_path=data)
    found = score_model(str(model), "tester/to-stream", streaming=True)
    assert found.predictions == scores.predictions and found.floors == scores.floors
    monkeypatch.setattr("ytaudio.evaluation.floors.STREAMED", 12)
    few = score_model(str(model), "tester/to-stream", streaming=True)
    assert "learnt on 12 clips of train" in few.floors[MFCC].description
    assert few.floors["majority class"] == scores.floors["majority class"]


def test_bfloat16_scores_nearly_the_same(model, data, scores):
    rough = score_model(str(model), str(data), floors=False, bf16=True)
    assert 0 < np.abs(probabilities(rough) - probabilities(scores)).max() < 0.02
