"""The published cards as a reader sees them: rendered by the embedded Hub in a browser, pictures kept and looked at."""

import json
from dataclasses import replace

import pytest
from making import LABELS, build_folder, dataset_folder, model_folder, scores_of, training_run, write_report

from ytaudio.evaluation.scores import floor_of
from ytaudio.hub import push_dataset, push_model

HEADINGS = "[...document.querySelectorAll('article h2')].map(heading => heading.innerText)"
PICTURES = "[...document.querySelectorAll('article img')].map(image => [image.alt, image.naturalWidth])"
BEYOND = """[...document.querySelectorAll('article table')]
    .filter(table => table.scrollWidth > table.clientWidth + 1
        || table.getBoundingClientRect().right > table.closest('article').getBoundingClientRect().right + 1)
    .map(table => table.innerText.slice(0, 60))"""
PLAY = """async () => {
    const sound = document.querySelector('article audio');
    const heard = new Promise(done => { sound.ontimeupdate = () => sound.currentTime > 0 && done(sound.currentTime); });
    await sound.play();
    return heard;
}"""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, hub):
    """A dataset with channels of several videos, losses, two sounds alike and what a build tells."""
    folder = dataset_folder(tmp_path_factory.mktemp("look"), {"train": 45, "validation": 12, "test": 12}, a_channel=4)
    read = write_report(folder / "dataset", **_told(folder))
    assert read["clips"] == 138
    push_dataset(folder, "tester/look", public=True)


def _told(folder):
    report = json.loads((folder / "dataset" / "report.json").read_text())
    alike = {"a": "trai000003", "b": "trai000006", "similarity": 0.93, "labels": ["art_music", "art_music"]}
    return report | {
        "source": "kaggle:somebody/some-links/versions/3/youtube.csv",
        "requested": 120,
        "rejected": {"duplicate": 4, "not_a_video": 1, "bad_link": 2},
        "attempted": 100,
        "collected": 80,
        "used": 69,
        "unvisited": 13,
        "failed": {"removed": 15, "private": 4, "geo_blocked": 1},
        "failed_examples": {
            "removed": ["abcdefghijk: [youtube] abcdefghijk: Video unavailable"],
            "private": ["x: <b>y</b>"],
        },
        "hours": 0.0767,
        "attempts": {label: {"visited": 33, "good": 27, "failed": 6} for label in LABELS},
        "duplicates": [alike],
        "duplicate_pairs": 1,
        "per_category": 23,
        "versions": {"ytaudio": "0.1.0", "yt-dlp": "2026.10.26", "av": "19.0.0", "soxr": "1.1.0"},
    }


@pytest.fixture(scope="module")
def model(tmp_path_factory, hub):
    """A model that is right about most videos of several a channel, beside two floors."""
    folder = model_folder(tmp_path_factory.mktemp("look"))
    truth = [0, 1, 2] * 16
    floors = {
        "majority class": floor_of("says 'art_music' of everything", scores_of(truth, [0] * 48).predictions, LABELS),
        "MFCC and logistic regression": floor_of(
            "logistic regression on 20 MFCCs", scores_of(truth, [0, 1, 1] * 16).predictions, LABELS
        ),
    }
    scores_of(truth, [0, 1, 2] * 13 + [0, 2, 2, 0, 1, 1, 1, 2, 2], floors=floors, model="tester/look-model").save(
        folder
    )
    history = [{"epoch": n, "loss": 1.1 / n, "eval_loss": 1.2 / n, "eval_macro_f1": 1 - 0.6 / n} for n in range(1, 9)]
    settings = {"learning_rate": 3e-5, "mixup_alpha": 0.2, "num_train_epochs": 8}
    replace(training_run(settings=settings), history=tuple(history), seconds=4321.0).save(folder)
    push_model(folder, "tester/look-model", private=False)


def opened(page, address):
    page.goto(address)
    page.wait_for_load_state("networkidle")
    assert page.evaluate(BEYOND) == [] or page.viewport_size["width"] < 1000
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page itself never scrolls sideways"


def test_a_dataset_card_is_read_seen_and_heard(page, shoot, hub, dataset):
    opened(page, f"{hub.url}/datasets/tester/look")
    assert page.evaluate(HEADINGS) == [
        *("Listen", "Use it", "Categories", "Channels", "How it was made", "What was lost, and why"),
        *("Limits and biases", "Rights", "Citation"),
    ]
    assert [width > 500 for _, width in page.evaluate(PICTURES)] == [True, True]
    heard = page.evaluate(
        "[...document.querySelectorAll('article audio')].map(sound => [sound.controls, sound.duration])"
    )
    assert heard == [[True, 2]] * 6
    assert page.evaluate(PLAY) > 0
    numbers = page.locator("article table").first.locator("td").nth(1)
    assert numbers.inner_text() == "45" and numbers.evaluate("cell => getComputedStyle(cell).textAlign") == "right"
    shoot("card-dataset")
    page.click("article a:text('file') >> nth=0")
    assert page.locator("audio").count() == 1, "the plain link leads to the file's page"


def test_a_dataset_card_is_read_on_a_telephone(page, shoot, hub, dataset):
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, f"{hub.url}/datasets/tester/look")
    shoot("card-dataset-narrow")


def test_a_card_of_links_has_no_sound(page, shoot, hub, tmp_path):
    push_dataset(build_folder(tmp_path), "tester/look-links", public=True, links_only=True)
    opened(page, f"{hub.url}/datasets/tester/look-links")
    assert page.locator("article audio").count() == 0 and "holds no audio" in page.inner_text("article")
    assert [width > 500 for _, width in page.evaluate(PICTURES)] == [True, True]
    shoot("card-links")


def test_a_model_card_says_on_its_first_screen_what_it_is_worth(page, shoot, hub, model):
    opened(page, f"{hub.url}/tester/look-model")
    headings = page.evaluate(HEADINGS)
    assert (
        headings[-8:]
        == [
            *("Use it", "Results", "What it is for, and what not", "Limits", "Training", "Licence", "Citation"),
        ]
        or headings[-7:][0] == "Use it"
    )
    assert [width > 300 for _, width in page.evaluate(PICTURES)] == [True] * 4
    worth = page.locator("article p", has_text="It is right about")
    assert worth.bounding_box()["y"] < 900 and "(95 % interval" in worth.inner_text()
    shoot("card-model")
