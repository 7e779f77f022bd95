"""The pages people look at, and what a hostile README can do to them: nothing."""

import html
import re
from urllib.parse import quote

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationCopy

from ytaudio.localhub.readme import render_markdown

HOSTILE = """---
license: mit
---
# Title <script>alert(1)</script>
<img src=x onerror=alert(1)><svg onload=alert(1)><iframe src="https://evil"></iframe>
<a href="javascript:alert(1)">a</a> [b](javascript:alert(1)) [c](data:text/html,<script>alert(1)</script>)
<form action="https://evil"><input name=token></form><style>body{display:none}</style>
<meta http-equiv="refresh" content="0; url=https://evil"><base href="https://evil">

![plot](plots/confusion.png) [data](./data/a.csv) <img src="raw.png">

| a | b |
|---|---|
| 1 | 2 |
"""


@pytest.fixture(scope="module")
def shown(alice) -> str:
    alice.create_repo("alice/shown", repo_type="dataset")
    files = [
        CommitOperationAdd("README.md", HOSTILE.encode()),
        CommitOperationAdd('d/<b>&".txt', b"<script>1</script>"),
    ]
    alice.create_commit("alice/shown", files, commit_message="<i>title</i>", repo_type="dataset")
    return "/datasets/alice/shown"


def test_a_hostile_readme_is_harmless(web, shown, alice):
    answer = web.get(shown)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy
    article = answer.text.split("<article>")[1].split("</article>")[0]
    assert not re.search(r"<(script|iframe|form|input|style|meta|base|svg)|<[^>]*(onerror|onload)", article)
    assert not re.search(r"""(href|src)=["']?(javascript|data):""", article)
    assert "<td>1</td>" in article
    sha = alice.dataset_info("alice/shown").sha
    assert f'src="{shown}/resolve/{sha}/plots/confusion.png"' in article
    assert f'src="{shown}/resolve/{sha}/raw.png"' in article
    assert f'href="{shown}/blob/{sha}/data/a.csv"' in article


def test_absolute_addresses_stay():
    html = render_markdown("## A part!\n[a](https://x/y) [b](#a-part) [c](/d) [e](mailto:a@b)", "/a/b", "c0")
    for address in ("https://x/y", "#a-part", "/d", "mailto:a@b"):
        assert f'href="{address}" rel="noopener noreferrer nofollow"' in html
    assert '<h2 id="a-part">' in html


def test_sounds_of_the_repo_can_be_heard():
    html = render_markdown(
        '<audio controls preload="auto" autoplay src="./examples/a.flac"></audio>', "/datasets/a/b", "c0"
    )
    assert 'src="/datasets/a/b/resolve/c0/examples/a.flac"' in html
    assert "controls" in html
    assert 'preload="metadata"' in html
    assert "autoplay" not in html


@pytest.mark.parametrize("host", ["https://huggingface.co", "http://lab.example:8000"])
def test_a_sound_named_by_its_whole_address_is_heard_wherever_the_hub_listens_now(host):
    html = render_markdown(
        f'<audio controls src="{host}/datasets/a/b/resolve/main/examples/a.flac">', "/datasets/a/b", "c0"
    )
    assert 'src="/datasets/a/b/resolve/c0/examples/a.flac"' in html
    for other in (
        "datasets/a/c/resolve/main/x.flac",
        "datasets/a/b/resolve/main/javascript:x",
        "datasets/a/b/blob/main/x",
    ):
        assert "src" not in render_markdown(f'<audio controls src="{host}/{other}"></audio>', "/datasets/a/b", "c0")


@pytest.mark.parametrize(
    "address",
    ["https://x/y.png", "//x/y.png", r"/\x/y.png", r"\\x/y.png", "http://127.0.0.1:1/y.png", "data:image/svg+xml,x"],
)
@pytest.mark.parametrize("tag", ["img", "audio"])
def test_nothing_is_fetched_from_elsewhere(tag, address):
    assert "src" not in render_markdown(f'<{tag} alt="a" controls src="{address}">', "/a/b", "c0")


def test_a_table_aligns_and_nothing_has_a_style():
    table = "| a | b |\n|---:|:---|\n| 1 | 2 |\n\n<table><td style='position:fixed' class='right x'>x</td></table>"
    html = render_markdown(table, "/a/b", "c0")
    assert '<td class="to-right">1' in html and "<td>2" in html and "<td>x" in html
    assert "style" not in html


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("http://127.0.0.1:34015/datasets/a/b/tree/c", "/datasets/a/b/tree/c"),
        ("http://localhost:1/a/b", "/a/b"),
        ("http://localhost:7860", "http://localhost:7860"),
        ("http://127.0.0.1.evil.example/a/b", "http://127.0.0.1.evil.example/a/b"),
    ],
)
def test_a_card_of_a_hub_that_has_moved_links_to_this_one(written, meant):
    assert f'href="{meant}"' in render_markdown(f"[x]({written})", "/a/b", "c0")


def test_every_page_is_there(web, shown, alice):
    sha = alice.dataset_info("alice/shown").sha
    for path in ("/", "/alice", "/datasets", f"{shown}/tree/main", f"{shown}/tree/main/d", f"{shown}/commits/main"):
        answer = web.get(path)
        assert answer.status_code == 200, path
        assert "shown" in answer.text
        assert "<i>title" not in answer.text
    assert "&lt;i&gt;title" in web.get(f"{shown}/commits/main").text
    assert "added" in web.get(f"{shown}/commit/{sha}").text
    page = web.get(f"{shown}/blob/main/d/%3Cb%3E%26%22.txt").text
    assert "&lt;script&gt;1&lt;/script&gt;" in page
    assert web.get("/-/style.css").headers["content-type"].startswith("text/css")
    missing = web.get(f"{shown}/tree/main/nothing", headers={"Accept": "text/html"})
    assert (missing.status_code, missing.headers["content-type"]) == (404, "text/html; charset=utf-8")


def test_files_cannot_act_as_pages(web, alice, repo):
    alice.upload_file(path_or_fileobj=b"<script>1</script>", path_in_repo="x.html", repo_id=repo)
    answer = web.get(f"/{repo}/resolve/main/x.html")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_signing_in_shows_private_repos_and_can_change_nothing(own_hub, alice, web):
    import httpx2

    alice.create_repo("alice/diary", private=True, exist_ok=True)
    with httpx2.Client(base_url=own_hub.url, trust_env=False, follow_redirects=True) as browser:
        assert "alice/diary" not in browser.get("/").text
        asked = browser.get("/alice/diary", headers={"Accept": "text/html"})
        assert asked.status_code == 401
        assert 'value="/alice/diary"' in asked.text
        onward = browser.post("/login", data={"token": alice.token, "onward": "/alice/diary"})
        assert onward.url.path == "/alice/diary"
        assert browser.post("/login", data={"token": alice.token, "onward": "//evil.example"}).url.path == "/"
        browser.post("/logout")
        assert browser.post("/login", data={"token": "wrong"}).status_code == 401
        assert "alice/diary" in browser.post("/login", data={"token": alice.token}).text
        assert browser.get("/alice/diary").status_code == 200
        assert browser.get("/alice/diary/resolve/main/.gitattributes").status_code == 200
        assert browser.get("/api/whoami-v2").status_code == 401
        assert browser.post("/api/repos/create", json={"name": "forged"}).status_code == 401
        browser.post("/logout")
        assert "alice/diary" not in browser.get("/").text


@pytest.mark.parametrize("text", ["<div>" * 50_000, "<div>" * 20_000, "*a _" * 60_000, "[" * 150_000])
def test_an_endless_readme_is_shown_as_it_was_written(web, alice, repo, text):
    alice.upload_file(
        path_or_fileobj=f"---\nlicense: mit\n---\n{text}".encode(), path_in_repo="README.md", repo_id=repo
    )
    page = web.get(f"/{repo}", timeout=2)
    assert f"<pre>{html.escape(text[:1000])}" in page.text
    assert len(page.text) < 1_500_000


def test_the_list_is_searched_filtered_and_paged(web, alice, monkeypatch):
    from ytaudio.localhub import pages

    monkeypatch.setattr(pages, "_REPOS", 2)
    for i in range(5):
        alice.create_repo(f"alice/listed-{i}")
    card = b"---\ntags: [zebra, '<b>']\n---\n"
    alice.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id="alice/listed-3")

    def names(**query) -> list[str]:
        page = web.get("/alice", params=query).text
        return re.findall(r'<a href="/alice/(listed-\d)">', page)

    assert names(q="LISTED") == ["listed-3", "listed-4"], "newest first, two a page"
    assert names(q="listed", page=3) == ["listed-0"]
    assert names(q="listed", page=99) == ["listed-0"]
    assert names(q="listed 3") == names(tag="zebra") == names(tag="<b>", kind="model") == ["listed-3"]
    assert names(q="listed", kind="dataset") == []
    nothing = web.get("/", params={"q": "<script>", "tag": "'\"><x"}).text
    assert "No repository fits “&lt;script&gt;”" in nothing
    assert "<script" not in nothing


ODD_CARDS = (
    "tags: {a: 1}\nlicense: [1, {b: 2}]\npipeline_tag: [x]\nlibrary_name: 5\nmodels: 5\ndatasets: {a: [1]}\n",
    "models: [[1], {a: 1}, 'a/b', '../../x', 'a/b --model $(x)']\ndatasets: x/y\nsdk: [1]\nlicense_name: {a: 1}\n",
    f"configs: x\nmodel-index: [5, {{results: [5]}}]\ndataset_info: {'[' * 30}{']' * 30}\n",
)


@pytest.mark.parametrize("number", range(len(ODD_CARDS)))
@pytest.mark.parametrize("kind", ["model", "dataset", "space"])
def test_a_card_of_wrong_types_has_a_page(web, alice, kind, number):
    """Such a card is refused when it is committed, but not where it was a large file before."""
    sdk = {"space_sdk": "static"} if kind == "space" else {}
    repo = alice.create_repo(f"alice/odd-{kind}-{number}", repo_type=kind, **sdk).repo_id
    card = CommitOperationAdd("card.bin", f"---\n{ODD_CARDS[number]}---\n# Odd\n".encode())
    alice.create_commit(repo, [card], commit_message="x", repo_type=kind)
    alice.create_commit(repo, [CommitOperationCopy("card.bin", "README.md")], commit_message="y", repo_type=kind)
    prefix = "" if kind == "model" else f"{kind}s/"
    for tab in ("", "/viewer", "/tree/main", "/commits/main", "/discussions"):
        answer = web.get(f"/{prefix}{repo}{tab}")
        assert answer.status_code == 200, tab
        assert "$(x)" not in answer.text
    assert f"odd-{kind}-{number}" in web.get("/", params={"q": f"odd-{kind}"}).text


def test_a_space_is_run_elsewhere_with_the_models_its_card_names(web, alice):
    alice.create_repo("alice/shown-space", repo_type="space", space_sdk="gradio")
    card = b"---\nsdk: gradio\nmodels: [alice/one, alice/two]\n---\n"
    alice.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id="alice/shown-space", repo_type="space")
    page = html.unescape(web.get("/spaces/alice/shown-space").text)
    assert "ytaudio demo \\\n  --model alice/one \\\n  --model alice/two" in page


def test_a_long_folder_comes_in_pages(web, alice, repo, monkeypatch):
    from ytaudio.localhub import browsing

    monkeypatch.setattr(browsing, "_FILES", 3)
    files = [CommitOperationAdd(f"d/{i}.txt", b"x") for i in range(7)]
    alice.create_commit(repo, files, commit_message="files")
    last = web.get(f"/{repo}/tree/main/d", params={"page": 3}).text
    assert re.findall(r">(\d\.txt)</a>", last) == ["6.txt"]
    assert "Page 3 of 3" in last


def test_no_page_can_be_framed_and_none_says_where_it_was_read(web, shown):
    for path in ("/", "/login", shown, f"{shown}/viewer", f"{shown}/tree/main"):
        headers = web.get(path).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"


def test_a_files_name_stays_within_its_header(web, alice, repo):
    name = "a\";\u2028 b'=ü.txt"
    alice.upload_file(path_or_fileobj=b"x", path_in_repo=name, repo_id=repo)
    disposition = web.get(f"/{repo}/resolve/main/{quote(name)}").headers["content-disposition"]
    assert disposition == f"inline; filename*=UTF-8''{quote(name)}; filename=\"a';? b'=?.txt\";"


def _luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2.2 defines it."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_words_stand_out_in_both_schemes(web):
    style = web.get("/-/style.css").text
    schemes = [dict(re.findall(r"--([\w-]+): (#\w+);", block)) for block in style.split("@media")[:2]]
    pairs = [(ink, ground) for ink in ("ink", "quiet", "link", "wrong", "good") for ground in ("page", "soft")]
    pairs += [("on-kind", kind) for kind in ("model", "dataset", "space")]
    pairs += [("page", "link"), ("ink", "asked"), ("quiet", "asked")]
    for colours in schemes:
        assert len(colours) > 10
        for ink, ground in pairs:
            dark, light = sorted((_luminance(colours[ink]), _luminance(colours[ground])))
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, ground, colours[ink], colours[ground])
