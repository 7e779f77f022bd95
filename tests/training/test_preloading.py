import io

import numpy as np
import pytest
import soundfile
import torch
from datasets import ClassLabel, Dataset, Features, Value
from making import tone
from torch.utils.data import DataLoader
from transformers import Wav2Vec2FeatureExtractor

from ytaudio.clips import encode
from ytaudio.errors import UserError
from ytaudio.training.data import ClipCollator
from ytaudio.training.memory import available
from ytaudio.training.preloading import bytes_needed, preload

FEATURES = Features(
    {
        "audio": {"bytes": Value("binary"), "path": Value("string")},
        "label": ClassLabel(names=["a", "b"]),
        "video_id": Value("string"),
    }
)


def split_of(*clips: bytes) -> Dataset:
    audio = [{"bytes": clip, "path": "a.flac"} for clip in clips]
    rows = {
        "audio": audio,
        "label": [n % 2 for n in range(len(clips))],
        "video_id": [f"v{n}" for n in range(len(clips))],
    }
    return Dataset.from_dict(rows, features=FEATURES)


def stereo(rate: int, subtype: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.stack([tone(0, 0), tone(1, 1)], axis=1), rate, format="FLAC", subtype=subtype)
    return file.getvalue()


@pytest.fixture(scope="module")
def split():
    return split_of(*(encode(tone(n % 2, n, seconds=0.6 + n / 2)) for n in range(7)))  # shorter than a crop, and longer


def test_batches_are_bit_for_bit_those_of_the_encoded_clips(split):
    held = preload(split)
    for random in (False, True):
        collator = ClipCollator(Wav2Vec2FeatureExtractor(), 1.0, random=random, seed=3)
        for epoch in (0, 1):
            collator.set_epoch(epoch)
            decoded, copied = (collator([rows[n] for n in (5, 0, 6, 3)]) for rows in (split, held))
            assert torch.equal(decoded["input_values"], copied["input_values"])
            assert torch.equal(decoded["labels"], copied["labels"])


def test_rows_and_columns_read_as_the_datasets_own(split):
    held = preload(split)
    assert len(held) == len(split) and held.column_names == split.column_names
    assert list(held["label"]) == list(split["label"]) and held.features["label"] == split.features["label"]
    assert held[-1]["video_id"] == "v6" and held[2]["audio"]["waveform"].dtype == np.int16
    with pytest.raises(IndexError):
        held[7]
    fewer = held.select_columns(["audio", "label"])
    assert set(fewer[0]) == {"audio", "label"} and fewer.samples is held.samples
    assert preload(split.select([4, 1]))[1]["audio"]["crc"] == held[1]["audio"]["crc"]


def test_forked_workers_read_the_same_memory(split):
    held = preload(split)
    collator = ClipCollator(Wav2Vec2FeatureExtractor(do_normalize=False), 1.0)
    loader = DataLoader(held, batch_size=7, collate_fn=collator, num_workers=1, persistent_workers=True)
    before = next(iter(loader))["input_values"]
    assert torch.equal(before, collator([held[n] for n in range(7)])["input_values"])
    held.samples[:] = 0  # a worker that runs has the pages it was forked with
    assert torch.equal(next(iter(loader))["input_values"], before)


def test_clips_of_another_kind_are_held_as_decoding_gives_them():
    split = split_of(stereo(16_000, "PCM_16"), stereo(22_050, "PCM_24"), encode(tone(0, 3)))
    held = preload(split)
    assert held.samples.dtype == np.float32
    collator = ClipCollator(Wav2Vec2FeatureExtractor(), 1.0)
    decoded, copied = (collator([rows[n] for n in range(3)])["input_values"] for rows in (split, held))
    assert torch.equal(decoded[[0, 2]], copied[[0, 2]])
    alike = torch.corrcoef(torch.stack([decoded[1], copied[1]]))[0, 1]
    assert alike > 0.5, "resampled whole rather than as a crop, a clip may lie a sample beside"


def test_what_does_not_fit_is_refused_with_the_figures_before_it_is_decoded(split, monkeypatch):
    needed, kind = bytes_needed(split)
    assert needed == 2 * sum(round((0.6 + n / 2) * 16_000) for n in range(7)) and kind is np.int16
    assert len(preload(split, limit_bytes=needed)) == 7
    with pytest.raises(UserError, match=r"the train clips take 0\.5 MB of memory, and 0\.5 MB may be taken: leave out"):
        preload(split, limit_bytes=needed - 1, name="the train clips")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "100000000")
    with pytest.raises(UserError, match="in each of 100000000 processes"):
        preload(split)
    assert available(torch.device("cpu")) > 1e6
