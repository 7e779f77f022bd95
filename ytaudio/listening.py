"""A few windows of one input as waveforms, which several models can then be asked about."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ytaudio import clips, media
from ytaudio.clips import SAMPLING_RATE, Window, spread_windows
from ytaudio.inputs import find_media
from ytaudio.media import Access, Failure, Media, Reason

# float or integer samples, (samples,) or (samples, channels), and their rate in Hz
Waveform: TypeAlias = tuple[Any, int]
Source: TypeAlias = str | Path | Waveform
SHORTEST_S = 0.1  # of sound that is about something


@dataclass(frozen=True, slots=True)
class Heard:
    """Windows of one input, read."""

    name: str  # as given
    title: str  # that the site gives a video; a file's name
    duration_s: float  # of the whole input
    windows: tuple[Window, ...]
    waveforms: tuple[np.ndarray, ...]  # float32 (samples,) at 16 kHz, one a window

    @property
    def levels(self) -> list[float]:
        """The level of each window in dB relative to full scale, -120 at the least."""
        return [clips.dbfs(waveform) for waveform in self.waveforms]


def listen(source: Source, *, seconds: float, crops: int = 6, access: Access | None = None) -> Heard | Failure:
    """Read up to `crops` windows of `seconds`, spread evenly over an input, and no more of it.

    Args:
        source: a link, a file, "-" for stdin, or (waveform, sampling_rate).
        seconds: length of a window; of something shorter the whole is one window.
        crops: windows, at most.
        access: cookies and proxy for links.

    Raises:
        TypeError: a waveform that is none.
    """
    heard = _array(source, seconds, crops) if isinstance(source, tuple) else _read(str(source), seconds, crops, access)
    if isinstance(heard, Failure):
        return heard
    if sum(waveform.size for waveform in heard.waveforms) < SHORTEST_S * SAMPLING_RATE - 1:
        return Failure(heard.name, Reason.TOO_SHORT, f"it holds less than {SHORTEST_S:g} s of sound")
    if max(heard.levels) < clips.SILENCE_DBFS:
        return Failure(heard.name, Reason.SILENT, f"nothing heard of it is above {clips.SILENCE_DBFS:.0f} dBFS")
    return heard


def _read(name: str, seconds: float, crops: int, access: Access | None) -> Heard | Failure:
    heard: Heard | Failure
    for _ in range(2):
        with find_media(name, access) as found:
            heard = found if isinstance(found, Failure) else _windows(name, found, seconds, crops, access)
        # addresses expire, so a stream that fails is looked for once more; who names a time is not asked before it
        if not isinstance(heard, Failure) or heard.reason is not Reason.SERVER_ERROR or heard.retry_after_s:
            break
    return heard


def _windows(name: str, found: Media, seconds: float, crops: int, access: Access | None) -> Heard | Failure:
    opened = media.open_media(found, access)
    if isinstance(opened, Failure):
        return opened
    with opened as reader:
        duration_s = min(found.duration_s, reader.duration_s or found.duration_s)  # sites round up, and err
        windows, waveforms = [], []
        for window in spread_windows(duration_s, crops, seconds):
            waveform = reader.window(window)
            if isinstance(waveform, Failure):
                return waveform
            windows.append(window)
            waveforms.append(waveform)
    return Heard(name, found.title, duration_s, tuple(windows), tuple(waveforms))


def _array(source: Waveform, seconds: float, crops: int) -> Heard:
    mono, rate = _mono(source)
    windows = spread_windows(mono.size / rate, crops, seconds)
    pieces = (mono[round(w.start_s * rate) : round((w.start_s + w.seconds) * rate)] for w in windows)
    return Heard(
        "waveform", "", mono.size / rate, tuple(windows), tuple(clips.resample(piece, rate) for piece in pieces)
    )


def _mono(source: Sequence[Any]) -> tuple[np.ndarray, int]:
    """A waveform's channels averaged, float32 (samples,) with full scale 1 and free of NaN, and its rate in Hz."""
    if len(source) != 2 or np.ndim(source[0]) not in (1, 2) or np.ndim(source[1]) or not int(source[1]) > 0:
        raise TypeError(
            "A waveform is a tuple (samples, sampling_rate), the samples of shape (samples,) or (samples, channels)."
        )
    samples = np.asarray(source[0])
    scale = -float(np.iinfo(samples.dtype).min) if samples.dtype.kind == "i" else 1.0
    samples = samples.mean(axis=1, dtype=np.float64) if samples.ndim == 2 else samples
    return np.nan_to_num(samples / scale).astype(np.float32), int(source[1])
