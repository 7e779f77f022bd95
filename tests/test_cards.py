import re
from dataclasses import replace

import pytest
import yaml
from huggingface_hub import DatasetCard, ModelCard, SpaceCard
from huggingface_hub.utils import yaml_dump
from making import COMMIT, LABELS, scores_of, training_run, write_report
from markdown_it import MarkdownIt

from ytaudio.cards import (
    dataset_card,
    dataset_plots,
    eval_results_yaml,
    eval_yaml,
    fenced,
    links_card,
    model_card,
    model_plots,
    redacted,
    space_card,
    text,
)
from ytaudio.evaluation.scores import floor_of

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
            assert all(child.type in ("text", "code_inline", "strong_open", "strong_close") for child in children), (
                children
            )
            found[-1][-1].append("".join(child.content for child in children))
    return found


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
        == "--hub_token hf_*** --x hf_home my_hf_abcdefghijk"
    )


def test_dataset_card_tells_what_is_there_what_was_lost_and_whose_it_is(tmp_path):
    card = DatasetCard(dataset_card(report_of(tmp_path), "tester/data"))
    card_data = card.data.to_dict()
    assert card_data["size_categories"] == ["n<1K"] and card_data["license"] == "other"
    assert card_data["configs"][0]["data_files"][2] == {"split": "test", "path": "data/test-*.parquet"}
    splits, _, categories, lost = tables(card.text)
    assert splits[1] == ["train", "12", "24", "9"]
    assert [row[0] for row in categories[1:]] == list(LABELS) and categories[1][1:] == ["4", "8", "3"] * 3
    assert ["line refused", "duplicate", "2", ""] in lost
    assert ["video failed", "removed", "3", "def: Video unavailable | <b>gone</b>"] in lost
    for words in (
        "## Rights",
        "stays theirs",
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
    assert "nothing was lost" in card.text
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
    categories, lost = tables(card.text)[2:4]
    assert [row[0] for row in categories[1:]] == [" ".join(label.split()) for label in HOSTILE]
    assert {len(row) for row in lost} == {4}
    assert "<script>" not in re.sub(r"```.*?```", "", card.text, flags=re.DOTALL)
    assert "49" not in card.text.split("## Categories")[1].split("## How")[0]

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
    assert ["food", "30", "14", "16", "12"] in tables(card)[4]
    items = [
        token.content for token in MARKDOWN.parse(card) if token.type == "inline" and "similarity" in token.content
    ]
    assert len(items) == 10 and "and 30 pairs more" in card and "| pipe |" not in card
    assert (
        "## What became of the published videos" in card
        and "Not to be had again: 3 videos (removed 2, private 1)" in card
    )
    without = dataset_card(report_of(tmp_path), "tester/data")
    assert "videos tried |" not in without and "share a sound" not in without and "What became" not in without


def test_links_card_says_what_it_is_how_to_rebuild_and_holds_hostile_words(tmp_path):
    report = report_of(tmp_path, HOSTILE, failed_examples={"private": [HOSTILE[1]]}, missing=[HOSTILE[2]])
    card = DatasetCard(links_card(report, "tester/links"))
    assert card.data.license == "other" and "links-only" in card.data.tags
    assert "**This dataset holds no audio.**" in card.text
    (command,) = [
        token.content for token in MARKDOWN.parse(card.text) if token.type == "fence" and token.info == "bash"
    ]
    assert command == "ytaudio build hub:tester/links OUT\n"
    categories = tables(card.text)[2]
    assert [row[0] for row in categories[1:]] == [" ".join(label.split()) for label in HOSTILE]
    assert "<script>" not in re.sub(r"```.*?```", "", card.text, flags=re.DOTALL)


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
    assert fences[0].startswith(command)


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
    command, settings = (token.content for token in fences if token.info in ("bash", "yaml"))
    assert command == "accelerate launch finetune.py --hub_token hf_*** --note '```'\n"
    assert yaml.safe_load(settings) == {"learning_rate": 3e-5, "hub_token": "hf_***"}
    assert "has not been evaluated" in content and ModelCard(content).data.eval_results is None


@pytest.mark.parametrize("run", [None, training_run(dataset_revision="", base_model="/home/me/model")])
def test_a_folder_is_not_called_a_repository(run):
    scores = scores_of([0, 1], [0, 1], dataset_id="/home/me/data", dataset_revision="")
    card = ModelCard(model_card(scores, run, "tester/model", labels=LABELS))
    assert card.data.datasets is None and card.data.base_model is None
    with pytest.raises(ValueError, match="no commit"):
        eval_results_yaml(scores)


def test_a_checkpoint_of_the_hub_is_the_base_model():
    run = training_run(base_model="facebook/wav2vec2-base", base_revision=COMMIT)
    assert ModelCard(model_card(None, run, "tester/model", labels=LABELS)).data.base_model == "facebook/wav2vec2-base"


def test_a_label_that_occurs_nowhere_is_said_to():
    card = model_card(scores_of([0, 1], [0, 1]), None, "tester/model", labels=LABELS)
    assert ["travel", "neither in the split nor predicted"] in tables(ModelCard(card).text)[1]


def test_results_answer_the_tasks_of_the_dataset():
    tasks = yaml.safe_load(eval_yaml("tester/data", ["train", "validation"]))["tasks"]
    assert tasks == [{"id": task, "config": "default", "split": "validation"} for task in ("accuracy", "macro_f1")]
    from huggingface_hub import parse_eval_result_entries

    entries = parse_eval_result_entries(yaml.safe_load(eval_results_yaml(scores_of([0, 1], [0, 0]))))
    assert [(entry.task_id, entry.value) for entry in entries] == [("accuracy", 0.5), ("macro_f1", 0.333333)]
    assert {entry.dataset_revision for entry in entries} == {COMMIT}
    assert {entry.date for entry in entries} == {"2026-01-02T03:04:05+00:00"}


def test_space_card_names_its_models():
    card = SpaceCard(space_card("tester/my-demo", ["tester/a", "tester/b"]))
    assert (card.data.sdk, card.data.models, card.data.title) == ("gradio", ["tester/a", "tester/b"], "my demo")
    assert yaml_dump(card.data.to_dict())
    assert "tester/b" in card.text
