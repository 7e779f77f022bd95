import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator

import pytest
from kaggle_stand_in import Kaggle, zipped

from ytaudio.catalog import read_catalog
from ytaudio.errors import UserError
from ytaudio.kaggle import download_csv

NAME = "rajatrc1705/youtube-videos-dataset"
LINKS = b"link,title,description,category\nabcdefghijk,t,d,food\nabcdefghij2,t,d,travel\n"
OTHER = b"name,score\na,1\n"


@pytest.fixture
def kaggle(tmp_path, monkeypatch) -> Iterator[Kaggle]:
    standing_in = Kaggle()
    standing_in.datasets[NAME] = [{"youtube.csv": LINKS}]
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_KERNEL_RUN_TYPE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in standing_in.environment(tmp_path / "kaggle").items():
        monkeypatch.setenv(name, value)
    # it looks up the module of every frame of the stack, six times a call, and the stack below pytest is deep
    monkeypatch.setattr("kagglehub.clients.get_user_agent", lambda: "kagglehub")
    yield standing_in
    standing_in.close()


def test_the_only_list_of_links_is_found_and_fetched_once(kaggle, capfd):
    kaggle.datasets[NAME][0] |= {"scores.csv": OTHER, "notes.txt": b"x"}
    path, name = download_csv(NAME)
    assert path.read_bytes() == LINKS and name == f"{NAME}/versions/1/youtube.csv"
    assert read_catalog(path).categories == ("food", "travel")
    assert download_csv(NAME) == (path, name)
    assert kaggle.asked == ["GetDataset", "DownloadDataset", "archive.zip", "GetDataset"]
    assert capfd.readouterr() == ("", ""), "no banner, no progress where there is no terminal"


def test_a_link_that_leads_out_of_the_folder_is_no_list_of_it(kaggle, tmp_path):
    kaggle.datasets["a/list"] = [{"youtube.csv": LINKS}]
    path, _ = download_csv("a/list")
    (tmp_path / "outside.csv").write_bytes(LINKS)
    (path.parent / "another.csv").symlink_to(tmp_path / "outside.csv")
    assert download_csv("a/list")[0] == path


def test_a_named_file_is_fetched_alone_in_the_newest_version_or_the_one_named(kaggle):
    kaggle.datasets[NAME] = [{"a/youtube.csv": LINKS}, {"a/youtube.csv": LINKS + b"abcdefghij3,t,d,food\n"}]
    newest, name = download_csv(f"{NAME}/a/youtube.csv")
    assert name == f"{NAME}/versions/2/a/youtube.csv" and len(read_catalog(newest).videos) == 3
    pinned, name = download_csv(f"{NAME}/versions/1/a/youtube.csv")
    assert name == f"{NAME}/versions/1/a/youtube.csv" and len(read_catalog(pinned).videos) == 2
    assert "archive.zip" not in kaggle.asked


def test_a_version_that_was_fetched_needs_no_kaggle(kaggle):
    path, _ = download_csv(f"{NAME}/versions/1")
    kaggle.close()
    assert download_csv(f"{NAME}/versions/1")[0] == path
    with pytest.raises(UserError, match=r"Kaggle cannot be reached .* check the connection"):
        download_csv(NAME)


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"a.csv": LINKS, "b.csv": LINKS}, rf"several lists of links \(a.csv, b.csv\): name one, kaggle:{NAME}/FILE"),
        ({"scores.csv": OTHER}, r"no CSV with the columns link and category \(CSV files: scores.csv\)"),
        ({"notes.txt": b"x"}, r"CSV files: none"),
        ({"empty.csv": b"", "binary.csv": bytes(range(256))}, r"no CSV with the columns"),
    ],
)
def test_which_list_is_meant_must_be_clear(kaggle, files, sentence):
    kaggle.datasets[NAME] = [files]
    with pytest.raises(UserError, match=sentence):
        download_csv(NAME)


@pytest.mark.parametrize(
    ("call", "status", "sentence"),
    [
        ("GetDataset", 403, "does not show .* set KAGGLE_API_TOKEN"),
        ("GetDataset", 404, "is not on Kaggle: check the names"),
        ("DownloadDataset", 401, "set KAGGLE_API_TOKEN"),
        ("DownloadDataset", 503, "answered 503 .* try again later"),
        ("storage", 404, "is not on Kaggle"),
        ("storage", 429, "answered 429 .* try again later"),
    ],
)
def test_a_refusal_is_one_sentence_that_names_the_mend(kaggle, call, status, sentence, capfd):
    kaggle.refusals[call] = status
    with pytest.raises(UserError, match=sentence) as refused:
        download_csv(NAME)
    assert "\n" not in str(refused.value) and capfd.readouterr() == ("", "")
    kaggle.refusals.clear()
    assert download_csv(NAME)[0].read_bytes() == LINKS, "nothing broken was kept"


@pytest.mark.parametrize("name", [f"{NAME}/versions/7", f"{NAME}/nothing.csv", "nobody/nothing"])
def test_what_is_not_there_is_one_sentence(kaggle, name):
    with pytest.raises(UserError, match="is not on Kaggle"):
        download_csv(name)


@pytest.mark.parametrize(
    "name",
    ["", "only-a-name", "../..", "a/b/../../etc/passwd", "a/b//etc/passwd", "a/b/./x.csv", "a/b/x\\y.csv", "a b/c"],
)
def test_a_name_that_is_none_is_refused_unasked(kaggle, name):
    with pytest.raises(UserError, match="is no name on Kaggle: write kaggle:OWNER/NAME"):
        download_csv(name)
    assert not kaggle.asked


def _tar(name: str, content: bytes = LINKS, link: str = "") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size, entry.linkname = (0, link) if link else (len(content), "")
        entry.type = tarfile.SYMTYPE if link else tarfile.REGTYPE
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "archive",
    [_tar("../../evil.csv"), _tar("youtube.csv", link="/etc/passwd"), b"not an archive", zipped({"x.csv": LINKS})[:60]],
    ids=["climbs out", "a link that leads out", "no archive", "cut"],
)
def test_an_archive_that_climbs_out_or_is_damaged_is_one_sentence(kaggle, archive, tmp_path):
    kaggle.archives[NAME] = archive
    with pytest.raises(UserError, match=r"did not arrive whole .* and try again"):
        download_csv(NAME)
    assert not list(tmp_path.rglob("evil.csv"))
    kaggle.archives.clear()
    assert download_csv(NAME)[0].read_bytes() == LINKS


def test_a_zip_that_climbs_out_stays_inside(kaggle, tmp_path):
    kaggle.archives[NAME] = zipped({"../../../evil.csv": LINKS})
    path, _ = download_csv(NAME)
    assert path.is_relative_to(tmp_path / "kaggle" / "datasets" / NAME / "versions" / "1")


def test_credentials_that_cannot_be_read_are_one_sentence(kaggle, tmp_path, monkeypatch):
    (tmp_path / "kaggle.json").write_text("{")
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path))
    with pytest.raises(UserError, match=r"Invalid Kaggle credentials file .*: mend that file, or take it away"):
        download_csv(NAME)


def test_without_kagglehub_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(UserError, match=r"kaggle: needs kagglehub: pip install 'ytaudio\[kaggle\]'"):
        download_csv(NAME)


def test_in_a_process_of_its_own_nothing_but_the_answer_is_printed(kaggle):
    script = f"from ytaudio.kaggle import download_csv; print(download_csv({NAME!r})[1])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=os.environ.copy())
    assert (done.stdout, done.stderr) == (f"{NAME}/versions/1/youtube.csv\n", "")
