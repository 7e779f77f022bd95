"""What the Hub's clients raise, said as one sentence that names the mend."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeGuard

import httpx2
from huggingface_hub import constants
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from ytaudio.errors import UserError
from ytaudio.redaction import redacted

_UNREACHABLE = (httpx2.TransportError, OfflineModeIsEnabled, ConnectionError, TimeoutError)


def is_local(name: str | Path) -> bool:
    """Whether a name is a folder here rather than a repository on the Hub."""
    return Path(name).is_dir()


def name_and_revision(name: str) -> tuple[str, str | None]:
    """USER/NAME@REVISION to both; None for the newest, and for a folder, whose name may hold an @."""
    if is_local(name):
        return name, None
    repo, _, revision = name.partition("@")
    return repo, revision or None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or following.__context__


def _is_refusal(error: BaseException) -> TypeGuard[HfHubHTTPError]:
    """Whether the Hub refused in words of its own: not for what is missing, nor for what a retry of ours mends."""
    if not isinstance(error, HfHubHTTPError) or isinstance(error, EntryNotFoundError):
        return False
    return 400 <= error.response.status_code < 500 and error.response.status_code not in (409, 412)


def hub_sentence(error: BaseException, what: str) -> str | None:
    """One sentence for an error of the Hub or of the way to it, or None where it is something else.

    The clients wrap their errors in one another, so the whole chain is looked at. `what` is the sentence's subject,
    such as "dataset USER/NAME".
    """
    endpoint = constants.ENDPOINT
    for cause in _chain(error):
        if isinstance(cause, LocalTokenNotFoundError):
            return f"There is no token for the {what}: set HF_TOKEN, or run `hf auth login`."
        if isinstance(cause, GatedRepoError):
            return f"The {what} is gated: ask for access on {endpoint}, then run again."
        response = getattr(cause, "response", None)
        status = getattr(response, "status_code", None)
        # without a token the Hub answers 401 for what is not there as well
        if response is not None and status == 401 and "authorization" in response.request.headers:
            return f"{endpoint} refused the token for the {what}: set HF_TOKEN to a valid one, or run `hf auth login`."
        if isinstance(cause, RepositoryNotFoundError):
            return f"The {what} is not on {endpoint}, or it is private: check the name, and that HF_TOKEN may read it."
        if isinstance(cause, RevisionNotFoundError):
            return f"The {what} has no such revision: give a branch, a tag or a commit that it has."
        if isinstance(cause, HFValidationError):
            return f"The {what} is neither a folder here nor a name on the Hub: write it as USER/NAME."
        if isinstance(cause, HfHubHTTPError) and status == 403:
            return f"{endpoint} does not let this token at the {what}: use a token with the right to it."
        if isinstance(cause, HfHubHTTPError) and status is not None and status >= 500:
            return f"{endpoint} answered {status} for the {what}: try again later."
    if refused := next((cause for cause in _chain(error) if _is_refusal(cause)), None):
        said = redacted(" ".join(str(refused.server_message or "no reason given").split()))[:300].rstrip(".")
        return f"{endpoint} refused the {what} ({refused.response.status_code}: {said}): mend that and try again."
    if any(isinstance(cause, _UNREACHABLE) for cause in _chain(error)):
        return f"The Hub at {endpoint} cannot be reached for the {what}: check the connection and HF_ENDPOINT."
    return None


@contextmanager
def hub_errors(what: str, kind: type[UserError] = UserError) -> Iterator[None]:
    """Turn the Hub's errors inside into a `kind` with one sentence; all others pass as they are."""
    try:
        yield
    except (OSError, ValueError, httpx2.HTTPError) as error:
        sentence = None if isinstance(error, UserError) else hub_sentence(error, what)
        if sentence is None:
            raise
        raise kind(sentence) from error
