"""Thin verbs: parse, call, print. Rooms are imported inside the verbs, so that --help answers at once."""

import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from ytaudio import __version__
from ytaudio.cli.asking import classify
from ytaudio.cli.collecting import build
from ytaudio.cli.measuring import compare, evaluate
from ytaudio.cli.publishing import push_dataset, push_model, push_space
from ytaudio.cli.serving import quickstart, serve
from ytaudio.cli.showing import demo
from ytaudio.ending import ending_well

__all__ = ["app", "main"]

_SETTINGS: dict[str, Any] = {"no_args_is_help": True, "rich_markup_mode": None}
app = typer.Typer(
    **_SETTINGS,
    pretty_exceptions_enable=False,
    help="What a video is about, from its sound: build a dataset from links, train, measure, publish, classify.",
    epilog="\b\nThe whole loop on made-up videos, without account or network:\n  ytaudio quickstart",
)
push = typer.Typer(**_SETTINGS, help="Publish a dataset, a model or a demo Space. Each is one commit.")
hub = typer.Typer(**_SETTINGS, help="The embedded Hub: no account, no network.")


def _verb(group: typer.Typer, name: str, verb: Callable[..., None], *examples: str) -> None:
    """Add a verb, with commands that can be typed below its options."""
    group.command(name, epilog="\n".join(["\b", "Example:", *(f"  ytaudio {example}" for example in examples)]))(verb)


_verb(app, "quickstart", quickstart, "quickstart", "quickstart FOLDER --videos 12")
_verb(
    app,
    "build",
    build,
    "build youtube.csv sounds --per-category 109",
    "build hub:YOU/links sounds",
    "build youtube.csv sounds --engine slurm --tasks 32 --slurm time=12:00:00",
)
app.add_typer(push, name="push")
_verb(push, "dataset", push_dataset, "push dataset sounds YOU/video-sounds")
_verb(push, "model", push_model, "push model cnn YOU/cnn-video-sounds")
_verb(push, "space", push_space, "push space YOU/demo --model YOU/wav2vec2-video-sounds --model YOU/cnn-video-sounds")
_verb(app, "evaluate", evaluate, "evaluate YOU/cnn-video-sounds --dataset YOU/video-sounds")
_verb(
    app,
    "compare",
    compare,
    "compare YOU/wav2vec2-video-sounds YOU/cnn-video-sounds",
    "compare run_a run_b run_c --output table.md",
)
_verb(
    app,
    "classify",
    classify,
    "classify https://www.youtube.com/watch?v=dQw4w9WgXcQ --model YOU/cnn-video-sounds",
    "classify talk.mp4 FOLDER --timeline --png pictures --model YOU/cnn-video-sounds",
    "classify - --json --model YOU/cnn-video-sounds < talk.mp4",
)
_verb(
    app,
    "demo",
    demo,
    "demo --model YOU/wav2vec2-video-sounds --model YOU/cnn-video-sounds",
    "demo --model cnn --host 0.0.0.0 --port 8000",
)
app.add_typer(hub, name="hub")
_verb(hub, "serve", serve, "hub serve hub --port 8642", "hub serve hub --host 0.0.0.0 --user anna --user ben")


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
