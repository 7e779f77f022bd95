import numpy as np
import pytest
import soundfile
from transformers import Wav2Vec2FeatureExtractor

from ytaudio.classify import Classifier, files_in
from ytaudio.media import Failure, Reason
from ytaudio.models import SpectrogramCNNConfig, SpectrogramCNNForAudioClassification
from ytaudio.testing import MediaSite, make_videos, with_states

LABELS = ("art_music", "food", "history", "travel")


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    config = SpectrogramCNNConfig(width=4, depth=2, id2label=dict(enumerate(LABELS)))
    SpectrogramCNNForAudioClassification(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return Classifier.load(str(folder))


def test_a_link_is_answered_from_a_few_windows(classifier):
    [video] = make_videos(("food",), 1, channels_per_category=1, seed=2, duration_s=(3600, 3600))
    with MediaSite([video]) as site:
        answer = classifier.classify(f"https://www.youtube.com/watch?v={video.id}", crops=3)
        assert site.bytes_sent < 2e6
    assert list(answer.probabilities) == list(LABELS)
    assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert answer.crops == 3 and 1 <= answer.agreeing <= 3


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_a_file_of_any_rate_and_format_is_answered(classifier, tmp_path, suffix):
    path = tmp_path / f"sound.{suffix}"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.3, 0.3, (44_100 * 7, 2)), 44_100)
    answer = classifier.classify(path, crops=6)
    assert answer.crops == 1 and sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_what_cannot_be_heard_is_a_failure_with_a_reason(classifier, tmp_path):
    (tmp_path / "text.txt").write_text("no sound in here")
    assert isinstance(classifier.classify(tmp_path / "text.txt"), Failure)
    assert classifier.classify("neither file nor link").reason is Reason.BAD_LINK
    (tmp_path / "empty.mp3").touch()
    assert classifier.classify(tmp_path / "empty.mp3").reason is Reason.NO_AUDIO
    soundfile.write(tmp_path / "still.wav", np.zeros(32_000), 16_000)
    assert classifier.classify(tmp_path / "still.wav").reason is Reason.SILENT
    made = make_videos(("food",), 1, channels_per_category=1, seed=2)
    with MediaSite(with_states(made, ["private"])):
        assert classifier.classify(made[0].id).reason is Reason.PRIVATE


def test_a_folder_stands_for_its_files(tmp_path):
    for name in ("b.wav", "a.wav"):
        (tmp_path / name).touch()
    assert files_in(["x.wav", str(tmp_path)]) == ["x.wav", str(tmp_path / "a.wav"), str(tmp_path / "b.wav")]


def test_the_average_is_over_crops(classifier):
    rng = np.random.default_rng(0)
    crops = [rng.uniform(-0.5, 0.5, 80_000).astype(np.float32), np.zeros(8_000, np.float32)]
    both = classifier.answer(crops).probabilities
    each = [classifier.answer([crop]).probabilities for crop in crops]
    for label in LABELS:
        assert both[label] == pytest.approx((each[0][label] + each[1][label]) / 2, abs=1e-5)
