import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

import ytaudio.models.pooled_audio as module
from ytaudio.models import PooledAudioConfig, PooledAudioForAudioClassification
from ytaudio.models.pooled_audio import AttentiveWeights, pooled
from ytaudio.testing.models import TINY, tiny
from ytaudio.training.checkpoints import load_classifier

LABELS = ("food", "history", "travel")
KINDS = [kind for kind in TINY if kind != "spectrogram_cnn"]
ALL = [("mean", True), ("statistics", False), ("statistics", True), ("attention", False), ("attention", True)]
POOLED = [("wav2vec2", *way) for way in ALL] + [(kind, *ALL[n % 2 + 2]) for n, kind in enumerate(KINDS)]


def over(kind="wav2vec2", seed=0, **settings) -> PooledAudioForAudioClassification:
    model, extractor = tiny(kind, None, LABELS)
    torch.manual_seed(seed)
    names = {"id2label": model.config.id2label, "label2id": model.config.label2id}
    made = PooledAudioForAudioClassification(PooledAudioConfig.over(model.config, **settings, **names)).eval()
    return made, extractor


def sounds(extractor, count=2, seed=0):
    noise = list(np.random.default_rng(seed).standard_normal((count, 16_000), dtype=np.float32))
    name = extractor.model_input_names[0]
    return {name: torch.as_tensor(np.asarray(extractor(noise, sampling_rate=16_000, return_tensors="np")[name]))}


def test_statistics_are_mean_and_deviation_of_the_frames_that_count():
    frames = torch.randn(2, 5, 3)
    heard = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    got = pooled(frames, heard / heard.sum(-1, keepdim=True), deviation=True)
    for row, count in enumerate((5, 3)):
        deviation, mean = torch.std_mean(frames[row, :count], dim=0, correction=0)
        torch.testing.assert_close(got[row], torch.cat([mean, deviation]), rtol=1e-4, atol=1e-4)
    one = torch.ones(1, 1, 3, requires_grad=True)  # a single frame deviates by nothing, and its slope is finite
    pooled(one, torch.ones(1, 1), deviation=True).sum().backward()
    assert one.grad.isfinite().all()


def test_attention_weighs_frames_that_count_and_no_others():
    weights, frames = AttentiveWeights(3, 4), torch.randn(2, 5, 3)
    heard = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]]).bool()
    got = weights(frames, heard)
    torch.testing.assert_close(got.sum(-1), torch.ones(2))
    assert (got[heard] > 0).all() and (got[~heard] == 0).all() and got[0].std() > 0
    torch.testing.assert_close(got[1, :2], weights(frames[1:, :2], heard[1:, :2])[0])


@pytest.mark.parametrize("kind, pooling, layer_weights", dict.fromkeys(POOLED))
def test_any_backbone_learns_and_comes_back_the_same(kind, pooling, layer_weights, tmp_path):
    model, extractor = over(kind, pooling=pooling, layer_weights=layer_weights)
    inputs = sounds(extractor)
    model.train()
    loss = model(**inputs, labels=torch.tensor([0, 2])).loss
    loss.backward()
    silent = [name for name, p in model.named_parameters() if not name.startswith("backbone") and p.grad is None]
    assert loss.isfinite() and not silent
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.backbone.parameters())
    torch.nn.utils.vector_to_parameters(  # so that nothing is as it was made
        torch.nn.utils.parameters_to_vector(model.parameters()) * 1.1, model.parameters()
    )
    model.eval().save_pretrained(tmp_path)
    again = AutoModelForAudioClassification.from_pretrained(tmp_path).eval()
    assert type(again) is PooledAudioForAudioClassification
    with torch.no_grad():
        assert torch.equal(again(**inputs).logits, model(**inputs).logits)


def test_the_backbone_is_the_checkpoints_and_only_the_head_is_new(tmp_path):
    old, _ = tiny("wav2vec2", tmp_path, LABELS)
    model, extractor = load_classifier(tmp_path, LABELS, pooling="attention", layer_weights=True)
    for name, value in old.wav2vec2.state_dict().items():
        assert torch.equal(model.backbone.state_dict()[name], value), name
    assert model.config.id2label == dict(enumerate(LABELS)) and model.accepts_loss_kwargs is False
    assert torch.equal(model.layer_weights, torch.zeros(3))
    assert extractor.model_input_names[0] == model.main_input_name == "input_values"


def test_whisper_keeps_its_encoder_alone(tmp_path):
    old, _ = tiny("whisper", tmp_path, LABELS)
    model, _ = load_classifier(tmp_path, LABELS, pooling="statistics")
    for name, value in old.encoder.state_dict().items():
        assert torch.equal(model.backbone.state_dict()[name], value), name
    assert not any("decoder" in name for name in model.state_dict())


def test_mean_pooling_without_layer_weights_is_transformers_own_head(tmp_path):
    old, extractor = tiny("wav2vec2", tmp_path, LABELS)
    config = PooledAudioConfig.over(old.config, classifier_proj_size=8, id2label=old.config.id2label)
    model = PooledAudioForAudioClassification(config, old.wav2vec2).eval()
    model.projector, model.classifier = old.projector, old.classifier
    with torch.no_grad():
        expected = old(**sounds(extractor)).logits
        torch.testing.assert_close(model(**sounds(extractor)).logits, expected, rtol=1e-4, atol=1e-5)


def test_padding_that_is_masked_changes_nothing():
    model, _ = over("wav2vec2", pooling="statistics", layer_weights=True)
    model.backbone.feature_extractor.conv_layers[0].layer_norm = torch.nn.Identity()  # a group norm hears the padding
    sound, mask = torch.randn(1, 12_800), torch.ones(1, 12_800, dtype=torch.long)
    padded = torch.nn.functional.pad(sound, (0, 6400))
    padded_mask = torch.nn.functional.pad(mask, (0, 6400))
    with torch.no_grad():
        alone, beside = model(sound, attention_mask=mask).logits, model(padded, attention_mask=padded_mask).logits
        torch.testing.assert_close(alone, beside, rtol=1e-3, atol=1e-4)
        assert not torch.allclose(model(padded).logits, alone, rtol=1e-3, atol=1e-4)


def test_bfloat16_and_checkpointed_gradients(tmp_path):
    model, extractor = over("wav2vec2", pooling="statistics", layer_weights=True)
    model.save_pretrained(tmp_path)
    cast = PooledAudioForAudioClassification.from_pretrained(tmp_path, dtype=torch.bfloat16).eval()
    assert {p.dtype for p in cast.parameters()} == {torch.bfloat16}
    exact = model(**sounds(extractor)).logits
    rough = cast(input_values=sounds(extractor)["input_values"].bfloat16()).logits
    torch.testing.assert_close(rough.float(), exact, rtol=0.1, atol=0.05)
    model.gradient_checkpointing_enable()
    assert model.is_gradient_checkpointing
    model.train()(**sounds(extractor), labels=torch.tensor([0, 1])).loss.backward()
    assert model.layer_weights.grad.abs().sum() > 0


def test_a_pooling_that_is_none_and_nothing_to_hear():
    with pytest.raises(StrictDataclassError, match="pooling is 'median'"):
        PooledAudioConfig(pooling="median")
    with pytest.raises(ValueError, match="Give input_values"):
        over()[0]()


def test_the_file_that_travels_imports_torch_and_transformers_alone():
    nodes = [
        n for n in ast.walk(ast.parse(Path(module.__file__).read_text())) if isinstance(n, ast.Import | ast.ImportFrom)
    ]
    assert all(getattr(node, "level", 0) == 0 for node in nodes)
    names = {(getattr(n, "module", None) or n.names[0].name).split(".")[0] for n in nodes}
    assert names - set(sys.stdlib_module_names) == {"torch", "transformers", "huggingface_hub"}


STRANGER = """
import json, sys
class NoYtaudio:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "ytaudio":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, NoYtaudio())
import numpy as np
from transformers import pipeline
sound = np.load(sys.argv[1])
for folder in sys.argv[2:]:
    classify = pipeline("audio-classification", model=folder, trust_remote_code=True)
    print("found", json.dumps(classify(sound, top_k=None)))
assert not any(name.split(".")[0] == "ytaudio" for name in sys.modules)
"""


@pytest.mark.slow
def test_a_process_that_cannot_import_ytaudio_classifies_with_the_saved_folder(tmp_path):
    sound = np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    np.save(tmp_path / "sound.npy", sound)
    kinds = [
        ("wav2vec2", {"pooling": "attention", "layer_weights": True}, False),
        ("whisper", {"pooling": "statistics"}, False),
        ("audio-spectrogram-transformer", {"layer_weights": True}, False),
        ("wavlm", {"layer_weights": True}, True),  # transformers' own head, which needs no code
    ]
    expected = []
    for kind, settings, stock in kinds:
        tiny(kind, tmp_path / "base" / kind, LABELS)
        model, extractor = load_classifier(tmp_path / "base" / kind, LABELS, **settings)
        with torch.no_grad():
            for parameter in model.parameters():  # so that scores differ
                parameter.mul_(1.5)
            inputs = extractor(sound, sampling_rate=16_000, return_tensors="pt")
            expected.append(model.eval()(**inputs).logits.softmax(-1)[0].tolist())
        folder = tmp_path / kind
        model.save_pretrained(folder)
        extractor.save_pretrained(folder)
        assert (folder / "pooled_audio.py").is_file() is not stock
        assert type(AutoFeatureExtractor.from_pretrained(folder)) is type(extractor)
    folders = [str(tmp_path / kind) for kind, _, _ in kinds]
    command = [sys.executable, "-c", STRANGER, str(tmp_path / "sound.npy"), *folders]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line[6:]) for line in done.stdout.splitlines() if line.startswith("found ")]
    assert len(lines) == len(kinds)
    for (kind, _, _), line, scores in zip(kinds, lines, expected, strict=True):
        got = {entry["label"]: entry["score"] for entry in line}
        assert got == pytest.approx(dict(zip(LABELS, scores, strict=True)), abs=1e-5), kind
