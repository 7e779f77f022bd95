"""Thin verbs: parse, call, print. Rooms are imported inside the verbs, so that --help answers at once."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ytaudio import __version__
from ytaudio.errors import UserError, mendable

if TYPE_CHECKING:
    from ytaudio.assemble import BuildReport
    from ytaudio.evaluation import Scores

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
    with mendable():
        app()


def say(*lines: object) -> None:
    """Print for a person: as wide as the terminal, and in a file or a pipe as wide as a table needs."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 132)
    for line in lines:
        console.print(line)


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
    clip_seconds: Annotated[float, typer.Option(min=1.0)] = 10.0,
    threads: Annotated[int, typer.Option(min=1, help="Videos read at a time.")] = 16,
    seed: Annotated[int, typer.Option(help="Of the order of videos and of the splits.")] = 0,
    protocol: Annotated[
        str, typer.Option(help="default: 70/15/15 by channel; lab: 98 train, 11 validation.")
    ] = "default",
    categories: Annotated[str | None, typer.Option(help="Keep these classes only, with commas between.")] = None,
    cookies: Annotated[Path | None, typer.Option(help="Cookies file in Netscape format.")] = None,
    cookies_from_browser: Annotated[str | None, typer.Option(help="Take cookies from firefox, chrome, ...")] = None,
    proxy: Annotated[str | None, typer.Option(help="HTTP or SOCKS proxy for the video site.")] = None,
    engine: Annotated[str | None, typer.Option(help="Many machines: slurm or ray; local for a trial.")] = None,
    tasks: Annotated[int, typer.Option(min=1, help="Tasks for --engine, each with its share of the videos.")] = 8,
) -> None:
    """Links to a dataset folder: ytaudio build youtube.csv OUT --per-category 109"""
    from functools import partial

    from ytaudio.catalog import read_catalog
    from ytaudio.splits import protocol_named

    plan = protocol_named(protocol)
    catalog = read_catalog(csv).keep(categories.split(",") if categories else None)
    plan.check(catalog.categories)

    from ytaudio import media
    from ytaudio.assemble import assemble
    from ytaudio.collect import collect, merge
    from ytaudio.ledger import Settings, open_ledger
    from ytaudio.progress import collecting

    access = media.Access(cookies=cookies, cookies_from_browser=cookies_from_browser, proxy=proxy)
    settings = Settings(clips_per_video, clip_seconds, seed)
    wanted = per_category or plan.per_category()
    if engine:
        _on_many_machines(engine, tasks, (catalog.videos, out, settings, wanted, threads, access))
    with open_ledger(out, settings) as ledger:
        try:
            merge(out, ledger, settings)
            with collecting(catalog.categories) as show:
                ended = collect(
                    catalog.videos,
                    ledger,
                    settings,
                    per_category=wanted,
                    threads=threads,
                    locate=partial(media.locate, access=access),
                    show=show,
                )
        except KeyboardInterrupt:
            _leave(
                f"Interrupted with {len(ledger.outcomes)} videos done and nothing lost: "
                "give the same command again to go on."
            )
        if ended.stopped_by:
            wall = ended.stopped_by
            typer.echo(
                f"The site put up a wall ({wall.reason.value}: {wall.detail}); no video is blamed for it: "
                "wait some hours, or give --cookies or another --proxy, then give the same command again.",
                err=True,
            )
            raise typer.Exit(TRY_LATER)
        report = assemble(out, catalog, ledger.outcomes, settings, protocol=plan, per_category=wanted, source=csv.name)
    _print_report(report, out)


def _on_many_machines(engine: str, tasks: int, job: tuple[Any, ...]) -> None:
    try:
        from ytaudio.engine import Job, collect_on
    except ModuleNotFoundError as error:
        raise UserError(f"--engine needs {error.name}: pip install 'ytaudio[engine]'.") from None
    collect_on(engine, Job(*job), tasks)
    if engine == "slurm":
        typer.echo(f"{tasks} tasks are queued. When they are done, give the same command without --engine.")
        raise typer.Exit


def _leave(sentence: str) -> None:
    """Say so and go at once: readers that hang in the network would hold the interpreter's own end up."""
    import os

    typer.echo(sentence, err=True)
    sys.stderr.flush()
    os._exit(130)


def _print_report(report: "BuildReport", out: Path) -> None:
    from rich.table import Table

    table = Table(title=f"{report.clips} clips, {report.hours:.2f} hours", title_justify="left")
    table.add_column("split")
    for label in report.labels:
        table.add_column(label, justify="right")
    for split, counts in report.splits.items():
        table.add_row(split, *(f"{counts.get(label, {}).get('videos', 0)} videos" for label in report.labels))
    refused = ", ".join(f"{reason} {n}" for reason, n in sorted(report.rejected.items())) or "none"
    failed = ", ".join(f"{reason} {n}" for reason, n in sorted(report.failed.items())) or "none"
    say(
        f"asked for   {report.requested} lines",
        f"refused     {sum(report.rejected.values())} lines ({refused})",
        *(f"            line {line['line']}: {line['reason']} {line['value']}" for line in report.rejected_lines[:5]),
        f"visited     {report.attempted} videos, {report.unvisited} were not needed",
        f"gone        {sum(report.failed.values())} videos ({failed})",
        f"collected   {report.collected} videos, {report.bytes_read / 1e6:.1f} MB read",
        table,
        *report.missing,
        f"The dataset is in {out / 'dataset'}; publish it: ytaudio push dataset {out} USER/NAME",
    )


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
    from itertools import combinations

    from ytaudio import evaluation

    if len(models) < 2:
        raise UserError("There is nothing to compare with one model: name two or more.")
    scores = [evaluation.load_scores(model) for model in models]
    comparisons = [evaluation.compare(a, b) for a, b in combinations(scores, 2)]
    say(scores_table(scores), *(comparison.verdict for comparison in comparisons))


def scores_table(all_scores: "list[Scores]") -> Any:
    """Models and floors, one a row, as a rich table."""
    from rich.table import Table

    def percent(value: float, interval: tuple[float, float]) -> str:
        return f"{100 * value:.1f} % ({100 * interval[0]:.0f} to {100 * interval[1]:.0f})"

    first = all_scores[0]
    title = f"{first.videos} videos ({first.clips} clips) of {first.dataset_id}, split {first.split}"
    table = Table(
        title=title, title_justify="left", caption="95 % bootstrap intervals over videos", caption_justify="left"
    )
    for column in ("model", "accuracy by video", "macro-F1 by video", "accuracy by clip"):
        table.add_column(column, justify="left" if column == "model" else "right", no_wrap=True)
    for s in all_scores:
        table.add_row(
            s.model_id,
            percent(s.accuracy, s.accuracy_interval),
            percent(s.macro_f1, s.macro_f1_interval),
            percent(s.clip_accuracy, s.clip_accuracy_interval),
        )
    for name, floor in first.floors.items():
        table.add_row(
            f"floor: {name}",
            percent(floor.accuracy, floor.accuracy_interval),
            percent(floor.macro_f1, floor.macro_f1_interval),
            "",
        )
    return table


@app.command()
def classify(
    inputs: Annotated[list[str], typer.Argument(metavar="LINK|FILE...", help="Video links, or audio and video files.")],
    model: Annotated[str, typer.Option(metavar="USER/NAME", help="Model on the Hub, or a folder.")],
    crops: Annotated[int, typer.Option(min=1, help="Crops an input, averaged.")] = 6,
    trust_remote_code: Trust = False,
) -> None:
    """What a link or a file is about: ytaudio classify LINK --model USER/NAME"""
    from rich.table import Table

    from ytaudio.classify import Classifier
    from ytaudio.media import Failure

    classifier = Classifier.load(model, trust_remote_code=trust_remote_code)
    table = Table("input", *classifier.labels, "crops that agree")
    answers = [classifier.classify(one, crops=crops) for one in inputs]
    for one, answer in zip(inputs, answers, strict=True):
        if isinstance(answer, Failure):
            table.add_row(one, f"{answer.reason.value}: {answer.detail}")
        else:
            best = max(answer.probabilities, key=lambda label: answer.probabilities[label])
            cells = [f"{'*' if label == best else ''}{100 * p:.0f} %" for label, p in answer.probabilities.items()]
            table.add_row(one, *cells, f"{answer.agreeing} of {answer.crops}")
    say(table)
    if any(isinstance(answer, Failure) for answer in answers):
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
