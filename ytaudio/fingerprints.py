"""Clips to compact fingerprints of their sound, and videos to the pairs that share one: re-uploads under another id.

Chromaprint would serve, but no package carries it: pyacoustid and pychromaprint load a system libchromaprint or call
`fpcalc`, and the FFmpeg inside PyAV's wheels is built without it. So this is the spectral hash of Haitsma and Kalker,
"A Highly Robust Audio Fingerprinting System" (ISMIR 2002), with slower and fewer frames, so that a clip of 10 s is 184
characters in place of 14,000: a bit is the sign of how the difference of two neighbouring bands changed over half a
second. Neither a gain nor an equalisation changes it.

A re-upload with an intro of d seconds has its windows shifted against the original's, by d/2 in an only clip and by as
little as d/2K in the last of K: two clips are known again while they share some 5 s. Shorter clips have no print.
"""

import base64
import zlib
from binascii import a2b_base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

RATE = 16_000  # Hz
LONGEST_S = 30.0  # of a clip is heard, from its beginning: at most 608 characters
THRESHOLD = 0.75  # similarity from which two clips are the same sound: unrelated ones stay under 0.65
MINIMUM_FRAMES = 31  # informative ones, of 128 ms, that two prints must share: about 4 s

_FFT, _HOP = 2048, 512  # samples: a spectrum of 128 ms every 32 ms
_SMOOTH, _EVERY, _LAG = 24, 4, 4  # spectra under one Hann window, spectra from frame to frame, frames compared over
_BITS = 16  # of a frame
_EDGES_HZ = (250.0, 3400.0)  # what a telephone, GSM and every codec keep
_FLOOR = 1e-5  # of the loudest band's power: what lies lower is a codec's or a room's noise
_DITHER, _MOVES = 0.015, 0.08  # nepers: own noise of a clip, and a change that is more than that noise
_LOOP_FRAMES, _LOOP = 16, 0.8  # a print that equals itself shifted by up to these frames (2 s) tells too little
_NEIGHBOURS = 8  # prints with one sub-print that are compared with each other: a chain, however many there are
_BETWEEN = 16  # of 48 bits, in the frames between the two of a sub-print, that may differ: 24 do in unrelated sounds
_PASS_KEYS = 1 << 24  # sub-prints sorted at a time, about
_REACH = 2**15  # candidates compared at a time


@dataclass(frozen=True, slots=True)
class Pair:
    """Two videos that share a sound."""

    a: str  # the smaller id
    b: str
    similarity: float  # of their most similar clips, THRESHOLD to 1


def fingerprint(waveform: np.ndarray) -> str:
    """The fingerprint of a clip: float32 (samples,) at 16 kHz to base64, some 18 characters a second; about 10 ms.

    "" where there is too little to tell sounds apart: under 5 s, silence, a constant tone or hum, a loop under 2 s.
    Such clips match nothing, not even their copies. Of a clip over LONGEST_S its beginning is heard.
    """
    sound = np.asarray(waveform[: int(LONGEST_S * RATE)], dtype=np.float32)
    spectra = (sound.size - _FFT) // _HOP + 1
    if spectra < _SMOOTH + _EVERY * (_LAG + MINIMUM_FRAMES - 1):
        return ""
    energies = _energies(sound, spectra)
    loudest = float(energies.max())
    if not np.isfinite(loudest) or loudest <= 0.0:
        return ""
    levels = np.log(energies / loudest + _FLOOR)
    # Where nothing changes, a sign would be the same for all such sounds: a clip's own noise decides it instead.
    levels += _DITHER * np.random.default_rng(zlib.crc32(sound.tobytes())).standard_normal(levels.shape)
    change = np.diff(levels[_LAG:] - levels[:-_LAG], axis=1)
    words = (change > 0) @ (1 << np.arange(_BITS))
    words[(np.abs(change) > _MOVES).sum(axis=1) < _BITS // 2] = 0
    words = words.astype("<u2")
    if np.count_nonzero(words) < MINIMUM_FRAMES or _repeats(words):
        return ""
    return base64.b64encode(words.tobytes()).decode()


def _energies(sound: np.ndarray, spectra: int) -> np.ndarray:
    """Power in mel-spaced bands under a Hann window of 0.8 s every 128 ms: (samples,) to (frames, _BITS + 1)."""
    low, high = 2595 * np.log10(1 + np.array(_EDGES_HZ) / 700)
    edges = np.round(700 * (10 ** (np.linspace(low, high, _BITS + 2) / 2595) - 1) * _FFT / RATE).astype(int)
    pieces = np.lib.stride_tricks.sliding_window_view(sound, _FFT)[: spectra * _HOP : _HOP]
    power = np.square(np.abs(np.fft.rfft(pieces * np.hanning(_FFT).astype(np.float32), axis=1)))
    bands = np.add.reduceat(power[:, : edges[-1]], edges[:-1], axis=1)
    frames = np.lib.stride_tricks.sliding_window_view(bands, _SMOOTH, axis=0)[::_EVERY]
    return frames @ np.hanning(_SMOOTH + 2)[1:-1].astype(frames.dtype)


def _repeats(words: np.ndarray) -> bool:
    lags = range(_LAG * 2, min(_LOOP_FRAMES, words.size - MINIMUM_FRAMES) + 1)
    return any(_alike(words[lag:], words[:-lag]) > _LOOP for lag in lags)


def _alike(a: np.ndarray, b: np.ndarray) -> float:
    """1 - bit error rate of two aligned prints, over the frames that tell something in both; 0 if those are few."""
    both = (a != 0) & (b != 0)
    shared = int(np.count_nonzero(both))
    if shared < MINIMUM_FRAMES:
        return 0.0
    return 1.0 - float(np.bitwise_count(a[both] ^ b[both]).sum()) / (_BITS * shared)


def _words(print_: str) -> np.ndarray:
    return np.frombuffer(a2b_base64(print_, strict_mode=True), dtype="<u2")


def similarity(a: str, b: str) -> float:
    """How alike two fingerprints are at their best alignment: 1 - bit error rate; 0 where they share under 4 s.

    About 0.55 for unrelated sounds, THRESHOLD and more for the same one in another encoding, level or equalisation.

    Raises:
        ValueError: a print is not one that `fingerprint` wrote.
    """
    first, second = _words(a), _words(b)
    best = 0.0
    for offset in range(MINIMUM_FRAMES - second.size, first.size - MINIMUM_FRAMES + 1):
        here, there = max(0, offset), max(0, -offset)
        n = min(first.size - here, second.size - there)
        best = max(best, _alike(first[here : here + n], second[there : there + n]))
    return best


@dataclass(frozen=True, slots=True)
class _Prints:
    """All fingerprints end to end."""

    words: np.ndarray  # uint16 (words,)
    starts: np.ndarray  # int64 (prints + 1,): where each begins, and the end
    videos: np.ndarray  # int64 (prints,): number of the video

    def print_of(self, at: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.starts, at, side="right") - 1


def near_duplicates(prints: Mapping[str, Sequence[str]]) -> list[Pair]:
    """The pairs of videos of which one clip each has the same sound, from video id to the fingerprints of its clips.

    Only prints that share a sub-print, two frames half a second apart, are compared, at the offset where they share it;
    a sub-print has more bits the more prints there are, so time grows as their number (a million prints of 10 s: about
    15 s), and memory is some 800 bytes a print. Of many prints with one sub-print each is compared with the next few
    only: of a large group of copies not all pairs are listed, but they hang together. The order of `prints` does not
    matter.

    Raises:
        ValueError: a print is not one that `fingerprint` wrote.
    """
    ids = sorted(prints)
    best: dict[tuple[int, int], float] = {}
    laid = _lay_out([prints[video_id] for video_id in ids])
    for at, other in _candidates(laid):
        for a, b, alike in _confirmed(laid, at, other):
            best[a, b] = max(alike, best.get((a, b), 0.0))
    return [Pair(ids[a], ids[b], round(alike, 4)) for (a, b), alike in sorted(best.items())]


def _lay_out(prints: Sequence[Sequence[str]]) -> _Prints:
    raw = [(n, a2b_base64(text, strict_mode=True)) for n, clips in enumerate(prints) for text in clips if text]
    if any(len(content) % 2 for _, content in raw):
        raise ValueError("a fingerprint has whole frames of two bytes")
    sizes = np.fromiter((len(content) // 2 for _, content in raw), dtype=np.int64, count=len(raw))
    starts = np.concatenate([[0], np.cumsum(sizes)])
    videos = np.fromiter((n for n, _ in raw), dtype=np.int64, count=len(raw))
    return _Prints(np.frombuffer(b"".join(content for _, content in raw), dtype="<u2"), starts, videos)


def _candidates(laid: _Prints) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Places in the words of two different videos that hold one sub-print: int64 (candidates,) twice, in portions."""
    words, total = laid.words, laid.words.size
    if total <= _LAG:
        return
    wide = min(_BITS, max(8, (int(total).bit_length() + 3) // 2))  # bits of each of the two frames
    mask = np.uint32((1 << wide) - 1)
    usable = (words[:-_LAG] != 0) & (words[_LAG:] != 0)
    for back in range(1, _LAG + 1):  # a sub-print lies inside one print
        usable[np.clip(laid.starts[1:-1] - back, 0, usable.size - 1)] = False
    passes = 1 << max(0, (total // _PASS_KEYS).bit_length())
    shares = words[:-_LAG] ^ words[_LAG:]
    shares &= np.uint16(passes - 1)
    for share in range(passes):
        at = np.flatnonzero(usable & (shares == share))
        keys = ((words[at] & mask).astype(np.uint64) << np.uint64(wide)) | (words[at + _LAG] & mask)
        # the place is the lower half, so one sort orders both
        packed = (keys << np.uint64(32)) | at.astype(np.uint64)
        packed.sort()
        keys, at = packed >> np.uint64(32), (packed & np.uint64(0xFFFFFFFF)).astype(np.int64)
        for apart in range(1, _NEIGHBOURS + 1):
            same = np.flatnonzero(keys[apart:] == keys[:-apart])
            for begin in range(0, same.size, _REACH):
                here = same[begin : begin + _REACH]
                yield at[here], at[here + apart]


def _confirmed(laid: _Prints, at: np.ndarray, other: np.ndarray) -> Iterator[tuple[int, int, float]]:
    """The candidates that are the same sound over all that the two prints share at that offset, with the similarity."""
    differ = sum(np.bitwise_count(laid.words[at + n] ^ laid.words[other + n]).astype(int) for n in range(1, _LAG))
    at, other = at[differ <= _BETWEEN], other[differ <= _BETWEEN]
    a, b = laid.print_of(at), laid.print_of(other)
    different = laid.videos[a] != laid.videos[b]
    a, b, at, other = a[different], b[different], at[different], other[different]
    before = np.minimum(at - laid.starts[a], other - laid.starts[b])
    length = before + np.minimum(laid.starts[a + 1] - at, laid.starts[b + 1] - other)
    long = length >= MINIMUM_FRAMES
    # two prints at one offset are compared once, however many sub-prints they share
    _, once = np.unique((at - before)[long] * laid.words.size + (other - before)[long], return_index=True)
    once = np.flatnonzero(long)[once]
    a, b, at, other, length = a[once], b[once], (at - before)[once], (other - before)[once], length[once]
    shared, wrong = np.zeros(a.size, dtype=np.int64), np.zeros(a.size, dtype=np.int64)
    for step in range(int(length.max(initial=0))):
        inside = step < length
        one = laid.words[np.where(inside, at + step, 0)]
        two = laid.words[np.where(inside, other + step, 0)]
        told = inside & (one != 0) & (two != 0)
        shared += told
        wrong += np.where(told, np.bitwise_count(one ^ two), 0)
    alike = 1.0 - wrong / (_BITS * np.maximum(shared, 1))
    for n in np.flatnonzero((shared >= MINIMUM_FRAMES) & (alike >= THRESHOLD)):
        first, second = sorted((int(laid.videos[a[n]]), int(laid.videos[b[n]])))
        yield first, second, float(alike[n])
