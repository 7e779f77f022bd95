import numpy as np
import pytest
import soundfile

from ytaudio.listening import Heard, listen
from ytaudio.media import Reason
from ytaudio.testing import MediaSite, make_videos, with_states

NOISE = np.random.default_rng(0).uniform(-0.3, 0.3, 16_000 * 12).astype(np.float32)


def test_of_a_long_video_only_windows_are_read():
    [video] = make_videos(("food",), 1, channels_per_category=1, seed=2, duration_s=(3600, 3600))
    with MediaSite([video]) as site:
        heard = listen(f"https://www.youtube.com/watch?v={video.id}", seconds=5.0, crops=3)
        assert site.bytes_sent < 2e6
    assert [w.size for w in heard.waveforms] == [80_000] * 3
    assert heard.title == video.title and heard.duration_s == pytest.approx(3600, abs=2)
    assert [round(w.start_s / 600) for w in heard.windows] == [1, 3, 5]


@pytest.mark.parametrize(
    ("samples", "rate"),
    [
        (NOISE, 16_000),
        (np.stack([NOISE, NOISE], axis=1), 16_000),
        ((NOISE * 32_767).astype(np.int16), 16_000),
        (NOISE.astype(np.float64), np.int64(16_000)),
    ],
)
def test_a_waveform_is_heard_as_its_file_is(tmp_path, samples, rate):
    soundfile.write(tmp_path / "a.wav", NOISE, 16_000, subtype="FLOAT")
    file, array = listen(tmp_path / "a.wav", seconds=5.0), listen((samples, rate), seconds=5.0)
    assert file.windows == array.windows and len(file.windows) == 2
    for a, b in zip(file.waveforms, array.waveforms, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.parametrize("wrong", [(16_000, NOISE), (NOISE, 0), (NOISE,), (NOISE.reshape(1, 1, -1), 16_000)])
def test_a_waveform_that_is_none_is_a_mistake_of_the_caller(wrong):
    with pytest.raises(TypeError, match="sampling_rate"):
        listen(wrong, seconds=5.0)


def test_a_tenth_of_a_second_is_sound_and_less_is_not_and_silence_says_so(tmp_path):
    for name, samples in {"tenth": NOISE[:1600], "blip": NOISE[:1000], "none": NOISE[:0], "still": NOISE * 0}.items():
        soundfile.write(tmp_path / f"{name}.wav", samples, 16_000)
    assert isinstance(listen(tmp_path / "tenth.wav", seconds=5.0), Heard)
    assert len(listen((NOISE[:2400], 16_000), seconds=0.06).windows) == 2, "a tenth of a second is meant of them all"
    assert listen(tmp_path / "blip.wav", seconds=5.0).reason is Reason.TOO_SHORT
    assert not isinstance(listen(tmp_path / "none.wav", seconds=5.0), Heard)
    assert listen(tmp_path / "still.wav", seconds=5.0).reason is Reason.SILENT
    assert listen((np.full(16_000, np.nan), 16_000), seconds=5.0).reason is Reason.SILENT


def test_what_a_site_refuses_is_a_failure():
    made = make_videos(("food",), 1, channels_per_category=1, seed=2)
    with MediaSite(with_states(made, ["private"])):
        assert listen(made[0].id, seconds=5.0).reason is Reason.PRIVATE
