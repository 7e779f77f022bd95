"""Reports and scores to README text, plots and evaluation YAML."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import (
    DatasetCardData,
    EvalResult,
    EvalResultEntry,
    ModelCard,
    ModelCardData,
    SpaceCardData,
    constants,
)
from huggingface_hub import eval_result_entries_to_yaml as entries_to_yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ytaudio import plots
from ytaudio.intervals import Interval
from ytaudio.runs import CROP_S, TrainingRun
from ytaudio.scores import Scores

HERE = Path(__file__).resolve().parent
MOST_ROWS = 100  # of a table of categories
TASKS = {"accuracy": "accuracy", "macro_f1": "f1"}  # our measures, and what the Hub calls them
_NAMES = {"accuracy": "Accuracy", "macro_f1": "Macro-F1"}
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def text(value: object) -> str:
    """Any string as plain text in a Markdown line or table cell: one line, nothing of it markup."""
    line = "".join(c if c.isprintable() else " " for c in str(value))
    line = " ".join(line.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"(?<!\w)_|_(?!\w)|[\\`*{}\[\]|#~$!]", r"\\\g<0>", line)


def fenced(content: str, language: str) -> str:
    """A code block that no backticks inside can close."""
    fence = "`" * (1 + max([2, *(len(run) for run in re.findall(r"`+", content))]))
    return f"{fence}{language}\n{content.rstrip()}\n{fence}"


def redacted(content: str) -> str:
    """Without access tokens, wherever they stand."""
    return re.sub(r"\b(hf|api_org)_[A-Za-z0-9]{8,}\b", r"\1_***", content)


def _share(value: float, interval: Interval) -> str:
    return f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


def _render(template: str, **values: Any) -> str:
    folder = next(path for path in (HERE / "hub_cards", HERE.parent / "hub_cards") if path.is_dir())
    environment = Environment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # Markdown, not HTML: every value goes through the filter `text`
    )
    environment.globals["hub"] = constants.ENDPOINT
    environment.filters |= {"text": text, "fenced": fenced, "share": _share}
    return re.sub(r"\n{3,}", "\n\n", environment.get_template(template).render(**values))


def dataset_card(report: Mapping[str, Any], repo_id: str, splits: Sequence[str] | None = None) -> str:
    """README.md of a dataset, from its build's report.

    Args:
        report: BuildReport as a dict, or what report.json holds.
        repo_id: where it will be found.
        splits: those with files in data/; None for all of the report that hold clips.
    """
    counted = {name: split for name, split in report["splits"].items() if any(c["clips"] for c in split.values())}
    splits = list(splits or counted)
    labels, name = list(report["labels"]), repo_id.rsplit("/", 1)[-1]
    front = DatasetCardData(
        pretty_name=name.replace("-", " ").replace("_", " "),
        license="other",
        license_name="rights-stay-with-the-uploaders",
        task_categories=["audio-classification"],
        size_categories=[next((name for limit, name in _SIZES if report["clips"] < limit), "1M<n<10M")],
        annotations_creators=["found"],
        source_datasets=["original"],
        tags=["audio", "video-topics", "ytaudio"],
        configs=[
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": f"data/{split}-*.parquet"} for split in splits],
            }
        ],
    )
    empty = {"videos": 0, "clips": 0, "channels": 0}
    return _render(
        "dataset_card.md",
        front_matter=front.to_yaml(),
        name=front.pretty_name,
        repo_id=repo_id,
        report=report,
        labels=labels,
        label_list=_listed(labels),
        first_split=splits[0],
        splits=[
            {"name": split, **{what: sum(c[what] for c in counted.get(split, {}).values()) for what in empty}}
            for split in splits
        ],
        categories=[
            {"label": label, "counts": [counted.get(split, {}).get(label, empty) for split in splits]}
            for label in labels[:MOST_ROWS]
        ],
        more_categories=max(0, len(labels) - MOST_ROWS),
        rebuild=_rebuild(report),
        citation=_citation(name, repo_id, str(report.get("created", ""))),
    )


def _listed(labels: Sequence[str]) -> str:
    names = ", ".join(text(label) for label in labels[:20])
    return names if len(labels) <= 20 else f"{names} and {len(labels) - 20} more"


def _rebuild(report: Mapping[str, Any]) -> str:
    source = re.sub(r"[^\w./:-]", "_", Path(str(report.get("source") or "links.csv")).name)
    return (
        f"ytaudio build {source} OUT --clips-per-video {report['clips_per_video']} "
        f"--clip-seconds {report['clip_seconds']:g} --seed {report['seed']} --protocol {report['protocol']}"
    )


def _citation(name: str, repo_id: str, created: str) -> str:
    key = re.sub(r"\W+", "_", name)
    return (
        f"@misc{{{key},\n  title = {{{name}}},\n  author = {{{repo_id.split('/')[0]}}},\n  year = {{{created[:4]}}},\n"
        f"  howpublished = {{\\url{{{constants.ENDPOINT}/datasets/{repo_id}}}}}\n}}"
    )


def dataset_plots(report: Mapping[str, Any]) -> dict[str, bytes]:
    """The pictures dataset_card shows, by their path in the repository."""
    return {"plots/classes.png": plots.classes(report["splits"], report["labels"])}


def eval_yaml(repo_id: str, splits: Sequence[str]) -> str:
    """eval.yaml of a dataset, which makes its page a leaderboard: a task for each measure on the split scored."""
    split = next((name for name in ("test", "validation") if name in splits), splits[0])
    return yaml.safe_dump(
        {
            "name": repo_id.rsplit("/", 1)[-1],
            "description": "What a video is about, from its sound: accuracy and macro-F1 over videos, from 0 to 1.",
            "evaluation_framework": "ytaudio",
            "tasks": [{"id": task, "config": "default", "split": split} for task in TASKS],
        },
        sort_keys=False,
        allow_unicode=True,
    )


def eval_results_yaml(scores: Scores) -> str:
    """An .eval_results/*.yaml of a model: an entry for each task of the dataset's eval.yaml.

    Raises:
        ValueError: the scores are of a dataset that is in no repository, so that nobody could look them up.
    """
    if not scores.dataset_revision:
        raise ValueError(f"{scores.dataset_id} has no commit that an evaluation result could name")
    notes = f"{scores.videos} videos, {scores.crops} crops of {scores.crop_seconds:g} s a clip, split {scores.split}"
    entries = []
    for task in TASKS:
        low, high = getattr(scores, f"{task}_interval")
        entries.append(
            EvalResultEntry(
                dataset_id=scores.dataset_id,
                task_id=task,
                value=getattr(scores, task),
                dataset_revision=scores.dataset_revision,
                date=scores.created,
                notes=f"{notes}, 95 % interval {low:.3f} to {high:.3f}",
            )
        )
    return yaml.safe_dump(entries_to_yaml(entries), sort_keys=False, allow_unicode=True)


def _model_index(scores: Scores) -> list[EvalResult]:
    return [
        EvalResult(
            task_type="audio-classification",
            dataset_type=scores.dataset_id,
            dataset_name=scores.dataset_id.rsplit("/", 1)[-1],
            dataset_split=scores.split,
            dataset_revision=scores.dataset_revision or None,
            metric_type=TASKS[task],
            metric_name=f"{_NAMES[task]} over {level}",
            metric_value=getattr(scores, f"{prefix}{task}"),
        )
        for prefix, level in (("", "videos"), ("clip_", "clips"))
        for task in TASKS
    ]


def model_card(
    scores: Scores | None, run: TrainingRun | None, repo_id: str, *, labels: Sequence[str], remote_code: bool = False
) -> str:
    """README.md of a model.

    Args:
        scores: None where it was not evaluated, and the card says so.
        run: None where its training is not recorded.
        repo_id: where it will be found.
        labels: what it can answer.
        remote_code: whether it brings its own code, which a user must trust.
    """
    known = {(run.dataset_id, run.dataset_revision)} if run else set()
    known |= {(scores.dataset_id, scores.dataset_revision)} if scores else set()
    name = repo_id.rsplit("/", 1)[-1]
    front = ModelCardData(
        library_name="transformers",
        pipeline_tag="audio-classification",
        base_model=run.base_model if run and run.base_revision else None,
        datasets=sorted({dataset for dataset, revision in known if revision}) or None,
        metrics=list(TASKS.values()),
        tags=["audio", "video-topics", "ytaudio"],
        model_name=name,
        eval_results=_model_index(scores) if scores else None,
    )
    return _render(
        "model_card.md",
        front_matter=front.to_yaml(),
        name=name,
        scores=scores,
        run=run,
        label_list=_listed(labels),
        usage=_usage(repo_id, remote_code),
        remote_code=remote_code,
        crop_seconds=run.crop_seconds if run else scores.crop_seconds if scores else CROP_S,
        dataset_link=_dataset_link(scores.dataset_id, scores.dataset_revision) if scores else "",
        training_link=_dataset_link(run.dataset_id, run.dataset_revision) if run else "",
        command=redacted(run.command) if run else "",
        settings=redacted(yaml.safe_dump(dict(run.settings), sort_keys=False, allow_unicode=True)) if run else "",
    )


def is_ours(content: str) -> bool:
    """Whether a README is a card of ytaudio's, which may be written anew."""
    return "ytaudio" in ModelCard(content, ignore_metadata_errors=True).data.get("tags", [])


def with_results(content: str, scores: Scores, repo_id: str) -> str:
    """Somebody else's model card with these results in its model-index, in the place of older ones of the same kind."""
    card, new = ModelCard(content, ignore_metadata_errors=True), _model_index(scores)
    old = card.data.get("eval_results", [])
    card.data["eval_results"] = [one for one in old if not any(one.is_equal_except_value(other) for other in new)] + new
    card.data["model_name"] = card.data.get("model_name", repo_id.rsplit("/", 1)[-1])
    return str(card)


def _usage(repo_id: str, remote_code: bool) -> str:
    trust = ", trust_remote_code=True" if remote_code else ""
    return (
        "import numpy as np\nfrom transformers import pipeline\n\n"
        f'classify = pipeline("audio-classification", model="{repo_id}"{trust})\n'
        "waveform = np.sin(440 * 2 * np.pi * np.arange(80_000) / 16_000).astype(np.float32)  # 5 s: your sound here\n"
        "print(classify(waveform))"
    )


def _dataset_link(dataset_id: str, revision: str) -> str:
    if not revision:
        return text(dataset_id)
    return f"[{text(dataset_id)}]({constants.ENDPOINT}/datasets/{dataset_id}/tree/{revision}) at `{revision[:12]}`"


def model_plots(scores: Scores | None, run: TrainingRun | None) -> dict[str, bytes]:
    """The pictures model_card shows, by their path in the repository."""
    shown = {"plots/confusion.png": plots.confusion(scores.confusion, scores.labels)} if scores else {}
    return shown | ({"plots/training.png": plots.training(run.history)} if run else {})


def space_card(repo_id: str, models: Sequence[str]) -> str:
    """README.md of the Gradio demo of some models."""
    name = repo_id.rsplit("/", 1)[-1]
    front = SpaceCardData(
        title=name.replace("-", " "), sdk="gradio", app_file="app.py", models=list(models), tags=["audio", "ytaudio"]
    )
    return _render("space_card.md", front_matter=front.to_yaml(), name=name, models=list(models))
