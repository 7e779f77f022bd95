"""Files that claim what they do not hold, unpack to hours, or were never sound: each is an answer or a value, soon."""

import io
import json
import os
import random
import struct
import subprocess
import sys
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from ytaudio.inputs import find_inputs, find_media
from ytaudio.media import Failure

MEMORY_MB = 1500  # of address space, for one process that reads them all
CHILD = """
import json, resource, sys, time
from functools import cache
from pathlib import Path
from ytaudio.listening import listen
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]) << 20,) * 2)
for path in sorted(Path(sys.argv[1]).iterdir()):
    began = time.process_time()
    heard = listen(str(path), seconds=5.0, crops=6)
    said = getattr(heard, "detail", None) or heard.duration_s
    print(json.dumps([path.name, said, time.process_time() - began]), flush=True)
"""
TONE = (10_000 * np.sin(np.arange(48_000) * 0.1)).astype("<i2").tobytes()  # 3 s at 16 kHz
NO_SOUND = "the file holds no sound"
NO_MEDIA = "it is neither sound nor video that FFmpeg reads"


def _wav(rate: int = 16_000, channels: int = 1, bits: int = 16, claimed: int = len(TONE)) -> bytes:
    frame = channels * bits // 8
    form = struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * frame & 0xFFFFFFFF, frame & 0xFFFF, bits)
    body = struct.pack("<I", claimed) + TONE
    return b"RIFF" + struct.pack("<I", claimed + 36 & 0xFFFFFFFF) + b"WAVEfmt " + form + b"data" + body


def _flac(waveform: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, waveform, 16_000, format="FLAC")
    return buffer.getvalue()


def _encoded(container: str, codec: str, seconds: int = 8) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as file:
        stream = file.add_stream(codec, rate=48_000, layout="mono")
        convert = av.AudioResampler(stream.codec_context.format.name, "mono", 48_000)
        for number in range(seconds):
            wave = (0.3 * np.sin(np.arange(48_000) * 0.05)).astype(np.float32)[None]
            frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 48_000, number * 48_000
            for packet in (packet for one in convert.resample(frame) for packet in stream.encode(one)):
                file.mux(packet)
        for packet in stream.encode(None):
            file.mux(packet)
    return buffer.getvalue()


def _mute_video() -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as file:
        stream = file.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 64
        picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        for packet in [*stream.encode(picture), *stream.encode(None)]:
            file.mux(packet)
    return buffer.getvalue()


def _days(flac: bytes) -> bytes:
    """A FLAC file whose header claims the most samples that its field can hold."""
    return flac[:21] + bytes([flac[21] | 0x0F]) + b"\xff" * 4 + flac[26:]


@cache
def claims(folder: Path) -> dict[str, tuple[bytes, object]]:
    """File name to its bytes, and what must be said of it: a duration in seconds, a sentence, or ... for any."""
    hours = _flac(np.zeros(16_000 * 3600 * 2, np.int16))
    assert len(hours) < 500_000
    listed = f"{folder}/plain.wav"
    return {
        "plain.wav": (_wav(), 3.0),
        "four_gigabytes.wav": (_wav(claimed=0xFFFFFF00), 3.0),
        "rate_of_4e9.wav": (_wav(rate=0xFFFFFFFF), NO_MEDIA),
        "rate_of_0.wav": (_wav(rate=0), NO_MEDIA),
        "rate_of_1.wav": (_wav(rate=1), ...),
        "no_channels.wav": (_wav(channels=0), NO_SOUND),
        "1000_channels.wav": (_wav(channels=1000), NO_SOUND),
        "65535_channels.wav": (_wav(channels=65535), NO_SOUND),
        "255_bits.wav": (_wav(bits=255), "the sound is in a codec for which FFmpeg has no decoder"),
        "hours.flac": (hours, "nothing heard of it is above -60 dBFS"),
        "days.flac": (_days(_flac(np.frombuffer(TONE, "<i2"))), ...),
        "mute.mp4": (_mute_video(), NO_SOUND),
        "list.ffconcat": (f"ffconcat version 1.0\nfile '{listed}'\n".encode(), NO_MEDIA),
        "list.m3u8": (f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{listed}\n#EXT-X-ENDLIST\n".encode(), NO_MEDIA),
        "session.sdp": (b"v=0\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n", NO_MEDIA),
        "zeros.bin": (bytes(1 << 20), ...),
        "text.txt": (b"hello " * 1000, ...),
        "page.html": (b"<html><audio src='/etc/passwd'>" * 100, ...),
    }


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> dict[str, tuple[object, float]]:
    """What is said of each claim and of each fuzzed file, with the seconds of CPU it took, in one small process."""
    folder = tmp_path_factory.mktemp("files")
    for name, (content, _) in claims(folder).items():
        (folder / name).write_bytes(content)
    rng = random.Random(0)
    whole = {
        "webm": ("webm", "libopus"),
        "ogg": ("ogg", "libopus"),
        "mp4": ("mp4", "aac"),
        "mp3": ("mp3", "libmp3lame"),
    }
    for ending, how in whole.items():
        content = _encoded(*how)
        for number in range(8):
            harmed = bytearray(content)
            for _ in range(rng.choice((1, 5, 50, 500))):
                harmed[rng.randrange(rng.choice((64, 1000, len(harmed))))] = rng.randrange(256)
            (folder / f"fuzzed{number}.{ending}").write_bytes(harmed[: rng.choice((len(harmed), len(harmed) // 2))])
    ended = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder), str(MEMORY_MB)], capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    lines = map(json.loads, ended.stdout.splitlines())
    found = {name: (said, seconds) for name, said, seconds in lines}
    assert len(found) == len(list(folder.iterdir()))
    return found


@pytest.mark.parametrize("name", claims(Path("/nowhere")))
def test_a_file_is_as_long_as_what_it_holds_and_costs_no_more_than_its_windows(told, name):
    said, seconds = told[name]
    expected = claims(Path("/nowhere"))[name][1]
    assert expected in (said, ...)
    assert seconds < 2


def test_harmed_files_are_read_or_told_apart_in_little_memory_and_time(told):
    harmed = {name: one for name, one in told.items() if name.startswith("fuzzed")}
    assert len(harmed) == 32
    assert max(seconds for _, seconds in harmed.values()) < 2


def test_a_folder_gives_files_alone_whatever_lies_in_it(tmp_path):
    (tmp_path / "a.wav").write_bytes(_wav())
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "to_root").symlink_to("/")
    (tmp_path / "to_itself").symlink_to(tmp_path / "to_itself")
    (tmp_path / "device").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe")  # which nobody ever writes to
    found = find_inputs([str(tmp_path)])
    assert [Path(one.name).name for one in found] == ["a.wav"]


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/urandom", "/dev/null", "/"])
def test_devices_are_no_files(name):
    with find_media(name) as found:
        assert isinstance(found, Failure)
        assert found.detail == "it is no file"


@pytest.mark.parametrize(
    "name", ["a\0b", "x" * 100_000, "\ud800", "file:///etc/passwd", "concat:/etc/passwd", "pipe:0", "~root"]
)
def test_names_that_are_neither_files_nor_links_are_told_so(name):
    with find_media(name) as found:
        assert isinstance(found, Failure)
