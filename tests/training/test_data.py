import io
import zlib
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from datasets import Audio, ClassLabel, Dataset, DatasetDict, Features, Value
from huggingface_hub import HfApi
from making import LABELS, dataset_folder, tone
from torch.utils.data import DataLoader
from transformers import ASTFeatureExtractor, Wav2Vec2FeatureExtractor

from ytaudio.clips import SAMPLING_RATE, encode, frames
from ytaudio.training.augmentations import Augmentation
from ytaudio.training.data import (
    ClipCollator,
    CropsOf,
    DatasetError,
    open_dataset,
)

PLAIN = Wav2Vec2FeatureExtractor(do_normalize=False)
RATE = 16_000


def ramp(seconds: float) -> np.ndarray:
    """A waveform whose every sample tells where it stands."""
    return (np.arange(int(seconds * RATE)) / 2**18).astype(np.float32)


def row(waveform: np.ndarray, label: int = 0) -> dict:
    return {"audio": {"bytes": encode(waveform), "path": "a.flac"}, "label": label, "title": "of no matter"}


def starts(collator: ClipCollator, rows: list[dict]) -> list[int]:
    clips = [row["audio"]["bytes"] for row in rows]
    return [
        collator.start(frames(flac), row, collator.generator(zlib.crc32(flac)))
        for flac, row in zip(clips, rows, strict=True)
    ]


def test_a_centre_crop_is_the_centre(tmp_path):
    batch = ClipCollator(PLAIN, 2.0)([row(ramp(3.0), 1), row(ramp(2.0), 2)])
    assert batch["labels"].tolist() == [1, 2]
    assert batch["input_values"].dtype == torch.float32
    np.testing.assert_allclose(batch["input_values"][0], ramp(3.0)[8000:40_000], atol=2**-15)
    np.testing.assert_allclose(batch["input_values"][1], ramp(2.0), atol=2**-15)


def test_a_short_clip_is_repeated_up_to_the_crop():
    batch = ClipCollator(PLAIN, 2.0)([row(ramp(0.75))])["input_values"][0]
    assert len(batch) == 2 * RATE
    np.testing.assert_allclose(batch, np.tile(ramp(0.75), 3)[: 2 * RATE], atol=2**-15)


def test_a_crop_is_never_under_a_second():
    assert ClipCollator(PLAIN, 0.1)([row(ramp(0.3))])["input_values"].shape == (1, RATE)


def test_only_the_crop_is_decoded():
    flac = bytearray(encode(tone(0, 0, seconds=20.0)))
    whole = ClipCollator(PLAIN, 1.0)([{"audio": {"bytes": bytes(flac), "path": ""}, "label": 0}])
    flac[: len(flac) // 3][60:] = b""  # the beginning stays: it is the header
    damaged = bytes(flac[: 2 * len(flac) // 3]) + bytes(len(flac) // 3)
    again = ClipCollator(PLAIN, 1.0)([{"audio": {"bytes": damaged, "path": ""}, "label": 0}])
    assert torch.equal(whole["input_values"], again["input_values"])


def test_random_crops_differ_by_clip_epoch_and_seed_and_are_else_the_same():
    rows = [row(ramp(4.0)[n:]) for n in range(6)]
    collator = ClipCollator(PLAIN, 1.0, random=True, seed=3)
    first = starts(collator, rows)
    assert len(set(first)) > 3 and all(0 <= start <= 3 * RATE + 6 for start in first)
    assert starts(collator, rows) == first == starts(ClipCollator(PLAIN, 1.0, random=True, seed=3), rows)
    assert starts(collator, rows[::-1]) == first[::-1]
    assert starts(ClipCollator(PLAIN, 1.0, random=True, seed=4), rows) != first
    collator.set_epoch(1)
    assert starts(collator, rows) != first


def test_random_crops_reach_both_ends():
    collator, rows = ClipCollator(PLAIN, 1.0, random=True), [row(ramp(1.0 + 4 / RATE))]
    seen = set()
    for epoch in range(60):
        collator.set_epoch(epoch)
        seen |= set(starts(collator, rows))
    assert seen == {0, 1, 2, 3, 4}


def test_workers_read_the_same_crops_and_follow_the_epoch_while_they_live():
    rows = [row(ramp(4.0)[n:], n) for n in range(4)]
    collator = ClipCollator(PLAIN, 1.0, random=True)
    loader = DataLoader(rows, batch_size=2, collate_fn=collator, num_workers=2, persistent_workers=True)
    for epoch in (0, 1):
        collator.set_epoch(epoch)
        expected = [collator(rows[:2]), collator(rows[2:])]
        for batch, other in zip(loader, expected, strict=True):
            assert torch.equal(batch["input_values"], other["input_values"])


def test_the_crops_of_a_row_are_spread_over_its_clip():
    rows = CropsOf([row(ramp(3.0), 1), row(ramp(1.0), 2)], 3)
    batch = ClipCollator(PLAIN, 1.0)([rows[n] for n in range(len(rows))])
    assert batch["labels"].tolist() == [1, 1, 1, 2, 2, 2]
    for crop, start in zip(batch["input_values"], (0, RATE, 2 * RATE, 0, 0, 0), strict=True):
        source = ramp(3.0) if start else ramp(1.0)
        np.testing.assert_allclose(crop[:100], source[start : start + 100], atol=2**-15)


def test_augmentations_change_training_crops_alone_and_alike_each_time():
    rows = [row(tone(0, n, 2.0)) for n in range(24)]
    changes = Augmentation(gain_db=12.0, time_shift_s=0.5)
    plain = ClipCollator(PLAIN, 1.0, random=True)(rows)["input_values"]
    changed = ClipCollator(PLAIN, 1.0, random=True, augmentation=changes)(rows)["input_values"]
    assert torch.equal(ClipCollator(PLAIN, 1.0, random=True, augmentation=changes)(rows)["input_values"], changed)
    levels = 20 * torch.log10(changed.std(dim=1) / plain.std(dim=1))
    assert levels.abs().max() <= 12.1 and levels.min() < -1 and levels.max() > 1
    still = ClipCollator(PLAIN, 1.0, augmentation=changes)(rows)["input_values"]
    assert torch.equal(still, ClipCollator(PLAIN, 1.0)(rows)["input_values"])
    normalised = Wav2Vec2FeatureExtractor(do_normalize=True)
    louder = ClipCollator(normalised, 1.0, random=True, augmentation=changes)(rows)["input_values"]
    assert louder.std(dim=1).max() > 1.2, "an extractor that normalises does not undo it"


def test_a_clip_at_another_rate_is_cropped_where_it_would_be_at_16_khz():
    buffer = io.BytesIO()
    soundfile.write(buffer, np.repeat(ramp(3.0), 2), 2 * SAMPLING_RATE, format="FLAC")
    batch = ClipCollator(PLAIN, 1.0)([{"audio": {"bytes": buffer.getvalue(), "path": None}, "label": 0}])
    np.testing.assert_allclose(batch["input_values"][0][100:-100], ramp(3.0)[RATE : 2 * RATE][100:-100], atol=1e-3)


def test_the_extractor_names_the_input_and_its_rate():
    spectrogram = ClipCollator(ASTFeatureExtractor(max_length=100, num_mel_bins=32), 1.0)([row(tone(0, 0))])
    assert spectrogram["input_values"].shape == (1, 100, 32)
    other = Wav2Vec2FeatureExtractor(sampling_rate=8000, do_normalize=True)
    batch = ClipCollator(other, 1.0)([row(tone(0, 0)), row(0.1 * tone(0, 1))])["input_values"]
    assert batch.shape == (2, 8000)
    np.testing.assert_allclose(batch.std(dim=1), [1, 1], rtol=1e-3)  # normalised clip by clip


def test_a_folder_opens_with_splits_labels_and_encoded_audio(tmp_path):
    dataset, revision, labels = open_dataset(dataset_folder(tmp_path) / "dataset")
    assert (set(dataset), revision, labels) == ({"train", "validation", "test"}, "", list(LABELS))
    assert len(dataset["train"]) == 24 and dataset["train"][0]["audio"]["bytes"][:4] == b"fLaC"
    assert ClipCollator(PLAIN, 1.0)([dataset["test"][0]])["input_values"].shape == (1, RATE)


def test_a_dataset_of_the_hub_opens_at_the_commit_it_is_at(hub, tmp_path):
    api = HfApi()
    repo = api.create_repo("tester/opened-by-name", repo_type="dataset", private=True, exist_ok=True).repo_id
    folder = dataset_folder(tmp_path, {"train": 3, "validation": 3}) / "dataset"
    first = api.upload_folder(repo_id=repo, repo_type="dataset", folder_path=folder).oid
    second = api.delete_file("report.json", repo, repo_type="dataset").oid
    api.create_tag(repo, tag="v1", revision=first, repo_type="dataset")
    assert open_dataset(repo)[1] == second
    dataset, revision, labels = open_dataset(repo, "v1")
    assert (set(dataset), revision, labels) == ({"train", "validation"}, first, list(LABELS))
    with pytest.raises(DatasetError, match="no such revision"):
        open_dataset(repo, "v2")


def written(folder: Path, features: dict, rows: dict) -> Path:
    (folder / "data").mkdir()
    DatasetDict({"train": Dataset.from_dict(rows, Features(features))})["train"].to_parquet(
        folder / "data" / "train-00000-of-00001.parquet"
    )
    return folder


SOUND = [{"bytes": encode(tone(0, 0)), "path": "a.flac"}]
STRUCT = {"bytes": Value("binary"), "path": Value("string")}


@pytest.mark.parametrize(
    "features, rows, says",
    [
        ({"text": Value("string")}, {"text": ["a"]}, r"no audio column named audio \(columns found: text\)"),
        ({"audio": STRUCT, "label": ClassLabel(names=["a"])}, {"audio": SOUND, "label": [0]}, "no audio column"),
    ],
)
def test_a_dataset_without_the_columns_is_refused(tmp_path, features, rows, says):
    with pytest.raises(DatasetError, match=says):
        open_dataset(written(tmp_path, features, rows))


def test_labels_without_names_are_refused(tmp_path):
    folder = dataset_folder(tmp_path, {"train": 3}) / "dataset"
    path = next((folder / "data").glob("*.parquet"))
    rows = (
        Dataset.from_parquet(str(path)).cast_column("audio", Audio(decode=False)).cast_column("label", Value("int64"))
    )
    rows.cast_column("audio", Audio(sampling_rate=RATE)).to_parquet(path)
    with pytest.raises(DatasetError, match="no column label with class names"):
        open_dataset(folder)


def test_what_is_not_there_is_refused_in_a_sentence(hub, tmp_path):
    (tmp_path / "empty").mkdir()
    broken = dataset_folder(tmp_path / "broken", {"train": 3}) / "dataset"
    next((broken / "data").glob("*.parquet")).write_bytes(b"PAR1 no more")
    empty = HfApi().create_repo("tester/no-data", repo_type="dataset", exist_ok=True).repo_id
    for name, says in [
        (tmp_path / "nothing", "There is no folder"),
        ("a/b/c", "There is no folder"),
        (tmp_path / "empty", "holds no data"),
        (empty, "holds no data"),
        (broken, "cannot be read"),
        ("tester/no-such-dataset", "is not on"),
    ]:
        with pytest.raises(DatasetError, match=says) as caught:
            open_dataset(name)
        assert "\n" not in str(caught.value)
