"""What a publication holds: a folder to the files of a repository, or a sentence that says what is missing."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ytaudio import cards
from ytaudio.channels import channels_of
from ytaudio.errors import UserError
from ytaudio.evaluation.predictions import predictions_parquet, predictions_path
from ytaudio.evaluation.scores import SCORES_FILE, Scores
from ytaudio.examples import examples_of
from ytaudio.links import LINKS_ONLY, write_links
from ytaudio.training.runs import RUN_FILE, TrainingRun

WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
OUR_MODEL = "spectrogram_cnn"  # the model_type of ytaudio.models, which is not imported for its name: it takes torch
_ORDER = {"train": 0, "validation": 1, "test": 2}
_SHARD = re.compile(r"(?P<split>\w+)-(?P<number>\d{5})-of-(?P<of>\d{5})\.parquet")
Files = dict[str, Path | bytes]  # path in the repository to the file here, or to what it holds


class HubError(UserError):
    """Something that keeps a publication from a Hub; the message is one sentence that names the mend."""


def dataset_files(folder: Path, repo_id: str) -> Files:
    """The files of a dataset that `ytaudio build` wrote: data, examples to listen to, card, plots, report, eval.yaml.

    Raises:
        HubError: something is missing or cannot be read.
    """
    folder = folder / "dataset" if (folder / "dataset" / "data").is_dir() else folder
    shards, report = _checked_data(folder)
    splits = _in_order(shards)
    channels, examples = channels_of(shards), examples_of(shards[splits[0]])
    return {
        **{f"data/{path.name}": path for split in splits for path in shards[split]},
        **{example.path: example.flac for example in examples},
        "README.md": cards.dataset_card(report, repo_id, splits, channels=channels, examples=examples).encode(),
        "report.json": folder / "report.json",
        "eval.yaml": cards.eval_yaml(repo_id, splits).encode(),
        **cards.dataset_plots(report, channels),
    }


def link_files(folder: Path, repo_id: str, place: Path) -> Files:
    """The files of the same dataset without its audio: links, windows, labels, hashes and fingerprints, card, report.

    There is no eval.yaml: without audio there is nothing to score.

    Args:
        folder: what `ytaudio build` wrote, with its ledger, or the dataset folder in it.
        repo_id: where it will be found.
        place: an empty folder for the Parquet files; they are needed until they are uploaded.

    Raises:
        UserError: something is missing or cannot be read, or ledger and dataset are not of one build.
    """
    data = folder / "dataset" if (folder / "dataset" / "data").is_dir() else folder
    shards, report = _checked_data(data)
    splits = _in_order(shards)
    built = data.parent if data.name == "dataset" else folder
    written = write_links(built, [path for split in splits for path in shards[split]], place)
    report = {**_without_words(report), LINKS_ONLY: True}
    channels = channels_of(shards)
    return {
        **{f"data/{path.name}": path for path in written},
        "README.md": cards.links_card(report, repo_id, splits, channels=channels).encode(),
        "report.json": json.dumps(report, indent=1, ensure_ascii=False).encode() + b"\n",
        **cards.dataset_plots(report, channels),
    }


def _without_words(report: dict[str, Any]) -> dict[str, Any]:
    """The report with numbers, ids and reasons, and neither a list's cells nor what sites said of a video."""
    lines = [{**line, "value": ""} for line in report.get("rejected_lines") or ()]
    rebuilt = dict(report.get("rebuilt") or {})
    if rebuilt:
        rebuilt["gone_examples"] = _ids(rebuilt.get("gone_examples"))
    return {
        **report,
        "rejected_lines": lines,
        "failed_examples": _ids(report.get("failed_examples")),
        "rebuilt": rebuilt,
    }


def _ids(examples: dict[str, list[str]] | None) -> dict[str, list[str]]:
    """Reason to ids, from reason to "id: what the site said"."""
    return {reason: [said.split(":")[0] for said in some] for reason, some in (examples or {}).items()}


def _in_order(splits: Iterable[str]) -> list[str]:
    return sorted(splits, key=lambda name: (_ORDER.get(name, len(_ORDER)), name))


def _checked_data(folder: Path) -> tuple[dict[str, list[Path]], dict]:
    """Every split's Parquet files, all there and readable, and the report that belongs to them."""
    if not (folder / "data").is_dir():
        raise HubError(f"{folder} holds no dataset: give the folder that `ytaudio build` wrote.")
    shards: dict[str, list[Path]] = {}
    rows = 0
    for path in sorted((folder / "data").glob("*.parquet")):
        named = _SHARD.fullmatch(path.name)
        try:
            metadata = pq.read_metadata(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise HubError(f"{path} cannot be read as Parquet ({error}): build again.") from None
        if not named or not {"audio", "label"} <= set(pq.read_schema(path).names):
            raise HubError(
                f"{path} is not a file of a dataset that `ytaudio build` wrote: move it away or build again."
            )
        rows += metadata.num_rows
        shards.setdefault(named["split"], []).append(path)
    for split, paths in shards.items():
        if [path.name for path in paths] != [f"{split}-{n:05d}-of-{len(paths):05d}.parquet" for n in range(len(paths))]:
            raise HubError(f"{folder / 'data'} lacks a part of the split {split}: build again.")
    try:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise HubError(f"{folder / 'report.json'} cannot be read ({error}): build again.") from None
    if not rows or rows != report.get("clips"):
        raise HubError(f"{folder} holds {rows} clips and its report tells of {report.get('clips')}: build again.")
    return shards, report


def model_files(
    folder: Path, repo_id: str, licence: Callable[[TrainingRun | None], cards.Licence | None] = lambda run: None
) -> Files:
    """The files of a model that a recipe wrote: weights, extractor, code, records, card, results and plots.

    Args:
        folder: what the recipe saved.
        repo_id: where it will be found.
        licence: what the card is to name, told the record of the training.

    Raises:
        HubError: something is missing or cannot be read.
    """
    files = _model_files(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    run = _read(TrainingRun.load, folder, RUN_FILE)
    scores = _read(Scores.load, folder, SCORES_FILE)
    if run:
        files[RUN_FILE] = cards.redacted((folder / RUN_FILE).read_text(encoding="utf-8")).encode()
    if scores:  # it may have been scored as a folder
        scores = replace(scores, model_id=repo_id)
        files |= result_files(scores)
    return files | card_files(scores, run, config, repo_id, licence(run))


def card_files(
    scores: Scores | None,
    run: TrainingRun | None,
    config: dict[str, Any],
    repo_id: str,
    licence: cards.Licence | None = None,
) -> Files:
    """README.md and plots of a model with this config.json."""
    labels = [name for _, name in sorted(config.get("id2label", {}).items(), key=lambda pair: int(pair[0]))]
    remote_code = "auto_map" in config
    card = cards.model_card(
        scores,
        run,
        repo_id,
        labels=labels,
        remote_code=remote_code,
        our_code=remote_code and config.get("model_type") == OUR_MODEL,
        licence=licence,
    )
    return {"README.md": card.encode(), **cards.model_plots(scores, run)}


def _model_files(folder: Path) -> Files:
    """The files of a transformers model: config, extractor, weights and code."""
    if not (folder / "config.json").is_file() or not any((folder / name).is_file() for name in WEIGHTS):
        raise HubError(f"{folder} is not a trained model (config.json and model.safetensors): give a recipe's folder.")
    if not (folder / "preprocessor_config.json").is_file():
        raise HubError(f"{folder} has no preprocessor_config.json: save the feature extractor there too.")
    names = ["config.json", "preprocessor_config.json"]
    if (folder / WEIGHTS[1]).is_file():
        parts = json.loads((folder / WEIGHTS[1]).read_text(encoding="utf-8"))["weight_map"].values()
        names += [WEIGHTS[1], *sorted(set(parts))]
    else:
        names.append(WEIGHTS[0])
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise HubError(f"{folder} lacks {', '.join(missing)}: save the model again.")
    return {name: folder / name for name in [*names, *(path.name for path in sorted(folder.glob("*.py")))]}


def _read(load: Callable[[Path], Any], folder: Path, name: str) -> Any:
    """A record beside the weights, or None where there is none."""
    if not (folder / name).is_file():
        return None
    try:
        return load(folder)
    except (ValueError, TypeError, KeyError) as error:
        raise HubError(f"{folder / name} cannot be read ({error}): make it again or take it away.") from None


def result_files(scores: Scores) -> Files:
    """What travels of an evaluation: every figure, every prediction, and the Hub's own format of results."""
    files: Files = {
        SCORES_FILE: scores.to_json().encode(),
        predictions_path(scores.split): predictions_parquet(scores),
    }
    if scores.dataset_revision:
        name = re.sub(r"[^\w.-]", "-", scores.dataset_id)
        files[f".eval_results/ytaudio-{name}.yaml"] = cards.eval_results_yaml(scores).encode()
    return files
