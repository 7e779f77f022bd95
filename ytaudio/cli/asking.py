"""The verb that asks a model."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from ytaudio import options
from ytaudio.ending import TRY_LATER, nothing_to_keep
from ytaudio.errors import UserError, writing_to
from ytaudio.printing import page_width, plain, say_above

if TYPE_CHECKING:
    from ytaudio.answering import Result
    from ytaudio.answers import AnswerTable
    from ytaudio.classifier import Classifier
    from ytaudio.media import Failure

_NO_MODEL = "Which model is to answer? Add --model USER/NAME, a model on the Hub, or --model FOLDER, one you trained."


def classify(
    inputs: options.Inputs,
    model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="USER/NAME[@REVISION] on the Hub, or a folder.")
    ] = None,
    crops: options.Crops = None,
    timeline: Annotated[bool, typer.Option("--timeline", help="Tell what each part of an input sounds like.")] = False,
    png: Annotated[
        Path | None, typer.Option(metavar="FOLDER", file_okay=False, help="Draw timelines into a folder, too.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line for each input.")] = False,
    trust_remote_code: options.Trust = False,
    cookies: options.Cookies = None,
    cookies_from_browser: options.CookiesFromBrowser = None,
    proxy: options.Proxy = None,
    allow_private_hosts: options.AllowPrivateHosts = False,
) -> None:
    """Say what links and files are about, from their sound. Of a long one a few windows are read."""
    if not model:
        raise UserError(_NO_MODEL)
    if "-" in inputs and sys.stdin.isatty():
        raise UserError("Nothing is piped in for `-`: write `ytaudio classify - ... < FILE`, or name the file.")
    nothing_to_keep("Interrupted; what was answered stands above.")
    from ytaudio.startup import without_collections

    with without_collections(for_good=True):
        from ytaudio.answering import CROPS, PARTS, Classifier, answers, find_inputs
        from ytaudio.hub_errors import name_and_revision
        from ytaudio.media import Access, check_access
        from ytaudio.progress import answering

        access = Access(cookies, cookies_from_browser, proxy, allow_private_hosts=allow_private_hosts)
        if cookies or cookies_from_browser or proxy:
            check_access(access)
        name, revision = name_and_revision(model)
        classifier = Classifier.load(name, revision=revision, trust_remote_code=trust_remote_code)
    found = find_inputs(inputs)
    timeline = timeline or png is not None
    printed = _Printed(classifier, [_name(one) for one in found], timeline, as_json, png)
    with answering(len(found)) as advance:
        for result in answers(found, classifier, crops=crops or (PARTS if timeline else CROPS), access=access):
            printed.add(result)
            advance()
    printed.end()


def _name(found: "object") -> str:
    return str(getattr(found, "name", ""))


def _line(stream: TextIO, text: str) -> None:
    """A line at once, on a stream that a bar may stand in for."""
    stream.write(f"{text}\n")
    stream.flush()


@dataclass
class _Printed:
    """What has been printed of a model's answers, and how the command is to end."""

    classifier: "Classifier"
    names: Sequence[str]
    timeline: bool
    as_json: bool
    png: Path | None
    answered: int = 0
    skipped: int = 0
    failures: "list[Failure]" = field(default_factory=list)
    table: "AnswerTable | None" = None
    drawn: set[str] = field(default_factory=set)

    def add(self, result: "Result | None") -> None:
        """Print a result; None is a file of a folder that is no sound."""
        from ytaudio.answers import json_line, timeline_lines
        from ytaudio.media import Failure

        if result is None:
            self.skipped += 1
            return
        failed = isinstance(result.outcome, Failure)
        drawn = "" if failed or not self.png else self._draw(result, self.png)
        if self.as_json:
            name, commit = self.classifier.name, self.classifier.revision
            _line(sys.stdout, json_line(result, name, commit, timeline=self.timeline, png=drawn))
        if isinstance(result.outcome, Failure):
            self.failures.append(result.outcome)
            if not self.as_json:
                said = f"{plain(result.input)}: {result.outcome.reason.value}, {plain(result.outcome.detail)}"
                _line(sys.stderr, said)
            return
        self.answered += 1
        if self.as_json:
            return
        if self.timeline:
            say_above(*timeline_lines(result.input, result.outcome), *([f"  drawn in {drawn}"] if drawn else []))
        else:
            self._row(result)

    def _row(self, result: "Result") -> None:
        from ytaudio.answers import AnswerTable

        if self.table is None:
            self.table = AnswerTable(self.names, self.classifier.labels, page_width())
            say_above(self.table.head())
        if result.answer:
            say_above(self.table.row(result.input, result.answer))

    def _draw(self, result: "Result", folder: Path) -> str:
        from ytaudio.answers import picture_name
        from ytaudio.media import Failure
        from ytaudio.soundplots import timeline

        assert not isinstance(result.outcome, Failure)
        path = folder / picture_name(result.input, self.drawn)
        with writing_to(folder):
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(timeline(result.outcome, result.title or result.input))
        return str(path)

    def end(self) -> None:
        """Say what had no answer, and exit with 1 for that, or with 75 where a wall is the reason."""
        from datetime import datetime

        if self.skipped:
            typer.echo(f"Skipped what is neither sound nor video in folders: files {self.skipped}.", err=True)
        walls = [failure for failure in self.failures if failure.reason.kind == "wall"]
        if walls:
            from ytaudio.building import wall_sentence

            typer.echo(wall_sentence(walls[0], datetime.now()), err=True)
        if self.failures and len(self.names) > 1:
            typer.echo(f"{self.answered} answered, {len(self.failures)} failed.", err=True)
        if not self.failures and not self.answered:
            typer.echo(
                "There is no sound in what was named: name links, sound or video files, or their folder.", err=True
            )
        if self.failures or not self.answered:
            raise typer.Exit(TRY_LATER if walls else 1)
