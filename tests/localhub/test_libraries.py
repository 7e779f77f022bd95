"""datasets, transformers, pandas and fsspec, unmodified, against the Hub that HF_ENDPOINT names."""

import io
import os

import numpy as np
import pytest
from huggingface_hub import HfApi, HfFileSystem

from ytaudio.testing.models import tiny_wav2vec2

LABELS = ("food", "travel")


@pytest.fixture(scope="module")
def sounds(hub) -> tuple[str, str, str]:
    """A dataset of sounds as plain structs: (id, its first revision, its second, with one row more)."""
    import soundfile
    from datasets import Audio, ClassLabel, Dataset, DatasetDict, Features, Value

    def split(rows: int) -> Dataset:
        features = Features(
            {
                "audio": {"bytes": Value("binary"), "path": Value("string")},
                "label": ClassLabel(names=["food", "travel"]),
            }
        )
        samples = []
        for i in range(rows):
            file = io.BytesIO()
            soundfile.write(file, np.full(1600, i / 100, np.float32), 16000, format="FLAC")
            samples.append({"audio": {"bytes": file.getvalue(), "path": f"{i}.flac"}, "label": i % 2})
        return Dataset.from_list(samples, features=features).cast_column("audio", Audio(sampling_rate=16000))

    name = f"{hub.user}/sounds"
    revisions = []
    for rows in (6, 7):
        splits = DatasetDict({"train": split(rows), "test": split(2)})
        revisions.append(splits.push_to_hub(name, private=True, max_shard_size="1KB", commit_message=f"{rows}").oid)
    return name, revisions[0], revisions[1]


def test_load_dataset_plain_streaming_and_pinned(sounds):
    from datasets import Audio, load_dataset

    name, first, second = sounds
    plain = load_dataset(name)
    assert {split: len(rows) for split, rows in plain.items()} == {"train": 7, "test": 2}
    assert plain["train"].features["audio"].sampling_rate == 16000
    assert plain["train"].features["label"].names == ["food", "travel"]
    assert plain["train"].cast_column("audio", Audio(decode=False))[3]["audio"]["bytes"][:4] == b"fLaC"
    assert len(load_dataset(name, split="train", revision=first)) == 6
    streamed = load_dataset(name, split="train", streaming=True, revision=second)
    rows = list(streamed.cast_column("audio", Audio(decode=False)))
    assert [row["label"] for row in rows] == [0, 1, 0, 1, 0, 1, 0]


def test_configurations_of_a_dataset(hub):
    from datasets import Dataset, get_dataset_config_names, load_dataset

    for config in ("one", "two"):
        Dataset.from_dict({"a": [config]}).push_to_hub("configured", config_name=config)
    assert sorted(get_dataset_config_names(f"{hub.user}/configured")) == ["one", "two"]
    assert load_dataset(f"{hub.user}/configured", "two", split="train")["a"] == ["two"]
    card = HfApi().dataset_info(f"{hub.user}/configured").card_data
    assert [c["config_name"] for c in card["configs"]] == ["one", "two"]


def test_hf_paths(sounds):
    import pandas
    import pyarrow.parquet

    name, first, _ = sounds
    files = HfFileSystem()
    found = files.glob(f"datasets/{name}/data/train-*.parquet")
    assert found
    assert sum(len(pandas.read_parquet(f"hf://{path}")) for path in found) == 7
    table = pyarrow.parquet.read_table(found[0], filesystem=files, columns=["label"])
    assert table.column_names == ["label"]
    pinned = files.glob(f"datasets/{name}@{first}/data/train-*.parquet")
    assert sum(pyarrow.parquet.read_metadata(files.open(path)).num_rows for path in pinned) == 6
    assert files.exists(f"datasets/{name}/README.md")
    assert not files.exists(f"datasets/{name}/nothing")
    assert {entry["type"] for entry in files.ls(f"datasets/{name}", detail=True)} == {"file", "directory"}
    with files.open(found[0], "rb", block_size=64) as file:
        file.seek(-4, os.SEEK_END)
        assert file.read() == b"PAR1"
    with files.open(f"datasets/{name}/notes/n.txt", "w") as file:
        file.write("written through fsspec")
    assert files.read_text(f"datasets/{name}/notes/n.txt") == "written through fsspec"
    files.rm(f"datasets/{name}/notes", recursive=True)
    assert "notes/n.txt" not in HfApi().list_repo_files(name, repo_type="dataset")


def test_a_model_goes_up_and_comes_back(hub):
    import torch
    from transformers import AutoFeatureExtractor, AutoModelForAudioClassification, Wav2Vec2FeatureExtractor, pipeline

    model, name = tiny_wav2vec2(labels=LABELS), f"{hub.user}/tiny"
    model.push_to_hub("tiny", private=True)
    Wav2Vec2FeatureExtractor().push_to_hub("tiny")
    again = AutoModelForAudioClassification.from_pretrained(name)
    waveform = torch.randn(1, 4000)
    with torch.no_grad():
        assert torch.equal(model(waveform).logits, again(waveform).logits)
    assert AutoFeatureExtractor.from_pretrained(name).sampling_rate == 16000
    info = HfApi().model_info(name)
    assert (info.library_name, info.pipeline_tag) == ("transformers", "audio-classification")
    assert info.safetensors.total == sum(p.numel() for p in model.parameters())
    assert HfApi().get_safetensors_metadata(name).parameter_count["F32"] == info.safetensors.total
    scores = pipeline(model=name)(np.zeros(4000, np.float32))
    assert {s["label"] for s in scores} == {"food", "travel"}


def test_trainer_pushes(hub, tmp_path):
    from datasets import Dataset
    from transformers import AutoModelForAudioClassification, Trainer, TrainingArguments

    rows = [{"input_values": np.zeros(16_000, np.float32), "labels": i % 2} for i in range(2)]
    settings = TrainingArguments(
        tmp_path / "trained", max_steps=1, push_to_hub=True, hub_strategy="every_save", save_steps=1, report_to=[],
        hub_private_repo=True, use_cpu=True, per_device_train_batch_size=2,
    )  # fmt: skip
    trainer = Trainer(
        tiny_wav2vec2(labels=LABELS), settings, train_dataset=Dataset.from_list(rows).with_format("torch")
    )
    trainer.train()
    trainer.push_to_hub(commit_message="done")
    name = f"{hub.user}/trained"
    files = set(HfApi().list_repo_files(name))
    assert {"model.safetensors", "config.json", "training_args.bin", "README.md"} <= files
    assert HfApi().model_info(name).private is True
    assert AutoModelForAudioClassification.from_pretrained(name).config.num_labels == 2
