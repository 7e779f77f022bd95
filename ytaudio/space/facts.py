"""What is known of a model before anyone asks it: its labels, what it was trained on, how often it was right."""

import json
from pathlib import Path

from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import RemoteEntryNotFoundError

from ytaudio.evaluation.checking import checked
from ytaudio.evaluation.scores import SCORES_FILE, Scores
from ytaudio.hub_errors import hub_errors, is_local, name_and_revision
from ytaudio.training.checkpoints import described
from ytaudio.training.runs import RUN_FILE, TrainingRun

from .settings import Asked, Measured

_REPORT = "report.json"  # of a dataset that `ytaudio build` made
# in a file of somebody else's making; a UserError, which is a ValueError, of a dataset that not everybody may see
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


def known_of(name: str, trust_remote_code: bool = False) -> Asked:
    """A model, USER/NAME[@REVISION] or a folder, as its repository (or folder) describes it now.

    What cannot be read of its records is left out; the page then says that it is not known.

    Raises:
        UserError: there is no such model, it is no audio classifier, it brings code that nobody allowed to run, or the
            Hub cannot be asked.
    """
    name, asked = name_and_revision(name)
    labels, commit = described(name, asked, trust_remote_code)
    run, scores = _run(name, commit), _scores(name, commit)
    dataset = run.dataset_id if run and run.dataset_revision else ""
    return Asked(
        name=name,
        revision=commit,
        trust_remote_code=trust_remote_code,
        labels=labels,
        dataset=dataset,
        trained_videos=_training_videos(dataset, run.dataset_revision) if run and dataset else None,
        measured=_measured(scores) if scores else _as_its_page_says(name, commit),
    )


def source_of_examples(name: str, revision: str = "") -> tuple[str, str]:
    """The dataset a model was trained on, else the one it was scored on, and its commit: ("", "") where none is told.

    The commit is "" of a folder.

    Raises:
        UserError: the Hub cannot be asked.
    """
    told = _run(name, revision) or _scores(name, revision)
    if not told or (is_local(told.dataset_id) and not is_local(name)):
        return "", ""  # what a stranger's repository calls a folder may be one of this machine
    return told.dataset_id, told.dataset_revision


def _run(name: str, revision: str) -> TrainingRun | None:
    text = read_record(name, RUN_FILE, revision)
    try:
        run = TrainingRun.from_json(text) if text else None
        return run if run and isinstance(run.dataset_id, str) and isinstance(run.dataset_revision, str) else None
    except _UNREADABLE:
        return None


def _scores(name: str, revision: str) -> Scores | None:
    text = read_record(name, SCORES_FILE, revision)
    try:
        return checked(Scores.from_dict(json.loads(text))) if text else None
    except _UNREADABLE:
        return None


def _measured(scores: Scores) -> Measured | None:
    if not 0 <= scores.accuracy <= 1:
        return None
    low, high = scores.accuracy_interval
    dataset = scores.dataset_id if scores.dataset_revision else ""
    return Measured(scores.accuracy, low, high, scores.sample, scores.split, dataset)


def _as_its_page_says(name: str, revision: str) -> Measured | None:
    """The first accuracy among the evaluation results in a repository of somebody else's."""
    if is_local(name):
        return None
    with hub_errors(f"model {name}"):
        results = HfApi().model_info(name, revision=revision, expand=["evalResults"]).eval_results or []
    for result in results:
        if result.task_id == "accuracy" and isinstance(result.value, int | float):
            share = result.value / 100 if result.value > 1 else result.value
            return Measured(float(share), None, None, "", "", result.dataset_id)
    return None


def _training_videos(dataset: str, revision: str) -> int | None:
    """The videos of a dataset's train split; None where its report does not tell, or may not be read."""
    try:
        text = read_record(dataset, _REPORT, revision, kind="dataset")
        return sum(each["videos"] for each in json.loads(text)["splits"]["train"].values()) if text else None
    except _UNREADABLE:
        return None


def read_record(name: str, file: str, revision: str = "", kind: str = "model") -> str:
    """A text file of a folder or of a repository, "" where it has none.

    Raises:
        UserError: the Hub cannot be asked.
    """
    if is_local(name):
        path = Path(name) / file
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    try:
        with hub_errors(f"{kind} {name}"):
            HfApi().repo_info(name, repo_type=kind, revision=revision or None)  # a download tries a dead Hub for 23 s
            path = Path(hf_hub_download(name, file, revision=revision or None, repo_type=kind))
    except RemoteEntryNotFoundError:
        return ""
    return path.read_text(encoding="utf-8", errors="replace")
