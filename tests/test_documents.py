"""What README, the recipes' README and --help say can be typed: each verb, option, file and sentence is there."""

import ast
import re
import shlex
from pathlib import Path

import click
import pytest
import typer
from typer.testing import CliRunner

from ytaudio.cli import app

ROOT = Path(__file__).parents[1]
DOCUMENTS = ("README.md", "recipes/README.md")
ROOT_COMMAND = typer.main.get_command(app)


def verbs(command=ROOT_COMMAND, words=()):
    if subcommands := getattr(command, "commands", None):
        for name, sub in subcommands.items():
            yield from verbs(sub, (*words, name))
    else:
        yield words, command


def resolved(words: list[str]):
    """The command that words name, and what is left of them."""
    command = ROOT_COMMAND
    while getattr(command, "commands", None) and words and words[0] in command.commands:
        command, words = command.commands[words[0]], words[1:]
    return command, words


def check(line: str) -> None:
    words = shlex.split(line.partition("  #")[0].replace("...", ""))
    command, rest = resolved(words[1:])
    known = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    if command is not ROOT_COMMAND:
        assert not getattr(command, "commands", None), f"{line}: no such verb"
    for word in rest:
        if word in ("|", ">", "&&", "&"):
            break
        assert not word.startswith("--") or word.partition("=")[0] in known, f"{line}: there is no {word}"


def shown(text: str) -> list[str]:
    """Commands of ytaudio in a document's blocks and in its running text, with continued lines joined."""
    text = text.replace("\\\n", " ")
    lines = [line.removeprefix("$ ").strip() for line in text.splitlines()]
    found = [re.sub(r"^(\w+=\S+ )+", "", line) for line in lines]
    return [line for line in found if line.startswith("ytaudio ")] + re.findall(r"`(ytaudio [^`]+)`", text)


@pytest.mark.parametrize("words, command", verbs(), ids=lambda part: " ".join(part) if isinstance(part, tuple) else "")
def test_every_verb_has_examples_that_can_be_typed_and_every_option_says_what_it_is(words, command):
    told = command.get_help(click.Context(command, info_name="ytaudio"))
    examples = [line.strip() for line in told.split("Example:")[1].splitlines() if line.strip()]
    assert examples and all(line.startswith(f"ytaudio {' '.join(words)}") for line in examples)
    for line in examples:
        check(line)
    assert all(parameter.help for parameter in command.params if parameter.name != "help")


@pytest.mark.parametrize("words", [(), ("push",), ("hub",)], ids=" ".join)
def test_help_lists_verbs_with_whole_sentences(words):
    told = CliRunner().invoke(app, [*words, "--help"], terminal_width=80).output.partition("Commands:")[2]
    assert told and "..." not in told


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_shown_can_be_typed(name):
    found = shown((ROOT / name).read_text())
    assert len(found) > 3
    for line in found:
        check(line)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_file_named_is_there(name):
    text = (ROOT / name).read_text()
    paths = set(re.findall(r"\b((?:tests|recipes|hub_cards|ytaudio)/[\w/]+\.(?:py|yaml|md))", text))
    assert paths
    for path in paths:
        assert (ROOT / path).is_file(), f"{name} names {path}"


def strings() -> list[str]:
    """Every string in the package and the recipes, with what is filled in at run time as a NUL."""
    found = []
    for path in [*ROOT.glob("ytaudio/**/*.py"), *ROOT.glob("recipes/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = (str(part.value) if isinstance(part, ast.Constant) else "\0" for part in node.values)
                found.append("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


def test_every_sentence_of_the_troubleshooting_table_is_one_that_can_be_seen():
    table = (ROOT / "README.md").read_text().split("| what you see |")[1].split("\n\n")[0]
    seen = [line.split("|")[1].strip() for line in table.splitlines()[2:]]
    assert len(seen) > 12
    known = strings()
    for sentence in seen:
        if re.search(r"\((accelerate|datasets|transformers|yt-dlp)\)$", sentence):
            continue  # another library's
        pattern = ".*".join(map(re.escape, sentence.split("...")))
        assert any(re.search(pattern, text, re.DOTALL) for text in known), sentence
