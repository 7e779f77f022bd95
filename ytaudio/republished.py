"""A links-only dataset on a Hub to its videos, windows and splits, at one commit."""

import json
import re
from pathlib import Path

import httpx2
from huggingface_hub import HfApi, constants, hf_hub_download, snapshot_download
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

from ytaudio.catalog import Catalog
from ytaudio.errors import UserError
from ytaudio.hub_errors import hub_errors
from ytaudio.ledger import LEDGER
from ytaudio.links import LINKS_ONLY, Published, read_links

_ON_HUB = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(?:@(?P<revision>[^@\s]+))?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{7,40}")
_REPORT_BYTES = 64 << 20  # ours has some kilobytes; in a stranger's, no more is parsed


def read_published(source: str, folder: Path | None) -> tuple[Catalog, Published, tuple[str, ...]]:
    """A links-only dataset at one commit: the one that `folder` was begun with, else the newest of the revision.

    Returns:
        its videos and refused rows, what it fixes, and sentences to print before the work begins.

    Raises:
        UserError: it is not there, or not a links-only dataset.
    """
    named = _ON_HUB.fullmatch(source)
    if not named:
        raise UserError(f"hub:{source} is no dataset on the Hub: write hub:USER/NAME or hub:USER/NAME@REVISION.")
    name, revision = named["name"], named["revision"]
    begun = _begun_with(folder, name)
    other = revision and _COMMIT.fullmatch(revision) and not begun.startswith(revision)
    with hub_errors(f"dataset {name}"):
        newest = _newest(name, revision, begun)
        commit = begun if begun and not other else newest
        report = _report(name, commit)
        kept = snapshot_download(name, repo_type="dataset", revision=commit, allow_patterns=["data/*.parquet"])
    shards = sorted(Path(kept).glob("data/*.parquet"))
    catalog, published = read_links(shards, name, commit, report)
    notes: tuple[str, ...] = ()
    if commit != newest:
        notes = (
            f"{folder} goes on with {name} at {commit[:12]}, as it was begun; the dataset is at {newest[:12]} now.",
        )
    return catalog, published, notes


def _begun_with(folder: Path | None, name: str) -> str:
    """The commit of dataset `name` that this folder's ledger was begun with, or ""."""
    if folder is None or not (folder / LEDGER).is_file():
        return ""
    with (folder / LEDGER).open(encoding="utf-8", errors="replace") as lines:
        first = lines.readline()
    try:
        windows_of = json.loads(first)["settings"]["windows_of"]
    except (ValueError, KeyError, TypeError):
        return ""  # opening the ledger says what is wrong with it
    before, _, commit = str(windows_of).partition("@")
    return commit if before == name else ""


def _newest(name: str, revision: str | None, begun: str) -> str:
    """The commit a revision is at now; where the Hub cannot be asked, the one begun with, whose files are here."""
    try:
        return str(HfApi().dataset_info(name, revision=revision).sha)
    except (OSError, ValueError, httpx2.HTTPError):
        if begun:
            return begun
        raise


def _report(name: str, commit: str) -> dict[str, object]:
    """report.json of a links-only dataset.

    Raises:
        UserError: the dataset is another one.
    """
    try:
        path = hf_hub_download(name, "report.json", repo_type="dataset", revision=commit)
        whole = Path(path).stat().st_size <= _REPORT_BYTES
        report = json.loads(Path(path).read_text(encoding="utf-8")) if whole else None
    except LocalEntryNotFoundError:
        raise
    except (EntryNotFoundError, ValueError, RecursionError):
        report = None
    if not isinstance(report, dict) or report.get(LINKS_ONLY) is not True:
        raise UserError(
            f"{constants.ENDPOINT}/datasets/{name} was not published with --links-only and cannot be rebuilt: "
            f'if it holds audio, load_dataset("{name}") gives it.'
        )
    return report
