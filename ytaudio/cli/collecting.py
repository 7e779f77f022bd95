"""The verb that makes a dataset folder of links."""

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from ytaudio import options
from ytaudio.ending import TRY_LATER
from ytaudio.errors import UserError
from ytaudio.printing import report_lines, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ytaudio.building import Plan
    from ytaudio.media import Failure
    from ytaudio.sources import Source


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
    allow_private_hosts: options.AllowPrivateHosts = False,
    engine: options.Engine = None,
    tasks: options.Tasks = None,
    shared: options.Shared = None,
    slurm: options.Slurm = None,
) -> None:
    """Make a dataset folder from a list of links."""
    if slurm and engine != "slurm":
        raise UserError("--slurm is for --engine slurm: add that, or leave it out.")
    if tasks and not engine:
        raise UserError("--tasks is for --engine local, ray or slurm: add one, or leave it out.")
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
        access=Access(cookies, cookies_from_browser, proxy, allow_private_hosts=allow_private_hosts),
        shared=shared,
    )
    if engine:
        plan = _on_many_machines(found, out, plan, engine, tasks or 8, slurm or ())
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
