"""Waveforms to what a model is fed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ytaudio.clips import MINIMUM_S, SAMPLING_RATE, resample


def crop_samples(seconds: float) -> int:
    """How many samples at 16 kHz a crop of so many seconds has; it is never shorter than clips.MINIMUM_S."""
    return round(max(seconds, MINIMUM_S) * SAMPLING_RATE)


def features(extractor: Any, waveforms: Sequence[np.ndarray]) -> torch.Tensor:
    """What the model is fed of waveforms of one length at 16 kHz: (batch, samples), or (batch, frames, bins)."""
    rate = extractor.sampling_rate
    heard = [resample(waveform, SAMPLING_RATE, rate) for waveform in waveforms]
    # all are of one length: on a ragged list the extractor would normalise over the padding
    out = extractor(heard, sampling_rate=rate, return_tensors="np")
    return torch.from_numpy(np.asarray(out[extractor.model_input_names[0]], dtype=np.float32))
