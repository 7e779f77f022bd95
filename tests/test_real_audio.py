"""Real recordings served as media: every format becomes clips by the real command, and each clip is the right stretch.

Runs where YTAUDIO_REAL_AUDIO names a folder of recordings with a manifest.csv (columns path, label, duration_s), which
nobody here made: WAV, Ogg Vorbis, MP3 and GSM without a header, 8 to 48 kHz, from 1.5 s to minutes.
"""

import csv
import io
import os
import random
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import soxr

from ytaudio import clips
from ytaudio.ledger import Outcome, read_ledger
from ytaudio.testing import MediaSite

REAL = Path(os.environ.get("YTAUDIO_REAL_AUDIO") or "none")
MIME = {"wav": "audio/x-wav", "ogg": "audio/ogg", "mp3": "audio/mpeg", "gsm": "audio/x-gsm"}
RATE = 16_000
CLIP_S = 5.0
A_FORMAT = 25  # recordings whose clips are compared with a full decode

pytestmark = pytest.mark.skipif(
    not (REAL / "manifest.csv").is_file(), reason="YTAUDIO_REAL_AUDIO names no folder of recordings"
)


@dataclass(frozen=True, slots=True)
class Recording:
    name: str  # on the site
    kind: str  # its file's extension
    label: str
    data: bytes
    duration_s: float  # as the manifest has it


def recordings() -> list[Recording]:
    with (REAL / "manifest.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = []
    for number, row in enumerate(rows):
        kind = row["path"].rsplit(".", 1)[1]
        data = (REAL / row["path"]).read_bytes()
        found.append(Recording(f"{number}.{kind}", kind, row["label"], data, float(row["duration_s"])))
    return found


def short_ones(whole: list[Recording]) -> list[Recording]:
    """The beginnings of one recording of each format, less than a second long."""
    found = []
    for kind in MIME:
        one = next(r for r in whole if r.kind == kind)
        if kind in ("wav", "ogg"):
            sound, rate = soundfile.read(io.BytesIO(one.data))
            buffer = io.BytesIO()
            soundfile.write(buffer, sound[: rate // 2], rate, format=kind.upper())
            data = buffer.getvalue()
        else:
            data = one.data[: {"gsm": 45 * 33, "mp3": 9_000}[kind]]  # 45 frames of 20 ms; some tenths of a second
        found.append(Recording(f"short.{kind}", kind, one.label, data, 0.5))
    return found


@dataclass(frozen=True, slots=True)
class Built:
    folder: Path
    pairs: list[tuple[Recording, Outcome]]
    short: list[tuple[Recording, Outcome]]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Built:
    """The dataset that `ytaudio build` makes of plain links to all recordings."""
    place = tmp_path_factory.mktemp("real")
    whole = recordings()
    short = short_ones(whole)
    with MediaSite() as site:
        urls = {one.name: site.add_file(one.name, one.data, MIME[one.kind]) for one in [*whole, *short]}
        with (place / "links.csv").open("w", newline="") as file:
            csv.writer(file).writerows(
                [("link", "category"), *((urls[one.name], one.label) for one in [*whole, *short])]
            )
        options = ["--clips-per-video", "2", "--clip-seconds", str(CLIP_S), "--threads", "4"]
        command = [sys.executable, "-m", "ytaudio.cli", "build", str(place / "links.csv"), str(place / "out"), *options]
        environment = {**os.environ, **site.environment()}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    by_url = {outcome.url: outcome for outcome in read_ledger(place / "out")[1].values()}
    assert len(by_url) == len(urls)
    pairs, too_short = ([(one, by_url[urls[one.name]]) for one in some] for some in (whole, short))
    return Built(place / "out", pairs, too_short)


def decoded(one: Recording) -> np.ndarray:
    """The whole recording by one sequential decode: float32 (samples,) at 16 kHz, the mean of its channels."""
    file = io.BytesIO(one.data)
    with av.open(file, format="gsm" if one.kind == "gsm" else None, metadata_errors="ignore") as source:
        frames = list(source.decode(audio=0))
    rate, layout = frames[0].sample_rate, av.AudioResampler(format="fltp")
    planes = [piece.to_ndarray() for frame in frames for piece in layout.resample(frame)]
    return soxr.resample(np.concatenate(planes, axis=1).mean(axis=0), rate, RATE, quality="HQ")


def by_soundfile(one: Recording) -> np.ndarray:
    """The same by libsndfile, which shares no code with FFmpeg."""
    headerless = {"format": "RAW", "subtype": "GSM610", "samplerate": 8_000, "channels": 1}
    sound, rate = soundfile.read(
        io.BytesIO(one.data), dtype="float32", always_2d=True, **(headerless if one.kind == "gsm" else {})
    )
    return soxr.resample(sound.mean(axis=1), rate, RATE, quality="HQ")


def lag_s(heard: np.ndarray, truth: np.ndarray, start: int) -> float:
    """How much later a clip's sound stands in the whole than it should, in seconds, looked for within 100 ms."""
    reach = RATE // 10
    padded = np.pad(truth, (reach, reach + heard.size))[start : start + heard.size + 2 * reach]
    size = 1 << (padded.size + heard.size).bit_length()
    product = np.fft.rfft(padded, size) * np.conj(np.fft.rfft(heard, size))
    match = np.fft.irfft(product, size)[: 2 * reach + 1]
    return (int(np.argmax(match)) - reach) / RATE


def test_every_recording_becomes_clips_or_has_a_stated_reason(built):
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for one, outcome in [*built.pairs, *built.short]:
        row = table[one.kind]
        row["recordings"] += 1
        row["bytes"] += len(one.data)
        row["read"] += outcome.bytes_read
        row["clips"] += len(outcome.clips)
        row[outcome.failure.reason.value if outcome.failure else "heard"] += 1
        assert bool(outcome.clips) != bool(outcome.failure), f"{one.name}: {outcome}"
    reasons = sorted({key for row in table.values() for key in row} - {"recordings", "bytes", "read", "clips"})
    print(f"\nformat recordings {' '.join(f'{reason:>9}' for reason in reasons)}  clips      MB  MB read")
    for kind, row in table.items():
        cells = " ".join(f"{row[reason]:9}" for reason in reasons)
        sizes = f"{row['clips']:6} {row['bytes'] / 1e6:7.1f} {row['read'] / 1e6:8.1f}"
        print(f"{kind:6} {row['recordings']:10} {cells} {sizes}")
    assert set(table) == set(MIME)
    assert all(outcome.clips for _, outcome in built.pairs), "all of them can be heard"


@pytest.mark.parametrize("kind", MIME)
def test_less_than_a_second_is_too_short(built, kind):
    (outcome,) = [outcome for one, outcome in built.short if one.kind == kind]
    assert outcome.failure and outcome.failure.reason.value == "too_short", outcome


@pytest.mark.parametrize("kind", MIME)
def test_a_clip_is_the_stretch_of_a_full_decode_that_the_ledger_says(built, kind):
    pairs = [(one, outcome) for one, outcome in built.pairs if one.kind == kind]
    for one, outcome in random.Random(1).sample(pairs, min(A_FORMAT, len(pairs))):
        truth = decoded(one)
        assert outcome.duration_s == pytest.approx(truth.size / RATE, abs=0.05)
        for clip in outcome.clips:
            file = built.folder / "clips" / outcome.video_id / f"{clip.index}.flac"
            heard, start = clips.decode(file.read_bytes()), round(clip.start_s * RATE)
            assert heard.size == clip.samples
            assert heard.size == pytest.approx(min(CLIP_S * RATE, truth.size - start), abs=0.02 * RATE)
            assert abs(lag_s(heard, truth, start)) <= 0.02, one.name
            stretch = truth[start : start + heard.size]
            heard = heard[: stretch.size]
            # a window may begin between two samples of its source, which the highest notes feel
            assert np.corrcoef(heard, stretch)[0, 1] > 0.95, one.name


@pytest.mark.parametrize("kind", MIME)
def test_another_library_hears_the_same(built, kind):
    pairs = [(one, outcome) for one, outcome in built.pairs if one.kind == kind]
    for one, outcome in random.Random(2).sample(pairs, min(6, len(pairs))):
        truth, clip = by_soundfile(one), outcome.clips[0]
        heard = clips.decode((built.folder / "clips" / outcome.video_id / "0.flac").read_bytes())
        assert abs(lag_s(heard, truth, round(clip.start_s * RATE))) <= 0.02, one.name


def test_of_a_long_recording_only_its_windows_are_read(built):
    long = [(one, outcome) for one, outcome in built.pairs if len(one.data) > 2_000_000]
    assert len(long) > 3
    for one, outcome in long:
        share = 2 * CLIP_S / one.duration_s
        assert outcome.bytes_read < 1.5 * share * len(one.data) + 600_000, (one.name, outcome.bytes_read, len(one.data))
