import subprocess
import sys

import numpy as np
import pytest
import torch
from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

from ytaudio.testing.models import SIZES, tiny_wav2vec2


@pytest.mark.parametrize("size", sorted(SIZES))
def test_a_model_comes_back_from_its_folder(size, tmp_path):
    model = tiny_wav2vec2(tmp_path, ["no", "yes", "perhaps"], size=size)
    again = AutoModelForAudioClassification.from_pretrained(tmp_path)
    extractor = AutoFeatureExtractor.from_pretrained(tmp_path)
    inputs = extractor(np.sin(np.arange(16_000) / 20), sampling_rate=16_000, return_tensors="pt")
    with torch.no_grad():
        logits = model(**inputs).logits
        assert logits.shape == (1, 3) and torch.equal(logits, again.eval()(**inputs).logits)
    assert again.config.id2label == {0: "no", 1: "yes", 2: "perhaps"}
    assert sum(p.numel() for p in model.parameters()) < 200_000


def test_weights_follow_the_seed_and_leave_the_callers_randomness_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, same, other = (tiny_wav2vec2(seed=seed).classifier.weight for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(first, same) and not torch.equal(first, other)


def test_media_for_tests_need_neither_torch_nor_yt_dlp():
    script = "import sys, ytaudio.testing; print([m for m in ('torch', 'transformers', 'yt_dlp') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
