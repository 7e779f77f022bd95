"""The verbs that measure: one model's scores, several side by side."""

from pathlib import Path
from typing import Annotated

import typer

from ytaudio import options
from ytaudio.errors import UserError
from ytaudio.printing import say


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="USER/NAME[@REVISION] on the Hub, or a folder.")],
    dataset: options.DatasetName,
    split: Annotated[str | None, typer.Option(metavar="NAME", help="test if there is one, else validation.")] = None,
    crops: Annotated[int, typer.Option(min=1, help="Crops a clip, averaged.")] = 3,
    trust_remote_code: options.Trust = False,
    streaming: options.Streaming = False,
    bf16: options.Bf16 = False,
) -> None:
    """Score a model, with intervals and floors."""
    from ytaudio.evaluation.scoring import score_model
    from ytaudio.hub_errors import name_and_revision
    from ytaudio.verdicts import scored_lines

    name, model_revision = name_and_revision(model)
    dataset_name, revision = name_and_revision(dataset)
    scores = score_model(
        name,
        dataset_name,
        revision=revision,
        model_revision=model_revision,
        split=split,
        crops=crops,
        trust_remote_code=trust_remote_code,
        streaming=streaming,
        bf16=bf16,
    )
    say(*scored_lines(scores))


def compare(
    models: Annotated[
        list[str],
        typer.Argument(metavar="A B ...", help="Scored models: USER/NAME[@REVISION] on the Hub, folders or files."),
    ],
    split: Annotated[str | None, typer.Option(metavar="NAME", help="Where a model has predictions on several.")] = None,
    common: Annotated[bool, typer.Option("--common", help="On the videos all have, leaving out the others.")] = False,
    style: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="text, markdown or json; as FILE ends, or text.",
            autocompletion=lambda: ["text", "markdown", "json"],
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it there, and text to the screen.")] = None,
) -> None:
    """Put models side by side, with a paired test."""
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
