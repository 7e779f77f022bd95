import json
import re
from functools import partial
from pathlib import Path

import pytest
from huggingface_hub import HfApi, snapshot_download
from kaggle_stand_in import Kaggle
from making import build_folder

from ytaudio.errors import UserError
from ytaudio.hub import push_dataset
from ytaudio.ledger import Settings, open_ledger
from ytaudio.sources import read_source


def csv_in(folder: Path, name: str = "links.csv") -> Path:
    path = folder / name
    path.write_text("link,title,description,category\nabcdefghijk,t,d,food\nabcdefghij2,t,d,travel\n")
    return path


def test_a_csv_is_a_catalogue_without_windows_or_splits(tmp_path):
    source = read_source(str(csv_in(tmp_path)), ["food"])
    assert source.catalog.categories == ("food",) and source.name == "links.csv"
    assert source.windows is None and source.published is None
    assert source.settings(Settings(seed=7)) == Settings(seed=7)


def test_a_csv_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match="Cannot read"):
        read_source(str(tmp_path / "missing.csv"))


def test_a_list_on_kaggle_is_named_with_its_version(tmp_path, monkeypatch):
    standing_in = Kaggle()
    standing_in.datasets["owner/links"] = [{"links.csv": csv_in(tmp_path).read_bytes()}]
    for name, value in standing_in.environment(tmp_path / "kaggle").items():
        monkeypatch.setenv(name, value)
    source = read_source("kaggle:owner/links", ["travel"])
    standing_in.close()
    assert source.name == "kaggle:owner/links/versions/1/links.csv" and source.catalog.categories == ("travel",)
    assert source.windows is None


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build_folder(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def commit(built, hub):
    """The first commit of a links-only dataset that has moved on since."""
    push_dataset(built, "tester/source", links_only=True)
    first = HfApi().dataset_info("tester/source").sha
    report = json.loads((built / "dataset" / "report.json").read_text())
    (built / "dataset" / "report.json").write_text(json.dumps({**report, "seed": 5}))
    push_dataset(built, "tester/source", links_only=True)
    assert HfApi().dataset_info("tester/source").sha != first
    return first


def test_a_published_dataset_brings_windows_splits_and_settings(commit):
    newest = HfApi().dataset_info("tester/source").sha
    source = read_source("hub:tester/source")
    assert source.name == f"hub:tester/source@{newest}"
    assert source.settings(Settings(seed=9)) == Settings(2, 2.0, 5, f"tester/source@{newest}")
    assert source.protocol("lab") == "default"
    assert len(source.windows) == len(source.published.sides) == len(source.catalog.videos) == 9
    assert source.notes == () and read_source("hub:tester/source", ["food"]).catalog.categories == ("food",)
    older = read_source(f"hub:tester/source@{commit}")
    assert older.published.settings.windows_of == f"tester/source@{commit}" and older.settings(Settings()).seed == 0


def test_a_folder_goes_on_with_the_commit_it_was_begun_with_and_says_so(commit, tmp_path):
    newest = HfApi().dataset_info("tester/source").sha
    with open_ledger(tmp_path, read_source(f"hub:tester/source@{commit}").settings(Settings())):
        pass
    for again in ("hub:tester/source", "hub:tester/source@main", f"hub:tester/source@{commit[:10]}"):
        source = read_source(again, folder=tmp_path)
        assert source.name == f"hub:tester/source@{commit}"
    (note,) = read_source("hub:tester/source", folder=tmp_path).notes
    assert commit[:12] in note and f"the dataset is at {newest[:12]} now" in note
    assert read_source(f"hub:tester/source@{newest}", folder=tmp_path).name == f"hub:tester/source@{newest}"
    other = read_source(f"hub:tester/source@{newest}").settings(Settings())
    changed = rf"\(SOURCE was hub:tester/source@{commit} and is now hub:tester/source@{newest}\): repeat those"
    with pytest.raises(UserError, match=changed), open_ledger(tmp_path, other):
        pass
    with pytest.raises(UserError, match="and is now a list of links"), open_ledger(tmp_path, Settings()):
        pass


def test_what_was_begun_goes_on_while_the_hub_is_away(commit, tmp_path, monkeypatch):
    with open_ledger(tmp_path, read_source("hub:tester/source").settings(Settings())):
        pass
    monkeypatch.setattr("ytaudio.republished.HfApi", lambda: HfApi(endpoint="http://127.0.0.1:9"))
    monkeypatch.setattr(
        "ytaudio.republished.snapshot_download", partial(snapshot_download, endpoint="http://127.0.0.1:9")
    )
    assert len(read_source("hub:tester/source", folder=tmp_path).published.sides) == 9
    with pytest.raises(UserError, match="cannot be reached for the dataset tester/source"):
        read_source("hub:tester/source", folder=tmp_path / "new")


def test_a_dataset_with_audio_needs_no_rebuilding(built, hub):
    push_dataset(built, "tester/with-audio")
    with pytest.raises(UserError, match=r'was not published with --links-only .* load_dataset\("tester/with-audio"\)'):
        read_source("hub:tester/with-audio")
    HfApi().create_repo("tester/empty", repo_type="dataset")
    with pytest.raises(UserError, match="was not published with --links-only"):
        read_source("hub:tester/empty")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("hub:tester", "write hub:USER/NAME or hub:USER/NAME@REVISION"),
        ("hub:../../etc/passwd", "write hub:USER/NAME"),
        ("hub:tester/..", "tester/.."),
        ("hub:tester/no-such", "tester/no-such is not on"),
        ("hub:tester/source@no-such", "has no such revision"),
        ("kaggle:nothing", "write kaggle:OWNER/NAME"),
    ],
)
def test_a_name_that_leads_nowhere_is_one_sentence(commit, source, sentence):
    with pytest.raises(UserError, match=re.escape(sentence)) as refused:
        read_source(source)
    assert "\n" not in str(refused.value)
