"""The verbs that run a Hub here: a lasting one, and one for the whole loop at once."""

from pathlib import Path
from typing import Annotated

import typer

from ytaudio import options
from ytaudio.errors import UserError


def serve(
    directory: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the repositories are kept.")],
    port: options.Port = 8642,
    host: options.Host = "127.0.0.1",
    user: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A further user, who gets a token of their own.")
    ] = None,
) -> None:
    """Serve a Hub from a folder."""
    from ytaudio.localhub import LocalHubError
    from ytaudio.localhub import serve as serve_hub

    try:
        serve_hub(directory, host=host, port=port, users=user or ())
    except LocalHubError as error:
        raise UserError(str(error)) from None


def quickstart(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder for everything it makes.")] = Path(
        "ytaudio-quickstart"
    ),
    videos: Annotated[int, typer.Option(min=8, help="Good videos a category.")] = 24,
) -> None:
    """Do the whole loop on made-up videos and an embedded Hub."""
    from ytaudio.quickstart import run

    run(folder, videos)
