"""Thin verbs: parse, call, print. Rooms are imported inside the verbs, so that --help answers at once."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from ytaudio import __version__, options
from ytaudio.ending import TRY_LATER, ending_well
from ytaudio.errors import UserError
from ytaudio.printing import plain, report_lines, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ytaudio.building import Plan
    from ytaudio.media import Failure
    from ytaudio.sources import Source

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, help=__doc__)
app.info.help = "What a video is about, from its sound: build a dataset from links, train, measure, publish, classify."
push = typer.Typer(no_args_is_help=True, help="Publish a dataset, a model or a demo Space, each in one commit.")
hub = typer.Typer(no_args_is_help=True, help="The embedded Hub: no account, no network.")
app.add_typer(push, name="push")
app.add_typer(hub, name="hub")

Public = Annotated[bool, typer.Option("--public", help="Anyone may read it; the default is private.")]
Repo = Annotated[str, typer.Argument(metavar="USER/NAME", help="The repository on the Hub that HF_ENDPOINT names.")]
Trust = Annotated[bool, typer.Option("--trust-remote-code", help="Run the model code that lies in its repository.")]
DatasetName = Annotated[str, typer.Option("--dataset", metavar="USER/NAME", help="Dataset on the Hub, or a folder.")]


def main() -> None:
    """The `ytaudio` command."""
    if not sys.stderr.isatty():  # read when huggingface_hub and datasets are imported
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    with ending_well():
        app()


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"ytaudio {__version__}")
        raise typer.Exit


@app.command()
def build(
    source: options.Source,
    out: options.Out,
    per_category: options.PerCategory = None,
    clips_per_video: options.ClipsPerVideo = 3,
    clip_seconds: options.ClipSeconds = 10.0,
    threads: options.Threads = 16,
    seed: options.Seed = 0,
    protocol: options.Protocol = "default",
    categories: options.Categories = None,
    retry: options.Retry = None,
    sleep: options.Sleep = 0.0,
    patience: options.Patience = 450.0,
    cookies: options.Cookies = None,
    cookies_from_browser: options.CookiesFromBrowser = None,
    proxy: options.Proxy = None,
    engine: options.Engine = None,
    tasks: options.Tasks = 8,
    shared: options.Shared = None,
    slurm: options.Slurm = None,
) -> None:
    """Links to a dataset folder: ytaudio build youtube.csv OUT --per-category 109"""
    if slurm and engine != "slurm":
        raise UserError("--slurm is for --engine slurm: add that, or leave it out.")
    from ytaudio.sources import read_source
    from ytaudio.splits import protocol_named

    wanted = protocol_named(protocol)
    found = read_source(source, categories.split(",") if categories else None, out)
    if not found.published:
        wanted.check(found.catalog.categories)
    from ytaudio import building
    from ytaudio.ledger import Settings
    from ytaudio.manners import Manners
    from ytaudio.media import Access, Failure

    settings = Settings(clips_per_video, clip_seconds, seed)
    if found.published and (per_category or protocol != "default" or settings != Settings()):
        raise UserError(
            f"{source} says itself which videos, windows and splits it has: leave out --per-category, "
            "--clips-per-video, --clip-seconds, --seed and --protocol."
        )
    say(*found.notes)
    plan = building.Plan(
        settings=settings,
        protocol=protocol_named(found.protocol(protocol)),
        per_category=None if found.published else per_category or wanted.per_category(),
        threads=threads,
        retry=building.reasons(retry or ()),
        manners=Manners(sleep, patience),
        access=Access(cookies=cookies, cookies_from_browser=cookies_from_browser, proxy=proxy),
        shared=shared,
    )
    if engine:
        plan = _on_many_machines(found, out, plan, engine, tasks, slurm or ())
    built = building.build(found, out, plan)
    if isinstance(built, Failure):
        _stop(built)
    say(*report_lines(built, out))


def _on_many_machines(
    source: "Source", out: Path, plan: "Plan", engine: str, tasks: int, slurm: "Sequence[str]"
) -> "Plan":
    """Launch; what is left to do here, if the tasks have ended and met no wall."""
    from dataclasses import replace

    from ytaudio.building import launch

    launched = launch(source, out, plan, engine, tasks, slurm, lambda told: typer.echo(told, err=True))
    if launched.stopped_by:
        _stop(launched.stopped_by)
    if launched.queued:
        say(
            f"{launched.tasks} tasks are queued as Slurm job {launched.queued}. When they are done, give the same "
            "command again without --engine, or with it to deal out what they left."
        )
        raise typer.Exit
    return replace(plan, retry=())  # the tasks have tried them


def _stop(walled: "Failure") -> NoReturn:
    """A wall ended the run: say when and how to go on."""
    from datetime import datetime

    from ytaudio.building import wall_sentence

    typer.echo(wall_sentence(walled, datetime.now()), err=True)
    raise typer.Exit(TRY_LATER)


@push.command("dataset")
def push_dataset(
    folder: Annotated[Path, typer.Argument(help="What `build` wrote.")],
    repo: Repo,
    public: Public = False,
    links_only: Annotated[
        bool, typer.Option("--links-only", help="Links, windows, labels and hashes; no audio. Rebuilt from hub:REPO.")
    ] = False,
) -> None:
    """Publish data, card, plots, report and eval.yaml: ytaudio push dataset OUT USER/NAME"""
    from ytaudio import hub as room

    say(f"published {room.push_dataset(folder, repo, public=public, links_only=links_only)}")


@push.command("model")
def push_model(
    folder: Annotated[Path, typer.Argument(help="What a recipe wrote.")], repo: Repo, public: Public = False
) -> None:
    """Publish weights, code, card and results: ytaudio push model RUN USER/NAME"""
    from ytaudio import hub as room

    say(f"published {room.push_model(folder, repo, private=not public)}")


@push.command("space")
def push_space(
    repo: Repo,
    model: Annotated[list[str], typer.Option(help="A model the demo offers; give it again for another.")],
    public: Public = False,
) -> None:
    """Publish a Gradio demo of models: ytaudio push space USER/DEMO --model USER/A --model USER/B"""
    from ytaudio import hub as room

    say(f"published {room.push_space(repo, model, private=not public)}")


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model on the Hub, or a folder.")],
    dataset: DatasetName,
    revision: Annotated[str | None, typer.Option(help="Of the dataset; the newest if left out.")] = None,
    split: Annotated[str | None, typer.Option(help="test if there is one, else validation.")] = None,
    crops: Annotated[int, typer.Option(min=1, help="Crops a clip, averaged.")] = 3,
    trust_remote_code: Trust = False,
    streaming: options.Streaming = False,
    bf16: options.Bf16 = False,
) -> None:
    """Scores with intervals and floors: ytaudio evaluate USER/MODEL --dataset USER/NAME"""
    from ytaudio.evaluation.scoring import score_model
    from ytaudio.verdicts import scored_lines

    scores = score_model(
        model,
        dataset,
        revision=revision,
        split=split,
        crops=crops,
        trust_remote_code=trust_remote_code,
        streaming=streaming,
        bf16=bf16,
    )
    say(*scored_lines(scores))


@app.command()
def compare(
    models: Annotated[
        list[str], typer.Argument(metavar="A B ...", help="Evaluated models: USER/NAME[@REVISION], folders or files.")
    ],
    split: Annotated[str | None, typer.Option(help="Where a model has predictions on several.")] = None,
    common: Annotated[bool, typer.Option("--common", help="On the videos all have, leaving out the others.")] = False,
    style: Annotated[
        str | None, typer.Option("--format", help="text, markdown or json; as FILE ends, or text.")
    ] = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it there, and text to the screen.")] = None,
) -> None:
    """Models side by side on the same videos, with a paired test: ytaudio compare USER/A USER/B"""
    if len(models) < 2:
        raise UserError("There is nothing to compare with one model: name two or more.")
    from ytaudio import verdicts
    from ytaudio.evaluation.predictions import load_all
    from ytaudio.evaluation.ranking import rank

    written = verdicts.format_of(style, output)
    ranking = rank(load_all(models, split), common=common)
    if output:
        verdicts.write(ranking, written, output)
    if output or written == "text":
        say(*verdicts.as_text(ranking), *([f"written to {output}"] if output else []))
    else:
        typer.echo(verdicts.in_format(ranking, written), nl=False)


@app.command()
def classify(
    inputs: Annotated[
        list[str], typer.Argument(metavar="LINK|FILE|FOLDER...", help="Video links, audio and video files.")
    ],
    model: Annotated[str, typer.Option(metavar="USER/NAME", help="Model on the Hub, or a folder.")],
    crops: Annotated[int, typer.Option(min=1, help="Crops an input, averaged.")] = 6,
    trust_remote_code: Trust = False,
) -> None:
    """What a link or a file is about (exit code 1 if one cannot be heard): ytaudio classify LINK --model USER/NAME"""
    from rich.table import Table

    from ytaudio.classify import Classifier, files_in
    from ytaudio.media import Failure

    classifier = Classifier.load(model, trust_remote_code=trust_remote_code)
    table = Table("input", *classifier.labels, "crops that agree")
    failures = []
    for one in files_in(inputs):
        answer = classifier.classify(one, crops=crops)
        if isinstance(answer, Failure):
            failures.append(f"{plain(one)}: {answer.reason.value}, {plain(answer.detail)}")
            continue
        best = max(answer.probabilities, key=lambda label: answer.probabilities[label])
        cells = [f"{'*' if label == best else ''}{100 * p:.0f} %" for label, p in answer.probabilities.items()]
        table.add_row(plain(one), *cells, f"{answer.agreeing} of {answer.crops}")
    say(*([table] if table.rows else []))
    for failure in failures:
        typer.echo(failure, err=True)
    if failures:
        raise typer.Exit(1)


@hub.command()
def serve(
    directory: Annotated[Path, typer.Argument(help="Where the repositories are kept.")],
    port: Annotated[int, typer.Option(help="0 takes any free one.")] = 8642,
    host: Annotated[str, typer.Option(help="Loopback only, unless you say otherwise.")] = "127.0.0.1",
    user: Annotated[list[str] | None, typer.Option(help="A further user, who gets a token of their own.")] = None,
) -> None:
    """Serve a Hub from a folder: ytaudio hub serve DIR --port 8642"""
    from ytaudio.localhub import LocalHubError
    from ytaudio.localhub import serve as serve_hub

    try:
        serve_hub(directory, host=host, port=port, users=user or ())
    except LocalHubError as error:
        raise UserError(str(error)) from None


@app.command()
def quickstart(
    folder: Annotated[Path, typer.Argument(help="A new folder for everything it makes.")] = Path("ytaudio-quickstart"),
    videos: Annotated[int, typer.Option(min=8, help="Good videos a class.")] = 24,
) -> None:
    """The whole loop on made-up media and an embedded Hub, without account or network."""
    from ytaudio.quickstart import run

    run(folder, videos)


if __name__ == "__main__":
    main()
