import av
import numpy as np
import pytest

from ytaudio.testing.sounds import RATE, render
from ytaudio.testing.virtual import CHUNK_S, CONTAINERS, VirtualFile, encode_loop

ELEVEN_HOURS_S = 11 * 3600.0
LOOP_S = 3 * CHUNK_S


class Seekable:
    """A virtual file as a file object for PyAV, which counts what is read."""

    def __init__(self, media: VirtualFile) -> None:
        self.media, self.place, self.bytes_read = media, 0, 0

    def read(self, size: int = -1) -> bytes:
        data = self.media.read(self.place, size if size >= 0 else self.media.size)
        self.place += len(data)
        self.bytes_read += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        self.place = offset + (0, self.place, self.media.size)[whence]
        return self.place

    def tell(self) -> int:
        return self.place


@pytest.fixture(scope="module")
def sound():
    return render("art_music", 31_000, "UCvirtual")


@pytest.fixture(scope="module", params=sorted(CONTAINERS))
def made(request, sound):
    container = CONTAINERS[request.param]
    loop = encode_loop(sound, container, 64_000)
    return lambda duration_s: VirtualFile(loop, container, duration_s)


def test_the_whole_of_a_file_decodes_to_its_sound_round_and_round(made, sound):
    media = made(70.0)
    with av.open(Seekable(media)) as file:
        stream = file.streams.audio[0]
        assert file.duration / av.time_base == pytest.approx(70.0, abs=0.05)
        frames = list(file.decode(stream))
    rate = frames[0].sample_rate
    heard = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    assert heard.size / rate == pytest.approx(70.0, abs=0.05)
    times = np.array([float(frame.time) for frame in frames])
    assert np.all(np.diff(times) > 0)
    heard = heard[:: rate // RATE]
    expected = np.tile(sound, 3)[: heard.size]
    for start in (0, 28, 29, 57):  # s; the loop closes at 28.8 and 57.6
        ours, theirs = (x[start * RATE : (start + 2) * RATE] for x in (heard, expected))
        lags = [np.corrcoef(ours[50 : -50 - k], theirs[50 + k : -50])[0, 1] for k in range(8)]
        assert max(lags) > 0.9, f"another sound at {start} s"


def test_a_seek_into_eleven_hours_reads_little_and_lands_right(made):
    media = made(ELEVEN_HOURS_S)
    source = Seekable(media)
    with av.open(source) as file:
        stream = file.streams.audio[0]
        assert file.duration / av.time_base == pytest.approx(ELEVEN_HOURS_S, abs=0.05)
        for wanted in (20_000.0, 39_590.0, 3.0):
            file.seek(int(wanted / stream.time_base), stream=stream)
            assert wanted - CHUNK_S - 0.1 < next(file.decode(stream)).time <= wanted
    assert source.bytes_read < media.index_bytes + 600_000 < media.size / 400


def test_any_range_is_the_same_bytes(made):
    media = made(95.0)
    whole = media.read(0, media.size)
    assert len(whole) == media.size and media.read(media.size, 100) == b""
    rng = np.random.default_rng(0)
    for start, length in zip(rng.integers(0, media.size, 60), rng.integers(1, 200_000, 60), strict=True):
        assert media.read(int(start), int(length)) == whole[start : start + length]


def test_length_costs_no_more_than_the_index(made):
    short, long = made(60.0), made(ELEVEN_HOURS_S)
    assert long.size / short.size == pytest.approx(ELEVEN_HOURS_S / 60, rel=0.05)
    assert long.index_bytes < 25 * ELEVEN_HOURS_S / CHUNK_S


def test_a_last_chunk_holds_only_what_is_left(made):
    with av.open(Seekable(made(LOOP_S + 1.0))) as file:
        last = max(
            float((packet.pts + packet.duration) * packet.time_base)
            for packet in file.demux()
            if packet.pts is not None and packet.duration
        )
    assert last == pytest.approx(LOOP_S + 1.0, abs=0.05)
