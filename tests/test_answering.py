import subprocess
import sys
import threading

import numpy as np
import pytest
import soundfile
from making import cnn_folder

import ytaudio
from ytaudio.answering import answers
from ytaudio.classifier import Answer, Classifier
from ytaudio.media import Failure, Reason
from ytaudio.testing import MediaSite, make_videos, with_states

LABELS = ("art_music", "food")
HEAVY = "datasets pandas pyarrow librosa sklearn matplotlib transformers.trainer transformers.pipelines evaluate"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return cnn_folder(tmp_path_factory.mktemp("model"), LABELS)


@pytest.fixture(scope="module")
def classifier(model):
    return Classifier.load(str(model))


def sound(path, seconds=2.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(len(path.name)).uniform(-0.3, 0.3, round(16_000 * seconds)), 16_000)
    return str(path)


def test_in_python_one_input_gives_its_answer_and_a_list_a_result_each(model, tmp_path):
    path = sound(tmp_path / "folder" / "a.wav")
    waveform = soundfile.read(path)
    (tmp_path / "folder" / "notes.txt").write_text("no sound")
    answer = ytaudio.classify(path, model=str(model))
    assert isinstance(answer, Answer) and set(answer.probabilities) == set(LABELS)
    loaded = ytaudio.Classifier.load(str(model))
    assert ytaudio.classify(waveform, model=loaded).probabilities == pytest.approx(answer.probabilities, abs=1e-4)
    failure = ytaudio.classify(tmp_path / "none.wav", model=loaded)
    assert isinstance(failure, Failure) and failure.reason is Reason.BAD_LINK
    results = ytaudio.classify([tmp_path / "folder", waveform, "none.wav"], model=loaded)
    assert [result.input for result in results] == [path, "waveform", "none.wav"]
    assert results[0].answer.agreeing == 1 and results[0].failure is None and results[0].title == "a"
    assert results[2].answer is None and results[2].failure.reason is Reason.BAD_LINK


def test_the_order_is_that_of_the_inputs_and_one_bad_one_stops_nobody(classifier, tmp_path):
    names = [sound(tmp_path / f"{number}.wav", 1 + number % 5) for number in range(30)]
    names[7] = names[20] = str(tmp_path / "none.wav")
    results = list(answers(names, classifier))
    assert [result.input for result in results] == names
    assert [k for k, result in enumerate(results) if result.failure] == [7, 20]
    alone = classifier.classify(names[11])
    assert results[11].answer.probabilities == pytest.approx(alone.probabilities, abs=1e-5)


def test_few_inputs_are_read_ahead_of_the_one_that_is_asked_for(classifier, tmp_path):
    path, taken = sound(tmp_path / "a.wav"), []

    def endless():
        while True:
            taken.append(1)
            yield path

    found = answers(endless(), classifier)
    for _ in range(3):
        next(found)
    found.close()
    assert len(taken) <= 3 + 16
    assert not [t for t in threading.enumerate() if t.name.startswith("listen") and t.daemon]


def test_a_site_that_puts_up_a_wall_is_left_alone_and_files_are_answered(classifier, tmp_path):
    videos = make_videos(LABELS, 6, channels_per_category=6, seed=9, duration_s=(10, 20))
    path = sound(tmp_path / "a.wav")
    with MediaSite(with_states(videos, ["bot_check"] * len(videos))) as site:
        *results, file = answers([*(video.id for video in videos), path], classifier)
        assert {result.failure.reason for result in results} == {Reason.BOT_CHECK}
        asked = [result for result in results if not result.failure.detail.startswith("not asked: www.youtube.com")]
        assert 1 <= len(asked) <= 4 and site.requests <= 4 * 3, "no more than were under way are asked"
    assert file.answer


def test_a_local_file_is_answered_without_what_it_does_not_need(model, tmp_path):
    script = (
        "import sys, ytaudio\n"
        f"answer = ytaudio.classify({sound(tmp_path / 'a.wav')!r}, model={str(model)!r})\n"
        f"print(answer.crops, [name for name in {HEAVY.split()!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1 []"


def test_ytaudio_itself_imports_nothing_until_it_is_asked():
    script = (
        "import sys, ytaudio; print(sorted(m for m in sys.modules if m in ('torch', 'numpy', 'ytaudio.answering')))"
    )
    script += "; print('classify' in dir(ytaudio), hasattr(ytaudio, 'nothing'))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "True False"]
