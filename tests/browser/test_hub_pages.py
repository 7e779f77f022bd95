"""The embedded Hub's pages in a real browser: what people do there, and what a hostile repo can do to them: nothing."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pyarrow as pa
import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from parquets import MEDIA, flac, png, sounds, written

from ytaudio.localhub import LocalHub

ANNA, MALLORY = "hf_annaannaannaanna", "hf_mallorymallory"
SCRIPT = "<script>window.hacked = 1; alert(1)</script>"
CARD = """---
pretty_name: Clips
tags: [audio, bells]
configs:
- config_name: default
  data_files:
  - {split: train, path: "data/train-*.parquet"}
  - {split: test, path: "data/test-*.parquet"}
---
# Clips

Listen: <audio controls preload="none" src="examples/bell.flac"></audio>

| right | a long column that does not fit a telephone | and another one that is as long | and a third one of them |
|---:|---|---|---|
| 1 | 2 | 3 | 4 |
"""
HOSTILE = f"""---
tags: ['"><img src=x onerror=alert(1)>', audio]
license: '{SCRIPT}'
---
# Bad {SCRIPT}
<img src=x onerror="window.hacked=1"><img src="EVIL/pixel.png"><svg onload="window.hacked=1"></svg>
<iframe src="EVIL"></iframe><object data="evil.svg"></object><embed src="evil.svg">
<form action="EVIL"><input name=token><button>Sign in</button></form>
<meta http-equiv="refresh" content="0; url=EVIL"><base href="EVIL/">
<link rel="stylesheet" href="EVIL/x.css">
<style>@import "EVIL/y.css"; main {{display: none}}</style>
<div style="position:fixed;inset:0;background:url(EVIL/z.png)">cover</div>
<audio controls autoplay src="EVIL/a.flac"></audio><video autoplay src="EVIL/v.mp4"></video>
<a href="javascript:window.hacked=1" id="js">click</a> [j](javascript:window.hacked=1) [d](data:text/html,{SCRIPT})
<a href="evil.html" target="_top" onclick="window.hacked=1">page</a> ![t](evil.svg) <math><mtext></mtext></math>
"""
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" onload="window.hacked=1"><script>window.hacked=1</script>'
    '<image href="EVIL/i.png"/></svg>'
)
HARM = (
    "script, iframe, object, embed, base, link[rel=stylesheet]:not([href^='/-/']), meta[http-equiv=refresh], [style], "
    "[onload], [onerror], [onclick], video, form[action^=http], article [src^=http], a[href^=javascript]"
)
# other repos, files themselves, and pages that are the same at another commit or with another filter
BESIDE = re.compile(
    r"//[^/]+/(?!.*mallory)|/(?:resolve|cell)/|/(?:blob|tree|commits|viewer)/[0-9a-f]{40}|\.gitattributes|/viewer/main"
    r"|kind=|label=1|tag=(?:audio|gradio)|[^?]\?$"
)
EVIL_NAME = '"><img src=x onerror=alert(1)>.txt'


def commit(api: HfApi, repo: str, kind: str, files: dict[str, bytes], message: str = "data") -> None:
    api.create_repo(repo, repo_type=kind, exist_ok=True, **({"space_sdk": "gradio"} if kind == "space" else {}))
    operations = [CommitOperationAdd(path, content) for path, content in files.items()]
    api.create_commit(repo, operations, commit_message=message, repo_type=kind)


def results(value: float, notes: str) -> bytes:
    entries = [
        {"dataset": {"id": "anna/clips", "task_id": task}, "value": value, "notes": notes, "date": "2026-01-02"}
        for task in ("accuracy", "macro_f1")
    ]
    return json.dumps(entries).encode()  # JSON is YAML


class Elsewhere(BaseHTTPRequestHandler):
    """A server that is not the Hub, and remembers who called."""

    calls: list[str] = []  # noqa: RUF012  one server a run

    def do_GET(self) -> None:
        self.calls.append(self.path)
        self.send_error(404)

    do_POST = do_GET

    def log_message(self, *arguments: object) -> None:
        """Nothing on the screen."""


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def hub(tmp_path_factory, elsewhere) -> Iterator[LocalHub]:
    with LocalHub(tmp_path_factory.mktemp("pages") / "hub", users={ANNA: "anna", MALLORY: "mallory"}) as running:
        anna, mallory = (HfApi(endpoint=running.url, token=token) for token in (ANNA, MALLORY))
        clips = {
            "README.md": CARD.encode(),
            "eval.yaml": b"tasks:\n- id: accuracy\n- id: macro_f1\n",
            "examples/bell.flac": flac(1.5),
            "data/train-00000-of-00001.parquet": sounds(120),
            "data/test-00000-of-00001.parquet": sounds(3),
        }
        commit(anna, "anna/clips", "dataset", clips)
        for name, value, notes in (
            ("model-low", 0.4, "95 % interval 0.300 to 0.700"),
            ("model-high", 0.8, "95 % interval 0.600 to 0.900"),
        ):
            card = b"---\npipeline_tag: audio-classification\ndatasets: [anna/clips]\n---\n# A model\n"
            commit(anna, f"anna/{name}", "model", {"README.md": card, ".eval_results/x.yaml": results(value, notes)})
        space = b"---\nsdk: gradio\nmodels: [anna/model-high, anna/model-low]\n---\n# Demo\n"
        commit(anna, "anna/demo", "space", {"README.md": space})
        anna.create_repo("anna/diary", private=True)
        _fill_with_harm(mallory, elsewhere)
        yield running


def _fill_with_harm(api: HfApi, elsewhere: str) -> None:
    hostile, svg = HOSTILE.replace("EVIL", elsewhere), SVG.replace("EVIL", elsewhere)
    features = {
        SCRIPT: {"_type": "ClassLabel", "names": [SCRIPT, "b"]},
        "audio": {"_type": "Audio", "sampling_rate": SCRIPT},
    }
    html = pa.array([{"bytes": SCRIPT.encode(), "path": SCRIPT}, {"bytes": svg.encode(), "path": "x.svg"}], MEDIA)
    cells = {SCRIPT: [0, 1], "audio": html, "image": html, "text": [SCRIPT, "javascript:alert(1)"]}
    cells["nested"] = [[{"a": SCRIPT}], []]
    files = {
        "README.md": hostile.encode(),
        "evil.html": SCRIPT.encode(),
        "evil.svg": svg.encode(),
        EVIL_NAME: b"x",
        "eval.yaml": f"description: '{SCRIPT}'\ntasks: [{{id: '{SCRIPT}'}}, 5, [x]]\n".encode(),
        "train.parquet": written(cells, features),
        "cut.parquet": sounds(2)[:500],
    }
    commit(api, "mallory/bad", "dataset", files, message=f"{SCRIPT} title")
    notes = f"{SCRIPT} 95 % interval 0.1 to 0.2"
    entry = {"dataset": {"id": "mallory/bad", "task_id": SCRIPT, "revision": SCRIPT}, "value": 0.5, "notes": notes}
    card = (
        f"---\nmodel-index: [{{name: x, results: [{{dataset: {{type: '{SCRIPT}'}}, metrics: [{{value: 1}}]}}]}}]\n---\n"
    )
    model = {"README.md": card.encode(), ".eval_results/x.yaml": json.dumps([entry]).encode()}
    commit(api, "mallory/bad-model", "model", model)
    commit(
        api, "mallory/odd-space", "space", {"README.md": f"---\nsdk: gradio\nmodels: ['{SCRIPT}', 5]\n---\n".encode()}
    )
    opened = api.create_discussion("mallory/bad", title=SCRIPT, description=SCRIPT + hostile, repo_type="dataset")
    api.comment_discussion("mallory/bad", opened.num, comment=SCRIPT, repo_type="dataset")


@pytest.fixture
def watched(page, hub):
    """The page, and all that it did which a page of words must not do."""
    seen: list[str] = []
    page.on("dialog", lambda dialog: (seen.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on("popup", lambda popup: seen.append(f"popup {popup.url}"))
    Elsewhere.calls.clear()
    page.on("download", lambda download: seen.append(f"download {download.url}"))
    return page, seen


def links(page, hub) -> set[str]:
    found = page.eval_on_selector_all("a[href]", "links => links.map(link => link.href)")
    return {link.split("#")[0] for link in found if link.startswith(hub.url)}


def test_a_hostile_repo_runs_nothing_and_calls_nobody(watched, hub, shoot):
    page, seen = watched
    left = {f"{hub.url}/datasets/mallory/bad", f"{hub.url}/mallory/bad-model", f"{hub.url}/spaces/mallory/odd-space"}
    left |= {f"{hub.url}/datasets/mallory/bad/{tab}" for tab in ("viewer?file=train.parquet", "leaderboard")}
    left |= {f"{hub.url}/datasets/mallory/bad/blob/main/{path}" for path in ("evil.svg", "evil.html")}
    visited: set[str] = set()
    while left - visited:
        address = sorted(left - visited)[0]
        visited.add(address)
        answer = page.goto(address)
        assert answer.status < 500, address
        assert page.eval_on_selector_all(HARM, "all => all.map(one => one.outerHTML)") == [], address
        assert page.evaluate("window.hacked") is None, address
        assert page.url == address, "nothing navigates by itself"
        left |= {link for link in links(page, hub) if not BESIDE.search(link)}
    assert len(visited) > 25
    assert seen + Elsewhere.calls == []
    page.goto(f"{hub.url}/datasets/mallory/bad")
    page.click("#js, article a")
    assert page.evaluate("window.hacked") is None
    shoot("hub-hostile")


@pytest.mark.parametrize("path", ["resolve/main/evil.svg", "resolve/main/evil.html", "raw/main/evil.svg"])
def test_a_hostile_file_opened_by_itself_runs_nothing(watched, hub, path):
    page, seen = watched
    page.goto(f"{hub.url}/datasets/mallory/bad/{path}")
    assert page.evaluate("window.hacked") is None
    assert seen + Elsewhere.calls == []


def test_a_sound_plays_in_the_viewer_and_in_the_card(page, hub, shoot):
    for address in ("viewer?split=train", ""):
        page.goto(f"{hub.url}/datasets/anna/clips/{address}".rstrip("/"))
        assert page.eval_on_selector("audio", "sound => sound.preload") == "none"
        length = page.evaluate(
            """async () => {
                const sound = document.querySelector('audio');
                sound.muted = true;
                const moved = new Promise(done => {
                    sound.ontimeupdate = () => sound.currentTime > 0.1 && done();
                });
                await sound.play();
                await moved;
                return sound.duration;
            }"""
        )
        assert length == pytest.approx(1.5 if not address else 0.5, abs=0.05)
    shoot("hub-card")


def test_rows_by_clicking(page, hub, shoot):
    page.goto(f"{hub.url}/datasets/anna/clips")
    page.click("text=Viewer")
    shoot("hub-viewer")
    assert page.inner_text("tbody th") == "0"
    page.click("text=Next")
    assert page.inner_text("tbody th") == "50"
    page.click("text=Last")
    assert page.locator("tbody tr").count() == 20
    page.click("nav[aria-label=Split] >> text=test")
    assert page.locator("tbody tr").count() == 3
    page.click("nav[aria-label=Split] >> text=train")
    page.click("nav[aria-label=label] >> text=food")
    assert "60 rows" in page.inner_text("main")
    assert set(page.locator("tbody .tag").all_inner_texts()) == {"food"}
    page.click("nav[aria-label=label] >> text=all")
    page.fill("#row", "77")
    page.press("#row", "Enter")
    assert page.inner_text("tr.asked th") == "77"


def test_signing_in_by_hand(page, hub, shoot):
    page.goto(hub.url)
    assert "anna/diary" not in page.inner_text("main")
    assert "everybody may see" in page.inner_text("main")
    page.goto(f"{hub.url}/anna/diary")
    page.fill("#token", "hf_wrong")
    page.press("#token", "Enter")
    assert "not one of this Hub's tokens" in page.inner_text("[role=alert]")
    shoot("hub-login")
    page.fill("#token", ANNA)
    page.press("#token", "Enter")
    assert page.url == f"{hub.url}/anna/diary"
    page.goto(hub.url)
    assert "anna/diary" in page.inner_text("main")
    page.click("text=Sign out")
    assert "anna/diary" not in page.inner_text("main")


def test_finding_repositories(page, hub, shoot):
    page.goto(hub.url)
    shoot("hub-front")
    page.fill("input[type=search]", "MODEL high")
    page.press("input[type=search]", "Enter")
    assert page.locator(".repos .name a").all_inner_texts() == ["anna/model-high"]
    page.goto(hub.url)
    page.click("nav[aria-label=Kind] >> text=Datasets")
    assert set(page.locator(".repos .name a").all_inner_texts()) == {"anna/clips", "mallory/bad"}
    page.click(".tags >> text=bells")
    assert page.locator(".repos .name a").all_inner_texts() == ["anna/clips"]
    page.click("nav[aria-label=Kind] >> text=Spaces")
    assert "No space fits" in page.inner_text("main")
    page.click("text=Show all")
    assert page.locator(".repos li").count() == 7


def test_the_leaderboard_leads_to_its_models(page, hub, shoot):
    page.goto(f"{hub.url}/datasets/anna/clips")
    page.click("text=Leaderboard")
    assert page.locator("tbody th a").all_inner_texts() == ["anna/model-high", "anna/model-low"]
    assert "cannot be told apart" in page.inner_text("main")
    shoot("hub-leaderboard")
    page.click("text=anna/model-high")
    assert "0.600 to 0.900" in page.inner_text(".results")
    assert page.inner_text("aside a[href='/datasets/anna/clips']") == "anna/clips"


def test_a_space_says_how_to_run_it(page, hub):
    page.goto(f"{hub.url}/spaces/anna/demo")
    assert "ytaudio demo" in page.inner_text("aside")
    assert "--model anna/model-high" in page.inner_text("aside")


def test_an_empty_hub_says_how_to_fill_it(page, tmp_path, shoot):
    with LocalHub(tmp_path / "hub", users={ANNA: "anna"}) as empty:
        page.goto(empty.url)
        words = page.inner_text("main")
        for line in (f"export HF_ENDPOINT={empty.url}", "HF_HUB_DISABLE_XET", "ytaudio push dataset", "hf upload"):
            assert line in words
        shoot("hub-empty")


PATHS = (
    "/", "/login", "/nothing/here", "/datasets/anna/clips", "/datasets/anna/clips/viewer", "/anna/model-high",
    "/datasets/anna/clips/leaderboard", "/datasets/anna/clips/tree/main", "/datasets/anna/clips/commits/main",
    "/datasets/anna/clips/blob/main/eval.yaml", "/datasets/anna/clips/discussions", "/datasets/mallory/bad",
    "/datasets/mallory/bad/viewer?file=train.parquet", "/datasets/mallory/bad/discussions/1", "/spaces/anna/demo",
)  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_a_telephone_and_can_be_read_aloud(page, hub, scheme, shoot):
    page.set_viewport_size({"width": 390, "height": 800})
    page.emulate_media(color_scheme=scheme)
    for path in PATHS:
        page.goto(hub.url + path, wait_until="domcontentloaded")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        assert page.get_attribute("html", "lang") == "en"
        assert page.title()
        assert page.locator("main").count() == 1
        assert page.locator("h1:not(article h1)").count() == 1, path
        unnamed = "img:not([alt]):not(article img), audio:not(article audio):not([aria-label])"
        assert page.locator(unnamed).count() == 0, path
        labelled = (
            "[...document.querySelectorAll('input:not([type=hidden])')].every(i => i.labels.length || i.ariaLabel)"
        )
        assert page.evaluate(labelled), path
        if path in ("/", "/datasets/anna/clips/viewer", "/anna/model-high"):
            shoot(f"hub-{path.rsplit('/', 1)[-1] or 'front'}-390-{scheme}")


def test_by_keyboard_alone(page, hub):
    page.goto(f"{hub.url}/datasets/anna/clips")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    focused = "document.activeElement.closest('main') !== null && document.activeElement.matches(':focus-visible')"
    assert page.evaluate(focused)


def test_a_picture_of_rows_is_shown(page, hub):
    api = HfApi(endpoint=hub.url, token=ANNA)
    pictures = pa.array([{"bytes": png(40 * i), "path": None} for i in range(3)], MEDIA)
    commit(api, "anna/pictures", "dataset", {"train.parquet": written({"image": pictures})})
    page.goto(f"{hub.url}/datasets/anna/pictures/viewer")
    widths = "() => Promise.all([...document.images].map(image => image.decode().then(() => image.naturalWidth)))"
    assert page.evaluate(widths) == [12, 12, 12]
