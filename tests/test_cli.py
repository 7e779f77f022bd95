import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from datasets import Audio, load_dataset
from huggingface_hub import HfApi, get_token
from making import dataset_folder, model_folder
from typer.testing import CliRunner

from ytaudio.cli import app
from ytaudio.errors import UserError, mendable
from ytaudio.testing import MediaSite, make_videos, with_states, write_catalog

CATEGORIES = ("art_music", "food", "history", "travel")


def run(*words, environment=None, cwd=None):
    command = [sys.executable, "-m", "ytaudio.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(environment or {})}, cwd=cwd)


@pytest.fixture(scope="module")
def built(hub, tmp_path_factory):
    """A dataset built from YouTube links and bare ids by the command itself."""
    place = tmp_path_factory.mktemp("built")
    videos = make_videos(CATEGORIES, 7, channels_per_category=7, seed=3, duration_s=(15, 40))
    with MediaSite(with_states(videos, ["private", "removed"])) as site:
        csv = write_catalog(place / "youtube.csv", videos, dead=1, duplicates=2, bad_links=2, empty_cells=1)
        words = ["build", csv, place / "out", "--clips-per-video", 2, "--clip-seconds", 2, "--threads", 4]
        done = run(*words, environment=site.environment())
        requests = site.requests
        again = run(*words, environment=site.environment())
        assert site.requests - requests <= 2, "only temporary failures may be tried again"
    return place, done, again


def test_build_reports_what_became_of_every_line(built):
    place, done, again = built
    assert done.returncode == 0, done.stderr
    report = json.loads((place / "out" / "dataset" / "report.json").read_text())
    assert report["requested"] == 28 + 1 + 2 + 2 + 1
    assert report["rejected"]["duplicate"] == 2 and sum(report["rejected"].values()) == 5
    assert report["failed"] == {"private": 1, "removed": 2}
    assert report["collected"] == 26
    assert "private 1, removed 2" in done.stdout and "26 videos" in done.stdout
    assert again.returncode == 0 and again.stdout == done.stdout


def test_push_dataset_is_private_in_one_commit_and_loads_at_its_revision(built):
    place, *_ = built
    done = run("push", "dataset", place / "out", "tester/cli-sounds")
    assert done.returncode == 0, done.stderr
    api = HfApi()
    info = api.dataset_info("tester/cli-sounds")
    assert info.private
    assert len(api.list_repo_commits("tester/cli-sounds", repo_type="dataset")) == 2  # the first one is empty
    loaded = load_dataset("tester/cli-sounds", revision=info.sha).cast_column("audio", Audio(decode=False))
    assert sum(split.num_rows for split in loaded.values()) == 52
    assert "hf_" not in done.stdout + done.stderr


CSV = "link,title,description,category\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["build", "none.csv", "out"], "Cannot read none.csv"),
        (["build", "columns.csv", "out"], "columns found: url, label"),
        (["build", "empty.csv", "out"], "no usable line"),
        (["build", "good.csv", "out", "--protocol", "lab"], "not for gaming"),
        (["build", "good.csv", "out", "--protocol", "none"], "There is no protocol none"),
        (["build", "good.csv", "out", "--categories", "food,none"], "no category none"),
        (["build", "good.csv", "good.csv"], "Cannot write to good.csv"),
        (["build", "good.csv", "out", "--retry", "lost"], "no reason lost to retry"),
        (["build", "good.csv", "out", "--engine", "kubernetes"], "no engine kubernetes"),
        (["build", "good.csv", "out", "--slurm", "time=1"], "--slurm is for --engine slurm"),
        (["build", "hub:tester/no-such-data", "out"], "no-such-data"),
        (["push", "dataset", "nothing", "tester/x"], "nothing"),
        (["push", "model", "nothing", "tester/x"], "nothing"),
        (["compare", "tester/one"], "name two or more"),
        (["evaluate", "tester/no-such-model", "--dataset", "tester/no-such-data"], "no-such-data"),
        (["hub", "serve", "good.csv"], "good.csv"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(hub, tmp_path, monkeypatch, capsys, words, sentence):
    (tmp_path / "columns.csv").write_text("url,label\na,b\n")
    (tmp_path / "empty.csv").write_text(CSV)
    (tmp_path / "good.csv").write_text(CSV + "abcdefghijk,t,d,food\nabcdefghijl,t,d,gaming\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended, mendable():  # as main does, without its own end of the process
        app(words)
    said = capsys.readouterr().err
    assert ended.value.code == 2 and sentence in said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "out" / "dataset").exists()


def test_the_process_says_one_sentence_and_ends_with_2(tmp_path):
    done = run("build", "none.csv", "out", cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("Cannot read none.csv") and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "127.0.0.1:9"),
        ({"HF_TOKEN": "hf_wrongtokenwrongtokenwrongtoken"}, "token"),
    ],
)
def test_no_hub_or_a_refused_token_publishes_nothing(built, change, sentence):
    place, *_ = built
    done = run("push", "dataset", place / "out", "tester/half", environment=change)
    assert done.returncode == 2, done.stderr
    assert sentence in done.stderr and "Traceback" not in done.stderr
    assert change.get("HF_TOKEN", get_token()) not in done.stderr
    assert not HfApi().repo_exists("tester/half", repo_type="dataset")


def test_a_wall_ends_the_run_with_75_and_blames_nobody(tmp_path):
    videos = make_videos(("food",), 3, channels_per_category=3, seed=9, duration_s=(10, 20))
    with MediaSite(with_states(videos, ["bot_check"] * 3)) as site:
        csv = write_catalog(tmp_path / "youtube.csv", videos)
        done = run("build", csv, tmp_path / "out", "--patience", 0, environment=site.environment())
    assert done.returncode == 75, done.stderr
    assert "bot_check" in done.stderr and "--cookies" in done.stderr
    assert len((tmp_path / "out" / "ledger.jsonl").read_text().splitlines()) == 1


def test_the_shell_completes_verbs_options_and_their_names():
    assert run("--version").stdout.startswith("ytaudio ")
    for words, expected in (
        ("ytaudio cl", {"classify"}),
        ("ytaudio build --prot", {"--protocol"}),
        ("ytaudio build x y --engine ", {"local", "ray", "slurm"}),
        ("ytaudio compare --format m", {"markdown"}),
    ):
        count = len(words.split(" ")) - 1
        told = {"COMP_WORDS": words, "COMP_CWORD": str(count), "_YTAUDIO_COMPLETE": "complete_bash"}
        command = [sys.executable, "-c", "import sys; sys.argv = ['ytaudio']; from ytaudio.cli import main; main()"]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **told})
        assert set(done.stdout.split()) == expected, (words, done.stdout, done.stderr)


def test_a_model_is_scored_from_a_stream_and_in_bfloat16_as_the_recipe_does(tmp_path):
    data = dataset_folder(tmp_path / "data", {"train": 3, "test": 3}) / "dataset"
    words = ["evaluate", str(model_folder(tmp_path / "model")), "--streaming", "--bf16", "--dataset"]
    done = CliRunner().invoke(app, [*words, str(data)])
    assert done.exit_code == 0 and "3 videos (6 clips)" in done.output, done.output
    for label in ("cats", "dogs"):
        (tmp_path / "wav" / "test" / label).mkdir(parents=True)
        soundfile.write(tmp_path / "wav" / "test" / label / "a.wav", np.zeros(16_000), 16_000)
    with pytest.raises(UserError, match="is not in Parquet, which streaming needs"):
        CliRunner().invoke(app, [*words, str(tmp_path / "wav")], catch_exceptions=False)


def test_the_recipes_are_found():
    from ytaudio.quickstart import recipes_folder

    assert (Path(recipes_folder()) / "finetune.py").is_file()
