import numpy as np
import pytest
import torch
from making import LABELS, dataset_folder
from transformers import MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING

import ytaudio.models  # noqa: F401 (registers our own)
from ytaudio.errors import ModelError, UserError
from ytaudio.testing.models import TINY, tiny
from ytaudio.training.checkpoints import load_classifier
from ytaudio.training.data import ClipCollator, CropsOf, open_dataset
from ytaudio.training.embedding import (
    Cut,
    EmbeddingStore,
    backbone_key,
    crop_key,
    embed_split,
)

KINDS = [config.model_type for config in MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING]
HEADS = [
    *((kind, {}) for kind in KINDS if kind in TINY),
    *((kind, {"layer_weights": True}) for kind in ("wav2vec2", "wavlm", "whisper", "audio-spectrogram-transformer")),
    *((kind, {"pooling": "statistics"}) for kind in ("wav2vec2", "whisper", "audio-spectrogram-transformer")),
    ("sew", {"pooling": "statistics", "layer_weights": True}),
]


def of(kind, folder, **settings):
    if settings:
        tiny(kind, folder, LABELS)
        return load_classifier(folder, LABELS, **settings)
    return tiny(kind, None, LABELS)


def sounds(extractor, count=3):
    waves = list(np.random.default_rng(0).standard_normal((count, 16_000), dtype=np.float32))
    return ClipCollator(extractor, 1.0).features(waves)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return open_dataset(dataset_folder(tmp_path_factory.mktemp("data"), {"train": 5}) / "dataset")[0]["train"]


@pytest.mark.parametrize("kind, settings", HEADS, ids=lambda value: str(value))
def test_logits_by_way_of_the_embedding_are_the_models_own(kind, settings, tmp_path):
    model, extractor = of(kind, tmp_path, **settings)
    if settings.get("layer_weights"):
        with torch.no_grad():
            model.layer_weights.copy_(torch.linspace(-2, 2, len(model.layer_weights)))
    model.eval()
    sound = sounds(extractor)
    with torch.no_grad():
        expected = model(**{model.main_input_name: sound}).logits
    cut = Cut(model)
    embedding, logits = cut.embed(sound)
    with cut.headed():
        again = cut.classify(embedding)
        again.sum().backward()
    assert torch.equal(logits, expected)
    torch.testing.assert_close(again, expected, rtol=1e-4, atol=1e-5)
    assert embedding.shape[:2] == (3, 3 if settings.get("layer_weights") else 1)
    with torch.no_grad():  # the backbone is back in its place
        assert torch.equal(model(**{model.main_input_name: sound}).logits, expected)
    trained = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert trained and all(p.grad is None for p in model.base_model.parameters() if model.base_model is not model)


def test_a_head_that_needs_more_than_the_mean_is_refused(tmp_path):
    model, extractor = of("wav2vec2", tmp_path, pooling="attention")
    with pytest.raises(ModelError, match="Attention pooling learns from every frame"):
        Cut(model)
    model, extractor = of("wav2vec2", None)
    model.eval()
    hear = model.projector.forward
    model.projector.forward = lambda frames: hear(frames).relu()  # does not commute with the mean
    cut = Cut(model)
    with pytest.raises(ModelError, match="needs more than the mean"):
        cut.check(*cut.embed(sounds(extractor)))


def embedded(folder, dataset, model_and_extractor, crops=1, places=None, seconds=1.0):
    model, extractor = model_and_extractor
    collator = ClipCollator(extractor, seconds)
    store = EmbeddingStore(folder, backbone_key(model, extractor, collator.samples))
    split = dataset if places is None else dataset.select(places)
    return embed_split(Cut(model.eval()), collator, split, store, crops=crops, batch_size=4)


def test_what_was_embedded_once_is_not_embedded_again(dataset, tmp_path):
    whole = of("wav2vec2", None)
    (first, labels), crops, fresh = embedded(tmp_path, dataset, whole, places=[0, 1, 2])
    assert (crops, fresh) == (3, 3) and labels.tolist() == [dataset[n]["label"] for n in range(3)]
    (again, _), crops, fresh = embedded(tmp_path, dataset, whole, places=[2, 4, 0])  # another fold
    assert (crops, fresh) == (3, 1)
    assert torch.equal(again[[2, 0]], first[[0, 2]])
    (anew, _), _, fresh = embedded(None, dataset, whole, places=[2, 4, 0])
    assert fresh == 3
    torch.testing.assert_close(anew, again, rtol=1e-4, atol=1e-6)
    assert embedded(tmp_path, dataset, whole, crops=2)[2] == 2 * len(dataset)  # other crops
    with torch.no_grad():
        whole[0].classifier.weight.add_(1)
    assert embedded(tmp_path, dataset, whole, crops=2)[2] == 0  # a new head
    assert embedded(tmp_path, dataset, whole, crops=2, seconds=1.5)[2] == 2 * len(dataset)
    with torch.no_grad():
        next(whole[0].wav2vec2.parameters()).add_(1)
    assert embedded(tmp_path, dataset, whole, crops=2)[2] == 2 * len(dataset)  # another backbone


def test_what_a_run_that_was_cut_short_embedded_is_kept(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("ytaudio.training.embedding._AT_ONCE", 4)
    model, extractor = of("spectrogram_cnn", None)
    collator, store = ClipCollator(extractor, 1.0), EmbeddingStore(tmp_path, "key")

    def stop(done, total):
        if done > 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed_split(Cut(model), collator, dataset, store, crops=1, batch_size=4, progress=stop)
    kept = len(EmbeddingStore(tmp_path, "key").kept)
    assert 4 <= kept < len(dataset)
    store = EmbeddingStore(tmp_path, "key")
    assert embed_split(Cut(model), collator, dataset, store, crops=1, batch_size=4)[2] == len(dataset) - kept


def test_a_crop_is_known_by_its_sound_and_its_place(dataset):
    rows = CropsOf(dataset, 2)
    keys = {crop_key(rows[place]) for place in range(len(rows))}
    assert len(keys) == len(rows)
    moved = dict(rows[0]) | {"audio": {"bytes": rows[0]["audio"]["bytes"], "path": "elsewhere.flac"}}
    assert crop_key(moved) == crop_key(rows[0])


def test_a_folder_that_cannot_be_written_is_said_in_a_sentence(dataset, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="Cannot write to"):
        embedded(tmp_path / "file", dataset, of("wav2vec2", None))
