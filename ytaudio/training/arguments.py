"""Settings from a YAML file and the command line: typed by dataclasses, the command line winning."""

import dataclasses
import difflib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import yaml
from transformers import HfArgumentParser

from ytaudio.errors import UserError


class SettingsError(UserError):
    """Settings that cannot be used; the message is one sentence that names the mend."""


class _Parser(HfArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say it in one sentence instead of printing the usage of 150 settings."""
        raise SettingsError(f"The settings do not fit ({message}): mend the YAML file or the command line.")


def parse_mapping(name: str, text: str) -> dict[str, Any]:
    """A setting that is itself settings: JSON on the command line, a mapping in YAML, which arrives as JSON too.

    Raises:
        SettingsError: it is not a JSON object.
    """
    try:
        read = json.loads(text)
    except json.JSONDecodeError:
        read = None
    if not isinstance(read, dict):
        raise SettingsError(f'{name} is {text}: give JSON such as {{"width": 16}}.')
    return read


def _json_value(value: Any) -> Any:
    """A value inside a YAML mapping, typed as JSON types it: 3e-5 is a number, true a boolean, the rest strings."""
    if isinstance(value, dict):
        return {key: _json_value(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_json_value(inner) for inner in value]
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def read_yaml(path: str | Path) -> dict[str, Any]:
    """A YAML file of settings with every value as it was written: `3e-5` and `no` stay strings for argparse to type.

    YAML 1.1 would make 3e-5 a string and `no` False before anybody asked for a type.

    Raises:
        SettingsError: no such file, not YAML, or not a mapping.
    """
    try:
        read = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except (OSError, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or "it is not text"
        raise SettingsError(f"Cannot read {path} ({said}): give the path of a YAML file of settings.") from None
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise SettingsError(f"{path} is not YAML ({said}): write one `name: value` a line.") from None
    if not isinstance(read, dict):
        raise SettingsError(f"{path} holds no settings: write one `name: value` a line.")
    return read


def _check_names(names: Sequence[str], known: Sequence[str], where: str) -> None:
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            mend = f"did you mean {close[0]}?" if close else "take it out."
            raise SettingsError(f"{name} in {where} is not a setting: {mend}")


def _as_argv(settings: dict[str, Any]) -> list[str]:
    argv = []
    for name, value in settings.items():
        if isinstance(value, list):
            argv += [f"--{name}", *map(str, value)]
        elif isinstance(value, dict):
            argv.append(f"--{name}={json.dumps(_json_value(value))}")
        elif value not in ("", "~", "null"):  # YAML's ways to say: as if it were not there
            argv.append(f"--{name}={value}")
    return argv


def _named(argv: Sequence[str]) -> list[str]:
    return [word[2:].split("=")[0].replace("-", "_") for word in argv if word.startswith("--")]


def find_yaml(path: str, beside: Path | None = None) -> Path:
    """The YAML file itself, or, where it is not there, one of the same name in the folder `beside`."""
    other = beside / Path(path).name if beside else None
    return other if other and not Path(path).is_file() and other.is_file() else Path(path)


def parse_settings(
    types: type | Sequence[type], argv: Sequence[str], *, beside: Path | None = None
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Instances of the dataclasses, and the settings that were given, typed, in the order they were first given.

    If `argv` begins with a path rather than an option, it is a YAML file whose `name: value` lines are put as
    `--name=value` in front of the rest: argparse types both alike and the command line wins. A file that does not
    exist is looked for in `beside` by its name, for recipes that lie in an installed package.

    Raises:
        SettingsError: an unreadable file, an unknown name, a value of the wrong type, a required one missing.
    """
    kinds: list[Any] = [types] if isinstance(types, type) else list(types)
    known = [field.name for kind in kinds for field in dataclasses.fields(kind) if field.init]
    line, front = list(argv), []
    if line and not line[0].startswith("-"):
        path = find_yaml(line.pop(0), beside)
        written = {name.replace("-", "_"): value for name, value in read_yaml(path).items()}
        _check_names(list(written), known, str(path))
        front = _as_argv(written)
    _check_names(
        [name for name in _named(line) if name != "help"], known + [f"no_{name}" for name in known], "the command line"
    )
    if "--help" in line or "-h" in line:
        front = []
    parser = _Parser(kinds, allow_abbrev=False)
    try:
        *instances, stray = parser.parse_args_into_dataclasses(
            front + line, return_remaining_strings=True, look_for_args_file=False
        )
    except (ValueError, ImportError) as error:
        if isinstance(error, SettingsError):
            raise
        raise SettingsError(f"The settings do not fit together: {' '.join(str(error).split())}") from error
    if stray:
        raise SettingsError(f"{stray[0]} is not a setting: write --name value after the YAML file.")
    every = {name: getattr(one, name) for one in instances for name in known if hasattr(one, name)}
    given = dict.fromkeys(name if name in every else name.removeprefix("no_") for name in _named(front + line))
    return tuple(instances), {name: every[name] for name in given if name in every}
