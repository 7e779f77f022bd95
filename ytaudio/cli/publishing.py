"""The verbs that publish, each in one commit."""

from pathlib import Path
from typing import Annotated

import typer

from ytaudio import options
from ytaudio.printing import say


def push_dataset(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What `ytaudio build` wrote.")],
    repo: options.Repo,
    public: options.Public = False,
    links_only: Annotated[
        bool, typer.Option("--links-only", help="Links, windows, labels and hashes; no audio. Rebuilt from hub:REPO.")
    ] = False,
) -> None:
    """Publish data, card, plots, report and eval.yaml."""
    from ytaudio import hub as room

    say(f"published {room.push_dataset(folder, repo, public=public, links_only=links_only)}")


def push_model(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What a recipe wrote.")],
    repo: options.Repo,
    public: options.Public = False,
) -> None:
    """Publish weights, code, card and results."""
    from ytaudio import hub as room

    say(f"published {room.push_model(folder, repo, private=not public)}")


def push_space(
    repo: options.Repo,
    model: Annotated[
        list[str], typer.Option(metavar="MODEL", help="A model the demo offers; give it again for another.")
    ],
    public: options.Public = False,
) -> None:
    """Publish a Gradio demo of models."""
    from ytaudio import hub as room

    say(f"published {room.push_space(repo, model, private=not public)}")
