import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from making import cnn_folder
from typer.testing import CliRunner

from ytaudio.cli import app
from ytaudio.errors import UserError
from ytaudio.testing import MediaSite, make_videos, with_states

LABELS = ("art_music", "food", "travel")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(cnn_folder(tmp_path_factory.mktemp("model"), LABELS))


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        sound = np.random.default_rng(number).uniform(-0.3, 0.3, 16_000 * 12)
        soundfile.write(f"{number}.wav", sound, 16_000)
    return tmp_path


def asked(*words, **more):
    return CliRunner().invoke(app, ["classify", *map(str, words)], catch_exceptions=False, **more)


def test_answers_are_rows_in_order_and_failures_are_told_beside_them(place, model):
    done = asked("2.wav", "none.wav", "0.wav", "--model", model)
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["input", "answer", "next", "best", "crops", "agree"]
    assert [row.split()[0] for row in rows] == ["2.wav", "0.wav"] and all(" of 2" in row for row in rows)
    assert "none.wav: bad_link, there is no such file" in done.stderr and "2 answered, 1 failed" in done.stderr
    assert done.exit_code == 1


def test_json_is_a_line_an_input_and_nothing_else_on_stdout(place, model):
    (place / "notes.txt").write_text("no sound")
    (place / "mute.mp4").write_bytes(b"no video")
    done = asked(".", "--json", "--model", model)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["input"] for one in told] == ["./0.wav", "./1.wav", "./2.wav", "./mute.mp4"]
    assert [set(one) & {"label", "reason"} for one in told] == [{"label"}] * 3 + [{"reason"}]
    assert "in folders: files 1." in done.stderr and done.exit_code == 1


def test_a_timeline_is_text_and_a_picture(place, model):
    done = asked("0.wav", "--crops", 2, "--png", "pictures", "--model", model)
    assert done.exit_code == 0 and done.stdout.startswith("0.wav, 0:12.0: ")
    assert (place / "pictures" / "0.png").read_bytes().startswith(b"\x89PNG") and "pictures/0.png" in done.stdout
    told = json.loads(asked("0.wav", "--timeline", "--json", "--model", model).stdout)
    assert [part["seconds"] for part in told["timeline"]] == [6.0, 6.0]


def test_what_is_piped_in_is_answered(place, model):
    done = asked("-", "--json", "--model", model, input=(place / "0.wav").read_bytes())
    assert json.loads(done.stdout)["input"] == "-" and done.exit_code == 0
    alone = json.loads(asked("0.wav", "--json", "--model", model).stdout)
    assert json.loads(done.stdout)["probabilities"] == alone["probabilities"]


def test_a_wall_ends_with_75_and_says_when_to_go_on(place, model):
    videos = make_videos(("food",), 3, channels_per_category=3, seed=9, duration_s=(10, 20))
    with MediaSite(with_states(videos, ["bot_check"] * 3)):
        done = asked(videos[0].id, "0.wav", videos[1].id, "--model", model)
    assert done.exit_code == 75 and "0.wav" in done.stdout
    assert "bot_check" in done.stderr and "--cookies" in done.stderr


def test_a_folder_without_sound_is_no_success(place, model):
    (place / "words").mkdir()
    (place / "words" / "notes.txt").write_text("no sound")
    done = asked("words", "--model", model)
    assert done.exit_code == 1 and done.stdout == "" and "There is no sound in what was named" in done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["0.wav"], "Add --model USER/NAME"),
        (["0.wav", "--model", "./none"], "There is no folder ./none"),
        (["0.wav", "--model", "MODEL", "--png", "0.wav/x"], "Cannot write to 0.wav"),
        (["0.wav", "--model", "MODEL", "--proxy", "nonsense"], "--proxy is no address"),
    ],
)
def test_what_can_be_mended_is_one_sentence(place, model, words, sentence):
    with pytest.raises(UserError, match=sentence):
        asked(*(model if word == "MODEL" else word for word in words))


def test_ctrl_c_ends_at_once_and_what_is_printed_stays(place, model):
    os.mkfifo("pipe.wav")  # nobody writes to it, so that its reader hangs
    command = ["env", "--default-signal=INT"]  # which a shell ignores in what it runs in the background
    command += [sys.executable, "-m", "ytaudio.cli", "classify", "0.wav", "pipe.wav", "--json", "--model", model]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            first = process.stdout.readline()
            process.send_signal(signal.SIGINT)
            rest, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert json.loads(first)["input"] == "0.wav" and rest == ""
    assert process.returncode == 130 and "what was answered stands above" in said


def test_a_model_is_asked_as_it_was_at_a_revision(hub, place, model):
    from huggingface_hub import HfApi

    repo = HfApi().create_repo("tester/asked-at", exist_ok=True).repo_id
    first = HfApi().upload_folder(repo_id=repo, folder_path=model).oid
    HfApi().delete_file("config.json", repo)
    told = json.loads(asked("0.wav", "--json", "--model", f"{repo}@{first}").stdout)
    assert (told["model"], told["revision"]) == (repo, first)
    for name in (repo, f"{repo}@none"):
        with pytest.raises(UserError, match=r"config\.json|no such revision"):
            asked("0.wav", "--model", name)
