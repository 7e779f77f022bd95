"""The only room that knows kagglehub: a dataset's name on Kaggle to the path of its CSV here.

Archives are unpacked by kagglehub, which lets no member climb out of its folder from 1.0.2 on.
"""

import csv
import io
import re
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from ytaudio.catalog import REQUIRED
from ytaudio.errors import UserError, writing_to

_NAME = re.compile(
    r"(?P<handle>[\w-]+/[\w-]+(?:/versions/[1-9][0-9]{0,8})?)(?:/(?P<file>[^\\\0-\x1f]+))?", re.ASCII | re.IGNORECASE
)
_DAMAGED = (ValueError, tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError)
_HEADER_CHARACTERS = 1 << 16


def download_csv(name: str) -> tuple[Path, str]:
    """Fetch OWNER/NAME[/versions/N][/FILE.csv] from Kaggle, once a version; kagglehub keeps what it fetched.

    Returns:
        Where the CSV lies here, and its full name, OWNER/NAME/versions/N/FILE.csv. Without FILE.csv it is the only one
        that has the columns a catalogue needs.

    Raises:
        UserError: kagglehub is not installed, Kaggle refuses or cannot be reached, or no CSV or several would do.
    """
    named = _NAME.fullmatch(name)
    wanted = named["file"] if named else None
    if not named or (wanted and not {"", ".", ".."}.isdisjoint(wanted.split("/"))):
        raise UserError(
            f"kaggle:{name} is no name on Kaggle: write kaggle:OWNER/NAME, kaggle:OWNER/NAME/FILE.csv or, for one "
            "version, kaggle:OWNER/NAME/versions/3/FILE.csv."
        )
    found = _download(named["handle"], wanted)
    path = found if wanted else _only_catalogue(found, named["handle"])
    version = re.search(r"/versions/\d+(?=/|$)", found.as_posix())
    handle = named["handle"] + (version[0] if version and "/versions/" not in named["handle"] else "")
    return path, f"{handle}/{wanted or path.relative_to(found).as_posix()}"


def _download(handle: str, wanted: str | None) -> Path:
    """The file, or the folder of all files, in kagglehub's cache."""
    try:
        import kagglehub
        from kagglehub.config import get_cache_folder, get_kaggle_credentials
    except ModuleNotFoundError as error:
        raise UserError(f"kaggle: needs {error.name}: pip install 'ytaudio[kaggle]'.") from None
    what = f"{handle}/{wanted}" if wanted else handle
    try:
        get_kaggle_credentials()
    except ValueError as error:
        raise UserError(f"{error}: mend that file, or take it away.") from None
    with writing_to(get_cache_folder()), _sentences(what, get_cache_folder()), _quietly():
        return Path(kagglehub.dataset_download(handle, path=wanted))


@contextmanager
def _sentences(what: str, cache: str) -> Iterator[None]:
    """What kagglehub raises, as UserErrors of one sentence that names the mend."""
    import requests
    from kagglehub import exceptions

    own = (exceptions.BackendError, exceptions.CredentialError, exceptions.KaggleEnvironmentError)
    try:
        yield
    except exceptions.KaggleApiHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        raise UserError(_refusal(what, status)) from error
    except requests.RequestException as error:
        status = error.response.status_code if error.response is not None else 0
        sentence = (
            f"Kaggle cannot be reached for {what} ({type(error).__name__}): check the connection and try again; "
            "a version that was fetched before needs none, if you name it: kaggle:OWNER/NAME/versions/3."
        )
        raise UserError(_refusal(what, status) if status else sentence) from error
    except (*_DAMAGED, exceptions.DataCorruptionError) as error:
        owner_and_name = "/".join(what.split("/")[:2])
        raise UserError(
            f"{what} did not arrive whole from Kaggle ({type(error).__name__}): "
            f"take {cache}/datasets/{owner_and_name} away and try again."
        ) from error
    except (*own, exceptions.NotFoundError) as error:
        raise UserError(f"kagglehub cannot fetch {what} ({' '.join(str(error).split())[:200]}): mend that.") from error


def _refusal(what: str, status: int) -> str:
    if status in (401, 403):
        return f"Kaggle does not show {what} ({status}): check the name or, if it is private, set KAGGLE_API_TOKEN."
    if status == 404:
        return f"{what} is not on Kaggle: check the names of owner, dataset, version and file."
    return f"Kaggle answered {status} for {what}: try again later."


@contextmanager
def _quietly() -> Iterator[None]:
    """Without kagglehub's messages; its progress is shown on a terminal only."""
    import logging

    logger = logging.getLogger("kagglehub")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        stack.callback(logger.setLevel, before)
        stack.enter_context(redirect_stdout(io.StringIO()))
        if not sys.stderr.isatty():
            stack.enter_context(redirect_stderr(io.StringIO()))
        yield


def _only_catalogue(folder: Path, handle: str) -> Path:
    """The one CSV with the columns a catalogue needs, among all files that came; nothing outside the folder counts."""
    inside = folder.resolve()
    here = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() == ".csv" and path.is_file()]
    here = [path for path in here if path.resolve().is_relative_to(inside)]
    fitting = [path for path in here if _has_columns(path)]
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(path.relative_to(folder).as_posix() for path in (fitting or here)[:10])
    if fitting:
        raise UserError(f"kaggle:{handle} has several lists of links ({names}): name one, kaggle:{handle}/FILE.csv.")
    raise UserError(
        f"kaggle:{handle} has no CSV with the columns {' and '.join(REQUIRED)} (CSV files: {names or 'none'}): "
        "give another dataset, or download it and rename its columns."
    )


def _has_columns(path: Path) -> bool:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        header = file.readline(_HEADER_CHARACTERS).replace("\0", "")
    try:
        cells = next(csv.reader([header]), [])
    except csv.Error:
        return False
    return set(REQUIRED) <= {name.strip().casefold() for name in cells}
