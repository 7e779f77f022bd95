import re
import shlex
from dataclasses import replace

import pytest
import yaml
from huggingface_hub import DatasetCard, ModelCard, ModelCardData, constants
from making import COMMIT, LABELS, scores_of, training_run, write_report
from markdown_it import MarkdownIt

from ytaudio.cards import (
    Licence,
    dataset_card,
    dataset_plots,
    eval_results_yaml,
    eval_yaml,
    fenced,
    licence_in,
    licence_of,
    links_card,
    model_card,
    model_plots,
    redacted,
    text,
)
from ytaudio.cards.markup import short
from ytaudio.cards.reasons import FAILED, failed, refused
from ytaudio.channels import Channel, Channels, Spread
from ytaudio.evaluation.scores import floor_of
from ytaudio.examples import Example
from ytaudio.media import Reason

HOSTILE = (
    "| pipe |",
    "line\nbreak\n---\nlicense: mit",
    "<script>alert(1)</script>",
    "`code` ```",
    "[link](http://evil.example) ![x](y)",
    "{{ 7 * 7 }} {% raw %}",
    "- 'yes' : \"no\" # &a *b !!python/object",
    "**bold** _under_ ~gone~ $math$",
)
HARMLESS = {"text", "code_inline", "strong_open", "strong_close", "link_open", "link_close"}  # in a cell
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def report_of(tmp_path, labels=LABELS, **changes):
    counts = {label: {"videos": 4, "clips": 8, "channels": 3} for label in labels}
    splits = {"train": counts, "validation": counts, "test": counts}
    return write_report(tmp_path, labels=list(labels), splits=splits, **changes)


def tables(markdown: str) -> list[list[list[str]]]:
    """Tables as a reader sees them: rows of cells' text."""
    found: list[list[list[str]]] = []
    tokens = MARKDOWN.parse(markdown)
    for position, token in enumerate(tokens):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type in ("th_open", "td_open"):
            children = tokens[position + 1].children or []
            assert {child.type for child in children} <= HARMLESS, children
            found[-1][-1].append("".join(child.content for child in children))
    return found


def table(markdown: str, *headers: str) -> list[list[str]]:
    """The rows of the table whose first columns have these headers."""
    (rows,) = [rows for rows in tables(markdown) if rows[0][: len(headers)] == list(headers)]
    return rows[1:]


@pytest.mark.parametrize("value", HOSTILE)
def test_text_is_read_as_it_was_written(value):
    (cell,) = [row[0] for row in tables(f"| a | b |\n|---|---|\n| {text(value)} | x |")[0][1:]]
    assert cell == " ".join(value.split())


def test_ordinary_labels_are_left_alone():
    assert text("art_music") == "art_music" and text("Rock'n'Roll, 1950s (live)") == "Rock'n'Roll, 1950s (live)"


def test_a_block_cannot_be_closed_from_inside():
    (token,) = MARKDOWN.parse(fenced("a\n```\n# b\n````\n", "bash"))
    assert token.type == "fence" and token.content == "a\n```\n# b\n````\n"


def test_redacted_keeps_all_but_tokens():
    assert (
        redacted("--hub_token hf_abcdefghijk --x hf_home my_hf_abcdefghijk")
        == "--hub_token hf_*** --x hf_home my_hf_***"
    )


def test_dataset_card_tells_what_is_there_what_was_lost_and_whose_it_is(tmp_path):
    card = DatasetCard(dataset_card(report_of(tmp_path), "tester/data"))
    card_data = card.data.to_dict()
    assert card_data["size_categories"] == ["n<1K"] and card_data["license"] == "other"
    assert card_data["configs"][0]["data_files"][2] == {"split": "test", "path": "data/test-*.parquet"}
    assert table(card.text, "split")[0] == ["train", "12", "24", "9"]
    categories = table(card.text, "category", "videos", "clips")
    assert [row[0] for row in categories] == list(LABELS)
    assert categories[0][1:] == ["12 (4 / 4 / 4)", "24 (8 / 8 / 8)", "9 (3 / 3 / 3)"]
    assert "In parentheses: train / validation / test." in card.text
    (refused,) = table(card.text, "line refused")
    assert refused == ["duplicate", "the video stands further up in the list, under the same category", "2"]
    gone = ["removed", "taken down, or its account closed", "3", "def: Video unavailable | <b>gone</b>"]
    assert gone in table(card.text, "video failed")
    for words in (
        "## Rights",
        "stays theirs",
        "hf repos delete tester/data --type dataset",
        "test lacks 3 videos of food.",
        "ytaudio build youtube.csv OUT",
        "@misc{data,",
    ):
        assert words in card.text


def test_dataset_card_names_only_splits_that_hold_clips(tmp_path):
    counts = {"food": {"videos": 1, "clips": 2, "channels": 1}}
    report = write_report(tmp_path, splits={"train": counts, "validation": {}, "test": counts}, failed={}, rejected={})
    card = DatasetCard(dataset_card(report, "tester/data"))
    assert [entry["split"] for entry in card.data.configs[0]["data_files"]] == ["train", "test"]
    assert "Nothing was lost." in card.text
    assert set(dataset_plots(report)) == {"plots/classes.png"}


def test_hostile_labels_and_titles_break_neither_tables_nor_front_matter(tmp_path):
    report = report_of(
        tmp_path,
        HOSTILE,
        failed_examples={"private": [HOSTILE[1]], "removed": [HOSTILE[0]]},
        source="$(rm -rf) `x`.csv",
        missing=[HOSTILE[1]],
    )
    card = DatasetCard(dataset_card(report, "tester/data"))
    assert card.data.license == "other"
    assert [row[0] for row in table(card.text, "category", "videos", "clips")] == [" ".join(o.split()) for o in HOSTILE]
    assert {len(row) for row in table(card.text, "video failed")} == {4}
    assert "<script>" not in re.sub(r"```.*?```", "", card.text, flags=re.DOTALL)
    assert "49" not in card.text.split("## Categories")[1].split("## How")[0]
    assert "$(rm" not in card.text and "those of the list `__rm_-rf___x_.csv`" in card.text

    scores = scores_of(range(len(HOSTILE)), range(len(HOSTILE)), labels=HOSTILE)
    model = ModelCard(model_card(scores, training_run(labels=HOSTILE), "tester/model", labels=HOSTILE))
    assert model.data.eval_results[0].metric_value == 1
    assert [row[0] for row in tables(model.text)[1][1:]] == [" ".join(label.split()) for label in HOSTILE]


REBUILT = {
    "of": f"tester/links@{COMMIT}",
    "videos": {"identical": 5, "same_sound": 2, "unproven": 0, "changed": 1, "gone": 3, "unvisited": 0},
    "clips": {"identical": 10, "same_sound": 4, "unproven": 0, "changed": 2},
    "gone": {"removed": 2, "private": 1},
    "gone_examples": {"removed": [f"abcdefghijk: {HOSTILE[1]}"]},
    "changed": ["abcdefghij2"],
}


def test_dataset_card_tells_what_each_category_took_which_videos_share_a_sound_and_what_a_rebuild_found(tmp_path):
    pairs = [{"a": f"a{n}", "b": f"b{n}", "similarity": 0.9, "labels": ["food", HOSTILE[0]]} for n in range(12)]
    report = report_of(
        tmp_path,
        attempts={label: {"visited": 30, "good": 14, "failed": 16} for label in LABELS},
        duplicates=pairs,
        duplicate_pairs=40,
        rebuilt=REBUILT,
    )
    card = DatasetCard(dataset_card(report, "tester/data")).text
    assert ["food", "30", "14", "16", "12"] in table(card, "category", "videos tried")
    items = [
        token.content for token in MARKDOWN.parse(card) if token.type == "inline" and "similarity" in token.content
    ]
    assert len(items) == 10 and "and 30 pairs more" in card and "| pipe |" not in card
    assert (
        "## What became of the published videos" in card
        and "Not to be had again: 3 videos (removed 2, private 1)" in card
    )
    without = dataset_card(report_of(tmp_path), "tester/data")
    assert "videos tried |" not in without and "Some videos share" not in without and "What became" not in without


def test_links_card_says_what_it_is_how_to_rebuild_and_holds_hostile_words(tmp_path):
    report = report_of(tmp_path, HOSTILE, failed_examples={"private": [HOSTILE[1]]}, missing=[HOSTILE[2]])
    card = DatasetCard(links_card(report, "tester/links"))
    assert card.data.license == "other" and "links-only" in card.data.tags
    assert "**This dataset holds no audio.**" in card.text
    rebuild, takedown = (
        token.content for token in MARKDOWN.parse(card.text) if token.type == "fence" and token.info == "bash"
    )
    assert rebuild == "ytaudio build hub:tester/links OUT\n"
    assert takedown.splitlines()[1:] == [
        "hf repos delete tester/links --type dataset",
        "ytaudio push dataset OUT tester/links --links-only",
    ]
    categories = table(card.text, "category", "videos", "clips")
    assert [row[0] for row in categories] == [" ".join(label.split()) for label in HOSTILE]
    assert "<script>" not in re.sub(r"```.*?```", "", card.text, flags=re.DOTALL)


def channels_named(*names: str) -> Channels:
    """Channels of three videos each, one of a class."""
    spread = Spread((3,) * len(names))
    largest = tuple(Channel(name, 3, (HOSTILE[0], HOSTILE[2]), "train") for name in names)
    return Channels(spread, dict.fromkeys(HOSTILE, spread), {"train": 9}, largest, unnamed=2)


def example_of(label: str, title: str, url: str) -> Example:
    return Example(label, "examples/x.flac", url, title, 3723.0, 8.0, b"")


def test_channels_are_told_by_category_and_hostile_names_break_no_table(tmp_path):
    channels = channels_named(*HOSTILE, "UC6NkILxtMFF8wLIqoMTAshE")
    card = DatasetCard(dataset_card(report_of(tmp_path, HOSTILE), "tester/data", channels=channels)).text
    rows = table(card, "category", "videos", "channels")
    assert rows[0] == ["| pipe |", "27", "9", "3", "3", "11 %", "56 %"] and rows[-1][0] == "all"
    assert [row[0] for row in table(card, "channel")] == [" ".join(n.split()) for n in HOSTILE] + [
        "UC6NkILxtMFF8wLIqoMTAshE"
    ]
    assert table(card, "split")[0] == ["train", "32", "64", "9"], "a channel with videos of several categories is one"
    assert {row[2] for row in table(card, "channel")} == {f"{HOSTILE[0]}, {HOSTILE[2]}"}
    assert "(<https://www.youtube.com/channel/UC6NkILxtMFF8wLIqoMTAshE>)" in card
    assert "plots/channels.png" in card and "Of 2 of the videos the site named no channel" in card
    without = dataset_card(report_of(tmp_path, HOSTILE), "tester/data")
    assert "plots/channels.png" not in without and "## Channels" not in without
    links = links_card(report_of(tmp_path, HOSTILE), "tester/data", channels=channels)
    assert table(links, "category", "videos", "channels") == rows


@pytest.mark.parametrize("title", [*HOSTILE, "", "</audio><script>alert(1)</script>", "x" * 200])
@pytest.mark.parametrize("url", ["https://www.youtube.com/watch?v=a-b_c", "javascript:alert(1)", "https://x/)|<b>", ""])
def test_examples_are_heard_and_what_sites_say_of_them_is_harmless(tmp_path, title, url):
    examples = [example_of(label, title, url) for label in HOSTILE]
    card = dataset_card(report_of(tmp_path, HOSTILE), "tester/data", examples=examples)
    chapter = card.split("## Listen")[1].split("## Use it")[0]
    address = f"{constants.ENDPOINT}/datasets/tester/data/resolve/main/examples/x.flac"
    sound = f'<audio controls preload="metadata" src="{address}"></audio>'
    assert chapter.count(sound) == len(HOSTILE)
    (rows,) = tables(chapter.replace(f"{sound}<br>", "sound: "))
    shown = short(title) or ("link" if "youtube" in url else "")
    assert rows[1:] == [[" ".join(label.split()), f"sound: {shown}, 1:02:03 (file)"] for label in HOSTILE]
    links = re.findall(r'href="([^"]*)"', MARKDOWN.render(chapter.replace(sound, "")))
    assert set(links) == {"examples/x.flac"} | ({url} if "youtube" in url else set())


def test_a_list_on_kaggle_is_named_and_cited(tmp_path):
    card = dataset_card(report_of(tmp_path, source="kaggle:owner/some-list/versions/3/a.csv"), "tester/data")
    assert "[some-list](<https://www.kaggle.com/datasets/owner/some-list>) by owner on Kaggle, version 3." in card
    assert "@misc{data," in card and "@misc{some_list," in card
    assert "ytaudio build links-without-it.csv OUT" in card, "a list on Kaggle cannot be changed: a copy is"
    rebuilt = dataset_card(report_of(tmp_path, source=f"hub:a/links@{COMMIT}"), "tester/data")
    assert f"datasets/a/links>) at `{COMMIT[:12]}`" in rebuilt and "ytaudio build hub:a/links OUT" in rebuilt


def test_the_card_says_how_many_videos_a_category_were_asked_for(tmp_path):
    card = dataset_card(report_of(tmp_path, per_category=40), "tester/data")
    assert "ytaudio build youtube.csv OUT \\\n    --per-category 40 --clips-per-video 2" in card


def test_every_reason_has_words():
    assert {reason for reason in Reason if reason.kind != "wall"} == set(FAILED)
    assert failed("removed") and refused("duplicate") and failed("of tomorrow") == refused("of tomorrow") == ""


@pytest.mark.parametrize(
    ("own", "base", "shown"),
    [
        (None, None, "None is named"),
        (None, Licence("apache-2.0"), "apache-2.0, the licence of [a/base]"),
        (Licence("mit"), Licence("cc-by-nc-4.0"), "mit; the licence of [a/base]"),
        (Licence("mit"), None, "mit; the licence of [a/base]"),
        (Licence("apache-2.0"), Licence("apache-2.0"), "apache-2.0, the licence of [a/base]"),
    ],
)
def test_the_licence_is_the_publishers_or_that_of_the_base(own, base, shown):
    run = training_run(base_model="a/base", base_revision=COMMIT)
    licence = licence_of(own, base)
    card = ModelCard(model_card(None, run, "tester/model", labels=LABELS, licence=licence))
    assert shown in card.text.split("## Licence")[1]
    assert card.data.license == (own or base or Licence(None)).id
    assert licence_in(card.data) == (replace(licence, inherited=False) if licence else None)


@pytest.mark.parametrize("told", [["mit", "bsd"], "my own words", "x" * 100, 7, "MIT\nname: x"])
def test_a_licence_the_hub_would_not_take_is_none(told):
    assert licence_in(ModelCardData(license=told)) is None


@pytest.mark.parametrize(
    ("source", "command"),
    [
        ("youtube.csv", "ytaudio build youtube.csv OUT --clips-per-video 2"),
        ("kaggle:a/b/versions/3/c.csv", "ytaudio build kaggle:a/b/versions/3/c.csv OUT --clips-per-video 2"),
        (f"hub:tester/links@{COMMIT}", f"ytaudio build hub:tester/links@{COMMIT} OUT\n"),
        ("hub:a/b; rm -rf ~\n```", "ytaudio build hub:a/b__rm_-rf______ OUT\n"),
    ],
)
def test_the_card_gives_the_command_it_was_built_with(tmp_path, source, command):
    content = dataset_card(report_of(tmp_path, source=source), "tester/data")
    fences = [token.content for token in MARKDOWN.parse(content) if token.type == "fence" and token.info == "bash"]
    assert " ".join(shlex.split(fences[0].replace("\\\n", " "))).startswith(command.strip())


def test_model_card_shows_results_with_intervals_beside_the_floors():
    truth, floor = [0, 1, 2] * 4, scores_of([0, 1, 2] * 4, [0] * 12)
    floors = {"majority class": floor_of("says one thing", floor.predictions, LABELS)}
    scores = scores_of(truth, [0, 1, 2] * 3 + [1, 1, 1], floors=floors)
    card = ModelCard(model_card(scores, training_run(), "tester/model", labels=LABELS))
    results, by_category, training = tables(card.text)
    low, high = scores.accuracy_interval
    assert results[1] == ["this model, videos", f"0.833 ({low:.3f} to {high:.3f})", results[1][2]]
    assert results[3][0] == "floor: majority class" and results[3][1].startswith("0.333 (")
    assert [row[0] for row in by_category[1:]] == list(LABELS)
    assert f"{COMMIT[:12]}" in card.text and "plots/confusion.png" in card.text
    assert card.data.eval_results[0].dataset_revision == COMMIT
    assert set(model_plots(scores, training_run())) == {
        f"plots/{name}.png" for name in ("confusion", "f1", "reliability", "training")
    }
    assert ["energy", "not known: no counter could be read"] in training and ["cost", "not known"] in training


def first_words(card: str) -> str:
    """What stands under the name, before the first chapter."""
    return " ".join(ModelCard(card).text.split("# model\n")[1].split("\n## ")[0].split())


def test_the_card_begins_with_what_can_be_told():
    truth = [0, 1, 2] * 8
    floor = floor_of("says one thing", scores_of(truth, [0] * 24).predictions, LABELS)
    scores = scores_of(truth, [*truth[:21], 0, 0, 0], floors={"majority class": floor})
    said = first_words(model_card(scores, training_run(), "tester/model", labels=LABELS))
    assert "It is right about **92 % (79 to 100) of 24 videos** (95 % interval in parentheses; split " in said
    assert "held back from training and from the choice of the best epoch)." in said
    assert "This model is better than the floor (majority class) by 58 points of accuracy on 24 videos, 95 %" in said
    unsure = scores_of(
        [0, 1], [0, 0], floors={"majority class": floor_of("", scores_of([0, 1], [0, 0]).predictions, LABELS)}
    )
    assert "No difference between this model and the floor" in first_words(
        model_card(unsure, None, "tester/model", labels=LABELS)
    )


@pytest.mark.parametrize(
    ("split", "run", "words"),
    [
        ("test", training_run(), "held back from training"),
        ("validation", training_run(), "the best epoch may have been chosen by them"),
        ("train", training_run(), "this tells nothing about others"),
        ("test", training_run(dataset_revision="f" * 40), "another revision of it"),
        ("test", None, "is not recorded"),
    ],
)
def test_the_card_claims_of_a_split_only_what_is_recorded(split, run, words):
    assert words in first_words(model_card(scores_of([0, 1], [0, 1], split=split), run, "tester/model", labels=LABELS))


def test_the_card_says_how_it_was_trained():
    settings = {"learning_rate": 3e-5, "mixup_alpha": 0.2, "pooling": "attention", "ema_decay": 0.0}
    run = training_run(
        settings=settings, energy_wh=12.345, energy_source="CPU, memory", price="0.40 EUR at 2.00 an hour", seconds=4321
    )
    content = ModelCard(model_card(None, run, "tester/model", labels=LABELS)).text
    (rows,) = tables(content)
    assert ["energy", "12.3 Wh (CPU, memory, by its counters)"] in rows
    assert ["cost", "0.40 EUR at 2.00 an hour"] in rows and ["time", "72 min"] in rows
    assert "- mixup_alpha 0.2: Mix pairs of crops" in content and "- pooling attention: " in content
    assert "ema_decay 0.0:" not in content and "- learning_rate" not in content


def test_the_card_says_whether_probabilities_can_be_relied_on():
    scores = scores_of([0, 1, 2] * 20, [0, 1, 2] * 10 + [1, 2, 0] * 10)  # says 93 % of everything, half of it wrong
    content = model_card(scores, None, "tester/model", labels=LABELS)
    assert "It is too sure of itself: its answers had a mean probability of 93 %, and 50 % were right" in content
    older = model_card(replace(scores, calibration=None), None, "tester/model", labels=LABELS)
    assert "relied on" not in older and "plots/reliability.png" not in older


def test_model_card_shows_settings_and_command_without_tokens():
    content = model_card(None, training_run(), "tester/model", labels=LABELS)
    fences = [token for token in MARKDOWN.parse(ModelCard(content).text) if token.type == "fence"]
    _, command, settings = (token.content for token in fences if token.info in ("bash", "yaml"))
    assert command == "accelerate launch finetune.py --hub_token hf_*** --note '```'\n"
    assert yaml.safe_load(settings) == {"learning_rate": 3e-5, "hub_token": "hf_***"}
    assert "has not been evaluated" in content and ModelCard(content).data.eval_results is None


@pytest.mark.parametrize("run", [None, training_run(dataset_revision="", base_model="/home/me/model")])
def test_a_folder_is_not_called_a_repository(run):
    scores = scores_of([0, 1], [0, 1], dataset_id="/home/me/data", dataset_revision="")
    card = ModelCard(model_card(scores, run, "tester/model", labels=LABELS))
    assert card.data.datasets is None and card.data.base_model is None
    if run:
        assert "Fine-tuned from a checkpoint that is in no repository (model)" in card.text
    with pytest.raises(ValueError, match="no commit"):
        eval_results_yaml(scores)


def test_new_weights_are_called_so():
    for kind in ("spectrogram_cnn", "wav2vec2"):
        card = model_card(None, training_run(base_model=kind), "tester/model", labels=LABELS)
        assert f"Trained from new weights ({kind}), 1,000 parameters." in card


def test_a_checkpoint_of_the_hub_is_the_base_model():
    run = training_run(base_model="facebook/wav2vec2-base", base_revision=COMMIT)
    assert ModelCard(model_card(None, run, "tester/model", labels=LABELS)).data.base_model == "facebook/wav2vec2-base"


def test_a_label_that_occurs_nowhere_is_said_to():
    card = model_card(scores_of([0, 1], [0, 1]), None, "tester/model", labels=LABELS)
    assert ["travel", "0", "neither in the split nor predicted"] in table(ModelCard(card).text, "category")


def test_results_answer_the_tasks_of_the_dataset():
    tasks = yaml.safe_load(eval_yaml("tester/data", ["train", "validation"]))["tasks"]
    assert tasks == [{"id": task, "config": "default", "split": "validation"} for task in ("accuracy", "macro_f1")]
    from huggingface_hub import parse_eval_result_entries

    entries = parse_eval_result_entries(yaml.safe_load(eval_results_yaml(scores_of([0, 1], [0, 0]))))
    assert [(entry.task_id, entry.value) for entry in entries] == [("accuracy", 0.5), ("macro_f1", 0.333333)]
    assert {entry.dataset_revision for entry in entries} == {COMMIT}
    assert {entry.date for entry in entries} == {"2026-01-02T03:04:05+00:00"}
