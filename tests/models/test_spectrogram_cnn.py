import ast
import json
import subprocess
import sys
from pathlib import Path

import librosa
import numpy as np
import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoFeatureExtractor, AutoModelForAudioClassification, Wav2Vec2FeatureExtractor

import ytaudio.models.spectrogram_cnn as module
from ytaudio.models import SpectrogramCNNConfig, SpectrogramCNNForAudioClassification

SMALL = {"width": 4, "hidden_size": 16, "num_labels": 3}


def small(**changes) -> SpectrogramCNNForAudioClassification:
    torch.manual_seed(0)
    return SpectrogramCNNForAudioClassification(SpectrogramCNNConfig(**(SMALL | changes))).eval()


def noise(samples: int, batch: int = 1) -> torch.Tensor:
    return 0.1 * torch.randn(batch, samples, generator=torch.Generator().manual_seed(1))


def librosas(waveform: np.ndarray, config: SpectrogramCNNConfig) -> np.ndarray:
    power = librosa.feature.melspectrogram(
        y=waveform,
        sr=config.sampling_rate,
        n_fft=config.n_fft,
        hop_length=config.hop_length,
        n_mels=config.num_mel_bins,
        fmin=config.fmin,
        fmax=config.fmax,
        pad_mode="constant",
    )
    return librosa.power_to_db(power, ref=1.0, top_db=None).T


@pytest.mark.parametrize(
    "changes",
    [{}, {"n_fft": 512, "hop_length": 160}, {"num_mel_bins": 128, "fmin": 0, "fmax": 7600}, {"sampling_rate": 22_050}],
)
def test_log_mel_is_librosas(changes):
    model, waveform = small(**changes), noise(17_123)[0]
    expected = librosas(waveform.numpy(), model.config)
    got = model.log_mel(waveform[None])[0].numpy()
    assert got.shape == expected.shape == (1 + 17_123 // model.config.hop_length, model.config.num_mel_bins)
    np.testing.assert_allclose(got, expected, atol=2e-5)


def test_silence_is_minus_100_db():
    assert torch.equal(small().log_mel(torch.zeros(1, 16_000)), torch.full((1, 51, 64), -100.0))


@pytest.mark.parametrize("samples", [1, 4000, 8000, 12_345, 80_000, 960_000])
def test_any_length_gives_logits(samples):
    with torch.no_grad():
        logits = small()(noise(samples, batch=2)).logits
    assert logits.shape == (2, 3)
    assert logits.isfinite().all()


def test_a_short_input_counts_as_its_repetition():
    model, sound = small(), noise(2000)
    with torch.no_grad():
        torch.testing.assert_close(model(sound).logits, model(sound.repeat(1, 4)).logits, rtol=1e-4, atol=1e-5)


def test_labels_bring_a_loss_and_none_bring_none():
    model, sound, labels = small(), noise(16_000, batch=4), torch.tensor([0, 1, 2, 0])
    assert model(sound).loss is None
    out = model(sound, labels=labels)
    assert torch.allclose(out.loss, torch.nn.functional.cross_entropy(out.logits, labels))
    loss, logits = model(sound, labels=labels, return_dict=False)
    torch.testing.assert_close((loss, logits), (out.loss, out.logits))


def test_default_size_and_what_width_and_depth_do():
    def parameters(**changes):
        return sum(
            p.numel() for p in SpectrogramCNNForAudioClassification(SpectrogramCNNConfig(**changes)).parameters()
        )

    assert 1_150_000 < parameters() < 1_300_000
    assert parameters(width=16) < parameters() / 3
    assert parameters(depth=3) < parameters() / 3


@pytest.mark.parametrize("wrong", [{"depth": 7}, {"fmin": 9000}, {"fmax": 9000}, {"width": 0}, {"width": "wide"}])
def test_a_shape_that_cannot_be_is_refused(wrong):
    with pytest.raises(StrictDataclassError):
        SpectrogramCNNConfig(**wrong)


def test_reloaded_it_gives_the_same_logits_though_built_on_the_meta_device(tmp_path):
    model, sound = small(), noise(16_000, batch=2)
    model.save_pretrained(tmp_path)
    again = AutoModelForAudioClassification.from_pretrained(tmp_path).eval()
    assert type(again) is SpectrogramCNNForAudioClassification
    with torch.no_grad():
        torch.testing.assert_close(again(sound).logits, model(sound).logits, rtol=1e-4, atol=1e-5)
    for name in ("window", "filters"):
        assert torch.equal(getattr(again.log_mel_layer, name), getattr(model.log_mel_layer, name))


def test_filters_missing_from_a_checkpoint_are_computed_anew(tmp_path):
    model = small()
    weights = {name: value for name, value in model.state_dict().items() if not name.startswith("log_mel")}
    model.save_pretrained(tmp_path, state_dict=weights)
    again = SpectrogramCNNForAudioClassification.from_pretrained(tmp_path)
    torch.testing.assert_close(again.log_mel(noise(8000)), model.log_mel(noise(8000)), rtol=1e-5, atol=1e-5)


def test_bfloat16_every_way_keeps_the_front_end_in_float32(tmp_path):
    model, sound = small(), noise(16_000, batch=2)
    model.save_pretrained(tmp_path)
    cast = SpectrogramCNNForAudioClassification.from_pretrained(tmp_path).eval().to(torch.bfloat16)
    loaded = SpectrogramCNNForAudioClassification.from_pretrained(tmp_path, dtype=torch.bfloat16).eval()
    with torch.no_grad():
        exact = model(sound).logits
        with torch.autocast("cpu", torch.bfloat16):
            automatic = model(sound).logits
            torch.testing.assert_close(model.log_mel(sound), small().log_mel(sound), rtol=1e-5, atol=1e-5)
        for other in (cast, loaded):
            assert other.dtype == torch.bfloat16
            torch.testing.assert_close(other.log_mel(sound), model.log_mel(sound), rtol=1e-5, atol=1e-5)
            assert torch.allclose(other(sound.to(torch.bfloat16)).logits.float(), exact, atol=0.05 * exact.abs().max())
    assert torch.allclose(automatic.float(), exact, atol=0.05 * exact.abs().max())
    assert cast(sound, labels=torch.tensor([0, 1])).loss.dtype == torch.float32


def test_spec_augment_blanks_in_training_alone():
    model, sound = small(dropout=0.0), noise(48_000)
    model.input_norm.eval()
    x = torch.ones(3, 100, 64)
    blanked = model._spec_augment(x)
    assert set(blanked.unique().tolist()) == {0.0, 1.0}
    assert not torch.equal(blanked[0], blanked[1])
    assert (blanked == 0).float().mean() < 0.75
    with torch.no_grad():
        torch.testing.assert_close(model(sound).logits, model(sound).logits, rtol=1e-4, atol=1e-5)


def test_freezing_the_base_leaves_the_head():
    model = small()
    model.freeze_base_model()
    trainable = {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad}
    assert trainable == {"projector", "classifier"}


def test_the_file_that_travels_imports_torch_and_transformers_alone():
    tree = ast.parse(Path(module.__file__).read_text())
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
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
classify = pipeline("audio-classification", model=sys.argv[1], trust_remote_code=True)
print(json.dumps(classify(np.load(sys.argv[2]), top_k=None)))
assert not any(name.split(".")[0] == "ytaudio" for name in sys.modules)
"""


def test_a_process_that_cannot_import_ytaudio_classifies_with_the_saved_folder(tmp_path):
    folder, labels = tmp_path / "model", {0: "food", 1: "history", 2: "travel"}
    model = small(id2label=labels, label2id={v: k for k, v in labels.items()})
    model.save_pretrained(folder)
    extractor = Wav2Vec2FeatureExtractor()
    extractor.save_pretrained(folder)
    assert (folder / "spectrogram_cnn.py").read_text() == Path(module.__file__).read_text()
    assert set(json.loads((folder / "config.json").read_text())["auto_map"]) == {
        "AutoConfig",
        "AutoModelForAudioClassification",
    }
    sound = noise(20_000)[0].numpy()
    np.save(tmp_path / "sound.npy", sound)
    command = [sys.executable, "-c", STRANGER, str(folder), str(tmp_path / "sound.npy")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with torch.no_grad():
        inputs = extractor(sound, sampling_rate=16_000, return_tensors="pt")
        expected = model(**inputs).logits.softmax(-1)[0]
    got = {entry["label"]: entry["score"] for entry in json.loads(done.stdout.splitlines()[-1])}
    assert got == pytest.approx({labels[k]: float(score) for k, score in enumerate(expected)}, abs=1e-5)


def test_auto_classes_know_the_model_and_its_extractor(tmp_path):
    small().save_pretrained(tmp_path)
    Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    assert type(AutoFeatureExtractor.from_pretrained(tmp_path)) is Wav2Vec2FeatureExtractor


LEVELLED = {"top_db": 50.0, "normalize_level": True}


def test_a_levelled_model_does_not_hear_how_loud_a_recording_is():
    quiet, plain = small(**LEVELLED), small()
    waveform = noise(24_000)
    torch.testing.assert_close(quiet(waveform).logits, quiet(0.01 * waveform).logits, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(plain(waveform).logits, plain(0.01 * waveform).logits, atol=1e-2)


def test_what_lies_far_below_the_loudest_is_not_told_apart():
    model = small(top_db=40.0)
    waveform, hiss = noise(24_000), 1e-5 * noise(24_000, batch=2)[1:]
    waveform[:, 12_000:] = 0
    torch.testing.assert_close(model(waveform).logits, model(waveform + hiss).logits, atol=1e-3, rtol=1e-3)


def test_mixstyle_gives_an_input_the_spectrum_of_another_in_part_and_in_training_alone():
    model = small(mixstyle=1.0, apply_spec_augment=False, dropout=0.0)
    x = torch.randn(8, 50, 64) * torch.linspace(1, 4, 8)[:, None, None] + torch.arange(8.0)[:, None, None]
    mixed = model._mixstyle(x)
    shapes = [(one - one.mean(1, keepdim=True)) / one.std(1, keepdim=True) for one in (x, mixed)]
    torch.testing.assert_close(shapes[0], shapes[1], atol=1e-2, rtol=1e-2)
    means = mixed.mean(dim=(1, 2))
    assert not torch.allclose(means, x.mean(dim=(1, 2)), atol=0.1)
    assert x.mean(dim=(1, 2)).min() - 1e-3 <= means.min() and means.max() <= x.mean(dim=(1, 2)).max() + 1e-3
    model.config.mixstyle = 0.5
    many = x.repeat(25, 1, 1)
    kept = sum(torch.allclose(a, b, atol=1e-4) for a, b in zip(model._mixstyle(many), many, strict=True))
    assert 100 < kept < 160, "half of them, and those that met one like them or kept nearly all"
    waveform = noise(24_000, batch=4)
    assert torch.equal(model(waveform).logits, small(apply_spec_augment=False, dropout=0.0)(waveform).logits)


def test_a_config_of_before_keeps_its_log_mel_energies_as_they_are():
    config = SpectrogramCNNConfig()
    assert (config.top_db, config.normalize_level, config.mixstyle) == (0.0, False, 0.0)
    for wrong in ({"top_db": -1.0}, {"mixstyle": 1.5}):
        with pytest.raises(StrictDataclassError, match="top_db is 0 or more"):
            SpectrogramCNNConfig(**wrong)
