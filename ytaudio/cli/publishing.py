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
    model: options.Models,
    public: options.Public = False,
    examples: options.Examples = True,
    trust_remote_code: options.Trust = False,
) -> None:
    """Publish a Gradio demo of models. It brings example clips and what the page needs of this package."""
    from ytaudio import hub as room
    from ytaudio.spaces import prepare_space

    prepared = prepare_space(model, public=public, examples=examples, trust_remote_code=trust_remote_code)
    say(f"published {room.push_space(repo, prepared, private=not public)}", *prepared.notes)
