"""Models: scores and the record of a training to README text, results in the Hub's formats, plots."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResult, EvalResultEntry, ModelCard, ModelCardData, constants
from huggingface_hub import eval_result_entries_to_yaml as entries_to_yaml

from ytaudio.evaluation.comparison import against_best_floor
from ytaudio.evaluation.scores import Scores
from ytaudio.redaction import redacted
from ytaudio.training.choices import AccuracyArguments
from ytaudio.training.runs import CROP_S, TrainingRun

from .licences import Licence
from .markup import linked, listed, render, text
from .origins import misc

TASKS = {"accuracy": "accuracy", "macro_f1": "f1"}  # our measures, and what the Hub calls them
_NAMES = {"accuracy": "Accuracy", "macro_f1": "Macro-F1"}


def eval_results_yaml(scores: Scores) -> str:
    """An .eval_results/*.yaml of a model: an entry for each task of the dataset's eval.yaml.

    Raises:
        ValueError: the scores are of a dataset that is in no repository, so that nobody could look them up.
    """
    if not scores.dataset_revision:
        raise ValueError(f"{scores.dataset_id} has no commit that an evaluation result could name")
    notes = f"{scores.sample}, {scores.crops} crops of {scores.crop_seconds:g} s a clip, split {scores.split}"
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
    scores: Scores | None,
    run: TrainingRun | None,
    repo_id: str,
    *,
    labels: Sequence[str],
    remote_code: bool = False,
    our_code: bool = False,
    licence: Licence | None = None,
) -> str:
    """README.md of a model.

    Args:
        scores: None where it was not evaluated, and the card says so.
        run: None where its training is not recorded.
        repo_id: where it will be found.
        labels: what it can answer.
        remote_code: whether it brings its own code, which a user must trust.
        our_code: whether that is ytaudio's, which ytaudio itself need not be told to trust.
        licence: the one it is under; None where none is named.
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
        license=licence.id if licence else None,
        license_name=licence.name or None if licence else None,
        license_link=licence.link or None if licence else None,
    )
    return render(
        "model_card.md",
        front_matter=front.to_yaml(),
        name=name,
        repo_id=repo_id,
        scores=scores,
        run=run,
        duration=duration,
        label_list=listed(labels),
        usage=_usage(repo_id, remote_code),
        verbs=_verbs(repo_id, remote_code and not our_code),
        remote_code=remote_code,
        our_code=our_code,
        licence=licence,
        labels=labels,
        mixed_up=_mixed_up(scores) if scores else (),
        citation=misc(
            name, repo_id.split("/")[0], scores.created[:4] if scores else "", f"{constants.ENDPOINT}/{repo_id}"
        ),
        crop_seconds=run.crop_seconds if run else scores.crop_seconds if scores else CROP_S,
        dataset_link=_dataset_link(scores.dataset_id, scores.dataset_revision) if scores else "",
        dataset_page=_dataset_link(scores.dataset_id, scores.dataset_revision, at=False) if scores else "",
        base=linked(run.base_model, f"{constants.ENDPOINT}/{run.base_model}") if run and run.base_revision else "",
        began=_began(run) if run else "",
        training_link=_dataset_link(run.dataset_id, run.dataset_revision) if run else "",
        verdict=_verdict(scores) if scores else "",
        seen=_seen(scores, run) if scores else "",
        command=redacted(run.command) if run else "",
        choices=_choices(run.settings) if run else (),
        settings=redacted(yaml.safe_dump(dict(run.settings), sort_keys=False, allow_unicode=True)) if run else "",
    )


def _verdict(scores: Scores) -> str:
    """What can be told of a model against the best of its floors, "" where those are not known."""
    pair = against_best_floor(replace(scores, model_id="this model"))
    return pair.verdict[0].upper() + pair.verdict[1:] if pair else ""


def _seen(scores: Scores, run: TrainingRun | None) -> str:
    """What training and the choice of the best epoch had to do with the videos scored on, as far as is recorded."""
    if run is None:
        return "whether its training had heard them is not recorded"
    if (scores.dataset_id, scores.dataset_revision) != (run.dataset_id, run.dataset_revision):
        return "another dataset than it was trained on, or another revision of it"
    return {
        "train": "the very videos it was trained on: this tells nothing about others",
        "validation": "not trained on, but the best epoch may have been chosen by them",
    }.get(scores.split, "held back from training and from the choice of the best epoch")


def _began(run: TrainingRun) -> str:
    """What its weights were before this training."""
    if run.base_revision:
        return f"Fine-tuned from {linked(run.base_model, f'{constants.ENDPOINT}/{run.base_model}')}"
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    if run.base_model in (*CONFIG_MAPPING_NAMES, "spectrogram_cnn"):
        return f"Trained from new weights ({text(run.base_model)})"
    return f"Fine-tuned from a checkpoint that is in no repository ({text(Path(run.base_model).name)})"


def _mixed_up(scores: Scores) -> list[tuple[int, str, str]]:
    """The commonest confusions: videos, true label, predicted label."""
    wrong = [
        (count, scores.labels[true], scores.labels[predicted])
        for true, row in enumerate(scores.confusion)
        for predicted, count in enumerate(row)
        if count and true != predicted
    ]
    return sorted(wrong, key=lambda mistake: -mistake[0])[:3]


def _choices(settings: Mapping[str, Any]) -> list[tuple[str, Any, str]]:
    """Those of the settings that are there for more accuracy: name, value, what it does and its source."""
    return [
        (field.name, settings[field.name], field.metadata["help"])
        for field in fields(AccuracyArguments)
        if settings.get(field.name, field.default) != field.default
    ]


def duration(seconds: float) -> str:
    """A stretch of time as it is said: "48 s", "12 min", "3 h 5 min"."""
    minutes = round(seconds / 60)
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


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
        "waveform = np.sin(440 * 2 * np.pi * np.arange(80_000) / 16_000)  # your sound here\n"
        "print(classify(waveform.astype(np.float32)))"
    )


def _verbs(repo_id: str, trust: bool) -> str:
    trusted = " --trust-remote-code" if trust else ""
    return (
        f"ytaudio classify 'https://www.youtube.com/watch?v=VIDEO' --model {repo_id}{trusted}\n"
        f"ytaudio classify talk.mp4 RECORDINGS/ --model {repo_id}{trusted} --timeline\n"
        f"ytaudio demo --model {repo_id}{trusted}    # in the browser"
    )


def _dataset_link(dataset_id: str, revision: str, at: bool = True) -> str:
    """A dataset with a link to its commit, where it has one, and the commit's name behind it if `at`."""
    page = f"{constants.ENDPOINT}/datasets/{dataset_id}/tree/{revision}" if revision else ""
    return linked(dataset_id, page) + (f" at `{revision[:12]}`" if revision and at else "")


def model_plots(scores: Scores | None, run: TrainingRun | None) -> dict[str, bytes]:
    """The pictures model_card shows, by their path in the repository."""
    from ytaudio import plots  # matplotlib takes half a second, and words need none

    shown: dict[str, bytes] = {}
    if scores:
        videos = {label: sum(row) for label, row in zip(scores.labels, scores.confusion, strict=True)}
        shown["plots/confusion.png"] = plots.confusion(scores.confusion, scores.labels)
        shown["plots/f1.png"] = plots.f1(scores.f1_by_category, scores.f1_by_category_interval, videos)
        if scores.calibration:
            shown["plots/reliability.png"] = plots.reliability(scores.calibration)
    if run:
        shown["plots/training.png"] = plots.training(run.history)
    return shown
