"""What was heard as a picture: the spectrogram of each piece, side by side as the timelines below it are."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from ytaudio.clips import SAMPLING_RATE

WIDTH, HEIGHT = 960, 128  # pixels, of the whole picture
LOWEST_HZ = 60.0  # at the bottom; half of the sampling rate is on top
_GAP = 3  # transparent pixels between two pieces
_N_FFT = 1024  # samples of a frame: 64 ms
_RANGE_DB = 70.0  # below the loudest of the picture all is black
_COLORS = np.array(  # from quiet to loud, as matplotlib's magma in nine steps
    (
        *((0, 0, 4), (28, 16, 68), (79, 18, 123), (129, 37, 129), (181, 54, 122)),
        *((229, 80, 100), (251, 135, 97), (254, 194, 135), (252, 253, 191)),
    ),
    dtype=float,
)


def spectrogram(waveforms: Sequence[np.ndarray]) -> bytes:
    """A PNG of pieces, float32 (samples,) at 16 kHz each: time from left to right, pitch upwards in octaves."""
    gaps = _GAP * (len(waveforms) - 1)
    columns = max(2, (WIDTH - gaps) // len(waveforms))
    powers = [_power(waveform, columns) for waveform in waveforms]
    loudest = max(float(power.max()) for power in powers)
    gap = np.zeros((HEIGHT, _GAP, 4), np.uint8)
    pieces: list[np.ndarray] = []
    for power in powers:
        pieces += [gap, _colored(10 * np.log10(np.maximum(power, 1e-12) / max(loudest, 1e-12)))]
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(pieces[1:], axis=1)).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _power(waveform: np.ndarray, columns: int) -> np.ndarray:
    """Power at log-spaced frequencies, the highest on top: (samples,) to (HEIGHT, columns)."""
    padded = np.pad(waveform, _N_FFT // 2)
    starts = np.linspace(0, padded.size - _N_FFT, columns).astype(int)
    frames = padded[starts[:, None] + np.arange(_N_FFT)] * np.hanning(_N_FFT)
    spectrum = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    wanted = np.geomspace(SAMPLING_RATE / 2, LOWEST_HZ, HEIGHT)
    bins = np.fft.rfftfreq(_N_FFT, 1 / SAMPLING_RATE)
    return np.stack([np.interp(wanted, bins, frame) for frame in spectrum], axis=1)


def _colored(db: np.ndarray) -> np.ndarray:
    """Decibels below the loudest to RGBA: (height, width) to (height, width, 4)."""
    steps = np.clip(1 + db / _RANGE_DB, 0, 1) * (len(_COLORS) - 1)
    channels = [np.interp(steps, np.arange(len(_COLORS)), _COLORS[:, c]) for c in range(3)]
    return np.stack([*channels, np.full(db.shape, 255.0)], axis=-1).astype(np.uint8)
