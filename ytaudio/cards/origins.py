"""Where a dataset comes from: its list, its splits, the commands that make it again, and how it is cited."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import constants

from ytaudio.sources import HUB, KAGGLE
from ytaudio.splits import PROTOCOLS

from .markup import linked, text

_LONGEST = 100  # characters of a command in one line
_ON_KAGGLE = re.compile(r"kaggle:(?P<owner>[\w-]+)/(?P<name>[\w-]+)(?:/versions/(?P<version>\d+))?(?:/.*)?", re.ASCII)
_ON_HUB = re.compile(r"hub:(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<commit>[0-9a-f]{40}))?", re.ASCII)


def _source(report: Mapping[str, Any]) -> str:
    """What `ytaudio build` was given, as far as others can be given it, and nothing a shell or a card would act on."""
    named = str(report.get("source") or "links.csv")
    if named.startswith(HUB):
        return re.sub(r"[^\w./:@-]", "_", named)
    return re.sub(r"[^\w./:-]", "_", named if named.startswith(KAGGLE) else Path(named).name)


def origin(report: Mapping[str, Any]) -> str:
    """A sentence about the list of links."""
    source = _source(report)
    if found := _ON_KAGGLE.fullmatch(source):
        where = f"https://www.kaggle.com/datasets/{found['owner']}/{found['name']}"
        version = f", version {found['version']}" if found["version"] else ""
        by = text(found["owner"])
        return f"The links and their categories are {linked(found['name'], where)} by {by} on Kaggle{version}."
    if found := _ON_HUB.fullmatch(source):
        at = f" at `{found['commit'][:12]}`" if found["commit"] else ""
        page = f"{constants.ENDPOINT}/datasets/{found['repo']}"
        return f"The links, windows, categories and splits are those of {linked(found['repo'], page)}{at}."
    return f"The links and their categories are those of the list `{source.strip('`') or 'links.csv'}`."


def splitting(protocol: str) -> str:
    """A sentence about how videos were dealt to splits."""
    known = PROTOCOLS.get(protocol)
    if known is None:
        return f'Protocol "{text(protocol)}".'
    if known.counts:
        wanted = " and ".join(f"{count} for {split}" for split, count in known.counts.items())
        return f'Protocol "{protocol}": of each category {wanted}, exactly; the rest are left out.'
    wanted = ", ".join(f"{100 * share:.0f} % for {split}" for split, share in known.shares.items())
    return f'Protocol "{protocol}": of each category\'s videos {wanted}, as near as whole channels allow.'


def build_command(report: Mapping[str, Any], source: str | None = None) -> str:
    """The command that collects the same windows of the same list, or of another one."""
    source = source or _source(report)
    if source.startswith(HUB):  # brings its settings and splits with it
        return f"ytaudio build {source} OUT"
    most = report.get("per_category")
    options = (
        f"{f'--per-category {int(most)} ' if most else ''}"
        f"--clips-per-video {report['clips_per_video']} --clip-seconds {report['clip_seconds']:g} "
        f"--seed {report['seed']} --protocol {report['protocol']}"
    )
    begun = f"ytaudio build {source} OUT"
    return f"{begun} {options}" if len(begun) + len(options) < _LONGEST else f"{begun} \\\n    {options}"


def takedown_commands(report: Mapping[str, Any], repo_id: str, links_only: bool) -> str:
    """What publishes a dataset anew without some videos, once they are out of its list."""
    source = _source(report)
    if source.startswith(KAGGLE):
        source = "links-without-it.csv"
    elif source.startswith(HUB):
        source = source.split("@")[0]  # at its newest commit, which holds it no longer
    return "\n".join(
        (
            build_command(report, source),
            f"hf repos delete {repo_id} --type dataset",
            f"ytaudio push dataset OUT {repo_id}{' --links-only' if links_only else ''}",
        )
    )


def citation(report: Mapping[str, Any], repo_id: str) -> str:
    """BibTeX of a dataset and, where its list is published, of the list."""
    owner, name = repo_id.split("/")[0], repo_id.rsplit("/", 1)[-1]
    year = str(report.get("created", ""))[:4]
    cited = [misc(name, owner, year, f"{constants.ENDPOINT}/datasets/{repo_id}")]
    source = _source(report)
    if found := _ON_KAGGLE.fullmatch(source):
        page = f"https://www.kaggle.com/datasets/{found['owner']}/{found['name']}"
        cited.append(misc(found["name"], found["owner"], "", page, "The list of links"))
    elif found := _ON_HUB.fullmatch(source):
        page = f"{constants.ENDPOINT}/datasets/{found['repo']}"
        cited.append(misc(found["repo"].split("/")[1], found["repo"].split("/")[0], "", page, "Rebuilt from"))
    return "\n\n".join(cited)


def misc(name: str, author: str, year: str, page: str, note: str = "") -> str:
    """A BibTeX entry of something with an address."""
    key = re.sub(r"\W+", "_", name)
    lines = [f"title = {{{name}}}", f"author = {{{author}}}", f"howpublished = {{\\url{{{page}}}}}"]
    lines += [f"year = {{{year}}}"] if year else []
    lines += [f"note = {{{note}}}"] if note else []
    return f"@misc{{{key},\n  " + ",\n  ".join(lines) + "\n}"
