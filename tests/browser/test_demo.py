import json
import signal
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import soundfile
from demo_world import DATASET, FIRST, GONE, PYTHON, SECOND, SILENT, VIDEO, ask, publish, start
from making import LABELS, tone
from playwright.sync_api import expect

from ytaudio.clips import SAMPLING_RATE
from ytaudio.testing import MediaSite

LISTENING = 30_000  # ms, for an answer


@pytest.fixture(scope="module")
def uploads(tmp_path_factory):
    """Where the demo's process has its temporary files."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def demo(hub, uploads, tmp_path_factory):
    """The address of `ytaudio demo`, whose YouTube is a site on loopback; at its end nothing of it is left."""
    place = tmp_path_factory.mktemp("demo")
    publish(place)
    words = [PYTHON, "-m", "ytaudio.cli", "demo", "--model", FIRST, "--model", SECOND, "--port", "0"]
    with MediaSite([VIDEO, GONE, SILENT]) as site:
        log, world = place / "log", {**site.environment(), "TMPDIR": str(uploads)}
        process, address = start([*words, "--allow-private-hosts"], log, world)
        yield address
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    said = log.read_text()
    assert "nothing that it was given is left" in said
    assert said.count("Traceback") == said.count("exceptions.InvalidPathError")  # which Gradio tells of forged uploads
    assert list(uploads.iterdir()) == []


@pytest.fixture
def opened(demo, page):
    """The demo in the browser; what the page asks of others than the demo fails the test."""
    elsewhere = []
    page.on(
        "request", lambda request: request.url.startswith((demo, "data:", "blob:")) or elsewhere.append(request.url)
    )
    page.goto(demo)
    expect(page.locator("#heard")).to_contain_text(f"{FIRST} and {SECOND} answer here")
    yield page
    assert elsewhere == []


@pytest.fixture
def sound(tmp_path):
    path = tmp_path / "my <b>tone.wav"
    soundfile.write(path, tone(1, 3, seconds=5.0), SAMPLING_RATE)
    return path


def left(uploads: Path) -> list[str]:
    return [path.name for path in uploads.rglob("uploads/**/*") if path.is_file()]


def answers(page) -> dict[str, str]:
    """Each model's name to its first choice, once all have answered."""
    expect(page.locator(".yta-best")).to_have_count(2, timeout=LISTENING)
    names = page.locator(".yta-model").all_inner_texts()
    return dict(zip(names, page.locator(".yta-best b").all_inner_texts(), strict=True))


def say(page, link: str, expected: str) -> None:
    page.get_by_role("tab", name="YouTube link").click()
    page.get_by_label("Link", exact=True).fill(link)
    page.get_by_role("button", name="Listen to the video").click()
    expect(page.locator("#heard")).to_contain_text(expected, timeout=LISTENING)


def test_a_file_is_answered_by_both_models_and_deleted(opened, uploads, sound):
    opened.locator("input[type=file]").first.set_input_files(sound)
    expect(opened.locator(".file-preview")).to_contain_text("tone")
    assert len(left(uploads)) == 1
    opened.get_by_role("button", name="Listen to the file").click()
    said = answers(opened)
    assert set(said) == {FIRST, SECOND} and set(said.values()) <= set(LABELS)
    assert opened.locator(".yta-bars li").count() == 2 * len(LABELS)
    shares = [int(share.rstrip(" %").lstrip("<")) for share in opened.locator(".yta-share").all_inner_texts()]
    assert abs(sum(shares) - 200) <= 4
    assert opened.locator(".yta-picture img").evaluate("image => image.naturalWidth") > 900
    expect(opened.get_by_text("Drop File Here")).to_be_visible()  # emptied for the next one
    assert left(uploads) == []
    opened.get_by_role("button", name="Listen to the file").click()
    expect(opened.get_by_role("alert")).to_contain_text("There is no sound yet")
    assert opened.locator(".yta-best").count() == 0


def test_an_example_is_a_click(opened):
    expect(opened.locator(".yta-note")).to_contain_text(f"Clips of {DATASET} that training has not heard")
    opened.get_by_role("button", name="travel", exact=True).click()
    assert set(answers(opened)) == {FIRST, SECOND}
    expect(opened.locator("#heard")).to_contain_text("its dataset calls “travel”")


def test_a_link_is_answered_and_its_timeline_leads_to_the_moments(opened, uploads):
    say(opened, f"https://youtu.be/{VIDEO.id}?si=x", "Coast <b>road</b> & rain, 1:35 long: 12 pieces of")
    assert len(answers(opened)) == 2
    cells = opened.locator(".yta-timeline").first.locator("li a")
    assert cells.count() == 12
    assert cells.nth(6).get_attribute("href") == f"https://www.youtube.com/watch?v={VIDEO.id}&t=51s"
    assert opened.locator("#heard a").get_attribute("rel") == "noopener noreferrer"
    assert left(uploads) == []


@pytest.mark.parametrize(
    ("link", "sentence"),
    [
        ("", "There is no link yet"),
        (["no text"], "There is no link yet"),
        ("http://127.0.0.1:7860/", "This is no link to a YouTube video"),
        ("file:///etc/passwd", "This is no link to a YouTube video"),
        ("/etc/passwd", "This is no link to a YouTube video"),
        ("https://youtube.com.evil.example/watch?v=abcdefghijk", "This is no link to a YouTube video"),
        ("https://vimeo.com/76979871", "This is no link to a YouTube video"),
        ("https://www.youtube.com/playlist?list=PL0123456789", "give the link of one video"),
        (GONE.id, "This video is gone"),
        (SILENT.id, "It is silent"),
    ],
)
def test_a_link_that_cannot_be_heard_is_a_sentence(demo, link, sentence):
    kind, said = ask(demo, link)
    assert kind == "error" and sentence in json.dumps(said) and "Traceback" not in json.dumps(said)


def test_the_page_shows_the_sentence(opened, shoot):
    say(opened, "http://127.0.0.1:7860/", "This is no link to a YouTube video")
    say(opened, GONE.id, "This video is gone, or it was never there")
    expect(opened.get_by_role("alert")).to_be_visible()
    shoot("demo-bad-link")


def test_a_file_without_sound_is_a_sentence(opened, uploads, tmp_path):
    (tmp_path / "words.mp3").write_text("#EXTM3U\nhttp://127.0.0.1:9/secret\n")
    opened.locator("input[type=file]").first.set_input_files(tmp_path / "words.mp3")
    opened.get_by_role("button", name="Listen to the file").click()
    expect(opened.get_by_role("alert")).to_contain_text("give an audio or video file", timeout=LISTENING)
    assert left(uploads) == []


def test_the_microphone_is_heard(opened, uploads):
    opened.get_by_role("tab", name="Microphone").click()
    opened.get_by_role("button", name="Record", exact=True).click()
    expect(opened.locator("time.duration")).to_have_text("0:01")  # of beeps, which the browser's test device makes
    with opened.expect_response(lambda answer: "/gradio_api/upload" in answer.url):
        opened.get_by_role("button", name="Stop", exact=True).click()
    expect(opened.get_by_role("button", name="Play", exact=True)).to_be_visible()
    opened.get_by_role("button", name="Listen to the recording").click()
    assert len(answers(opened)) == 2
    assert left(uploads) == []


def refused(request: urllib.request.Request | str) -> int:
    with pytest.raises(urllib.error.HTTPError) as told:
        urllib.request.urlopen(request, timeout=20)
    return told.value.code


def test_the_door_lets_in_what_the_page_needs_and_nothing_else(demo, uploads):
    with urllib.request.urlopen(f"{demo}/gradio_api/info") as answer:
        assert set(json.load(answer)["named_endpoints"]) == {"/ask"}
    for path in ("monitoring", "gradio_api/proxy=http://127.0.0.1/", "docs", "gradio_api/runs", "app.py", "demo.json"):
        assert refused(f"{demo}/{path}") == 404
    for path in ("/etc/passwd", "demo.json", str(next(uploads.glob("*/demo.json")))):
        assert refused(f"{demo}/gradio_api/file={path}") in (403, 404)
    for headers, status in (({"Host": "evil.example"}, 421), ({"Origin": "http://evil.example"}, 403)):
        assert refused(urllib.request.Request(f"{demo}/gradio_api/upload", b"x", headers)) == status
    large = urllib.request.Request(
        f"{demo}/gradio_api/call/ask", b"x" * (1 << 21), {"Content-Type": "application/json"}
    )
    assert refused(large) == 413


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/etc/passwd", "http://127.0.0.1:9/secret", f"https://youtu.be/{VIDEO.id}"])
def test_a_forged_upload_is_neither_read_nor_fetched(demo, uploads, path, stream):
    with urllib.request.urlopen(f"{demo}/config") as answer:
        asked = [
            each for each in json.load(answer)["dependencies"] if len(each["inputs"]) == 1 and len(each["outputs"]) == 4
        ]
    assert len(asked) == 2
    for each in asked:
        file = {"path": path, "meta": {"_type": "gradio.FileData"}, "orig_name": "a.wav", "is_stream": stream}
        body = json.dumps({"data": [file], "fn_index": each["id"], "session_hash": "forged"}).encode()
        request = urllib.request.Request(f"{demo}/gradio_api/queue/join", body, {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=20).close()
        with urllib.request.urlopen(f"{demo}/gradio_api/queue/data?session_hash=forged", timeout=20) as answer:
            events = answer.read().decode()
        assert '"success":false' in events.replace(" ", "") and "root:" not in events
        assert ("uploaded here, not fetched" in events) == path.startswith("http")
    assert left(uploads) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_read_on_wide_and_narrow_screens_by_day_and_by_night(opened, shoot, scheme):
    opened.emulate_media(color_scheme=scheme)
    opened.reload()
    expect(opened.locator("#heard")).to_contain_text("answer here")
    shoot(f"demo-1280-{scheme}-empty")
    say(opened, VIDEO.id, "Coast <b>road</b>")
    assert len(answers(opened)) == 2
    background = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background[4:-1].split(","))) < 380) == (scheme == "dark")
    for width in (1280, 390):
        opened.set_viewport_size({"width": width, "height": 900})
        assert opened.evaluate("document.documentElement.scrollWidth") <= width
        boxes = [answer.bounding_box() for answer in opened.locator(".yta-answer").all()]
        assert (boxes[0]["y"] == boxes[1]["y"]) == (width == 1280), "side by side where there is room"
        shoot(f"demo-{width}-{scheme}")
