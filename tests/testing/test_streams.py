import av
import numpy as np
import pytest

from ytaudio.testing.sounds import RATE, render
from ytaudio.testing.streams import STREAMS, VirtualStream
from ytaudio.testing.virtual import encode_loop


@pytest.fixture(scope="module", params=["hls-ts", "hls-fmp4"])
def made(request):
    kind = STREAMS[request.param]
    sound = render("food", 61_000, "UCstreams")
    return lambda duration_s: VirtualStream(encode_loop(sound, kind, 64_000), kind, duration_s), sound


def test_ffmpeg_reads_the_whole_stream_as_its_sound_round_and_round(made, tmp_path):
    make, sound = made
    stream = make(70.0)
    names = ["index.m3u8", "init.mp4", *(f"{k}.{ext}" for k in range(9) for ext in ("ts", "m4s"))]
    for name in names:
        if found := stream.part(name):
            (tmp_path / name).write_bytes(found[0])
    assert stream.size == sum(path.stat().st_size for path in tmp_path.iterdir() if path.suffix != ".m3u8")
    av.logging.set_level(av.logging.WARNING)
    with (
        av.logging.Capture() as said,
        av.open(str(tmp_path / "index.m3u8"), options={"allowed_extensions": "ALL"}) as file,
    ):
        frames = list(file.decode(audio=0))
    av.logging.set_level(None)
    assert not said, "FFmpeg finds something wrong with it"
    heard = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    assert heard.size / RATE == pytest.approx(70.0, abs=0.05)
    expected = np.tile(sound, 3)[: heard.size]
    for start in (0, 9, 28, 57):  # s; segments meet at multiples of 9.6
        ours, theirs = (x[start * RATE : (start + 2) * RATE] for x in (heard, expected))
        assert max(np.corrcoef(ours[50 : -50 - k], theirs[50 + k : -50])[0, 1] for k in range(8)) > 0.9


def test_length_costs_no_more_than_the_playlist(made):
    make, _ = made
    short, long = make(60.0), make(11 * 3600.0)
    assert long.size / short.size == pytest.approx(660, rel=0.05)
    assert len(long.part("index.m3u8")[0]) < 30 * 11 * 3600 / 9.6


def test_only_what_is_there_is_there(made):
    stream = made[0](60.0)
    ext = stream._kind.ext
    assert stream.part(f"6.{ext}") and stream.part("index.mpd") and stream.part("master.m3u8")
    for name in (f"7.{ext}", f"-1.{ext}", "7", "", "x.m3u8", f"1.{ext}.{ext}"):
        assert stream.part(name) is None
