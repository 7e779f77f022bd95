import ast
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import imageio_ffmpeg
import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
import yaml
from datasets import Audio, load_dataset
from huggingface_hub import (
    DatasetCard,
    EvalResult,
    HfApi,
    ModelCard,
    ModelCardData,
    constants,
    hf_hub_download,
    snapshot_download,
)
from huggingface_hub.errors import RevisionNotFoundError
from making import LABELS, build_folder, dataset_folder, model_folder, scores_of, tone

from ytaudio.clips import SAMPLING_RATE, decode
from ytaudio.errors import UserError
from ytaudio.evaluation.floors import MFCC
from ytaudio.evaluation.predictions import load_scores, read_predictions
from ytaudio.evaluation.scoring import score_model
from ytaudio.hub import add_scores, push_dataset, push_model
from ytaudio.training.runs import TrainingRun


def never(seconds: float) -> None:
    raise AssertionError("there was nothing to wait for")


def files_of(repo_id: str, repo_type: str) -> set[str]:
    return {name for name in HfApi().list_repo_files(repo_id, repo_type=repo_type) if name != ".gitattributes"}


def commits_of(repo_id: str, repo_type: str) -> int:
    return len(HfApi().list_repo_commits(repo_id, repo_type=repo_type))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return dataset_folder(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def published(built, hub):
    return push_dataset(built, "tester/pushed", sleep=never)


@pytest.fixture(scope="module")
def model(tmp_path_factory, published):
    """A model with its scores on the published dataset, published."""
    folder = model_folder(tmp_path_factory.mktemp("model"))
    score_model(str(folder), "tester/pushed").save(folder)
    push_model(folder, "tester/classifier", sleep=never)
    return folder


def test_a_dataset_is_one_commit_with_all_that_belongs_to_it(published):
    assert published.endswith("/datasets/tester/pushed")
    assert files_of("tester/pushed", "dataset") == {
        *(f"data/{split}-00000-of-00001.parquet" for split in ("train", "validation", "test")),
        *("README.md", "report.json", "eval.yaml", "plots/classes.png", "plots/channels.png"),
        *(f"examples/{label}{end}.flac" for label in LABELS for end in ("", "-2")),
    }
    bare = HfApi().create_repo("tester/bare", repo_type="dataset").repo_id
    assert commits_of("tester/pushed", "dataset") == commits_of(bare, "dataset") + 1
    assert HfApi().dataset_info("tester/pushed").private


def test_the_dataset_loads_with_its_splits_columns_and_sound(published):
    dataset = load_dataset("tester/pushed")
    assert {split: len(rows) for split, rows in dataset.items()} == {"train": 24, "validation": 12, "test": 12}
    assert dataset["train"].features["label"].names == list(LABELS)
    assert isinstance(dataset["train"].features["audio"], Audio)
    row = dataset["test"].cast_column("audio", Audio(decode=False))[0]
    assert decode(row["audio"]["bytes"]).shape == (32_000,)
    streamed = load_dataset("tester/pushed", split="validation", streaming=True).cast_column(
        "audio", Audio(decode=False)
    )
    assert next(iter(streamed))["video_id"] == "vali000000"


def test_examples_are_heard_from_the_card_and_are_no_rows_of_the_dataset(published):
    from datasets import get_dataset_config_names, load_dataset_builder

    files = load_dataset_builder("tester/pushed").config.data_files
    assert get_dataset_config_names("tester/pushed") == ["default"]
    assert {path.split("@")[1].split("/")[1] for split in files.values() for path in split} == {"data"}
    for address in re.findall(r'<audio [^>]*src="([^"]*)"', DatasetCard.load("tester/pushed").content):
        heard = httpx2.get(address, headers={"Authorization": f"Bearer {os.environ['HF_TOKEN']}"})
        assert heard.status_code == 200 and decode(heard.content).size == 2 * SAMPLING_RATE
        assert httpx2.get(address).status_code == 401, "a private dataset's examples are private"


def test_the_snippet_for_reading_without_torchcodec_runs(published):
    card = DatasetCard.load("tester/pushed")
    card.validate(repo_type="dataset")
    assert card.data.license == "other" and card.data.task_categories == ["audio-classification"]
    snippet = next(code for code in re.findall(r"```python\n(.*?)```", card.content, re.DOTALL) if "soundfile" in code)
    assert away_from_ytaudio(snippet).split()[0] in LABELS


def away_from_ytaudio(code: str, tmp: Path | None = None) -> str:
    """Run code in a fresh process in which ytaudio cannot be imported."""
    guard = "import sys\nsys.modules['ytaudio'] = None\n"
    done = subprocess.run([sys.executable, "-c", guard + code], capture_output=True, text=True, cwd=tmp or "/")
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_a_build_with_fewer_shards_takes_the_old_ones_away(tmp_path, hub):
    folder = dataset_folder(tmp_path / "first")
    data = folder / "dataset" / "data"
    table = pq.read_table(data / "train-00000-of-00001.parquet")
    (data / "train-00000-of-00001.parquet").unlink()
    for n in (0, 1):
        pq.write_table(table.slice(12 * n, 12), data / f"train-0000{n}-of-00002.parquet")
    push_dataset(folder, "tester/shrinks")
    assert load_dataset("tester/shrinks", split="train").num_rows == 24
    push_dataset(dataset_folder(tmp_path / "second", {"train": 6, "test": 3}), "tester/shrinks")
    found = {name for name in files_of("tester/shrinks", "dataset") if name.startswith("data/")}
    assert found == {"data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"}
    assert set(load_dataset("tester/shrinks")) == {"train", "test"}
    bare = HfApi().create_repo("tester/bare-shrinks", repo_type="dataset").repo_id
    assert commits_of("tester/shrinks", "dataset") == commits_of(bare, "dataset") + 2


def test_examples_of_classes_that_are_gone_are_taken_away(tmp_path, hub):
    push_dataset(dataset_folder(tmp_path / "first"), "tester/fewer", sleep=never)
    push_dataset(dataset_folder(tmp_path / "second", labels=("food", "travel")), "tester/fewer", sleep=never)
    kept = {name for name in files_of("tester/fewer", "dataset") if name.startswith("examples/")}
    assert kept == {f"examples/{name}.flac" for name in ("food", "food-2", "travel", "travel-2")}


def test_a_video_is_taken_out_with_the_commands_of_the_card(tmp_path, hub, monkeypatch):
    from typer.testing import CliRunner

    from ytaudio.cli import app

    build_folder(tmp_path / "OUT")
    monkeypatch.chdir(tmp_path)
    push_dataset("OUT", "tester/taken", sleep=never)
    first = HfApi().dataset_info("tester/taken").sha
    rows = {
        row["video_id"]: row for split in load_dataset("tester/taken").values() for row in split.remove_columns("audio")
    }
    gone = sorted(rows)[4]
    lines = [f"{row['url']},,,{LABELS[row['label']]}" for video_id, row in rows.items() if video_id != gone]
    (tmp_path / "youtube.csv").write_text("\n".join(["link,title,description,category", *lines]))
    commands = re.search(r"publish anew:\n\n```bash\n(.*?)```", DatasetCard.load("tester/taken").content, re.DOTALL)[1]
    build, delete, push = map(shlex.split, commands.splitlines())
    assert CliRunner().invoke(app, build[1:], catch_exceptions=False).exit_code == 0
    hf = str(Path(sys.executable).with_name(delete[0]))
    subprocess.run([hf, *delete[1:], "--yes"], check=True, capture_output=True)
    assert CliRunner().invoke(app, push[1:], catch_exceptions=False).exit_code == 0
    left = {row["video_id"] for split in load_dataset("tester/taken").values() for row in split.remove_columns("audio")}
    assert left == set(rows) - {gone}
    with pytest.raises(RevisionNotFoundError):
        HfApi().dataset_info("tester/taken", revision=first)


def test_a_dataset_may_be_pushed_again_and_nothing_new_is_no_commit(built, published):
    before = commits_of("tester/pushed", "dataset")
    assert push_dataset(built / "dataset", "pushed") == published, "the dataset's own folder, and the user's own name"
    assert commits_of("tester/pushed", "dataset") == before


def test_nothing_is_created_for_a_dataset_or_a_model_that_is_not_whole(tmp_path, hub):
    folder = dataset_folder(tmp_path / "data")
    (folder / "dataset" / "report.json").unlink()
    with pytest.raises(UserError, match="build again"):
        push_dataset(folder, "tester/broken")
    assert not HfApi().repo_exists("tester/broken", repo_type="dataset")
    (model_folder(tmp_path / "model") / "model.safetensors").unlink()
    with pytest.raises(UserError, match="not a trained model"):
        push_model(tmp_path / "model", "tester/broken")
    assert not HfApi().repo_exists("tester/broken")


def test_private_unless_said_and_never_silently_public(built, hub):
    push_dataset(built, "tester/open", public=True)
    assert not HfApi().dataset_info("tester/open").private
    with pytest.raises(UserError, match="say --public"):
        push_dataset(built, "tester/open")
    push_dataset(built, "tester/opened")
    push_dataset(built, "tester/opened", public=True)
    assert not HfApi().dataset_info("tester/opened").private


def test_a_model_is_one_commit_with_its_results(model):
    assert files_of("tester/classifier", "model") == {
        *("config.json", "model.safetensors", "preprocessor_config.json", "training_run.json", "scores.json"),
        *(f"plots/{name}.png" for name in ("confusion", "f1", "reliability", "training")),
        *("README.md", "predictions/test.parquet"),
        ".eval_results/ytaudio-tester-pushed.yaml",
    }
    bare = HfApi().create_repo("tester/bare-model", exist_ok=True).repo_id
    assert commits_of("tester/classifier", "model") == commits_of(bare, "model") + 1


def test_the_models_results_are_read_by_the_hubs_own_formats(model):
    scores = load_scores("tester/classifier")
    card = ModelCard.load("tester/classifier")
    card.validate(repo_type="model")
    assert card.data.library_name == "transformers" and card.data.pipeline_tag == "audio-classification"
    assert card.data.datasets == ["tester/data", "tester/pushed"]
    results = {result.metric_name: result for result in card.data.eval_results}
    assert results["Accuracy over videos"].metric_value == scores.accuracy
    assert results["Macro-F1 over clips"].metric_value == scores.clip_macro_f1
    assert results["Accuracy over videos"].dataset_revision == HfApi().dataset_info("tester/pushed").sha
    entries = {
        entry.task_id: entry for entry in HfApi().model_info("tester/classifier", expand=["evalResults"]).eval_results
    }
    assert entries["macro_f1"].value == scores.macro_f1
    tasks = yaml.safe_load(Path(hf_hub_download("tester/pushed", "eval.yaml", repo_type="dataset")).read_text())[
        "tasks"
    ]
    assert {task["id"] for task in tasks} == set(entries)
    assert {entry.dataset_id for entry in entries.values()} == {"tester/pushed"}


def test_predictions_travel_as_a_table(model):
    table = pq.read_table(hf_hub_download("tester/classifier", "predictions/test.parquet")).to_pydict()
    scores = load_scores("tester/classifier")
    assert table["predicted"] == [p.predicted for p in scores.predictions]
    assert {f"p_{label}" for label in LABELS} <= set(table)
    assert table["url"][0].startswith("https://") and np.shape(table["clips_probabilities"][0]) == (2, 3)
    assert table["channel_id"] == [p.channel_id for p in scores.predictions]
    assert table[f"floor: {MFCC}"] == [p.label for p in scores.predictions], "it tells tones apart"


def test_scores_come_back_from_the_published_table_alone(model):
    path = hf_hub_download("tester/classifier", "predictions/test.parquet")
    assert read_predictions(Path(path)) == load_scores("tester/classifier")


def test_tokens_in_settings_and_command_stay_at_home(model):
    for name in ("README.md", "training_run.json"):
        assert "hf_abcdef" not in Path(hf_hub_download("tester/classifier", name)).read_text()
    assert "hf_abcdef" in (model / "training_run.json").read_text()


def test_the_cards_snippets_run_where_ytaudio_cannot_be_imported(model, tmp_path, monkeypatch):
    """A wav2vec2 and a CNN that brings its own code, one after the other in one process, as the cards say it."""
    from transformers import Wav2Vec2FeatureExtractor

    from ytaudio.models import SpectrogramCNNConfig, SpectrogramCNNForAudioClassification

    config = SpectrogramCNNConfig(width=4, id2label=dict(enumerate(LABELS)))
    SpectrogramCNNForAudioClassification(config).save_pretrained(tmp_path)
    Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    push_model(tmp_path, "tester/cnn")
    assert any(name.endswith(".py") for name in files_of("tester/cnn", "model"))
    assert "has not been evaluated" in ModelCard.load("tester/cnn").content
    cards = [ModelCard.load(name).content for name in ("tester/classifier", "tester/cnn")]
    snippets = [re.search(r"```python\n(.*?)```", card, re.DOTALL)[1] for card in cards]
    assert ["trust_remote_code=True" in snippet for snippet in snippets] == [False, True]
    soundfile.write(tmp_path / "sound.wav", tone(1, 0), SAMPLING_RATE)
    # transformers opens files with the program ffmpeg; the one of a Python package serves as well as the system's
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ffmpeg").symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    with_files = [f"{snippet}\nprint(classify({str(tmp_path / 'sound.wav')!r}))\n" for snippet in snippets]
    said = away_from_ytaudio("\n".join(with_files)).splitlines()
    for answers in [ast.literal_eval(line) for line in said if line.startswith("[")]:
        assert {answer["label"] for answer in answers} == set(LABELS)
    assert len(said) == 4


def test_new_results_replace_the_old_ones(model, hub, tmp_path):
    folder = model_folder(tmp_path)
    scores_of([0, 1], [0, 1], split="validation").save(folder)
    push_model(folder, "tester/again")
    scores_of([0, 1], [0, 0], split="test").save(folder)
    push_model(folder, "tester/again")
    names = files_of("tester/again", "model")
    assert "predictions/test.parquet" in names and "predictions/validation.parquet" not in names
    (folder / "scores.json").unlink()
    push_model(folder, "tester/again")
    assert not {name for name in files_of("tester/again", "model") if name.startswith((".eval_results", "scores"))}


def test_an_evaluation_is_added_to_a_published_model_in_one_commit(hub, published, tmp_path):
    push_model(model_folder(tmp_path), "tester/late")
    before = commits_of("tester/late", "model")
    scores = score_model("tester/late", "tester/pushed", floors=False)
    assert scores.model_revision == HfApi().model_info("tester/late").sha
    add_scores(scores, "tester/late", sleep=never)
    assert commits_of("tester/late", "model") == before + 1
    assert load_scores("tester/late") == scores
    card = ModelCard.load("tester/late")
    assert card.data.eval_results[0].metric_value == scores.accuracy
    assert "accelerate launch" in card.text and "plots/training.png" in files_of("tester/late", "model")


def test_a_licence_named_on_the_card_stays_and_that_of_the_base_is_taken_over(hub, tmp_path):
    api = HfApi()
    api.create_repo("tester/base")
    ModelCard("---\nlicense: cc-by-nc-4.0\n---\n# Base\n").push_to_hub("tester/base")
    folder = model_folder(tmp_path)
    run = TrainingRun.load(folder)
    replace(run, base_model="tester/base", base_revision=api.model_info("tester/base").sha).save(folder)
    push_model(folder, "tester/tuned", sleep=never)
    card = ModelCard.load("tester/tuned")
    assert card.data.license == "cc-by-nc-4.0" and "the licence of [tester/base]" in card.text
    before = commits_of("tester/tuned", "model")
    push_model(folder, "tester/tuned", sleep=never)
    assert commits_of("tester/tuned", "model") == before, "its own card's licence is read as what it is"
    card.data.license = "mit"
    card.push_to_hub("tester/tuned")
    add_scores(scores_of([0, 1], [0, 1]), "tester/tuned", sleep=never)
    assert ModelCard.load("tester/tuned").data.license == "mit"


def test_somebody_elses_card_keeps_its_words_and_its_other_results(hub):
    api = HfApi()
    api.create_repo("tester/foreign")
    other = EvalResult("audio-classification", "other/data", "data", "accuracy", 0.5)
    theirs = ModelCardData(license="mit", model_name="theirs", eval_results=[other])
    ModelCard(f"---\n{theirs.to_yaml()}\n---\n# Mine\n\nMy own words.\n").push_to_hub("tester/foreign")
    with pytest.raises(UserError, match="push the model first"):
        add_scores(scores_of([0, 1], [0, 1]), "tester/foreign")
    api.upload_file(path_or_fileobj=b"{}", path_in_repo="config.json", repo_id="tester/foreign")
    for predicted in ([0, 1], [0, 0]):
        add_scores(scores_of([0, 1], predicted), "tester/foreign")
    card = ModelCard.load("tester/foreign")
    assert "My own words." in card.text and card.data.license == "mit"
    found = {(result.dataset_type, result.metric_name): result.metric_value for result in card.data.eval_results}
    assert found["other/data", None] == 0.5 and found["tester/data", "Accuracy over videos"] == 0.5
    assert len(found) == len(card.data.eval_results) == 5


def test_results_for_a_model_that_is_nowhere_are_one_sentence(hub):
    with pytest.raises(UserError, match="model tester/nomodel is not on"):
        add_scores(scores_of([0], [0]), "tester/nomodel")


@pytest.mark.parametrize("name", ["a/b/c", "tester/with space", "-"])
def test_a_bad_name_is_one_sentence(built, hub, name):
    with pytest.raises(UserError, match="USER/NAME"):
        push_dataset(built, name)


def test_a_refused_token_is_one_sentence_without_the_token(built, hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_wrongwrongwrongwrong")
    with pytest.raises(UserError, match="refused the token") as refused:
        push_dataset(built, "tester/wrongtoken")
    assert "hf_wrong" not in str(refused.value)


class Stumbling(BaseHTTPRequestHandler):
    """Hands everything on to the Hub behind, and answers the first commits by itself."""

    def _hand_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "accept-encoding", "connection")}
        due = self.server.troubles and self.server.troubled in f"{self.command} {self.path}"
        trouble = self.server.troubles.pop(0) if due else None
        if trouble is None or trouble == "lost":
            answer = httpx2.request(self.command, self.server.behind + self.path, headers=headers, content=body)
            if trouble is None:
                return self._send(answer.status_code, dict(answer.headers), answer.content)
            trouble = 502
        if trouble == "moved":  # somebody else commits in between
            self.server.meanwhile()
            answer = httpx2.request(self.command, self.server.behind + self.path, headers=headers, content=body)
            return self._send(answer.status_code, dict(answer.headers), answer.content)
        return self._send(trouble, {"Content-Type": "application/json"}, b'{"error": "in trouble"}')

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        if "/objects/batch" in self.path:  # uploads come this way too
            body = body.replace(self.server.behind.encode(), f"http://127.0.0.1:{self.server.server_port}".encode())
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("transfer-encoding", "content-encoding", "content-length", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_HEAD = _hand_on

    def log_message(self, *args) -> None:
        """Quiet."""


@pytest.fixture
def stumbling(hub, monkeypatch) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stumbling)
    server.behind, server.troubles, server.meanwhile = os.environ["HF_ENDPOINT"], [], lambda: None
    server.troubled = "/commit/"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.direct = HfApi()
    monkeypatch.setattr("ytaudio.hub.HfApi", lambda: HfApi(endpoint=f"http://127.0.0.1:{server.server_port}"))
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("troubles", [[500, 503], ["lost"], [412, 429]])
def test_a_commit_is_tried_again_and_ends_as_one(built, stumbling, troubles):
    name, waited = f"tester/stumble-{len(troubles)}-{troubles[0]}", []
    stumbling.troubles = list(troubles)
    push_dataset(built, name, sleep=waited.append)
    assert waited == [1.0, 2.0][: len(troubles)]
    stumbling.direct.create_repo("tester/bare-stumble", repo_type="dataset", exist_ok=True)
    assert commits_of(name, "dataset") == commits_of("tester/bare-stumble", "dataset") + 1
    assert load_dataset(name, split="test").num_rows == 12


def test_an_upload_that_is_refused_is_one_sentence_and_publishes_nothing(built, stumbling):
    stumbling.troubled, stumbling.troubles = "PUT ", [400]
    with pytest.raises(UserError, match="refused the dataset tester/upload"):
        push_dataset(built, "tester/upload", sleep=never)
    assert not {name for name in files_of("tester/upload", "dataset") if name.startswith("data/")}


def test_a_commit_on_a_stale_parent_is_made_anew_on_the_new_one(built, stumbling):
    api = stumbling.direct
    stumbling.troubles = ["moved"]
    stumbling.meanwhile = lambda: api.upload_file(
        path_or_fileobj=b"x",
        path_in_repo="data/old-00000-of-00001.parquet",
        repo_id="tester/moved",
        repo_type="dataset",
    )
    waited = []
    push_dataset(built, "tester/moved", sleep=waited.append)
    assert waited == [1.0]
    assert "data/old-00000-of-00001.parquet" not in files_of("tester/moved", "dataset"), "seen on the second look"


def test_a_hub_that_stays_down_is_one_sentence_and_leaves_nothing_half(built, stumbling):
    stumbling.troubles = [500] * 5
    waited = []
    with pytest.raises(UserError, match="answered 500 for the dataset tester/down: try again later"):
        push_dataset(built, "tester/down", sleep=waited.append)
    assert waited == [1.0, 2.0, 4.0, 8.0]
    assert not {name for name in files_of("tester/down", "dataset") if name != "README.md"}


def test_a_refusal_is_not_tried_again(built, stumbling):
    stumbling.troubles = [400]
    with pytest.raises(UserError, match="400: in trouble"):
        push_dataset(built, "tester/refused", sleep=never)


def test_somebody_elses_name_is_one_sentence(built, stumbling):
    stumbling.troubled, stumbling.troubles = "/api/repos/create", [403]
    with pytest.raises(UserError, match="does not let this token at the dataset somebody/else"):
        push_dataset(built, "somebody/else", sleep=never)


def test_no_hub_there_is_one_sentence(built, monkeypatch):
    monkeypatch.setattr("ytaudio.hub.HfApi", lambda: HfApi(endpoint="http://127.0.0.1:9"))
    with pytest.raises(UserError, match="cannot be reached") as refused:
        push_dataset(built, "tester/nowhere", sleep=lambda seconds: None)
    assert constants.ENDPOINT in str(refused.value)


@pytest.fixture(scope="module")
def with_ledger(tmp_path_factory):
    return build_folder(tmp_path_factory.mktemp("with-ledger"))


def test_links_only_is_one_private_commit_without_sound_that_plain_load_dataset_reads(with_ledger, hub):
    push_dataset(with_ledger, "tester/links-only", links_only=True, sleep=never)
    assert files_of("tester/links-only", "dataset") == {
        *(f"data/{split}-00000-of-00001.parquet" for split in ("train", "validation", "test")),
        *("README.md", "report.json", "plots/classes.png", "plots/channels.png"),
    }
    bare = HfApi().create_repo("tester/bare-links", repo_type="dataset").repo_id
    assert commits_of("tester/links-only", "dataset") == commits_of(bare, "dataset") + 1
    assert HfApi().dataset_info("tester/links-only").private
    links = load_dataset("tester/links-only")
    assert sum(split.num_rows for split in links.values()) == 18
    assert {str(links["train"].features[name].dtype) for name in ("start_s", "seconds")} == {"float64"}
    assert links["train"].features["label"].names == list(LABELS) and "audio" not in links["train"].features
    folder = Path(snapshot_download("tester/links-only", repo_type="dataset"))
    assert not [path for path in folder.rglob("*") if path.is_file() and b"fLaC" in path.read_bytes()]


def test_the_card_of_links_says_what_it_is_how_to_rebuild_and_whose_it_is(with_ledger, hub):
    push_dataset(with_ledger, "tester/links-card", links_only=True)
    card = DatasetCard.load("tester/links-card")
    assert "links-only" in card.data.tags and card.data.license == "other"
    for words in ("holds no audio", "ytaudio build hub:tester/links-card OUT", "## Rights", "stay theirs"):
        assert words in card.text
    snippet = re.search(r"```python\n(.*?)```", card.content, re.DOTALL)[1]
    address, _, seconds, label = away_from_ytaudio(snippet).splitlines()[-1].split()
    assert address.startswith("https://www.youtube.com/watch?v=made") and label in LABELS and float(seconds) == 2.0


def test_links_may_be_pushed_again_from_either_folder_and_nothing_new_is_no_commit(with_ledger, hub):
    push_dataset(with_ledger, "tester/links-again", links_only=True)
    before = commits_of("tester/links-again", "dataset")
    push_dataset(with_ledger / "dataset", "tester/links-again", links_only=True)
    assert commits_of("tester/links-again", "dataset") == before


def test_a_dataset_never_turns_into_the_other_kind(with_ledger, hub):
    push_dataset(with_ledger, "tester/stays-links", links_only=True)
    with pytest.raises(UserError, match=r"is links-only, .* say --links-only, or push to another name"):
        push_dataset(with_ledger, "tester/stays-links", sleep=never)
    push_dataset(with_ledger, "tester/stays-audio")
    before = files_of("tester/stays-audio", "dataset")
    with pytest.raises(UserError, match="holds audio, and its history would go on giving it"):
        push_dataset(with_ledger, "tester/stays-audio", links_only=True, sleep=never)
    assert files_of("tester/stays-audio", "dataset") == before
    api = HfApi()
    api.create_repo("tester/odd", repo_type="dataset", private=True)
    for name, content in (("report.json", b"[]"), ("data/x.parquet", b"x")):
        api.upload_file(path_or_fileobj=content, path_in_repo=name, repo_id="tester/odd", repo_type="dataset")
    with pytest.raises(UserError, match="holds audio"):
        push_dataset(with_ledger, "tester/odd", links_only=True)


def test_links_need_the_ledger_and_nothing_is_created_without(built, hub):
    with pytest.raises(UserError, match=r"holds no ledger\.jsonl"):
        push_dataset(built, "tester/no-ledger", links_only=True)
    assert not HfApi().repo_exists("tester/no-ledger", repo_type="dataset")
