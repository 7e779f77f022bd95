"""The verb that asks a model."""

from typing import Annotated

import typer

from ytaudio import options
from ytaudio.printing import plain, say


def classify(
    inputs: Annotated[
        list[str], typer.Argument(metavar="LINK|FILE|FOLDER...", help="Video links, audio and video files.")
    ],
    model: Annotated[str, typer.Option(metavar="USER/NAME", help="Model on the Hub, or a folder.")],
    crops: Annotated[int, typer.Option(min=1, help="Crops an input, averaged.")] = 6,
    trust_remote_code: options.Trust = False,
) -> None:
    """Say what links and files are about, from their sound."""
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
