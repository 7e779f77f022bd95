from dataclasses import dataclass, field

import pytest
from transformers import TrainingArguments

from ytaudio.errors import UserError
from ytaudio.training.arguments import (
    SettingsError,
    find_yaml,
    parse_mapping,
    parse_settings,
    read_yaml,
)


@dataclass
class Settings:
    name: str
    learning_rate: float = 1e-3
    steps: int = -1
    shuffle: bool = True
    fast: bool = False
    mapping: str = "{}"
    ratios: list[float] = field(default_factory=lambda: [0.5])
    note: str | None = "none given"


@dataclass
class Output:
    output_dir: str = "out"


def written(folder, text: str) -> str:
    (folder / "run.yaml").write_text(text)
    return str(folder / "run.yaml")


def parsed(*argv: str) -> Settings:
    return parse_settings(Settings, argv)[0][0]


def test_values_get_the_type_of_their_field(tmp_path):
    path = written(
        tmp_path,
        "name: 007\nlearning_rate: 3e-5\nsteps: -5\nshuffle: no\nfast: yes\nratios: [1e-1, 2]\n"
        "mapping:\n  rate: 3e-5\n  deep: {on: true, word: no}\n",
    )
    settings = parsed(path)
    assert (settings.name, settings.learning_rate, settings.steps) == ("007", 3e-5, -5)
    assert (settings.shuffle, settings.fast) == (False, True)
    assert settings.ratios == [0.1, 2.0]
    assert parse_mapping("mapping", settings.mapping) == {"rate": 3e-5, "deep": {"on": True, "word": "no"}}


@pytest.mark.parametrize("word, value", [("true", True), ("Yes", True), ("off", None), ("False", False), ("0", False)])
def test_booleans_are_right_or_refused(tmp_path, word, value):
    path = written(tmp_path, f"name: x\nfast: {word}\n")
    if value is None:
        with pytest.raises(SettingsError, match="fast"):
            parsed(path)
    else:
        assert parsed(path).fast is value


def test_the_command_line_wins(tmp_path):
    path = written(tmp_path, "name: x\nlearning_rate: 3e-5\nratios: [1, 2]\nfast: true\n")
    settings = parsed(path, "--learning-rate", "1e-4", "--ratios", "9", "--fast", "false", "--no_shuffle")
    assert (settings.learning_rate, settings.ratios, settings.fast, settings.shuffle) == (1e-4, [9.0], False, False)


def test_what_was_given_is_told_and_defaults_are_not(tmp_path):
    path = written(tmp_path, "name: x\nlearning_rate: 3e-5\n")
    (_, output), given = parse_settings((Settings, Output), [path, "--no_shuffle", "--output_dir=there"])
    assert output.output_dir == "there"
    assert given == {"name": "x", "learning_rate": 3e-5, "shuffle": False, "output_dir": "there"}


def test_null_and_empty_mean_the_default(tmp_path):
    settings = parsed(written(tmp_path, "name: x\nlearning_rate:\nnote: null\nsteps: ~\n"))
    assert (settings.learning_rate, settings.note, settings.steps) == (1e-3, "none given", -1)


def test_without_a_yaml_file_the_command_line_is_all():
    assert parsed("--name", "x", "--steps", "3").steps == 3


def test_a_file_is_also_found_beside_the_recipe_by_its_name(tmp_path, monkeypatch):
    (tmp_path / "wheel").mkdir()
    (tmp_path / "here" / "recipes").mkdir(parents=True)
    written(tmp_path / "wheel", "name: from the wheel\n")
    monkeypatch.chdir(tmp_path / "here")
    (settings,), _ = parse_settings(Settings, ["recipes/run.yaml"], beside=tmp_path / "wheel")
    assert settings.name == "from the wheel"
    written(tmp_path / "here" / "recipes", "name: from here\n")
    assert read_yaml(find_yaml("recipes/run.yaml", tmp_path / "wheel")) == {"name": "from here"}


def test_training_arguments_are_typed_too(tmp_path):
    text = f"output_dir: {tmp_path}\nlearning_rate: 3e-5\nwarmup_steps: 0.1\nbf16: no\nlr_scheduler_type: cosine\n"
    (args,), given = parse_settings(TrainingArguments, [written(tmp_path, text), "--max_steps", "-1"])
    assert (args.learning_rate, args.warmup_steps, args.bf16, args.max_steps) == (3e-5, 0.1, False, -1)
    assert given["lr_scheduler_type"] == "cosine"


@pytest.mark.parametrize(
    "text, argv, says",
    [
        ("name: x\nlearning_rat: 1\n", [], "learning_rat in .*run.yaml is not a setting: did you mean learning_rate?"),
        ("name: x\n", ["--zzz", "1"], "zzz in the command line is not a setting: take it out"),
        ("name: x\n", ["--learning", "1"], "learning in the command line is not a setting"),
        ("name: x\nlearning_rate: fast\n", [], "learning_rate.*invalid float value: 'fast'"),
        ("steps: 3\n", [], "required: --name"),
        ("name: x\n", ["stray"], "stray is not a setting"),
        ("- a\n- b\n", [], "holds no settings"),
        ("", [], "holds no settings"),
        ("name: [x\n", [], "is not YAML"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_it(tmp_path, text, argv, says):
    with pytest.raises(SettingsError, match=says) as caught:
        parsed(written(tmp_path, text), *argv)
    assert isinstance(caught.value, UserError)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("make", [lambda p: None, lambda p: p.mkdir(), lambda p: p.write_bytes(b"\xff\xfe\x00")])
def test_a_file_that_cannot_be_read(tmp_path, make):
    make(tmp_path / "none.yaml")
    with pytest.raises(SettingsError, match=r"Cannot read .*none\.yaml"):
        parsed(str(tmp_path / "none.yaml"))


def test_settings_that_do_not_fit_together(tmp_path):
    argv = [
        "--output_dir",
        str(tmp_path),
        "--load_best_model_at_end",
        "--eval_strategy",
        "epoch",
        "--save_strategy",
        "no",
    ]
    with pytest.raises(SettingsError, match="do not fit together"):
        parse_settings(TrainingArguments, argv)


@pytest.mark.parametrize("text", ["3", "[1]", "width: 3", ""])
def test_a_mapping_is_a_json_object(text):
    with pytest.raises(SettingsError, match="give JSON"):
        parse_mapping("model_config", text)
