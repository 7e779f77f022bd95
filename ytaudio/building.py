"""What `ytaudio build` does: a source to clips, to a dataset and its report."""

import textwrap
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ytaudio import media
from ytaudio.assemble import BuildReport, assemble
from ytaudio.collect import Collected, collect
from ytaudio.errors import UserError, writing_to
from ytaudio.launches import refuse_if_at_work
from ytaudio.ledger import Ledger, Settings, open_ledger
from ytaudio.links import Published
from ytaudio.manners import Manners
from ytaudio.media import Access, Failure, Reason, check_access
from ytaudio.printing import plain
from ytaudio.progress import collecting
from ytaudio.rebuilt import check_rebuilt, rebuilt_lines, sides_kept
from ytaudio.shares import merge
from ytaudio.sources import Source
from ytaudio.splits import Protocol

if TYPE_CHECKING:
    from ytaudio.engine import Launched

_SAID = 200  # characters of what a site said, in a sentence of ours


@dataclass(frozen=True, slots=True)
class Plan:
    """How a source is to be built."""

    settings: Settings
    protocol: Protocol
    per_category: int | None = None  # good videos a class; None takes all
    threads: int = 16  # videos read at a time
    retry: Collection[Reason] = ()
    manners: Manners = field(default_factory=Manners)
    access: Access = field(default_factory=Access)
    shared: str | None = None  # where tasks on many machines work, any fsspec URL; the folder built in if None

    @property
    def tried_again(self) -> frozenset[Reason]:
        """The reasons whose videos are visited again: private hosts too, once links may lead there."""
        allowed = {Reason.PRIVATE_HOST} if self.access.allow_private_hosts else set()
        return frozenset({*self.retry, *allowed})


def reasons(names: Iterable[str]) -> frozenset[Reason]:
    """Reasons by their names, several with commas between; "all" is every one that a ledger can hold.

    Raises:
        UserError: there is no such reason.
    """
    known = {reason.value: reason for reason in Reason if reason.kind != "wall"}
    asked = [name.strip().casefold() for text in names for name in text.split(",") if name.strip()]
    unknown = sorted(set(asked) - set(known) - {"all"})
    if unknown:
        raise UserError(f"There is no reason {', '.join(unknown)} to retry: give all, {', '.join(known)}.")
    return frozenset(known.values() if "all" in asked else (known[name] for name in asked))


def build(source: Source, out: Path, plan: Plan) -> BuildReport | Failure:
    """Collect what is missing in `out`, then write its dataset; a Failure is the wall that ended the run.

    Raises:
        UserError: the folder cannot be used, or nothing was collected.
    """
    settings = source.settings(plan.settings)
    with writing_to(out), open_ledger(out, settings) as ledger:
        check_access(plan.access)
        refuse_if_at_work(plan.shared or out)
        merge(plan.shared or out, ledger, settings)
        ended = _collect(source, ledger, settings, plan)
        if ended.stopped_by:
            return ended.stopped_by
        rebuilt = _check(source.published, ledger) if source.published else {}
        return assemble(
            out,
            source.catalog,
            ledger.outcomes,
            settings,
            protocol=plan.protocol,
            per_category=plan.per_category,
            source=source.name,
            sides=sides_kept(source.published, rebuilt) if source.published else None,
            rebuilt=rebuilt,
            left=[f"{wall.reason.value}: {wall.detail}"[:_SAID] for wall in ended.left],
        )


def _check(published: Published, ledger: Ledger) -> dict[str, Any]:
    """What became of a publication's videos.

    Raises:
        UserError: nothing is left of them that a dataset could be made of.
    """
    rebuilt = check_rebuilt(published, ledger.outcomes)
    kept = (ledger.outcomes.get(video_id) for video_id in sides_kept(published, rebuilt))
    if not any(outcome and outcome.clips for outcome in kept):
        raise UserError(" ".join(["No video could be rebuilt.", *rebuilt_lines(rebuilt)]))
    return rebuilt


def launch(
    source: Source,
    out: Path,
    plan: Plan,
    engine: str,
    tasks: int,
    slurm: Sequence[str],
    tell: Callable[[str], object],
) -> "Launched":
    """Deal what `out` still lacks to tasks on many machines; `build` then brings home what they have done.

    Args:
        source: what to build.
        out: the folder built in.
        plan: how.
        engine: "local", "ray" or "slurm".
        tasks: at most.
        slurm: KEY=VALUE for Slurm.
        tell: is given sentences on the way.

    Raises:
        UserError: the engine's packages are missing, tasks are at work already, or there is something to mend.
    """
    try:
        from ytaudio.engine import Machines, collect_on
        from ytaudio.schedulers import slurm_options
    except ModuleNotFoundError as error:
        raise UserError(f"--engine needs {error.name}: pip install 'ytaudio[engine]'.") from None
    machines = Machines(
        engine, tasks, plan.shared, plan.threads, plan.manners, plan.access, slurm=slurm_options(list(slurm))
    )
    settings = source.settings(plan.settings)
    with writing_to(out), open_ledger(out, settings) as ledger:
        return collect_on(
            machines,
            source.catalog.videos,
            ledger,
            settings,
            per_category=plan.per_category,
            retry=plan.tried_again,
            windows=source.windows,
            tell=tell,
        )


def _collect(source: Source, ledger: Ledger, settings: Settings, plan: Plan) -> Collected:
    with collecting(source.catalog.categories) as show:
        return collect(
            source.catalog.videos,
            ledger,
            settings,
            per_category=plan.per_category,
            threads=plan.threads,
            retry=plan.tried_again,
            windows=source.windows,
            manners=plan.manners,
            locate=partial(media.locate, access=plan.access),
            online=partial(media.online, access=plan.access),
            show=show,
        )


def wall_sentence(wall: Failure, now: datetime) -> str:
    """What kind of wall ended the run, that no video is blamed for it, and when and how to go on."""
    said = textwrap.shorten(plain(wall.detail), _SAID, placeholder=" ...")
    if wall.reason is Reason.OFFLINE:
        return (
            f"This machine seems to be offline ({said}); no video is blamed for it and nothing is lost: "
            "give the same command again when the network is back."
        )
    met = f"The site put up a wall ({wall.reason.value}: {said})"
    others = "with --cookies, --cookies-from-browser or another --proxy"
    if wall.retry_after_s:
        until = now + timedelta(seconds=wall.retry_after_s)
        day = "" if until.date() == now.date() else f"{until:%Y-%m-%d} "
        when = f"it asks to be left alone until {day}{until:%H:%M}: give the same command again after that, or {others}"
    else:
        hours = "an hour" if wall.reason is Reason.RATE_LIMITED else "some hours"
        when = f"wait {hours} and give the same command again, or go on {others}"
    return f"{met}; no video is blamed for it and nothing is lost: {when}."
