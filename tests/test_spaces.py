import json
import socket
from importlib.metadata import requires
from pathlib import Path

import pytest
from demo_world import DATASET, FIRST, PYTHON, SECOND, VIDEO, ask, publish, start
from huggingface_hub import HfApi, SpaceCard, snapshot_download
from making import LABELS, model_folder

from ytaudio import spaces
from ytaudio.errors import UserError
from ytaudio.hub import push_model, push_space
from ytaudio.space.settings import Demo
from ytaudio.spaces import Prepared, prepare, prepare_space, requirements, rooms_of
from ytaudio.testing import MediaSite

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def world(hub, tmp_path_factory):
    publish(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def pushed(world, tmp_path_factory):
    """A Space as anyone downloads it."""
    push_space("tester/demo", prepare_space([FIRST, SECOND], public=False))
    place = tmp_path_factory.mktemp("space")
    return Path(snapshot_download("tester/demo", repo_type="space", local_dir=place))


def files_of(repo_id):
    return set(HfApi().list_repo_files(repo_id, repo_type="space"))


def test_a_space_starts_from_its_own_files_and_answers(pushed, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    run = "import runpy, ytaudio; print(ytaudio.__file__, flush=True); runpy.run_path('app.py', run_name='__main__')"
    with MediaSite([VIDEO]) as site:
        words = {"GRADIO_SERVER_PORT": str(port), "TMPDIR": str(tmp_path), "PYTHONPATH": ""}
        world = {**site.environment(), **words}
        world["PYTHONPATH"] = ":".join(one for one in site.environment()["PYTHONPATH"].split(":") if one != str(ROOT))
        process, address = start([PYTHON, "-c", run], tmp_path / "log", world, cwd=pushed)
        try:
            kind, said = ask(address, VIDEO.id)
        finally:
            process.kill()
            process.wait()
    assert (tmp_path / "log").read_text().splitlines()[0] == str(pushed / "ytaudio" / "__init__.py")
    assert kind == "complete" and set(said) == {FIRST, SECOND}
    for probabilities in said.values():
        assert set(probabilities) == set(LABELS) and sum(probabilities.values()) == pytest.approx(1, abs=1e-4)


def test_a_space_holds_what_its_page_needs_and_no_more(pushed):
    rooms = {path.relative_to(pushed / "ytaudio").as_posix() for path in (pushed / "ytaudio").rglob("*.py")}
    assert {"__init__.py", "space/words.py", "media/locating.py", "models/spectrogram_cnn.py"} <= rooms
    assert not any(room.startswith(("localhub/", "testing/", "cli/", "hub.py", "evaluation/")) for room in rooms)
    assert (pushed / "app.py").read_text() == (ROOT / "ytaudio" / "space" / "app.py").read_text()
    demo = Demo.load(pushed)
    assert [model.name for model in demo.models] == [FIRST, SECOND]
    assert [model.revision for model in demo.models] == [HfApi().model_info(name).sha for name in (FIRST, SECOND)]
    assert [example.label for example in demo.examples] == sorted(LABELS)
    assert {path.name for path in (pushed / "examples").iterdir()} == {example.file for example in demo.examples}
    card = SpaceCard.load(pushed / "README.md")
    assert card.data.sdk == "gradio" and card.data.models == [FIRST, SECOND] and card.data.python_version == "3.11"
    assert (
        f"3 videos of [{DATASET}]" not in card.text
        and f"[{FIRST}](" in card.text
        and "nobody has measured" in card.text
    )


def test_what_a_space_installs_are_this_packages_own_bounds(pushed):
    lines = (pushed / "requirements.txt").read_text().splitlines()
    ours = {line.partition(";")[0].strip() for line in requires("ytaudio")}
    assert set(lines) <= ours and {line.split(">")[0].split("<")[0] for line in lines} >= {
        "torch",
        "transformers",
        "av",
    }
    assert not any(line.startswith(("gradio", "datasets", "matplotlib", "scikit", "typer")) for line in lines)
    assert requirements(["errors.py"]) == ""


def test_a_later_push_takes_away_what_is_no_longer_needed_in_one_commit(world, monkeypatch):
    push_space("tester/shrinking", prepare_space([FIRST, SECOND], public=False))
    commits = len(HfApi().list_repo_commits("tester/shrinking", repo_type="space"))
    assert "examples/0.flac" in files_of("tester/shrinking")
    smaller = [room for room in rooms_of(spaces.APP) if room != "space/picture.py"]
    monkeypatch.setattr(spaces, "rooms_of", lambda app: smaller)
    push_space("tester/shrinking", prepare_space([SECOND], public=False, examples=False))
    now = files_of("tester/shrinking")
    assert not any(name.startswith("examples/") for name in now) and "ytaudio/space/picture.py" not in now
    assert len(HfApi().list_repo_commits("tester/shrinking", repo_type="space")) == commits + 1


def test_a_space_is_private_and_a_public_one_takes_no_clips_of_a_private_dataset(world):
    push_space("tester/open", prepare_space([FIRST], public=False))
    assert HfApi().space_info("tester/open").private
    open_one = prepare_space([FIRST], public=True)
    with pytest.raises(UserError, match="its history holds example clips"):
        push_space("tester/open", open_one, private=False)
    assert HfApi().space_info("tester/open").private
    HfApi().delete_repo("tester/open", repo_type="space")
    push_space("tester/open", prepare_space([FIRST], public=False, examples=False))
    assert open_one.clips == {} and any(DATASET in note and "private" in note for note in open_one.notes)
    push_space("tester/open", open_one, private=False)
    assert not HfApi().space_info("tester/open").private
    assert "examples/0.flac" not in files_of("tester/open")
    with pytest.raises(UserError, match="is public: say --public"):
        push_space("tester/open", prepare_space([FIRST], public=False))
    HfApi().update_repo_settings(DATASET, repo_type="dataset", private=False)
    try:
        assert len(prepare_space([FIRST], public=True).clips) == len(LABELS)
    finally:
        HfApi().update_repo_settings(DATASET, repo_type="dataset", private=True)


def test_private_models_and_differing_categories_are_said(world, tmp_path):
    push_model(model_folder(tmp_path / "other", labels=("cats", "dogs")), "tester/demo-pets")
    made = prepare_space([FIRST, "tester/demo-pets", FIRST], public=False)
    assert len(made.demo.models) == 2 and made.demo.labels == (*LABELS, "cats", "dogs")
    assert any("do not have the same categories" in note for note in made.notes)
    assert sum("is private: add a secret HF_TOKEN" in note for note in made.notes) == 2


@pytest.mark.parametrize(
    ("models", "sentence"),
    [
        (["tester/no-such-model"], "no-such-model is not on"),
        ([DATASET], "is not on"),
        (["FOLDER"], "is a folder: publish it with"),
        ([f"tester/{number}" for number in range(5)], "asks one to 4 models"),
        (["CODE"], "brings its own code"),
    ],
)
def test_what_cannot_work_is_one_sentence_and_nothing_is_created(world, tmp_path, models, sentence):
    if models == ["FOLDER"]:
        models = [str(model_folder(tmp_path / "model"))]
    if models == ["CODE"]:
        config = {"model_type": "unheard_of", "auto_map": {"AutoConfig": "theirs.Config"}}
        api = HfApi()
        api.create_repo("tester/strange", exist_ok=True)
        api.upload_file(
            path_or_fileobj=json.dumps(config).encode(), path_in_repo="config.json", repo_id="tester/strange"
        )
        models = ["tester/strange"]
    with pytest.raises(UserError, match=sentence):
        push_space("tester/never", prepare_space(models, public=False))
    assert not HfApi().repo_exists("tester/never", repo_type="space")


def test_a_demo_of_folders_needs_no_hub(tmp_path):
    made = prepare([str(model_folder(tmp_path / "model"))])
    assert isinstance(made, Prepared) and made.demo.models[0].labels == LABELS
    assert made.demo.examples == () and "are no example clips" in made.demo.about_examples
    made.write(tmp_path / "page")
    assert Demo.load(tmp_path / "page") == made.demo


def test_modules_are_followed_through_imports_of_every_form():
    assert {"__init__.py", "errors.py"} <= set(rooms_of("errors.py"))
    found = set(rooms_of(spaces.APP))
    assert {
        "space/__init__.py",
        "media/kinds.py",
        "clips.py",
        "training/runs.py",
    } <= found  # by name, by dots, of names
    assert not {"space/local.py", "space/facts.py", "hub.py", "spaces.py", "training/data.py"} & found
