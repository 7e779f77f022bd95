"""Thin verbs: parse, call, print. Rooms are imported inside the verbs, so that --help answers at once."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from ytaudio import __version__
from ytaudio.errors import UserError, mendable, writing_to
from ytaudio.printing import plain, report_lines, say, scores_table

if TYPE_CHECKING:
    from ytaudio.catalog import Catalog
    from ytaudio.ledger import Ledger, Settings
    from ytaudio.media import Access

TRY_LATER = 75  # sysexits.h EX_TEMPFAIL: a wall ended the run, the ledger is intact

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
    with mendable():
        app()


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"ytaudio {__version__}")
        raise typer.Exit


@app.command()
def build(
    csv: Annotated[Path, typer.Argument(help="CSV with the columns link, title, description, category.")],
    out: Annotated[Path, typer.Argument(help="Folder to build in; give it again to go on where a run stopped.")],
    per_category: Annotated[int | None, typer.Option(min=1, help="Stop at this many good videos a class.")] = None,
    clips_per_video: Annotated[int, typer.Option(min=1)] = 3,
    clip_seconds: Annotated[float, typer.Option(min=1.0, max=600.0)] = 10.0,
    threads: Annotated[int, typer.Option(min=1, help="Videos read at a time.")] = 16,
    seed: Annotated[int, typer.Option(help="Of the order of videos and of the splits.")] = 0,
    protocol: Annotated[
        str, typer.Option(help="default: 70/15/15 by channel; lab: 98 train, 11 validation.")
    ] = "default",
    categories: Annotated[str | None, typer.Option(help="Keep these classes only, with commas between.")] = None,
    cookies: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Cookies file in Netscape format.")
    ] = None,
    cookies_from_browser: Annotated[str | None, typer.Option(help="Take cookies from firefox, chrome, ...")] = None,
    proxy: Annotated[str | None, typer.Option(help="HTTP or SOCKS proxy for the video site.")] = None,
    engine: Annotated[str | None, typer.Option(help="Many machines: slurm or ray; local for a trial.")] = None,
    tasks: Annotated[int, typer.Option(min=1, help="Tasks for --engine, each with its share of the videos.")] = 8,
) -> None:
    """Links to a dataset folder: ytaudio build youtube.csv OUT --per-category 109"""
    from ytaudio.catalog import read_catalog
    from ytaudio.splits import protocol_named

    plan = protocol_named(protocol)
    catalog = read_catalog(csv).keep(categories.split(",") if categories else None)
    plan.check(catalog.categories)

    from ytaudio.assemble import assemble
    from ytaudio.ledger import Settings, open_ledger
    from ytaudio.media import Access

    access = Access(cookies=cookies, cookies_from_browser=cookies_from_browser, proxy=proxy)
    settings = Settings(clips_per_video, clip_seconds, seed)
    wanted = per_category or plan.per_category()
    if engine:
        _on_many_machines(engine, tasks, (catalog.videos, out, settings, wanted, threads, access))
    with writing_to(out), open_ledger(out, settings) as ledger:
        _collect(catalog, ledger, settings, wanted, threads, access)
        report = assemble(out, catalog, ledger.outcomes, settings, protocol=plan, per_category=wanted, source=csv.name)
    say(*report_lines(report, out))


def _collect(
    catalog: "Catalog", ledger: "Ledger", settings: "Settings", wanted: int | None, threads: int, access: "Access"
) -> None:
    """Collect with a bar a category; leave with a sentence when interrupted (130) or walled off (75)."""
    from functools import partial

    from ytaudio import media
    from ytaudio.collect import collect
    from ytaudio.progress import collecting
    from ytaudio.shares import merge

    try:
        merge(ledger.path.parent, ledger, settings)
        locate = partial(media.locate, access=access)
        with collecting(catalog.categories) as show:
            ended = collect(
                catalog.videos, ledger, settings, per_category=wanted, threads=threads, locate=locate, show=show
            )
    except KeyboardInterrupt:
        done = len(ledger.outcomes)
        _leave(f"Interrupted with {done} videos done and nothing lost: give the same command again to go on.")
    if ended.stopped_by:
        wall = ended.stopped_by
        typer.echo(
            f"The site put up a wall ({wall.reason.value}: {plain(wall.detail)}); no video is blamed for it: "
            "wait some hours, or give --cookies or another --proxy, then give the same command again.",
            err=True,
        )
        raise typer.Exit(TRY_LATER)


def _on_many_machines(engine: str, tasks: int, job: tuple[Any, ...]) -> None:
    try:
        from ytaudio.engine import Job, collect_on
    except ModuleNotFoundError as error:
        raise UserError(f"--engine needs {error.name}: pip install 'ytaudio[engine]'.") from None
    collect_on(engine, Job(*job), tasks)
    if engine == "slurm":
        typer.echo(f"{tasks} tasks are queued. When they are done, give the same command without --engine.")
        raise typer.Exit


def _leave(sentence: str) -> NoReturn:
    """Say so and go at once: readers that hang in the network would hold the interpreter's own end up."""
    typer.echo(sentence, err=True)
    sys.stderr.flush()
    os._exit(130)


@push.command("dataset")
def push_dataset(
    folder: Annotated[Path, typer.Argument(help="What `build` wrote.")], repo: Repo, public: Public = False
) -> None:
    """Publish data, card, plots, report and eval.yaml: ytaudio push dataset OUT USER/NAME"""
    from ytaudio import hub as room

    say(f"published {room.push_dataset(folder, repo, public=public)}")


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
) -> None:
    """Scores with intervals and floors: ytaudio evaluate USER/MODEL --dataset USER/NAME"""
    from ytaudio.evaluation import score_model

    scores = score_model(
        model, dataset, revision=revision, split=split, crops=crops, trust_remote_code=trust_remote_code
    )
    say(scores_table([scores]))


@app.command()
def compare(
    models: Annotated[list[str], typer.Argument(metavar="A B ...", help="Evaluated models on the Hub, or folders.")],
) -> None:
    """Models side by side on the same videos, with a paired test: ytaudio compare USER/A USER/B"""
    if len(models) < 2:
        raise UserError("There is nothing to compare with one model: name two or more.")
    from ytaudio.comparison import compare_all
    from ytaudio.scores import load_scores

    scores = [load_scores(model) for model in models]
    say(scores_table(scores), *(comparison.verdict for comparison in compare_all(scores)))


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
