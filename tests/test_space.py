import asyncio
import io
import json
import os
import socket
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from demo_world import DATASET, FIRST, SECOND, publish
from huggingface_hub import HfApi
from making import LABELS, dataset_folder, model_folder, scores_of, tone, training_run
from PIL import Image

from ytaudio.classifier import Answer, Part, Timeline
from ytaudio.cli import app as cli
from ytaudio.clips import SAMPLING_RATE, Window, decode, encode
from ytaudio.errors import UserError
from ytaudio.listening import Heard
from ytaudio.media import Access, Reason
from ytaudio.space import asking, door, uploads, words
from ytaudio.space.asking import Panel, Told, youtube_address
from ytaudio.space.door import Door
from ytaudio.space.facts import known_of, source_of_examples
from ytaudio.space.local import free_port
from ytaudio.space.picture import HEIGHT, WIDTH, spectrogram
from ytaudio.space.samples import LONGEST_S, examples_of
from ytaudio.space.settings import Asked, Demo, Example, Measured
from ytaudio.space.uploads import forget

HOSTILE = '<img src=x onerror="alert(1)">'
HEARD = Heard("x", HOSTILE, 95.0, tuple(Window(10.0 * n, 5.0) for n in range(3)), (np.zeros(80_000, np.float32),) * 3)


def asked(name="a/b", labels=LABELS, **told):
    return Asked(name, "c0ffee", False, labels, **told)


@pytest.fixture(scope="module")
def world(hub, tmp_path_factory):
    publish(tmp_path_factory.mktemp("world"))


@pytest.mark.parametrize(
    "link",
    [
        "abcdefghijk",
        "https://youtu.be/abcdefghijk?t=3",
        "m.youtube.com/watch?v=abcdefghijk",
        " https://www.youtube.com/shorts/abcdefghijk ",
    ],
)
def test_every_spelling_of_a_youtube_link_is_one_address(link):
    assert youtube_address(link) == "https://www.youtube.com/watch?v=abcdefghijk"


@pytest.mark.parametrize(
    "link",
    [
        "http://169.254.169.254/latest/meta-data/",
        "https://youtube.com@127.0.0.1/watch?v=abcdefghijk",
        "https://notyoutube.com/watch?v=abcdefghijk",
        "data:audio/wav;base64,AAAA",
        "ytsearch:food",
        "../../etc/passwd",
        "https://www.youtube.com/watch?v=short",
    ],
)
def test_any_other_link_is_refused_with_a_sentence(link):
    with pytest.raises(ValueError, match=r"no link to a YouTube video|the link of one video"):
        youtube_address(link)


def test_every_reason_has_a_sentence_for_a_visitor():
    assert set(words.SENTENCES) == set(Reason)
    assert all(sentence.endswith(".") for sentence in words.SENTENCES.values())


def test_nothing_that_comes_from_elsewhere_is_markup():
    model = asked(
        HOSTILE, (HOSTILE, "food"), dataset=HOSTILE, measured=Measured(0.5, None, None, HOSTILE, HOSTILE, HOSTILE)
    )
    demo = Demo((model,), (Example("0.flac", HOSTILE, HOSTILE, 0.0),), HOSTILE)
    parts = (Part(0.0, 5.0, {HOSTILE: 0.9, "food": 0.1}, -20.0), Part(5.0, 5.0, {}, -90.0))
    told = Timeline(parts, Answer({HOSTILE: 0.9, "food": 0.1}, 1, 1), 10.0)
    said = [
        words.head("Title", demo),
        words.examples(demo),
        words.nothing_yet(demo),
        words.limits(demo, "100 MB"),
        words.heard(words.of_example(demo.examples[0]), 'https://x/"><script>', HEARD, b"png"),
        words.heard(HOSTILE, "", HEARD, b"png"),
        words.answer(model, told, words.colors_of(demo), 'https://x/"><script>'),
        words.answer(model, HOSTILE, words.colors_of(demo)),
        words.message(HOSTILE),
    ]
    for html in said:
        assert "onerror" not in html or "&lt;img" in html
        assert "<img src=x" not in html and "<script>" not in html
    assert "0:05 silent" in said[6] and said[6].count("<li title=") == 2


def test_what_is_known_of_a_model_is_said_and_what_is_not_known_too():
    measured = Measured(0.8333, 0.7, 0.92, "44 videos of 12 channels", "test", "a/data")
    demo = Demo((asked("a/one", dataset="a/data", trained_videos=412, measured=measured), asked("a/two", ("cats",))))
    said = words.limits(demo, "100 MB")
    assert "trained on 412 videos of a/data" in said
    assert "right for 83 % of 44 videos of 12 channels (split test), 95 % interval 70 % to 92 %" in said
    assert "nobody has measured how often it is right" in said and "know different ones" in said
    assert len(set(words.colors_of(demo).values())) == 4


def test_a_long_answer_is_cut_and_one_piece_has_no_timeline():
    labels = tuple(f"label {number}" for number in range(13))
    model, shares = asked(labels=labels), dict.fromkeys(labels, 1 / 13)
    told = Timeline((Part(0.0, 5.0, shares, -20.0),), Answer(shares, 1, 1), 5.0)
    said = words.answer(model, told, words.colors_of(Demo((model,))))
    assert said.count("yta-share") == 10 and "and 3 more" in said
    assert "yta-timeline" not in said and "one piece" in said


def test_a_model_that_cannot_answer_leaves_the_others_theirs(tmp_path, monkeypatch):
    clip = tmp_path / "tone.flac"
    clip.write_bytes(encode(tone(0, 1)))
    folder = str(model_folder(tmp_path / "model"))
    panel = Panel(Demo((Asked(folder, "", False, LABELS),) * 2))
    with torch.no_grad():
        panel.models[0].model.classifier.bias.fill_(float("nan"))
    first, second = panel.ask(str(clip)).timelines
    assert "answers with no number" in first and isinstance(second, Timeline)


def test_the_picture_shows_pitch_and_has_a_gap_between_pieces():
    low, high = (np.sin(2 * np.pi * hz * np.arange(SAMPLING_RATE) / SAMPLING_RATE) for hz in (200.0, 4000.0))
    shown = np.asarray(Image.open(io.BytesIO(spectrogram([low.astype(np.float32), high.astype(np.float32)]))))
    assert shown.shape[0] == HEIGHT and abs(shown.shape[1] - WIDTH) < 4 and shown.shape[2] == 4
    half = shown.shape[1] // 2
    assert (shown[:, half, 3] == 0).all() and (shown[:, : half - 3, 3] == 255).all()
    loudest = shown[:, :, :3].sum(axis=2)[:, [half // 2, half + half // 2]].argmax(axis=0)
    assert loudest[0] > HEIGHT * 0.6 and loudest[1] < HEIGHT * 0.3
    assert spectrogram([np.zeros(100, np.float32)])[:4] == b"\x89PNG"


def test_one_reading_serves_all_models_and_a_missing_one_is_a_sentence(tmp_path):
    clip = tmp_path / "tone.flac"
    clip.write_bytes(encode(tone(0, 1, seconds=4.0)))
    folder = str(model_folder(tmp_path / "model"))
    gone = Asked(str(tmp_path / "gone"), "", False, ("cats",))
    panel = Panel(Demo((Asked(folder, "", False, LABELS), gone)))
    told = panel.ask(str(clip))
    assert isinstance(told, Told) and set(told.timelines[0].answer.probabilities) == set(LABELS)
    assert "There is no folder" in told.timelines[1]
    longer = training_run(crop_seconds=3.0)
    longer.save(model_folder(tmp_path / "longer"))
    panel = Panel(Demo((Asked(folder, "", False, LABELS), Asked(str(tmp_path / "longer"), "", False, LABELS))))
    assert panel.ask(str(clip)).heard.windows[0].seconds == 3.0, "what is read is enough for every model"
    assert Panel(Demo((gone,))).ask(str(clip)).startswith("No model can be asked")
    (tmp_path / "empty.wav").write_bytes(b"")
    assert panel.ask(str(tmp_path / "empty.wav")) == words.SENTENCES[Reason.NO_AUDIO]


def test_a_question_that_takes_too_long_is_given_up(monkeypatch):
    hold = threading.Event()
    monkeypatch.setattr(asking, "DEADLINE_S", 0.05)
    asked = []
    monkeypatch.setattr(Panel, "_told", lambda self, source: asked.append(source) or hold.wait(10))
    panel = Panel(Demo(()), at_a_time=1, access=Access())
    said = [panel.ask(source) for source in ("x", "y")]
    hold.set()
    panel._threads.shutdown()
    assert all("It took longer than" in one for one in said) and asked == ["x"], "who has left is not answered"


def test_a_visitor_waits_less_for_a_site_than_a_collection_does():
    access = Panel(Demo(()), access=Access(allow_private_hosts=True))._access
    assert access.allow_private_hosts and access.pages_s < asking.DEADLINE_S and access.timeout_s < Access().timeout_s


def test_a_demo_knows_what_repositories_tell(world):
    first, second = known_of(FIRST), known_of(SECOND)
    assert first.labels == LABELS and first.revision == HfApi().model_info(FIRST).sha
    assert (first.dataset, first.trained_videos) == (DATASET, 6)
    assert (first.measured.accuracy, first.measured.split) == (0.75, "test")
    assert second.measured is None and second.trained_videos is None and not second.trust_remote_code
    assert source_of_examples(SECOND) == ("", "")


def test_results_of_strangers_are_read_from_their_own_form(world):
    api = HfApi()
    api.create_repo("tester/stranger", exist_ok=True)
    result = "- dataset:\n    id: their/data\n    task_id: accuracy\n  value: 87.5\n"
    api.upload_file(path_or_fileobj=result.encode(), path_in_repo=".eval_results/a.yaml", repo_id="tester/stranger")
    for name in ("config.json", "preprocessor_config.json"):
        there = api.hf_hub_download(FIRST, name)
        api.upload_file(path_or_fileobj=there, path_in_repo=name, repo_id="tester/stranger")
    api.upload_file(path_or_fileobj=b"[1, 2", path_in_repo="training_run.json", repo_id="tester/stranger")
    assert known_of("tester/stranger").measured == Measured(0.875, None, None, "", "", "their/data")


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("scores.json", {"accuracy": "99"}),
        ("scores.json", {"accuracy": float("nan")}),
        ("scores.json", {"accuracy": 7.0}),
        ("scores.json", {"split": ["test"]}),
        ("scores.json", {"dataset_id": 5}),
        ("training_run.json", {"dataset_id": 5}),
        ("training_run.json", {"dataset_revision": ["main"]}),
    ],
)
def test_records_of_another_type_are_not_known(tmp_path, file, changes):
    folder = model_folder(tmp_path / "model")
    scores_of([0, 1, 2, 0], [0, 1, 2, 1]).save(folder)
    training_run(dataset_id="tester/data", dataset_revision="c0ffee").save(folder)
    (folder / file).write_text(json.dumps({**json.loads((folder / file).read_text()), **changes}))
    known = known_of(str(folder))
    assert (known.measured is None) == (file == "scores.json")
    assert known.dataset == ("" if file == "training_run.json" else "tester/data")


def test_a_model_of_the_hub_does_not_name_a_folder_of_this_machine(world, tmp_path):
    data = dataset_folder(tmp_path / "data", {"test": 3}) / "dataset"
    folder = model_folder(tmp_path / "model")
    training_run(dataset_id=str(data), dataset_revision="").save(folder)
    assert source_of_examples(str(folder)) == (str(data), "")
    HfApi().create_repo("tester/of-a-folder")
    HfApi().upload_folder(repo_id="tester/of-a-folder", folder_path=folder)
    assert source_of_examples("tester/of-a-folder") == ("", "")


def test_examples_are_one_a_class_and_cut(tmp_path):
    data = dataset_folder(tmp_path / "data", {"validation": 6}, seconds=LONGEST_S + 1)
    found, clips, about = examples_of(str(data), "", ("food", "travel", "cats"))
    assert [example.label for example in found] == ["food", "travel"] and "split validation" in about
    assert all(decode(clips[example.file]).size == LONGEST_S * SAMPLING_RATE for example in found)
    assert found[0].url.startswith("https://www.youtube.com/watch?v=")
    shard = data / "dataset" / "data" / "validation-00000-of-00001.parquet"
    first = pq.read_table(shard).to_pylist()[2]  # of food, after the two clips of the video before
    assert (found[0].url, found[0].start_s) == (first["url"], first["start_s"])


def test_what_a_dataset_calls_a_link_is_one_or_left_out(tmp_path):
    data = dataset_folder(tmp_path / "data", {"test": 1}) / "dataset"
    (shard,) = (data / "data").glob("*.parquet")
    table = pq.read_table(shard)
    at = table.schema.get_field_index("url")
    for url in ("javascript:alert(1)", 'https://x/"><script>', "https://x/) [y](z"):
        pq.write_table(table.set_column(at, table.schema.field(at), pa.array([url] * len(table))), shard)
        assert [one.url for one in examples_of(str(data), "", LABELS)[0]] == [""]


def test_a_row_group_beyond_measure_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("ytaudio.space.samples._LARGEST_GROUP", 1000)
    data = dataset_folder(tmp_path / "data", {"test": 3})
    assert examples_of(str(data), "", LABELS)[:2] == ((), {})


def test_no_examples_is_a_sentence(world, tmp_path):
    (tmp_path / "odd" / "data").mkdir(parents=True)
    (tmp_path / "odd" / "data" / "test-00000-of-00001.parquet").write_bytes(b"PAR1 nonsense PAR1")
    for dataset, revision in (("", ""), ("tester/none", "c0ffee"), (str(tmp_path / "odd"), ""), ("a/folder/far", "")):
        found, clips, about = examples_of(dataset, revision, LABELS)
        assert found == () and clips == {} and about.startswith("There are no example clips") and about.endswith(".")
        assert str(tmp_path) not in about


def through(path, method="GET", kept=Path("nowhere"), on_loopback=False, **headers):
    """The status that the door gives, 200 for what it lets through, and its headers."""
    sent = []

    async def inner(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message):
        sent.append(message)

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "path": path, "method": method, "headers": raw, "root_path": ""}
    asyncio.run(Door(inner, 100 << 20, kept, on_loopback)(scope, None, send))
    return sent[0]["status"], dict(sent[0]["headers"])


@pytest.mark.parametrize(
    ("path", "method", "length", "status"),
    [
        ("/", "GET", "", 200),
        ("/assets/index.js", "GET", "", 200),
        ("/gradio_api/file=/uploads/hash/a: b.wav", "GET", "", 200),
        ("/gradio_api/file=https://example.com/a.wav", "GET", "", 404),
        ("/gradio_api/upload", "POST", str(90 << 20), 200),
        ("/gradio_api/upload", "POST", str(102 << 20), 413),
        ("/gradio_api/upload", "POST", "", 200),
        ("/gradio_api/queue/join", "POST", "100", 200),
        ("/gradio_api/queue/join", "POST", str(2 << 20), 413),
        ("/gradio_api/process_recording", "POST", "100", 404),
        ("/gradio_api/vibe-edit", "POST", "100", 404),
        ("/monitoring/summary", "GET", "", 404),
        ("/gradio_api/proxy=https://example.com/", "GET", "", 404),
    ],
)
def test_the_door(path, method, length, status):
    assert through(path, method, **({"content_length": length} if length else {}))[0] == status


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("127.0.0.1:7860", "", 200),
        ("[::1]:7860", "http://[::1]:7860", 200),
        ("localhost:7860", "http://localhost:7860", 200),
        ("evil.example:7860", "http://evil.example:7860", 421),
        ("127.0.0.1.evil.example", "", 421),
        ("", "", 421),
        ("[", "", 421),
        ("127.0.0.1:7860", "http://evil.example", 403),
        ("127.0.0.1:7860", "http://127.0.0.1:8000", 403),
        ("127.0.0.1:7860", "null", 403),
    ],
)
def test_other_pages_do_not_ask_a_demo_of_this_machine_alone(host, origin, status):
    headers = {"host": host} | ({"origin": origin} if origin else {})
    assert through("/gradio_api/queue/join", "POST", on_loopback=True, **headers)[0] == status
    assert through("/config", on_loopback=True, host=host)[0] == (421 if status == 421 else 200)
    assert through("/gradio_api/queue/join", "POST", **headers)[0] == 200


def test_a_body_without_a_length_is_cut_where_it_grows_too_large():
    heard = []

    async def reading(scope, receive, send):
        while (message := await receive())["type"] == "http.request":
            heard.append(message["body"])

    async def endless():
        return {"type": "http.request", "body": b"x" * (1 << 18), "more_body": True}

    scope = {"type": "http", "path": "/gradio_api/queue/join", "method": "POST", "headers": [], "root_path": ""}
    asyncio.run(Door(reading, 100 << 20, Path("nowhere"))(scope, endless, None))
    assert sum(map(len, heard)) == 1 << 20


def test_the_disk_is_not_filled_with_uploads(monkeypatch, tmp_path):
    (tmp_path / "hash").mkdir()
    (tmp_path / "hash" / "sound.wav").write_bytes(b"x" * 1000)
    monkeypatch.setattr(door, "MOST_KEPT", 2 << 20)
    assert through("/gradio_api/upload", "POST", tmp_path, content_length=str(2 << 20))[0] == 507
    assert through("/gradio_api/upload", "POST", tmp_path, content_length="1000")[0] == 200
    monkeypatch.setattr(door, "MOST_FILES", 1)
    assert through("/gradio_api/upload", "POST", tmp_path, content_length="1000")[0] == 507


def test_what_an_upload_left_half_way_is_deleted_in_time_with_its_folders(tmp_path):
    old = time.time() - uploads.KEPT_S - 1
    for name in ("tmpcut", "hash/fresh", "gone/"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).write_bytes(b"x" * 100)
    for path in ("tmpcut", "hash", "gone"):
        os.utime(tmp_path / path, (old, old))
    size, number = uploads.kept_below(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["fresh", "hash"]
    assert size == 100 and number == 1
    for path in ("hash/fresh", "hash"):
        os.utime(tmp_path / path, (old, old))
        uploads.kept_below(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_two_visitors_with_one_file_have_an_upload_each():
    first, second = (uploads.OwnUpload(io.BytesIO(b"x"), filename="lesson.wav") for _ in range(2))
    for upload in (first, second):
        upload.sha.update(b"x")
    assert first.sha.hexdigest() != second.sha.hexdigest()


@pytest.mark.parametrize(
    "path", ["http://127.0.0.1:9/secret", "https://www.youtube.com/watch?v=abcdefghijk", "gone.wav"]
)
def test_a_field_for_files_takes_no_address_even_of_a_stream(path):
    with pytest.raises(gr.Error, match=r"uploaded here, not fetched|not here any more"):
        uploads.uploads_only(gr.File()).preprocess(SimpleNamespace(path=path, is_stream=True))


def test_the_page_may_fetch_from_itself_alone():
    policy = through("/")[1][b"content-security-policy"].decode()
    assert policy.startswith("default-src 'self';") and "http" not in policy and "*" not in policy


def test_an_upload_is_forgotten_with_its_folder(tmp_path):
    upload = tmp_path / "hash" / "sound.wav"
    upload.parent.mkdir()
    upload.write_bytes(b"x")
    forget(str(upload))
    forget(str(upload))
    (tmp_path / "other").write_bytes(b"x")
    forget(str(tmp_path / "gone"))
    (tmp_path / "other").unlink()
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UserError, match="give another --port"):
        free_port("127.0.0.1", taken.getsockname()[1])
    assert free_port("127.0.0.1", 0) > 0


def test_without_gradio_the_demo_names_what_to_install(monkeypatch):
    monkeypatch.setattr("ytaudio.cli.showing.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r'pip install "ytaudio\[demo\]"'):
        cli(["demo", "--model", "a/b"], standalone_mode=False)


def test_settings_read_back_as_they_were(tmp_path):
    measured = Measured(0.5, 0.1, 0.9, "4 videos", "test", "a/data")
    demo = Demo((asked(measured=measured), asked("c/d")), (Example("0.flac", "food", "", 1.5),), "Clips.")
    (tmp_path / "demo.json").write_text(demo.to_json())
    assert Demo.load(tmp_path) == demo and json.loads(demo.to_json())["models"][0]["name"] == "a/b"
    assert Path(words.STYLE).is_file()
