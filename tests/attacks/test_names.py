"""Names that mean harm: ids, titles, channels, categories, labels and figures that others chose."""

import csv
import json
import os
from dataclasses import replace
from pathlib import Path

import making
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from typer.testing import CliRunner

from ytaudio import cards
from ytaudio.answers import AnswerTable, json_line, picture_name
from ytaudio.building import Plan, build
from ytaudio.classifier import Answer
from ytaudio.cli import app
from ytaudio.errors import UserError
from ytaudio.ledger import Settings
from ytaudio.localhub.readme import render_markdown
from ytaudio.printing import plain, report_lines
from ytaudio.sources import read_source
from ytaudio.splits import PROTOCOLS
from ytaudio.testing import MediaSite
from ytaudio.testing.videos import make_videos

EVIL = (
    "../../../outside",
    "/etc/passwd\0",
    'a\nb\r\n{"x": 1}\n',
    "=cmd|'/c calc'!A1,\"quote\"",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b2J",
    "\u202egnp.exe\u2066",
    "\u2028line\u2029 \x85",
    "{{7*7}} {% raw %} ${jndi:ldap://x}",
    "</script><img src=x onerror=alert(1)>|`](javascript:alert(1))",
    "}\n\\url{x}@misc{",
    "---\nlicense: mit\n---\n# Heading",
    "[/red][bold]rich",
    "x" * 1_000_000,
)
STEERING = ("\x1b", "\x9b", "\x07", "\0", "\u202e", "\u2066", "\u2028")


def printed(*lines: object) -> str:
    """What a terminal is sent."""
    console = Console(highlight=False, markup=False, width=200, file=open(os.devnull, "w"), force_terminal=True)  # noqa: PTH123, SIM115
    with console.capture() as captured:
        for line in lines:
            console.print(line)
    return captured.get()


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A dataset of a site and a list that mean harm, in a folder of a folder that nothing may leave."""
    place = tmp_path_factory.mktemp("place")
    videos = [
        replace(video, category="food", title=evil, channel=evil, channel_id=evil)
        for video, evil in zip(make_videos(per_category=4, duration_s=(20, 25)), EVIL, strict=False)
    ]
    with (place / "list.csv").open("w", newline="", encoding="utf-8") as file:
        rows = ([video.id, "", "", EVIL[number % 4 + 8][:90]] for number, video in enumerate(videos))
        csv.writer(file).writerows([["link", "title", "description", "category"], *rows])
    out = place / "deep" / "out"
    out.parent.mkdir()
    before = set(place.rglob("*"))
    with MediaSite(videos):
        plan = Plan(Settings(2, 2.0), PROTOCOLS["default"])
        report = build(read_source(str(place / "list.csv")), out, plan)
    assert {path for path in place.rglob("*") if out not in (path, *path.parents)} == before
    assert report.collected == len(videos)
    return out, report


def test_files_have_names_of_our_own(built):
    out, _ = built
    for path in out.rglob("*"):
        assert path.resolve().is_relative_to(out.resolve())
        assert path.name.isascii()
        assert set(path.name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")


def test_the_ledger_has_a_line_for_each_video_and_no_title_without_end(built):
    out, report = built
    content = (out / "ledger.jsonl").read_text(encoding="utf-8")
    lines = content.split("\n")[1:-1]
    assert len(lines) == report.attempted
    assert all(json.loads(line)["clips"] for line in lines)
    assert len(content) < 100_000
    assert not any(mark in content for mark in STEERING if mark not in ("\u202e", "\u2066"))


def test_the_data_is_read_and_its_names_are_one_line_each(built):
    out, report = built
    rows = [row for path in (out / "dataset" / "data").glob("*") for row in pq.read_table(path).to_pylist()]
    assert len(rows) == report.clips
    for row in rows:
        assert len(row["title"]) <= 1000
        assert not {"\n", "\r", "\0", "\x1b", "\x9b"} & {*row["title"], *row["channel_id"]}
    assert json.loads((out / "dataset" / "report.json").read_text())["labels"] == report.labels


def test_a_terminal_is_not_steered_by_a_report(built):
    out, report = built
    said = printed(*report_lines(report, out))
    rest = said.replace("\x1b[", "", said.count("\x1b[1m") + said.count("\x1b[0m") + said.count("\x1b[3m"))
    assert not any(mark in "".join(map(plain, rest.split("\x1b"))) for mark in STEERING)
    assert "\x1b]0;" not in said
    assert "\x1b[31m" not in said


def test_a_card_and_its_page_stay_whole(built):
    out, _ = built
    report = json.loads((out / "dataset" / "report.json").read_text())
    card = cards.dataset_card(report, "user/name")
    front = card.split("\n---\n")[0]
    assert "license: other" in front
    assert "license: mit" not in front
    page = render_markdown(card.split("\n---\n", 1)[1], "/datasets/user/name", "c0")
    for harm in ("<script", '<img src="x"', "onerror=", 'href="javascript:', "49 "):
        assert harm not in page.replace("onerror=alert(1)&gt;", "")
    tables = [block for block in card.split("\n\n") if block.lstrip().startswith("|")]
    assert tables
    for table in tables:
        rows = [line.replace("\\|", "") for line in table.strip().splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) == 1, table


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
def test_labels_of_a_forged_model_steer_no_terminal_and_name_no_file(evil, tmp_path):
    answer = Answer({evil: 0.75, "food": 0.25}, 4, 3)
    table = AnswerTable([evil[:100]], [evil, "food"], 120)
    said = printed(table.head(), table.row(evil[:100], answer))
    for mark in STEERING[1:]:
        assert mark not in said
    assert "\x1b]" not in said
    assert "\x1b[31m" not in said
    assert len(said) < 5000
    name = picture_name(evil, set())
    assert Path(name).name == name
    assert (tmp_path / name).resolve().parent == tmp_path.resolve()
    assert len(name) < 256


FIGURES = (None, -1, "x", [], {}, True, [None], [[1]], {"x": None}, 1e999, 10**40, "\x1b[31m\u202e", "[/red]")


def test_forged_figures_of_another_model_are_one_sentence_or_harmless(tmp_path):
    """scores.json comes from anybody's repository: every field of every type."""
    honest, forged = tmp_path / "honest", tmp_path / "forged"
    for folder in (honest, forged):
        folder.mkdir()
        scores = making.scores_of([0, 1, 2] * 2, [0, 1, 1] * 2)
        scores.save(folder)
    whole = json.loads((honest / "scores.json").read_text())
    first, *others = whole["predictions"]
    trials = [{**whole, name: value} for name in whole for value in FIGURES]
    trials += [{**whole, "predictions": [{**first, name: value}, *others]} for name in first for value in FIGURES]
    refused = 0
    for trial in trials:
        (forged / "scores.json").write_text(json.dumps(trial))
        try:
            from ytaudio.evaluation.predictions import load_scores

            found = load_scores(str(forged))
        except UserError as error:
            refused += 1
            assert "cannot be read as scores" in str(error)
            continue
        assert found.predictions
    assert refused > len(trials) / 2


def test_a_comparison_with_hostile_names_steers_nothing_and_keeps_its_table(tmp_path):
    for number, evil in enumerate(("\x1b[31mred\u202e|x", "[/red]\n| a | b |\n")):
        folder = tmp_path / str(number)
        folder.mkdir()
        scores = making.scores_of([0, 1, 2] * 4, [0, 1, number] * 4, labels=(evil, "b", "c"), model=evil)
        replace(scores, dataset_id=evil, split="test").save(folder)
    for number in (0, 1):  # the labels must be the same to be compared
        path = tmp_path / str(number) / "scores.json"
        path.write_text(path.read_text().replace("[/red]\\n| a | b |\\n", "\\u001b[31mred\\u202e|x"))
    for form in ("text", "markdown", "json"):
        ended = CliRunner().invoke(app, ["compare", str(tmp_path / "0"), str(tmp_path / "1"), "--format", form])
        assert ended.exit_code == 0, ended.output
        assert [mark for mark in STEERING if mark in ended.output] == [], form
        if form == "markdown":
            rows = [line.replace("\\|", "") for line in ended.output.splitlines() if line.startswith("|")]
            assert len({row.count("|") for row in rows[:4]}) == 1


def test_json_lines_are_ascii():
    from ytaudio.answering import Result
    from ytaudio.media import Failure, Reason

    result = Result("\x1b]0;x\x07\u202e\n", Failure("x", Reason.UNKNOWN, "\x9b2J\u2028"))
    line = json_line(result, "model\x1b", "c0", timeline=False, png="")
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["input"] == "\x1b]0;x\x07\u202e\n"
