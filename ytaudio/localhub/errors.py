"""What can go wrong: for the person who starts the Hub, and for the client that asks it."""


class LocalHubError(ValueError):
    """The Hub cannot be started as asked; the message is one sentence that names the mend."""


class HubError(Exception):
    """An answer other than success: HTTP status, message, and the X-Error-Code the clients read."""

    def __init__(
        self, status: int, message: str, *, code: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.headers = headers or {}


def bad_request(message: str) -> HubError:
    """400: the request itself is wrong."""
    return HubError(400, message)


def unauthenticated() -> HubError:
    """401 for a request that needs a token and came without one."""
    return HubError(401, "This needs a token: set HF_TOKEN to one of this Hub's tokens.")


def wrong_token() -> HubError:
    """401 for a token this Hub does not know, in the words by which huggingface_hub tells it from a missing repo."""
    return HubError(401, "Invalid credentials in Authorization header")


def forbidden(message: str) -> HubError:
    """403: known user, not theirs to change."""
    return HubError(403, message)


def repo_not_found(anonymous: bool) -> HubError:
    """A missing repo and a private one of somebody else look the same: 404, or 401 to a visitor without a token."""
    return HubError(401 if anonymous else 404, "Repository not found", code="RepoNotFound")


def moved(address: str) -> HubError:
    """307: the repo has another id now; the same is to be asked at this address, which names no host."""
    return HubError(307, f"This repo has moved: {address}", headers={"Location": address})


def revision_not_found(revision: str) -> HubError:
    """404: the repo is there, the branch, tag or commit is not."""
    return HubError(404, f"Invalid rev id: {revision}", code="RevisionNotFound")


def entry_not_found(message: str, commit_id: str | None = None) -> HubError:
    """404: the revision is there, the file or folder is not."""
    headers = {"X-Repo-Commit": commit_id} if commit_id else None
    return HubError(404, message, code="EntryNotFound", headers=headers)
