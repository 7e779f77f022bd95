"""What people record in beside WebM and MP4: what a window costs, and where it lies."""

import io
import struct

import av
import numpy as np
import pytest
import soxr
from media import real_files
from media.test_windows import direct, lag_s

from ytaudio.clips import Window
from ytaudio.media import Failure, Reason, open_media, ranges

SECONDS = 30.0
# they tell no places at all, so they are read from their beginning to each window, as far as the byte cap allows
FROM_THE_BEGINNING = ("adts.aac", "ac3", "flv", "wv")


def decoded(data: bytes) -> np.ndarray:
    """All of a file's sound, read from its beginning to its end: float (samples,) at 16 kHz mono."""
    pieces = []
    with av.open(io.BytesIO(data)) as file:
        rate, resampler = file.streams.audio[0].rate, av.AudioResampler("fltp", "mono")
        for frame in file.decode(audio=0):
            frame.pts = None
            pieces += [piece.to_ndarray()[0] for piece in resampler.resample(frame)]
    return soxr.resample(np.concatenate(pieces), rate, 16_000)


@pytest.mark.parametrize("kind", real_files.OTHERS)
def test_a_window_of_any_format_lies_where_a_full_decode_has_it(kind, site):
    data = real_files.encoded(kind, SECONDS)
    whole = decoded(data)
    with open_media(direct(site.add_file(kind, data), 0.0)) as reader:
        assert reader.duration_s is None or reader.duration_s == pytest.approx(SECONDS, rel=0.02)
        assert reader.bytes_read <= 400 << 10
        for start_s in (21.3, 2.0, 11.017):
            before = reader.bytes_read
            heard = reader.window(Window(start_s, 4.0))
            assert heard.shape == (64_000,) and abs(lag_s(heard, whole, round(start_s * 16_000))) <= 0.02
            read = (start_s + 5.0 if kind in FROM_THE_BEGINNING else 4.8) / SECONDS * len(data)
            assert reader.bytes_read - before <= 1.3 * read + (400 << 10)


@pytest.mark.parametrize("kind", ["ima.wav", "ms.wav", "24bit.wav", "flac", "w64", "aiff"])
def test_what_stands_at_places_that_can_be_reckoned_is_aligned_to_the_sample(kind, site):
    data = real_files.encoded(kind)
    whole = decoded(data)
    with open_media(direct(site.add_file(kind, data), 0.0)) as reader:
        for start_s in (55.5, 0.0, 31.7):
            assert lag_s(reader.window(Window(start_s, 2.0)), whole, round(start_s * 16_000)) == 0.0


@pytest.mark.parametrize("kind", FROM_THE_BEGINNING)
def test_what_has_to_be_read_from_its_beginning_ends_at_the_cap(kind, site, monkeypatch):
    monkeypatch.setattr(ranges, "CAP_BYTES", 256 << 10)
    with open_media(direct(site.add_file(kind, real_files.encoded(kind)), 0.0)) as reader:
        assert reader.window(Window(1.0, 2.0)).shape == (32_000,)
        before = reader.bytes_read
        late = reader.window(Window(55.0, 2.0))
        assert (
            isinstance(late, Failure) and late.reason is Reason.UNSUPPORTED and "one window would need" in late.detail
        )
        assert reader.bytes_read - before <= 256 << 10


@pytest.mark.parametrize("kind", ["wav", "float.wav", "w64", "au"])
def test_the_header_of_unpacked_sound_is_read_and_not_seconds_of_it(kind, site):
    with open_media(direct(site.add_file(kind, real_files.encoded(kind)), 0.0)) as reader:
        assert reader.bytes_read <= 160 << 10 and reader.duration_s == pytest.approx(real_files.SECONDS)


@pytest.mark.parametrize("kind", ["ogg", "flac"])
def test_a_search_for_a_time_does_not_read_more_with_every_look(kind, site):
    data = real_files.encoded(kind)
    with open_media(direct(site.add_file(kind, data), 0.0)) as reader:
        opened = reader.bytes_read
        assert reader.window(Window(44.0, 4.0)).shape == (64_000,)
        assert reader.bytes_read - opened <= 10 * (64 << 10) + 1.3 * len(data) * 4.8 / real_files.SECONDS


def gsm(seconds: float) -> bytes:
    """A WAV of GSM 06.10: any bits are some sound."""
    blocks = int(seconds * 8_000 / 320)
    sound = np.random.default_rng(6).bytes(65 * blocks)
    layout = struct.pack("<HHIIHHHH", 0x31, 1, 8_000, 1_625, 65, 0, 2, 320)
    chunks = b"fmt " + struct.pack("<I", len(layout)) + layout
    chunks += b"fact" + struct.pack("<II", 4, 320 * blocks) + b"data" + struct.pack("<I", len(sound)) + sound
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def flac_with_a_seek_table() -> bytes:
    """The FLAC file with a point every fifth second; its offsets count from the first frame (RFC 9639, 8.5)."""
    data = real_files.encoded("flac")
    with av.open(io.BytesIO(data)) as file:
        packets = [(packet.pts, packet.pos, packet.duration) for packet in file.demux(audio=0) if packet.pos]
    first = packets[0][1]
    points = [packets[k] for k in range(0, len(packets), max(1, 5 * real_files.RATE // packets[0][2]))]
    table = b"".join(struct.pack(">QQH", pts, pos - first, duration) for pts, pos, duration in points)
    place = 4 + 4 + 34  # after the marker and STREAMINFO
    assert not data[4] & 0x80, "STREAMINFO is the last block"
    return data[:place] + b"\x03" + len(table).to_bytes(3, "big") + table + data[place:]


@pytest.mark.parametrize("make", [lambda: gsm(60.0), flac_with_a_seek_table], ids=["gsm.wav", "table.flac"])
def test_what_ffmpeg_does_not_write_is_read_too(make, site):
    data = make()
    whole = decoded(data)
    with open_media(direct(site.add_file("made", data), 0.0)) as reader:
        assert reader.duration_s == pytest.approx(real_files.SECONDS, abs=0.05)
        for start_s in (50.0, 1.3, 33.3):
            before = reader.requests, reader.bytes_read
            heard = reader.window(Window(start_s, 3.0))
            assert heard.shape == (48_000,) and lag_s(heard, whole, round(start_s * 16_000)) == 0.0
            assert reader.requests - before[0] <= 10
            assert reader.bytes_read - before[1] <= 640 << 10 or len(data) > 4 << 20


@pytest.mark.parametrize("kind", ["m4a", "front.m4a"])
def test_an_index_of_every_sample_is_fetched_at_once_and_up_to_the_cap(kind, site, monkeypatch):
    data, stretch_s = real_files.long(kind, (24_000,) * 120)
    media = direct(site.add_file(kind, data), 0.0)
    with open_media(media) as reader:
        assert reader.requests <= 3 and reader.bytes_read <= 700 << 10
        first = reader.window(Window(stretch_s + 3.0, 4.0))
        requests = reader.requests
        heard = reader.window(Window(100 * stretch_s + 3.0, 4.0))
        assert abs(lag_s(heard, first, 0)) <= 0.001 and reader.requests <= requests + 1
    monkeypatch.setattr(ranges, "CAP_BYTES", 256 << 10)
    refused = open_media(media)
    assert refused.reason is Reason.UNSUPPORTED and "header and index would need" in refused.detail
