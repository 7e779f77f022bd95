"""Windows, crops, waveform to FLAC and back, resampling, minimum length."""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import soundfile
import soxr

SAMPLING_RATE = 16_000  # Hz, of every clip
MINIMUM_S = 1.0  # shorter crops are repeated up to this: transformers' SpecAugment and group norms need some length
SILENCE_DBFS = -60.0


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of a video's sound."""

    start_s: float  # seconds from the beginning of the video
    seconds: float  # length


def spread_windows(duration_s: float, count: int, seconds: float) -> list[Window]:
    """Up to `count` windows of `seconds` spread evenly over a video, each centred in its equal share.

    A video too short for `count` windows side by side gives as many as fit, at least one: the whole of it if need be.
    """
    fitting = max(1, min(count, int(duration_s // seconds)))
    if duration_s <= seconds:
        return [Window(0.0, duration_s)]
    share = duration_s / fitting
    return [Window(round(k * share + (share - seconds) / 2, 3), seconds) for k in range(fitting)]


def other_windows(window: Window, number: int, of: int, duration_s: float) -> list[Window]:
    """Where else to listen if window `number` of `of` spread ones is silent: four more places in its share.

    They lie in the middle of each half and at both ends of the share, so windows of neighbouring shares never overlap.
    """
    share = duration_s / of
    room = share - window.seconds
    if room <= 0:
        return []
    starts = dict.fromkeys(round(number * share + place * room, 3) for place in (0.25, 0.75, 0.0, 1.0))
    return [Window(start_s, window.seconds) for start_s in starts if start_s != window.start_s]


def resample(waveform: np.ndarray, from_hz: int, to_hz: int = SAMPLING_RATE) -> np.ndarray:
    """One soxr call at high quality: float32 (samples,) to float32 (samples,)."""
    if from_hz == to_hz:
        return np.ascontiguousarray(waveform, dtype=np.float32)
    return soxr.resample(np.ascontiguousarray(waveform, dtype=np.float32), from_hz, to_hz, quality="HQ")


def dbfs(waveform: np.ndarray) -> float:
    """Root mean square level in dB relative to full scale: (samples,) to a number, -120 at the least."""
    power = float(np.mean(np.square(waveform, dtype=np.float64))) if waveform.size else 0.0
    return 10 * float(np.log10(max(power, 1e-12)))


def repeat_to(waveform: np.ndarray, samples: int) -> np.ndarray:
    """Repeat a waveform until it has at least `samples` samples: (samples,) to (max(len, samples),)."""
    if waveform.size >= samples or not waveform.size:
        return waveform
    return np.tile(waveform, -(-samples // waveform.size))[:samples]


def encode(waveform: np.ndarray) -> bytes:
    """FLAC of 16 bits at 16 kHz from float32 (samples,); values beyond full scale are clipped."""
    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(waveform, -1.0, 1.0), SAMPLING_RATE, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def frames(flac: bytes) -> int:
    """How many samples an encoded clip holds, without decoding it."""
    return soundfile.info(io.BytesIO(flac)).frames


def decode(flac: bytes, start: int = 0, samples: int = -1) -> np.ndarray:
    """Decode only the samples asked for: float32 (samples,) mono at 16 kHz, shorter where the clip ends.

    Any file soundfile reads is accepted, and resampled where its rate is another (then start and samples count at
    16 kHz all the same).
    """
    return decode_from(flac, lambda length: start, samples)


def decode_from(flac: bytes, where: Callable[[int], int], samples: int) -> np.ndarray:
    """As `decode`, from where `where` says, which is told how many samples at 16 kHz the clip holds."""
    with soundfile.SoundFile(io.BytesIO(flac)) as file:
        rate = file.samplerate
        file.seek(min(where(file.frames * SAMPLING_RATE // rate) * rate // SAMPLING_RATE, file.frames))
        wanted = -1 if samples < 0 else -(-samples * rate // SAMPLING_RATE)
        waveform = file.read(wanted, dtype="float32")
    return resample(waveform if waveform.ndim == 1 else waveform.mean(axis=1), rate)


def crop_starts(length: int, crop: int, count: int) -> list[int]:
    """Where `count` crops of `crop` samples begin, spread evenly over `length` samples; one, at 0, if no more fit."""
    if length <= crop:
        return [0]
    count = max(1, min(count, -(-length // crop)))
    if count == 1:
        return [(length - crop) // 2]
    return [round(k * (length - crop) / (count - 1)) for k in range(count)]
