"""Routes about users and about whole repos: who am I, create, delete, move, settings, duplicate."""

import logging
from typing import Any

from starlette.responses import Response

from ytaudio.localhub import history, large
from ytaudio.localhub.accounts import is_namespace
from ytaudio.localhub.errors import HubError, bad_request, forbidden, repo_not_found
from ytaudio.localhub.history import Entry, Tree
from ytaudio.localhub.objects import Objects
from ytaudio.localhub.repo import Repo
from ytaudio.localhub.store import KINDS, check_name
from ytaudio.localhub.web import Call, answer, web_prefix

_log = logging.getLogger(__name__)
_SDKS = ("gradio", "streamlit", "docker", "static")


def whoami(call: Call) -> Response:
    """GET /api/whoami-v2."""
    user = call.signed_in()
    organizations = [
        {"type": "org", "id": name, "name": name, "fullname": name, "isEnterprise": False, "roleInOrg": "admin"}
        for name in call.accounts.organizations_of(user)
    ]
    token = {"displayName": "localhub", "role": "write", "createdAt": "2025-01-01T00:00:00.000Z"}
    return answer(
        {
            "type": "user",
            "id": user,
            "name": user,
            "fullname": user,
            "email": None,
            "emailVerified": False,
            "canPay": False,
            "isPro": False,
            "periodEnd": None,
            "avatarUrl": "",
            "orgs": organizations,
            "auth": {"type": "access_token", "accessToken": token},
        }
    )


def user_overview(call: Call) -> Response:
    """GET /api/users/{user}/overview."""
    name = call.path["user"]
    if not call.accounts.is_user(name):
        raise HubError(404, "This user does not exist.")
    counts = {f"num{kind.title()}s": _count(call, kind, name) for kind in KINDS}
    organizations = [{"name": o, "fullname": o, "avatarUrl": ""} for o in call.accounts.organizations_of(name)]
    return answer({"user": name, "fullname": name, "avatarUrl": "", "isPro": False, "orgs": organizations, **counts})


def organization_overview(call: Call) -> Response:
    """GET /api/organizations/{organization}/overview."""
    name = call.path["organization"]
    members = call.accounts.members_of(name)
    if members is None:
        raise HubError(404, "This organization does not exist.")
    counts = {f"num{kind.title()}s": _count(call, kind, name) for kind in KINDS}
    return answer({"name": name, "fullname": name, "avatarUrl": "", "numUsers": len(members), **counts})


def organization_members(call: Call) -> Response:
    """GET /api/organizations/{organization}/members."""
    members = call.accounts.members_of(call.path["organization"])
    if members is None:
        raise HubError(404, "This organization does not exist.")
    return answer([{"user": name, "fullname": name, "avatarUrl": "", "isPro": False} for name in members])


def _count(call: Call, kind: str, namespace: str) -> int:
    return sum(call.of_each(kind, lambda repo: repo.namespace == namespace))


def own_repos(call: Call) -> Response:
    """GET /api/settings/repositories and /api/organizations/{organization}/settings/repositories."""
    namespace = call.path.get("organization", call.signed_in())
    if not call.accounts.may_write(call.signed_in(), namespace):
        raise forbidden(f"You are not a member of {namespace}.")

    def look(repo: Repo) -> dict[str, Any] | None:
        if repo.namespace != namespace:
            return None
        commit = repo.resolve("main")
        return {
            "id": repo.id,
            "type": repo.kind,
            "updatedAt": commit.date,
            "visibility": repo.settings()["visibility"],
            "storage": sum(entry.size for entry in repo.tree(commit).values()),
            "storagePercent": 0,
        }

    return answer([found for kind in KINDS for found in call.of_each(kind, look) if found])


def create(call: Call) -> Response:
    """POST /api/repos/create; 409, with the address, when it exists."""
    user, request = call.signed_in(), call.json()
    kind, repo_id = _asked(call, request)
    settings: dict[str, Any] = {"visibility": _visibility(request, kind) or "public"}
    if kind == "space":
        settings["sdk"] = request.get("sdk")
        if settings["sdk"] not in _SDKS:
            raise bad_request(f"A Space needs an sdk: one of {', '.join(_SDKS)}.")
    _may_create(call, user, kind, repo_id)
    url = f"{call.base}/{web_prefix(kind)}{repo_id}"
    try:
        call.store.create(kind, repo_id, settings, _first_tree(call.store.objects), user)
    except HubError as error:  # the name is taken: the client wants the address all the same
        return answer({"error": error.message, "url": url}, status=error.status)
    return answer({"url": url, "name": repo_id, "id": repo_id})


def _first_tree(objects: Objects) -> Tree:
    content = large.GITATTRIBUTES
    return {".gitattributes": Entry(history.blob_id(content), objects.add(content), len(content), lfs=False)}


def _may_create(call: Call, user: str, kind: str, repo_id: str) -> None:
    namespace, _, name = repo_id.partition("/")
    check_name(name)
    if not is_namespace(namespace):
        raise bad_request(f"{namespace!r} cannot be the name of a user or an organization.")
    if not call.accounts.claim(user, namespace):
        raise forbidden(f'You don\'t have the rights to create a {kind} under the namespace "{namespace}"')


def _asked(call: Call, request: dict[str, Any]) -> tuple[str, str]:
    kind = request.get("type") or "model"
    name, namespace = request.get("name"), request.get("organization") or call.signed_in()
    if kind not in KINDS or not isinstance(name, str) or not isinstance(namespace, str):
        raise bad_request("A repo needs a name and a type: model, dataset or space.")
    if "/" in name and not request.get("organization"):
        namespace, _, name = name.partition("/")
    return kind, f"{namespace}/{name}"


def _visibility(request: dict[str, Any], kind: str) -> str | None:
    asked = request.get("visibility")
    if asked is None and isinstance(request.get("private"), bool):
        asked = "private" if request["private"] else "public"
    if asked not in (None, "public", "private") and not (asked == "protected" and kind == "space"):
        raise bad_request(f"Invalid visibility: {asked!r}. Use 'public' or 'private'.")
    return asked


def _own(call: Call, kind: str, repo_id: str) -> Repo:
    user = call.signed_in()
    repo = call.find(kind, repo_id)
    if not call.accounts.may_write(user, repo.namespace):
        raise forbidden(f"You do not have the rights to change {repo.id}.")
    return repo


def delete(call: Call) -> Response:
    """DELETE /api/repos/delete."""
    call.signed_in()
    kind, repo_id = _asked(call, call.json())
    call.store.delete(_own(call, kind, repo_id))
    return answer({"success": True})


def move(call: Call) -> Response:
    """POST /api/repos/move: another name, or another namespace that is the user's."""
    user, request = call.signed_in(), call.json()
    kind, old, new = request.get("type") or "model", request.get("fromRepo"), request.get("toRepo")
    if kind not in KINDS or not isinstance(old, str) or not isinstance(new, str) or new.count("/") != 1:
        raise bad_request("A move needs fromRepo and toRepo (namespace/name) and a type.")
    repo = _own(call, kind, old)
    _may_create(call, user, kind, new)
    call.store.move(repo, new)
    return answer({"success": True, "url": f"{call.base}/{web_prefix(kind)}{new}"})


def change_settings(call: Call) -> Response:
    """PUT .../settings: visibility and gating (which this Hub keeps and shows, and does not enforce)."""
    repo, request = call.repo(write=True), call.json()
    visibility, gated = _visibility(request, repo.kind), request.get("gated")
    if gated not in (None, False, "auto", "manual"):
        raise bad_request("gated must be 'auto', 'manual' or false.")
    with call.store.changing(repo):
        settings = repo.settings()
        settings |= {"visibility": visibility} if visibility else {}
        settings |= {"gated": gated} if gated is not None else {}
        repo.save_settings(settings)
    return answer({"visibility": settings["visibility"], "private": settings["visibility"] != "public"})


def duplicate(call: Call) -> Response:
    """POST .../duplicate: a repo of one's own with the history of another."""
    user, repo, request = call.signed_in(), call.repo(), call.json()
    target = str(request.get("repository") or f"{user}/{repo.id.split('/')[1]}")
    _may_create(call, user, repo.kind, target)
    visibility = _visibility(request, repo.kind) or repo.settings()["visibility"]
    url = f"{call.base}/{web_prefix(repo.kind)}{target}"
    try:
        call.store.copy(repo, target, {"visibility": visibility})
    except HubError as error:
        return answer({"error": error.message, "url": url}, status=error.status)
    return answer({"url": url})


def check_read(call: Call) -> Response:
    """GET .../auth-check: whether the visitor may read this repo."""
    call.repo()
    return answer({"success": True})


def check_write(call: Call) -> Response:
    """GET .../auth-check/write: whether the visitor may write to this repo."""
    call.repo(write=True)
    return answer({"success": True})


def space_runtime(call: Call) -> Response:
    """GET .../runtime of a Space: this Hub keeps Spaces and does not run them."""
    call.repo()
    return answer({"stage": "PAUSED", "hardware": {"current": None, "requested": None}, "storage": None})


def no_xet(call: Call) -> Response:
    """GET .../xet-write-token/...: the client shows the status only, so the reason is said on this side too."""
    message = "This Hub speaks LFS, not Xet: set HF_HUB_DISABLE_XET=1 for the client, before it starts."
    _log.warning("%s: %s", call.request.url.path, message)
    raise HubError(404, message)


def unknown(call: Call) -> Response:
    """Every other address under /api; a repo id without a namespace is a repo that is not here."""
    parts = call.path["rest"].split("/")
    if (
        parts[0].removesuffix("s") in KINDS
        and len(parts) > 1
        and not call.store.find(parts[0].removesuffix("s"), "/".join(parts[1:3]))
    ):
        raise repo_not_found(anonymous=call.user is None)
    raise HubError(404, "This Hub has nothing at this address.")
