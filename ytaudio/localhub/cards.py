"""What a repo says about itself: README front matter, tags, evaluation results, configuration."""

import json
import math
import re
from datetime import date
from functools import lru_cache
from typing import Any

import yaml

from ytaudio.localhub.errors import bad_request
from ytaudio.localhub.history import Tree
from ytaudio.localhub.objects import Objects

MAX_TEXT = 4 << 20  # bytes of a README, a config or a result that is read at all
MAX_FRONT = 256 << 10  # characters of a README's front matter: what is dear to read grows with its length
_MAX_NODES = 200_000  # values in one YAML text, aliases written out
_MAX_DEPTH = 60
_MAX_BITS = 64  # of a whole number: JSON's readers know no more, and Python writes none of 15,000
_DTYPE = re.compile(r"[A-Z0-9_]{1,20}")  # of a safetensors file
_MAX_AXES = 16  # of a tensor
_FRONT = re.compile(r"\A﻿?\s*---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# README keys whose values become "key:value" tags, by kind of repo; a model's languages are tags as they are
_PREFIXED = {
    "model": {"datasets": "dataset", "license": "license", "base_model": "base_model"},
    "dataset": {
        key: key
        for key in (
            "task_categories",
            "task_ids",
            "annotations_creators",
            "language_creators",
            "language",
            "multilinguality",
            "source_datasets",
            "license",
            "size_categories",
        )
    }
    | {"language": "language", "languages": "language", "licenses": "license"},
    "space": {"license": "license"},
}
_TASK_BY_HEAD = {
    "ForAudioClassification": "audio-classification",
    "ForCTC": "automatic-speech-recognition",
    "ForSpeechSeq2Seq": "automatic-speech-recognition",
    "ForImageClassification": "image-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
    "ForMaskedLM": "fill-mask",
    "ForCausalLM": "text-generation",
}
_SPEECH = re.compile(r"Wav2Vec2|Hubert|WavLM|UniSpeech|Data2VecAudio|Whisper|SEW|AST", re.IGNORECASE)


def plain(value: Any) -> Any:
    """A YAML or JSON value as JSON can be written: dates as text, no NaN, no half of a surrogate pair.

    Raises:
        ValueError: too deep or too large (an alias bomb, a number of a thousand digits).
    """
    left = [_MAX_NODES]

    def walk(node: Any, depth: int) -> Any:
        left[0] -= 1
        if left[0] < 0 or depth > _MAX_DEPTH:
            raise ValueError("too deep or too large")
        if isinstance(node, dict):
            return {_whole(str(key)): walk(item, depth + 1) for key, item in node.items()}
        if isinstance(node, (list, tuple, set)):
            return [walk(item, depth + 1) for item in node]
        if isinstance(node, float) and not math.isfinite(node):
            return None
        if isinstance(node, int) and node.bit_length() > _MAX_BITS:
            raise ValueError("a number is too large")
        if isinstance(node, date):
            return node.isoformat()
        if isinstance(node, str):
            return _whole(node)
        return node if isinstance(node, (int, float, bool, type(None))) else _whole(str(node))

    return walk(value, 0)


def _whole(text: str) -> str:
    """The text with a question mark for each half of a surrogate pair, which no answer can hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def read_yaml(text: str) -> Any:
    """YAML as plain JSON values.

    Raises:
        ValueError: not YAML, or too much of it; the message says where.
    """
    try:
        _check_shape(text)
        return plain(yaml.load(text, Loader=_Loader))
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error).replace("\n", " ") or "not YAML") from None


def _check_shape(text: str) -> None:
    """Refuse what would be dear or deadly to load, by the events alone: libyaml's loader recurses on the C stack.

    Raises:
        ValueError: too long, too deep, too many values, or a merge key (`<<`), each of which multiplies what it merges.
    """
    if len(text) > MAX_FRONT:
        raise ValueError(f"longer than {MAX_FRONT} characters")
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_Loader)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH or count > _MAX_NODES:
            raise ValueError("too deep or too large")
        if isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]:
            raise ValueError("merge keys (<<) are not read here: write the values out")


def split_card(text: str) -> tuple[str | None, str]:
    """A README to (front matter, the rest); None without front matter."""
    found = _FRONT.match(text)
    return (found.group(1), text[found.end() :]) if found else (None, text)


def check_card(text: str) -> tuple[list[str], list[str]]:
    """What is wrong with a README's front matter: (errors, warnings)."""
    front, _ = split_card(text)
    if front is None or not front.strip():
        return [], ["empty or missing yaml metadata in repo card"]
    try:
        data = read_yaml(front)
    except ValueError as error:
        return [f"The metadata is not valid YAML: {error}"], []
    return (_wrong_types(data), []) if isinstance(data, dict) else (["The metadata must be a YAML mapping."], [])


def _wrong_types(card: dict[str, Any]) -> list[str]:
    """What the libraries could not use: `language: no` is YAML for false, not for Norwegian."""
    errors = []
    for key in ("tags", "language", "datasets"):
        value = card.get(key)
        values = value if isinstance(value, list) else [value]
        if value is not None and (
            not all(isinstance(item, str) for item in values) or (key, type(value)) == ("tags", str)
        ):
            errors.append(f'"{key}" must be a list of texts: put {key} one a line after "- ", and in quotes.')
    index = card.get("model-index")
    entries = index if isinstance(index, list) else [index]
    if index is not None and not all(isinstance(e, dict) and isinstance(e.get("results"), list) for e in entries):
        errors.append('"model-index" must be a list whose entries have a name and a list of results.')
    return errors


def check_readme(objects: Objects, tree: Tree) -> None:
    """Nothing, when the README's front matter can be read.

    Raises:
        HubError: 400 with what is wrong, in the words of /api/validate-yaml.
    """
    entry = tree.get("README.md")
    if entry and not entry.lfs and entry.size <= MAX_TEXT:
        errors, _ = check_card(objects.read(entry.sha256).decode("utf-8", "replace"))
        if errors:
            raise bad_request(f"Invalid metadata in README.md: {' '.join(errors)}")


@lru_cache(maxsize=1024)
def _card(objects: Objects, sha256: str) -> dict[str, Any]:
    front, _ = split_card(objects.read(sha256).decode("utf-8", "replace"))
    try:
        data = read_yaml(front or "")
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def card_data(objects: Objects, tree: Tree) -> dict[str, Any]:
    """README.md's front matter; empty when there is none or it is no mapping."""
    entry = tree.get("README.md")
    return _card(objects, entry.sha256) if entry and entry.size <= MAX_TEXT else {}


@lru_cache(maxsize=1024)
def _json(objects: Objects, sha256: str) -> dict[str, Any]:
    try:
        data = plain(json.loads(objects.read(sha256)))
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def model_config(objects: Objects, tree: Tree) -> dict[str, Any]:
    """What the Hub shows of a model's config.json; empty without one."""
    entry = tree.get("config.json")
    config = _json(objects, entry.sha256) if entry and entry.size <= MAX_TEXT else {}
    return {
        key: config[key] for key in ("architectures", "model_type", "auto_map", "quantization_config") if key in config
    }


def _is_length(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 48


@lru_cache(maxsize=1024)
def _parameters(objects: Objects, sha256: str) -> dict[str, int]:
    with objects.path(sha256).open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > MAX_TEXT:
            return {}
        try:
            header = json.loads(file.read(length))
            counts: dict[str, int] = {}
            for name, tensor in header.items():
                if name != "__metadata__":
                    kind, shape = tensor["dtype"], tensor["shape"]
                    if not _DTYPE.fullmatch(kind) or len(shape) > _MAX_AXES or not all(map(_is_length, shape)):
                        raise ValueError("not the header of a safetensors file")
                    counts[kind] = counts.get(kind, 0) + math.prod(shape)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {}
    return counts


def parameters(objects: Objects, tree: Tree) -> dict[str, int]:
    """How many numbers of each type the weights hold, by the headers of the safetensors files at the root."""
    total: dict[str, int] = {}
    for path, entry in tree.items():
        if path.endswith(".safetensors") and "/" not in path:
            for kind, count in _parameters(objects, entry.sha256).items():
                total[kind] = total.get(kind, 0) + count
    return total


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [str(item) for item in values if isinstance(item, (str, int, float)) and str(item)]


def library_of(card: dict[str, Any], config: dict[str, Any], tree: Tree) -> str | None:
    """The library a model belongs to: as its card says, else transformers when it has such a config."""
    if isinstance(card.get("library_name"), str):
        return card["library_name"]
    return "transformers" if config.get("model_type") and config.get("architectures") else None


def pipeline_of(card: dict[str, Any], config: dict[str, Any]) -> str | None:
    """The task a model does: as its card says, else by its architecture's name."""
    if isinstance(card.get("pipeline_tag"), str):
        return card["pipeline_tag"]
    for name in _texts(config.get("architectures") or []):
        if name.endswith("ForSequenceClassification"):
            return "audio-classification" if _SPEECH.match(name) else "text-classification"
        for head, task in _TASK_BY_HEAD.items():
            if name.endswith(head):
                return task
    return None


def tags_of(kind: str, card: dict[str, Any], config: dict[str, Any], tree: Tree) -> list[str]:
    """The tags one can search a repo by."""
    tags: list[str] = []
    if kind == "model":
        tags += _texts(library_of(card, config, tree))
        tags += ["tensorboard"] if any("tfevents" in path for path in tree) else []
        tags += ["safetensors"] if any(path.endswith(".safetensors") for path in tree) else []
        tags += _texts(config.get("model_type"))
        tags += _texts(pipeline_of(card, config))
    if kind == "space":
        tags += _texts(card.get("sdk"))
    tags += _texts(card.get("tags") or [])
    for key, prefix in _PREFIXED[kind].items():
        tags += [f"{prefix}:{value}" for value in _texts(card.get(key) or [])]
    if kind == "model":
        tags += _texts(card.get("language") or [])
        tags += ["model-index"] if card.get("model-index") else []
        tags += ["custom_code"] if config.get("auto_map") else []
    return list(dict.fromkeys([*tags, "region:us"]))
