import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytaudio import clips
from ytaudio.clips import Window, other_windows, spread_windows


def tone(seconds, hz=440.0, rate=clips.SAMPLING_RATE):
    return (0.4 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


@pytest.mark.parametrize("duration_s", [0.4, 3.0, 10.0, 19.9, 25.0, 60.0, 39_600.0])
def test_windows_lie_inside_the_video_and_apart(duration_s):
    windows = spread_windows(duration_s, 3, 10.0)
    assert 1 <= len(windows) <= 3
    ends = [w.start_s + w.seconds for w in windows]
    assert windows[0].start_s >= 0 and ends[-1] <= duration_s + 1e-3
    assert all(later.start_s >= end - 1e-3 for end, later in zip(ends, windows[1:], strict=False))


def test_one_window_is_the_middle_and_a_short_video_is_taken_whole():
    assert spread_windows(100.0, 1, 10.0) == [Window(45.0, 10.0)]
    assert spread_windows(4.0, 3, 10.0) == [Window(0.0, 4.0)]


def test_flac_and_back_is_exact_to_its_16_bits_and_reads_only_the_crop():
    waveform = np.random.default_rng(0).uniform(-1, 1, 48_000).astype(np.float32)
    flac = clips.encode(waveform)
    assert clips.frames(flac) == 48_000
    whole = clips.decode(flac)
    assert np.abs(whole - waveform).max() <= 1 / 32768
    assert np.array_equal(clips.decode(flac, 1_000, 5_000), whole[1_000:6_000])
    assert clips.decode(flac, 47_000, 5_000).size == 1_000


def test_decode_brings_any_rate_to_16_khz_mono():
    import io

    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, np.stack([tone(2, rate=44_100)] * 2, axis=1), 44_100, format="WAV")
    heard = clips.decode(buffer.getvalue(), 8_000, 16_000)
    assert abs(heard.size - 16_000) <= 2
    peak = np.argmax(np.abs(np.fft.rfft(heard))) * clips.SAMPLING_RATE / heard.size
    assert peak == pytest.approx(440, abs=2)


def test_levels_and_repetition():
    assert clips.dbfs(tone(1)) == pytest.approx(20 * np.log10(0.4 / np.sqrt(2)), abs=0.01)
    assert clips.dbfs(np.zeros(100, np.float32)) == -120
    repeated = clips.repeat_to(np.arange(3.0), 7)
    assert repeated.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert clips.repeat_to(np.arange(9.0), 7).size == 9


@pytest.mark.parametrize(("length", "count"), [(10, 3), (80_000, 3), (160_000, 3), (160_000, 1), (81_000, 5)])
def test_crops_cover_a_clip_from_end_to_end(length, count):
    starts = clips.crop_starts(length, 80_000, count)
    assert len(starts) <= count and starts == sorted(set(starts))
    assert all(0 <= start <= max(0, length - 80_000) for start in starts)
    if len(starts) > 1:
        assert starts[0] == 0 and starts[-1] == length - 80_000


@given(st.floats(2, 40_000), st.integers(1, 6), st.floats(1, 30))
def test_where_else_to_listen_lies_in_the_windows_own_share_of_the_video(duration_s, count, seconds):
    windows = spread_windows(duration_s, count, seconds)
    for number, window in enumerate(windows):
        for other in other_windows(window, number, len(windows), duration_s):
            assert number * duration_s / len(windows) - 1e-3 <= other.start_s
            assert other.start_s + other.seconds <= (number + 1) * duration_s / len(windows) + 1e-3
            assert other.seconds == window.seconds and other != window


def test_a_window_that_fills_its_share_has_nowhere_else_to_go():
    assert other_windows(Window(0.0, 5.0), 0, 1, 5.0) == []
    assert [w.start_s for w in other_windows(Window(28.0, 4.0), 1, 3, 60.0)] == [24.0, 32.0, 20.0, 36.0]
