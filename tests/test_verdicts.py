import json
import subprocess
import sys

import pytest
from huggingface_hub import HfApi
from making import scores_of
from markdown_it import MarkdownIt
from test_ranking import TRUTH, model

from ytaudio.cli import app
from ytaudio.errors import UserError, mendable
from ytaudio.evaluation.predictions import load_scores, predictions_parquet
from ytaudio.evaluation.ranking import rank
from ytaudio.printing import as_lines
from ytaudio.verdicts import FORMATS, as_json, as_markdown, format_of, in_format, scored_lines


@pytest.fixture(scope="module")
def ranking():
    return rank([model(n, f"m/model_{n}", n) for n in (30, 56, 45)])


def test_text_fits_a_page_and_says_the_verdict(ranking):
    said = in_format(ranking, "text")
    assert max(map(len, said.splitlines())) <= 132
    said = " ".join(said.split())
    assert "60 videos (120 clips) of tester/data, split test" in said
    assert "models that share a letter cannot be told apart" in said
    assert "m/model_56 has the highest accuracy of 3 models" in said and "floor: MFCC" in said


def test_one_model_is_shown_beside_its_floors_by_category_and_in_sentences():
    said = " ".join(as_lines(*scored_lines(model(56, "m/" + "long" * 40))).split())
    assert "93.3 % (87 to 98)" in said and "long" * 8 in said, "figures stay whole beside a long name"
    assert "as art_music" in said and "floor: MFCC" in said
    assert "is better than the floor (MFCC) by 27 points" in said and "From 60 videos its probabilities cannot" in said
    many = tuple(f"label {n:02}" for n in range(60))
    said = as_lines(*scored_lines(scores_of(range(60), range(60), labels=many)))
    assert "label 39" in said and "label 40" not in said and "... 20 more" in said and "as label" not in said


def test_markdown_is_read_as_tables_with_every_model_floor_and_pair(ranking):
    content = as_markdown(ranking)
    tokens = MarkdownIt("commonmark").enable("table").parse(content)
    tables, rows = [token for token in tokens if token.type == "table_open"], []
    for position, token in enumerate(tokens):
        if token.type == "tr_open":
            rows.append([])
        elif token.type in ("th_open", "td_open"):
            rows[-1].append(tokens[position + 1].content)
    assert len(tables) == 2 and [len(row) for row in rows] == [5] * 6 + [5] * 4
    assert [row[0] for row in rows[1:6]] == [
        *("m/model_56", "m/model_45", "m/model_30"),
        *("floor: majority class", "floor: MFCC"),
    ]
    assert all(sentence.replace("<", "&lt;") in content for sentence in ranking.sentences)
    two = as_markdown(rank([model(30, "m/a"), model(50, "m/b")]))
    assert "group" not in two and "| A | B |" not in two


def test_a_name_that_is_markup_stays_a_name():
    content = as_markdown(rank([model(30, "m/a|b\n# c"), model(50, "[x](http://evil.example)")]))
    kinds = {child.type for token in MarkdownIt().parse(content) for child in (token, *(token.children or ()))}
    assert not kinds & {"heading_open", "link_open"} and "m/a\\|b \\# c" in content


def test_json_holds_what_a_program_needs(ranking):
    told = json.loads(as_json(ranking))
    assert [one["model_id"] for one in told["models"]] == ["m/model_56", "m/model_45", "m/model_30"]
    assert [one["group"] for one in told["models"]] == list(ranking.groups)
    assert told["models"][0]["accuracy"] == pytest.approx(56 / 60, abs=1e-6)
    assert told["models"][0]["against_best_floor"]["told"] is True
    assert [pair["p"] for pair in told["pairs"]] == [pair.p for pair in ranking.pairs]
    assert told["sentences"] == list(ranking.sentences) and told["floors"]["MFCC"]["accuracy"] > 0.5


def test_the_format_is_what_is_asked_for_or_what_the_file_is_called(tmp_path):
    assert format_of(None, None) == "text" and format_of("json", None) == "json"
    assert format_of(None, tmp_path / "a.md") == "markdown" and format_of("text", tmp_path / "a.json") == "text"
    with pytest.raises(UserError, match="no format html: choose one of text, markdown, json"):
        format_of("html", None)


@pytest.fixture(scope="module")
def published(hub):
    """Two models of which the Hub has nothing but predictions, and one with scores.json."""
    api = HfApi()
    for right, name in ((30, "tester/compared-poor"), (56, "tester/compared-good"), (50, "tester/compared-fair")):
        api.create_repo(name)
        scores = model(right, name)
        path, content = "predictions/test.parquet", predictions_parquet(scores)
        if right == 50:
            path, content = "scores.json", scores.to_json().encode()
        api.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id=name)
    return ("tester/compared-poor", "tester/compared-good", "tester/compared-fair")


def run(*words):
    return subprocess.run([sys.executable, "-m", "ytaudio.cli", *map(str, words)], capture_output=True, text=True)


def test_from_two_ids_alone(published):
    done = run("compare", *published[:2])
    assert done.returncode == 0, done.stderr
    assert "tester/compared-good is better than tester/compared-poor by 43 points of accuracy on 60 videos" in " ".join(
        done.stdout.split()
    )
    assert "floor: MFCC" in done.stdout


def test_folders_and_ids_together_to_a_file(published, tmp_path, capsys):
    scores_of(TRUTH, TRUTH, model="runs/mine").save(tmp_path)
    app(["compare", str(tmp_path), *published, "--output", str(tmp_path / "new" / "found.json")], standalone_mode=False)
    said = capsys.readouterr().out
    assert "runs/mine has the highest accuracy of 4 models" in said and "written to" in said
    told = json.loads((tmp_path / "new" / "found.json").read_text())
    assert len(told["models"]) == 4 and len(told["pairs"]) == 6
    app(["compare", *published, "--format", "json"], standalone_mode=False)
    assert len(json.loads(capsys.readouterr().out)["models"]) == 3
    app(["compare", *published, "--format", "markdown"], standalone_mode=False)
    assert capsys.readouterr().out == as_markdown(rank([load_scores(name) for name in published]))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["tester/compared-poor", "tester/compared-poor"], "is there twice"),
        (["tester/compared-poor", "tester/none-such"], "tester/none-such"),
        (["tester/compared-poor", "tester/compared-fair", "--split", "train"], "choose with --split"),
        (["tester/compared-poor", "tester/compared-fair", "--format", "html"], "no format html"),
        (["tester/compared-poor", "tester/compared-fair", "--output", "/dev/null/x.md"], "Cannot write to"),
    ],
)
def test_a_mistake_is_one_sentence(published, words, sentence, capsys):
    with pytest.raises(SystemExit) as ended, mendable():
        app(["compare", *words], standalone_mode=False)
    said = capsys.readouterr().err
    assert ended.value.code == 2 and sentence in said and said.count("\n") == 1


def test_nothing_heavy_is_waited_for():
    script = (
        "import sys, ytaudio.evaluation.predictions, ytaudio.evaluation.ranking, ytaudio.verdicts\n"
        "heavy = 'torch transformers datasets evaluate matplotlib scipy sklearn librosa'.split()\n"
        "print([name for name in heavy if name in sys.modules])\n"
        "import ytaudio.cards\n"
        "print([name for name in ('torch', 'transformers', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "[]"]


@pytest.mark.parametrize("named", FORMATS)
def test_every_format_of_one_ranking_is_the_same_twice(ranking, named):
    assert in_format(ranking, named) == in_format(ranking, named)
