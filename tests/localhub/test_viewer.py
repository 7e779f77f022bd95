"""The viewer's pages and cells, over HTTP: what is shown, to whom, and what a hostile dataset can do: nothing."""

import re
import threading
import time

import httpx2
import pyarrow as pa
import pytest
from huggingface_hub import CommitOperationAdd
from parquets import MEDIA, flac, png, sounds, written

from ytaudio.localhub.viewer import media_type

CARD = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*.parquet
  - split: test
    path: data/test-*.parquet
---
"""


def dataset(api, name: str, files: dict[str, bytes], *, private: bool = False) -> str:
    api.create_repo(name, repo_type="dataset", private=private)
    operations = [CommitOperationAdd(path, content) for path, content in files.items()]
    api.create_commit(name, operations, commit_message="data", repo_type="dataset")
    return f"/datasets/{name}"


@pytest.fixture(scope="module")
def clips(alice) -> str:
    files = {
        "README.md": CARD.encode(),
        "data/train-00000-of-00002.parquet": sounds(70),
        "data/train-00001-of-00002.parquet": sounds(50, first=70),
        "data/test-00000-of-00001.parquet": sounds(3),
    }
    return dataset(alice, "alice/clips", files)


def test_a_split_is_paged_across_its_files(web, clips):
    first = web.get(f"{clips}/viewer").text
    assert "<strong>120 rows</strong>" in first
    assert "Page 1 of 3" in first
    second = web.get(f"{clips}/viewer", params={"split": "train", "page": 2}).text
    assert re.findall(r'<th scope="row" class="right">([\d,]+)</th>', second) == [str(i) for i in range(50, 100)]
    assert "&lt;b&gt;title 70&lt;/b&gt;" in second
    assert re.search(r"/cell/[0-9a-f]{40}/0/0/data/train-00001-of-00002.parquet", second), "row 70 is its file's first"
    assert "<strong>3 rows</strong>" in web.get(f"{clips}/viewer", params={"split": "test"}).text
    beyond = web.get(f"{clips}/viewer", params={"split": "train", "page": 10**12}).text
    assert "Page 3 of 3" in beyond


def test_a_row_is_found_by_its_number(web, clips):
    page = web.get(f"{clips}/viewer", params={"split": "train", "row": 101}).text
    assert "Page 3 of 3" in page
    assert re.search(r'class="asked">\s*<th scope="row" class="right">101<', page)


def test_rows_are_chosen_by_label(web, clips):
    page = web.get(f"{clips}/viewer", params={"split": "train", "label": 1}).text
    assert "<strong>60 rows</strong> with label &lt;i&gt;travel&lt;/i&gt;" in page
    rows = re.findall(r'<th scope="row" class="right">(\d+)</th>', page)
    assert rows[:2] == ["1", "3"]
    assert len(rows) == 50
    rest = web.get(f"{clips}/viewer", params={"split": "train", "label": 1, "page": 2}).text
    assert re.findall(r'<th scope="row" class="right">(\d+)</th>', rest)[-1] == "119"
    assert "<strong>120 rows</strong>" in web.get(f"{clips}/viewer", params={"label": "x' OR 1"}).text


def test_only_web_addresses_become_links(web, clips):
    page = web.get(f"{clips}/viewer").text
    assert 'href="https://example.com/0" rel="noopener noreferrer nofollow"' in page
    assert "javascript:alert(1)</bdi>" in page
    assert 'href="javascript' not in page


def test_a_sound_is_served_whole_and_in_ranges(web, clips):
    address = f"{clips}/cell/main/0/1/data/train-00001-of-00002.parquet"
    content = flac(0.5, 200 + 71 % 7)
    whole = web.get(address)
    assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, content, "audio/flac")
    assert whole.headers["accept-ranges"] == "bytes"
    assert "sandbox" in whole.headers["content-security-policy"]
    assert whole.headers["x-content-type-options"] == "nosniff"
    for asked, expected in (("0-9", content[:10]), ("5-", content[5:]), ("-7", content[-7:]), ("0-99999999", content)):
        part = web.get(address, headers={"Range": f"bytes={asked}"})
        assert (part.status_code, part.content) == (206, expected), asked
        start = content.index(expected)
        assert part.headers["content-range"] == f"bytes {start}-{start + len(expected) - 1}/{len(content)}"
    assert web.get(address, headers={"Range": f"bytes={len(content)}-"}).status_code == 416
    assert web.get(address, headers={"Range": "bytes=-0"}).status_code == 416
    assert web.get(address, headers={"Range": "bytes=9-3"}).status_code == 200
    assert web.get(address, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304


@pytest.mark.parametrize(
    "rest",
    [
        "0/50/data/train-00001-of-00002.parquet",
        "1/0/data/test-00000-of-00001.parquet",
        "9/0/data/test-00000-of-00001.parquet",
        "0/-1/data/test-00000-of-00001.parquet",
        "0/0/README.md",
        "0/0/no.parquet",
        "x/y/README.md",
        "0/0/..%2F..%2Faccounts.json",
        "0/99999999999999999999/data/test-00000-of-00001.parquet",
    ],
)
def test_cells_that_are_not_there(web, clips, rest):
    assert web.get(f"{clips}/cell/main/{rest}").status_code == 404


def test_private_sounds_are_for_those_who_may_read(own_hub, alice, web):
    secret = dataset(alice, "alice/secret-clips", {"train.parquet": sounds(2)}, private=True)
    with httpx2.Client(base_url=own_hub.url, trust_env=False) as stranger:
        for path in ("", "/viewer", "/cell/main/0/0/train.parquet", "/tree/main"):
            assert stranger.get(secret + path).status_code == 401
            assert web.get(secret + path).status_code == 200


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"fLaC....", "audio/flac"),
        (b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\0\0\0\0AVI LIST", None),
        (b"\0\0\0\x20ftypM4A ", "audio/mp4"),
        (png(), "image/png"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", None),
        (b"<html><script>", None),
        (b"", None),
    ],
)
def test_what_bytes_are_is_told_by_their_beginning(content, kind):
    assert media_type(content) == kind


def test_a_cell_that_is_no_sound_is_never_shown_as_a_page(web, alice):
    html = b"<html><script>alert(1)</script>"
    cells = pa.array([{"bytes": html, "path": "x.html"}], MEDIA)
    link = dataset(alice, "alice/pages", {"train.parquet": written({"audio": cells})})
    answer = web.get(f"{link}/cell/main/0/0/train.parquet")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["content-security-policy"]


def test_broken_files_get_a_sentence_and_the_others_are_shown(web, alice):
    files = {
        "data/train-00000.parquet": sounds(4),
        "data/train-00001.parquet": sounds(4)[:-100],
        "data/train-00002.parquet": written({"other": [1]}),
    }
    page = web.get(f"{dataset(alice, 'alice/half-broken', files)}/viewer")
    assert page.status_code == 200
    assert "<strong>4 rows</strong>" in page.text
    assert "no whole Parquet file" in page.text
    assert "columns are not those of" in page.text


def test_names_that_mean_harm_are_words(web, alice):
    evil = '"><script>alert(1)</script>'
    features = {evil: {"_type": "ClassLabel", "names": [evil, 5, {"a": 1}]}, "x": "no feature", "y": {"_type": []}}
    files = {"train.parquet": written({evil: [0, 1, 2, 99, None], "x": [evil] * 5, "y": [1] * 5}, features)}
    page = web.get(f"{dataset(alice, 'alice/evil-names', files)}/viewer", params={"config": evil, "split": evil})
    assert page.status_code == 200
    assert "<script" not in page.text
    assert page.text.count("&lt;script&gt;") >= 6


def test_without_rows_the_page_says_what_would_make_some(web, alice, repo):
    assert "no Parquet file" in web.get(f"/{repo}/viewer").text
    assert ">Viewer<" not in web.get(f"/{repo}").text


def test_a_slow_file_holds_up_nothing_else(own_hub, web, clips):
    """Readers that are busy hold no thread of the Hub: its other pages are answered meanwhile."""
    store = own_hub._store
    taken = [store.readers._idle.get(timeout=5) for _ in range(3)]
    waiting = [threading.Thread(target=web.get, args=(f"{clips}/viewer",), kwargs={"timeout": 30}) for _ in range(60)]
    try:
        for thread in waiting:
            thread.start()
        began = time.monotonic()
        with httpx2.Client(base_url=own_hub.url, trust_env=False) as other:
            assert other.get(clips).status_code == 200
        assert time.monotonic() - began < 5
        assert any(thread.is_alive() for thread in waiting)
    finally:
        for process in taken:
            store.readers._idle.put(process)
        for thread in waiting:
            thread.join()
