import pytest
import torch
from making import LABELS, dataset_folder
from transformers import (
    ASTFeatureExtractor,
    TrainingArguments,
    Wav2Vec2FeatureExtractor,
    WhisperFeatureExtractor,
)

from ytaudio.errors import UserError
from ytaudio.training.arguments import SettingsError
from ytaudio.training.checkpoints import load_classifier
from ytaudio.training.choices import AccuracyArguments, ModelArguments
from ytaudio.training.data import open_dataset
from ytaudio.training.fitting import clip_trainer, crop_length, new_model, videos_of
from ytaudio.training.streaming import open_stream


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return open_dataset(dataset_folder(tmp_path_factory.mktemp("data"), {"train": 6, "validation": 3}) / "dataset")[0]


def fit(folder, train, validation, choices=None, **changes):
    torch.manual_seed(0)
    model, extractor = load_classifier("spectrogram_cnn", LABELS, config={"width": 4, "hidden_size": 8})
    settings = {"per_device_train_batch_size": 4, "save_strategy": "no", "disable_tqdm": True, "use_cpu": True}
    args = TrainingArguments(str(folder), **(settings | changes))
    return clip_trainer(model, extractor, args, choices or AccuracyArguments(), train, validation, crop_seconds=1.0)


def test_every_choice_at_once_trains(dataset, tmp_path):
    every = AccuracyArguments(
        head_learning_rate=1e-3,
        class_weights="balanced",
        mixup_alpha=0.3,
        gain_db=6.0,
        time_shift_s=0.2,
        ema_decay=0.9,
        validation_crops=3,
    )
    more = {"label_smoothing_factor": 0.1, "num_train_epochs": 2, "eval_strategy": "epoch"}
    trainer = fit(tmp_path, dataset["train"], dataset["validation"], every, **more)
    before = trainer.model.classifier.weight.detach().clone()
    trainer.train()
    told = [entry for entry in trainer.state.log_history if "eval_macro_f1" in entry]
    assert len(told) == 2 and not torch.equal(before, trainer.model.classifier.weight)
    assert len(trainer.eval_dataset) == 3 * len(dataset["validation"]), "three crops a clip"
    assert round(3 * told[-1]["eval_accuracy"], 6) in {0, 1, 2, 3}, "of three videos"


def test_rare_classes_weigh_more_where_asked_for(dataset, tmp_path):
    rows = dataset["train"].select([0, 1, 6, 7, 2, 4])  # four clips of the first class, one of each other
    assert rows["label"] == [0, 0, 0, 0, 1, 2]
    plain = fit(tmp_path, rows, None)
    assert plain.loss.class_weights is None and plain.eval_dataset is None
    weighted = fit(tmp_path, rows, None, AccuracyArguments(class_weights="balanced"))
    assert weighted.loss.class_weights.tolist() == pytest.approx([0.5, 2.0, 2.0])


def test_smoothing_is_of_the_training_alone(dataset, tmp_path):
    losses = []
    for smoothing in (0.0, 0.5):
        trainer = fit(tmp_path, dataset["train"], dataset["validation"], label_smoothing_factor=smoothing)
        losses.append(trainer.evaluate()["eval_loss"])
        assert trainer.loss.label_smoothing == smoothing
    assert losses[0] == losses[1]


def test_a_video_is_named_by_its_id_or_by_its_row(dataset):
    assert videos_of(dataset["validation"])[:3] == ["vali000000", "vali000000", "vali000001"]
    assert videos_of(dataset["validation"].remove_columns("video_id")) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "settings, says",
    [
        ({"pooling": "max"}, "choose one of mean, statistics, attention"),
        ({"class_weights": "yes"}, "choose one of none, balanced"),
        ({"ema_decay": 1.0}, "a share below 1"),
        ({"gain_db": -3.0}, "give 0 to do without it"),
        ({"low_pass": 1.5}, "a share of the crops from 0 to 1"),
        ({"validation_crops": 0}, "give 1 or more"),
    ],
)
def test_choices_that_make_no_sense_are_refused(settings, says):
    with pytest.raises(UserError, match=says):
        AccuracyArguments(**settings)


def test_mixing_needs_two_crops_in_a_batch(dataset, tmp_path):
    with pytest.raises(UserError, match="2 or more"):
        fit(tmp_path, dataset["train"], None, AccuracyArguments(mixup_alpha=0.2), per_device_train_batch_size=1)


def test_classes_are_made_to_count_alike_once(dataset, tmp_path):
    with pytest.raises(UserError, match="give one of them"):
        fit(tmp_path, dataset["train"], None, AccuracyArguments(oversample=True, class_weights="balanced"))


def test_rare_classes_are_shown_more_often_and_each_copy_is_another_crop(dataset, tmp_path):
    rows = dataset["train"].select([0, 1, 6, 7, 2, 4, 5])  # four clips of the first class, one and two of the others
    trainer = fit(tmp_path, rows, None, AccuracyArguments(oversample=True), max_steps=1)
    shown = [trainer.train_dataset[place] for place in range(len(trainer.train_dataset))]
    assert [row["label"] for row in shown] == [0] * 4 + [1] * 4 + [2] * 4
    assert [row["copy"] for row in shown] == [0, 0, 0, 0, 0, 1, 2, 3, 0, 0, 1, 1]
    plain = fit(tmp_path, rows, None)
    crops = [trainer.data_collator([row])["input_values"] for row in shown[4:8]]
    assert torch.equal(crops[0], plain.data_collator([rows[4]])["input_values"]), "the first is as without copies"
    assert all(not torch.equal(a, b) for n, a in enumerate(crops) for b in crops[:n])
    trainer.train()


def test_a_stream_is_not_oversampled(tmp_path):
    folder = dataset_folder(tmp_path, {"train": 6, "validation": 3}) / "dataset"
    stream = open_stream(folder).splits["train"]
    with pytest.raises(UserError, match="--oversample no with --streaming"):
        fit(tmp_path / "run", stream, None, AccuracyArguments(oversample=True))


def test_a_crop_is_what_the_model_hears():
    assert crop_length(Wav2Vec2FeatureExtractor(), None) == 5 and crop_length(Wav2Vec2FeatureExtractor(), 600) == 600
    assert crop_length(WhisperFeatureExtractor(), None) == 30 and crop_length(WhisperFeatureExtractor(), 8.0) == 8
    assert crop_length(ASTFeatureExtractor(), None) == pytest.approx(10.24)
    with pytest.raises(SettingsError, match="crop_seconds is 31 and this model hears 30 s at most"):
        crop_length(WhisperFeatureExtractor(), 31.0)


def test_a_new_model_is_as_the_settings_have_it_and_follows_from_the_seed():
    small = {"model_name_or_path": "spectrogram_cnn", "model_config": '{"width": 4, "hidden_size": 8}'}
    run = ModelArguments("tester/clips", crop_seconds=2.0, probe=True, **small)
    (model, _, crop), (again, _, _), (other, _, _) = (
        new_model(run, AccuracyArguments(), LABELS, seed) for seed in (1, 1, 2)
    )
    learns = {name.split(".")[0] for name, value in model.named_parameters() if value.requires_grad}
    assert crop == 2.0 and learns == {"projector", "classifier"}, "a probe trains its head alone"
    assert torch.equal(model.classifier.weight, again.classifier.weight)
    assert not torch.equal(model.classifier.weight, other.classifier.weight)
