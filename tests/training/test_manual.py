import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import TrainingArguments

from ytaudio.training.arguments import SettingsError
from ytaudio.training.choices import AccuracyArguments
from ytaudio.training.manual import (
    GROUPS,
    REFUSED,
    help_text,
    refuse,
    wants_help,
)

RECIPE = Path(__file__).parents[2] / "recipes" / "finetune.py"


ASKED = """
import runpy, sys
sys.argv = [sys.argv[1], "--help"]
runpy.run_path(sys.argv[0], run_name="__main__")
heavy = ("datasets", "transformers.trainer", "sklearn", "librosa")
print([name for name in heavy if name in sys.modules], file=sys.stderr)
"""


@pytest.fixture(scope="module")
def asked() -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", ASKED, str(RECIPE)], capture_output=True, text=True)


@pytest.fixture(scope="module")
def told(asked) -> str:
    return asked.stdout


def test_help_is_groups_of_settings_a_line_or_two_each_with_defaults(told):
    names = re.findall(r"^  --(\w+)", told, re.MULTILINE)
    assert names == [name for group in GROUPS.values() for name in group] and len(names) <= 62
    assert all(f"\n{title}\n" in told for title in GROUPS)
    assert max(map(len, told.splitlines())) <= 100
    for line in (
        "Weight",
        "[facebook/wav2vec2-base]",
        "[required]",
        "[no]",
        "Of weights, not of biases and norms. [0.0]",
    ):
        assert line in told or line == "Weight"
    assert told.count("accelerate launch ") == 3, "how it is called, and two examples"
    entries = re.split(r"^  --", told, flags=re.MULTILINE)[1:]
    assert all(entry.split("\n\n")[0].count("\n") <= 4 for entry in entries)


def test_every_setting_is_told_or_refused_or_among_the_others():
    every = help_text([TrainingArguments_with_defaults()], ["--help", "all"])
    told = set(re.findall(r"^  --(\w+)", every, re.MULTILINE))
    taken = {field.name for field in dataclasses.fields(TrainingArguments) if field.init}
    assert taken - told == (REFUSED.keys() & taken) | {"hub_token"}
    assert REFUSED.keys() <= taken, "each of them is a setting"
    assert not told & REFUSED.keys()
    assert {field.name for field in dataclasses.fields(AccuracyArguments)} <= {n for g in GROUPS.values() for n in g}


def TrainingArguments_with_defaults() -> type:
    """The recipe's other settings as fields without meaning, beside the real TrainingArguments."""
    taken = {field.name for field in dataclasses.fields(TrainingArguments)}
    others = [(name, str, "") for group in GROUPS.values() for name in group if name not in taken]
    return dataclasses.make_dataclass("All", others, bases=(TrainingArguments,))


def test_help_answers_before_datasets_or_a_trainer_are_imported(asked):
    assert (asked.returncode, asked.stderr.strip()) == (0, "[]")


@pytest.mark.parametrize("argv, asks", [(["x.yaml", "-h"], True), (["--help", "all"], True), (["--helper"], False)])
def test_what_asks_for_help(argv, asks):
    assert wants_help(argv) == asks


def test_settings_that_would_do_nothing_are_refused():
    refuse(["learning_rate", "bf16"])
    with pytest.raises(SettingsError, match="label_names is not for this recipe, since the labels are the dataset's"):
        refuse(["learning_rate", "label_names"])
