"""Datasets: a build's report to README text, plots and eval.yaml."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from huggingface_hub import DatasetCardData

from ytaudio.channels import Channels, Spread
from ytaudio.clips import SILENCE_DBFS
from ytaudio.examples import Example
from ytaudio.rebuilt import rebuilt_lines
from ytaudio.sources import HUB

from .markup import listed, render, text
from .models import TASKS
from .origins import build_command, citation, origin, splitting, takedown_commands

LINKS_TAG = "links-only"
MOST_ROWS = 100  # of a table of categories
MOST_PAIRS = 10  # of videos that sound the same
_COUNTS = ("videos", "clips", "channels")
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def dataset_card(
    report: Mapping[str, Any],
    repo_id: str,
    splits: Sequence[str] | None = None,
    *,
    channels: Channels | None = None,
    examples: Sequence[Example] = (),
) -> str:
    """README.md of a dataset, from its build's report.

    Args:
        report: BuildReport as a dict, or what report.json holds.
        repo_id: where it will be found.
        splits: those with files in data/; None for all of the report that hold clips.
        channels: of its videos; None leaves their chapter out.
        examples: clips to listen to, which travel with it.
    """
    return _card("dataset_card.md", report, repo_id, splits, channels, examples)


def links_card(
    report: Mapping[str, Any],
    repo_id: str,
    splits: Sequence[str] | None = None,
    *,
    channels: Channels | None = None,
) -> str:
    """README.md of a links-only dataset: what it is, how to rebuild the audio, where the rights lie.

    The arguments are dataset_card's.
    """
    return _card("links_card.md", report, repo_id, splits, channels, ())


def _card(
    template: str,
    report: Mapping[str, Any],
    repo_id: str,
    splits: Sequence[str] | None,
    channels: Channels | None,
    examples: Sequence[Example],
) -> str:
    counted = {name: split for name, split in report["splits"].items() if any(c["clips"] for c in split.values())}
    splits = list(splits or counted)
    labels, name = list(report["labels"]), repo_id.rsplit("/", 1)[-1]
    links_only = template == "links_card.md"
    front = _front_matter(name, report["clips"], splits, (LINKS_TAG,) if links_only else ())
    return render(
        template,
        front_matter=front.to_yaml(),
        name=front.pretty_name,
        repo_id=repo_id,
        report=report,
        labels=labels,
        label_list=listed(labels),
        first_split=splits[0],
        last_split=scored_split(splits),
        splits=[_split(split, counted.get(split, {}), channels) for split in splits],
        categories=[_category(label, [counted.get(split, {}) for split in splits]) for label in labels[:MOST_ROWS]],
        more_categories=max(0, len(labels) - MOST_ROWS),
        channels=channels,
        spreads=_spreads(channels, labels) if channels else (),
        examples=examples,
        heard=len({example.label for example in examples}),
        origin=origin(report),
        from_hub=str(report.get("source") or "").startswith(HUB),
        splitting=splitting(str(report["protocol"])),
        silence_dbfs=f"{SILENCE_DBFS:.0f}".replace("-", "−"),
        lost={"refused": sum((report.get("rejected") or {}).values())},
        attempts=_attempts(report, labels),
        alike=_alike(report),
        rebuild=f"ytaudio build hub:{repo_id} OUT" if links_only else build_command(report),
        takedown=takedown_commands(report, repo_id, links_only),
        rebuilt=rebuilt_lines(report["rebuilt"]) if report.get("rebuilt") else [],
        citation=citation(report, repo_id),
    )


def _split(name: str, counted: Mapping[str, Mapping[str, int]], channels: Channels | None) -> dict[str, Any]:
    """The row of a split: a channel with videos of several categories is one."""
    totals = {what: sum(counts[what] for counts in counted.values()) for what in _COUNTS}
    return {"name": name, **totals, "channels": channels.by_split.get(name, 0) if channels else totals["channels"]}


def _category(label: str, splits: Sequence[Mapping[str, Mapping[str, int]]]) -> dict[str, str]:
    """The row of a category: of all splits and, in parentheses, of each."""
    row = {"label": label}
    for what in _COUNTS:
        each = [split.get(label, {}).get(what, 0) for split in splits]
        row[what] = f"{sum(each):,}" + (f" ({' / '.join(f'{one:,}' for one in each)})" if len(each) > 1 else "")
    return row


def _spreads(channels: Channels, labels: Sequence[str]) -> list[tuple[str, Spread]]:
    """Each class's channels, and those of all where there are several classes."""
    rows = [(label, channels.by_label[label]) for label in labels if label in channels.by_label][:MOST_ROWS]
    return [(text(label), spread) for label, spread in rows] + ([("**all**", channels.all)] if len(rows) > 1 else [])


def _front_matter(name: str, clips: int, splits: Sequence[str], tags: Sequence[str]) -> DatasetCardData:
    files = [{"split": split, "path": f"data/{split}-*.parquet"} for split in splits]
    return DatasetCardData(
        pretty_name=name.replace("-", " ").replace("_", " "),
        license="other",
        license_name="rights-stay-with-the-uploaders",
        task_categories=["audio-classification"],
        size_categories=[next((name for limit, name in _SIZES if clips < limit), "1M<n<10M")],
        annotations_creators=["found"],
        source_datasets=["original"],
        tags=["audio", "video-topics", "ytaudio", *tags],
        configs=[{"config_name": "default", "data_files": files}],
    )


def _attempts(report: Mapping[str, Any], labels: Sequence[str]) -> list[dict[str, Any]]:
    """For each category, the videos it took: visited, good, failed and used; [] where the report does not tell."""
    told = report.get("attempts") or {}
    shown = [label for label in labels if label in told][:MOST_ROWS]
    splits = report["splits"].values()
    used = {label: sum(split.get(label, {}).get("videos", 0) for split in splits) for label in shown}
    return [{"label": label, **told[label], "used": used[label]} for label in shown]


def _alike(report: Mapping[str, Any]) -> list[str]:
    """A line for each of the first pairs of videos that share a sound, and one for the rest."""
    pairs = list(report.get("duplicates") or ())[:MOST_PAIRS]
    rest = int(report.get("duplicate_pairs") or 0) - len(pairs)
    lines = []
    for pair in pairs:
        labels = " and ".join(sorted(set(pair["labels"])))
        lines.append(f"{pair['a']} and {pair['b']} ({labels}), similarity {pair['similarity']:.2f}")
    return lines + ([f"and {rest} pairs more"] if rest > 0 else [])


def dataset_plots(report: Mapping[str, Any], channels: Channels | None = None) -> dict[str, bytes]:
    """The pictures dataset_card shows, by their path in the repository."""
    from ytaudio import plots  # matplotlib takes half a second, and words need none

    drawn = {"plots/classes.png": plots.classes(report["splits"], report["labels"])}
    if channels:
        drawn["plots/channels.png"] = plots.channels(channels.all, channels.by_label)
    return drawn


def scored_split(splits: Sequence[str]) -> str:
    """The split that results are told of."""
    return next((name for name in ("test", "validation") if name in splits), splits[0])


def eval_yaml(repo_id: str, splits: Sequence[str]) -> str:
    """eval.yaml of a dataset, which makes its page a leaderboard: a task for each measure on the split scored."""
    split = scored_split(splits)
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
