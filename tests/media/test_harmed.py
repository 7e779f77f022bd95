"""Harmed files: never a crash, never a hang, never a clip that is not sound. YTAUDIO_FUZZ=20000 tries that many."""

import io
import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from media import harmed, real_files

from ytaudio.clips import Window
from ytaudio.media import Failure, Media, Reason, local_file, open_media

EXAMPLES = int(os.environ.get("YTAUDIO_FUZZ", "60"))
HERE = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.timeout(max(240, EXAMPLES))
def test_harmed_files_are_failures_or_sound(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, str(HERE / "harmed.py"), str(EXAMPLES), "8", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=max(200, EXAMPLES))
    assert done.returncode == 0, f"{(tmp_path / 'case.txt').read_text()}\n{done.stderr[-4000:]}"


def test_the_harms_are_what_they_say():
    data = bytes(range(100))
    assert harmed.harmed(data, [("cut", 0.25, None)]) == data[:25]
    assert harmed.harmed(data, [("flip", 0.5, 0)])[50] == 51
    assert len(harmed.harmed(data, [("drop", 0.5, 10), ("repeat", 0.5, 5), ("write", 0.0, b"xy")])) == 95


def test_eight_channels_are_one_clip(tmp_path):
    """PyAV alone dies of them."""
    sound = np.stack([np.sin(np.arange(48_000) * 0.05 * (k + 1)) * 0.3 for k in range(8)]).astype(np.float32)
    with av.open(str(tmp_path / "eight.mka"), "w", format="matroska") as file:
        stream = file.add_stream("aac", rate=48_000, layout="7.1")
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound.T).reshape(1, -1), "flt", "7.1")
        frame.sample_rate, frame.pts = 48_000, 0
        resampler = av.AudioResampler("fltp", frame_size=1024)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(stream.encode(piece))
        file.mux(stream.encode(None))
    with open_media(local_file(tmp_path / "eight.mka")) as reader:
        heard = reader.window(Window(0.2, 0.5))
    mean = sound.mean(axis=0)[9_600:33_600]
    assert heard.shape == (8_000,) and np.std(heard) == pytest.approx(np.std(mean), rel=0.2)


@pytest.mark.parametrize("kind", ["webm", "live.webm"])
def test_a_codec_that_nobody_knows_is_unsupported(kind, site):
    data = real_files.encoded(kind, 4.0).replace(b"A_OPUS", b"A_NEWS")
    found = open_media(Media("v", site.add_file(kind, data), {}, 4.0, "", "", "", "", ""))
    assert isinstance(found, Failure) and found.reason is Reason.UNSUPPORTED and "codec" in found.detail


def test_numbers_that_are_none_do_not_spread(site):
    data = bytearray(real_files.encoded("float.wav", 4.0))
    middle = len(data) // 2 // 8 * 8
    data[middle : middle + 8] = np.array([np.nan, np.inf], "<f4").tobytes()
    with av.open(io.BytesIO(bytes(data))) as file:
        assert file.duration
    path = site.add_file("none.wav", bytes(data))
    with open_media(Media("v", path, {}, 4.0, "", "", "", "", "")) as reader:
        heard = reader.window(Window(1.0, 2.0))
    assert heard.shape == (32_000,) and np.isfinite(heard).all() and np.abs(heard).max() <= harmed.LOUDEST
    assert 0.01 < np.std(heard[:12_000]) < 0.1, "what is around it is heard"
