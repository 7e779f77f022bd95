"""Models that bring code, pickles or forged files: nothing runs that the user did not allow."""

import io
import json
import os
import pickle
import shutil

import making
import pytest
import torch
from datasets import load_dataset
from huggingface_hub import HfApi

from ytaudio.errors import ModelError, UserError
from ytaudio.training.checkpoints import described, load_classifier, load_for_inference
from ytaudio.training.runs import CROP_S, trained_crop_seconds

CODE = """
import pathlib
with pathlib.Path({flag!r}).open("a") as flag:
    flag.write({version!r})
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForSequenceClassification
class Config(Wav2Vec2Config):
    model_type = "evil"
class Model(Wav2Vec2ForSequenceClassification):
    config_class = Config
class Extractor(Wav2Vec2FeatureExtractor):
    pass
"""
MODEL = {"AutoConfig": "evil.Config", "AutoModelForAudioClassification": "evil.Model"}
EXTRACTOR = {"AutoFeatureExtractor": "evil.Extractor"}


class Shell:
    """What runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple:
        return os.system, (self.command,)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return making.model_folder(tmp_path_factory.mktemp("plain") / "model")


@pytest.fixture
def flag(tmp_path):
    return tmp_path / "ran"


@pytest.fixture
def forged(hub, plain, tmp_path):
    """Publish the plain model with parts of it forged: (config, extractor, other files, without weights) -> its id."""

    def make(config=None, extractor=None, files=None, weights=True) -> str:
        folder = tmp_path / "forged"
        shutil.copytree(plain, folder, dirs_exist_ok=True)
        for name, changes in (("config.json", config), ("preprocessor_config.json", extractor)):
            (folder / name).write_text(json.dumps({**json.loads((folder / name).read_text()), **(changes or {})}))
        for name, content in (files or {}).items():
            (folder / name).write_bytes(content)
        if not weights:
            (folder / "model.safetensors").unlink()
        repo = HfApi().create_repo(f"forged-{os.urandom(4).hex()}").repo_id
        HfApi().upload_folder(repo_id=repo, folder_path=folder)
        return repo

    return make


LOADERS = {
    "to answer": load_for_inference,
    "to train": lambda name, **allowed: load_classifier(name, making.LABELS, **allowed),
    "to describe": described,
}


@pytest.mark.parametrize("how", LOADERS)
@pytest.mark.parametrize("where", ["config", "extractor"])
def test_code_runs_only_where_it_is_allowed(forged, flag, how, where):
    """Config, model and extractor may each bring code; without leave it is refused in a sentence, or not needed."""
    code = CODE.format(flag=str(flag), version="1").encode()
    if where == "config":
        repo = forged({"auto_map": MODEL, "model_type": "evil"}, None, {"evil.py": code})
    else:
        repo = forged(None, {"auto_map": EXTRACTOR, "feature_extractor_type": "Extractor"}, {"evil.py": code})
    with pytest.raises(ModelError, match=r"brings its own code: read it .* --trust-remote-code"):
        LOADERS[how](repo)
    assert not flag.exists()
    LOADERS[how](repo, trust_remote_code=True)
    assert set(flag.read_text()) == {"1"}


def test_a_known_type_needs_no_code_and_runs_none(forged, flag):
    code = CODE.format(flag=str(flag), version="1").encode()
    repo = forged({"auto_map": MODEL}, {"auto_map": EXTRACTOR}, {"evil.py": code})
    load_for_inference(repo)
    assert not flag.exists()


def test_code_runs_at_the_commit_that_was_asked_for(forged, flag):
    """Who looked at one commit does not run what was pushed after."""
    repo = forged(
        {"auto_map": MODEL, "model_type": "evil"}, None, {"evil.py": CODE.format(flag=str(flag), version="1").encode()}
    )
    looked_at = HfApi().model_info(repo).sha
    later = CODE.format(flag=str(flag), version="2").encode()
    HfApi().upload_file(path_or_fileobj=later, path_in_repo="evil.py", repo_id=repo)
    load_for_inference(repo, looked_at, trust_remote_code=True)
    assert set(flag.read_text()) == {"1"}


def test_code_of_another_repository_is_not_run_even_where_code_is_allowed(forged, flag):
    """`USER/NAME--module.Class` is loaded from that other repository's newest commit, which nobody looked at."""
    places = {name: f"somebody/code--{place}" for name, place in MODEL.items()}
    with pytest.raises(ModelError, match="would run code of somebody/code"):
        load_for_inference(forged({"auto_map": places, "model_type": "evil"}), trust_remote_code=True)
    with pytest.raises(ModelError, match="would run code of somebody/code"):
        load_for_inference(forged(None, {"auto_map": ["somebody/code--evil.Extractor"]}), trust_remote_code=True)


def _torch_file(thing: object) -> bytes:
    buffer = io.BytesIO()
    torch.save({"classifier.weight": thing}, buffer)
    return buffer.getvalue()


HEADER = json.dumps({"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}).encode()
OUTSIDE = {"metadata": {}, "weight_map": {"a": "../../../../etc/passwd", "b": "/etc/passwd"}}
FORGED = {
    "a header of terabytes": ("model.safetensors", len(HEADER).to_bytes(8, "little") + HEADER),
    "a header without end": ("model.safetensors", (1 << 62).to_bytes(8, "little") + b"x"),
    "a deep header": ("model.safetensors", (1 << 20).to_bytes(8, "little") + b"[" * (1 << 20)),
    "no weights at all": ("model.safetensors", b""),
    "shards outside": ("model.safetensors.index.json", json.dumps(OUTSIDE).encode()),
    "a config of another type": ("config.json", b'{"model_type": "wav2vec2", "hidden_size": "x"}'),
    "labels that are none": ("config.json", b'{"model_type": "wav2vec2", "id2label": [1, 2]}'),
    "a deep config": ("config.json", b"[" * 200_000),
    "a config that is a list": ("config.json", b"[1]"),
    "an extractor of another type": ("preprocessor_config.json", b'{"feature_extractor_type": ["x"]}'),
}


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_file_is_one_sentence(forged, what):
    name, content = FORGED[what]
    repo = forged(files={name: content}, weights=name == "config.json" or name == "model.safetensors")
    with pytest.raises(ModelError, match=r"^\S+ .*: "):
        load_for_inference(repo)


@pytest.mark.parametrize("whole", [True, False])
def test_a_pickle_of_weights_runs_nothing(forged, flag, whole):
    shell = Shell(f"touch {flag}")
    content = pickle.dumps(shell) if whole else _torch_file(shell)
    repo = forged(files={"pytorch_model.bin": content}, weights=False)
    for trusted in (False, True):
        with pytest.raises(ModelError, match="cannot be loaded"):
            load_for_inference(repo, trust_remote_code=trusted)
    assert not flag.exists()


def test_a_dataset_that_brings_a_script_runs_nothing(hub, flag, tmp_path):
    repo = HfApi().create_repo(f"script-{os.urandom(4).hex()}", repo_type="dataset").repo_id
    script = f"import pathlib; pathlib.Path({str(flag)!r}).touch()".encode()
    name = repo.split("/")[1]
    for path in (f"{name}.py", "dataset.py", "setup.py"):
        HfApi().upload_file(path_or_fileobj=script, path_in_repo=path, repo_id=repo, repo_type="dataset")
    with pytest.raises(Exception, match=r"\w"):  # datasets runs no scripts any more, and says so in several ways
        load_dataset(repo)
    from ytaudio.training.data import open_dataset

    with pytest.raises((UserError, RuntimeError), match=r"\w"):
        open_dataset(repo)
    assert not flag.exists()


@pytest.mark.parametrize(
    "record",
    [
        *("[1]", '{"crop_seconds": 1e999}', '{"crop_seconds": 1e12}', '{"crop_seconds": -5}', '{"crop_seconds": "x"}'),
        *('{"crop_seconds": NaN}', '{"crop_seconds": true}', "{}", "[" * 100_000, "no json"),
    ],
    ids=lambda record: record[:24],
)
def test_a_record_of_a_training_cannot_make_crops_endless(tmp_path, record):
    (tmp_path / "training_run.json").write_text(record)
    assert trained_crop_seconds(tmp_path) in (CROP_S, 1.0)
