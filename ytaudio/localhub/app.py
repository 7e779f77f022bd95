"""The web application: which address is answered by what."""

from collections.abc import Awaitable, Callable

from anyio import CapacityLimiter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ytaudio.localhub import browsing, discussions, large, leaderboard, managing, pages, reading, viewer, writing
from ytaudio.localhub.accounts import Accounts
from ytaudio.localhub.readers import READERS
from ytaudio.localhub.rendering import shown
from ytaudio.localhub.store import Store
from ytaudio.localhub.web import Call, Handler, endpoint, streaming

_REPO_API = "/api/{kinds}/{namespace}/{name}"
_KIND_NAMES = ("models", "datasets", "spaces")

_API: list[tuple[str, str, Handler]] = [
    ("GET", "/api/whoami-v2", managing.whoami),
    ("POST", "/api/repos/create", managing.create),
    ("DELETE", "/api/repos/delete", managing.delete),
    ("POST", "/api/repos/move", managing.move),
    ("POST", "/api/validate-yaml", writing.validate_yaml),
    ("GET", "/api/settings/repositories", managing.own_repos),
    ("GET", "/api/organizations/{organization}/settings/repositories", managing.own_repos),
    ("GET", "/api/organizations/{organization}/overview", managing.organization_overview),
    ("GET", "/api/organizations/{organization}/members", managing.organization_members),
    ("GET", "/api/users/{user}/overview", managing.user_overview),
    ("PUT", f"{_REPO_API}/settings", managing.change_settings),
    ("GET", f"{_REPO_API}/auth-check", managing.check_read),
    ("GET", f"{_REPO_API}/auth-check/write", managing.check_write),
    ("GET", f"{_REPO_API}/discussions", discussions.find_all),
    ("POST", f"{_REPO_API}/discussions", discussions.create),
    ("GET", f"{_REPO_API}/discussions/{{number}}", discussions.details),
    ("POST", f"{_REPO_API}/discussions/{{number}}/comment", discussions.comment),
    ("POST", f"{_REPO_API}/discussions/{{number}}/comment/{{comment}}/{{action}}", discussions.edit_comment),
    ("POST", f"{_REPO_API}/discussions/{{number}}/title", discussions.rename),
    ("POST", f"{_REPO_API}/discussions/{{number}}/status", discussions.change_status),
    ("POST", f"{_REPO_API}/discussions/{{number}}/merge", discussions.merge),
    ("POST", f"{_REPO_API}/duplicate", managing.duplicate),
    ("GET", f"{_REPO_API}/revision/{{revision}}", reading.about),
    ("GET", f"{_REPO_API}/refs", reading.refs),
    ("GET", f"{_REPO_API}/commits/{{revision}}", reading.commits),
    ("GET", f"{_REPO_API}/tree/{{revision}}", reading.tree),
    ("GET", f"{_REPO_API}/tree/{{revision}}/{{path:path}}", reading.tree),
    ("POST", f"{_REPO_API}/paths-info/{{revision}}", reading.paths_info),
    ("GET", f"{_REPO_API}/xet-{{mode}}-token/{{revision}}", managing.no_xet),
    ("GET", f"{_REPO_API}/runtime", managing.space_runtime),
    ("GET", f"{_REPO_API}/lfs-files", reading.large_files),
    ("GET", f"{_REPO_API}/leaderboard", reading.leaderboard),
    ("POST", f"{_REPO_API}/preupload/{{revision}}", writing.preupload),
    ("POST", f"{_REPO_API}/branch/{{revision}}", writing.create_branch),
    ("DELETE", f"{_REPO_API}/branch/{{revision}}", writing.delete_branch),
    ("POST", f"{_REPO_API}/tag/{{revision}}", writing.create_tag),
    ("DELETE", f"{_REPO_API}/tag/{{revision}}", writing.delete_tag),
    ("POST", f"{_REPO_API}/super-squash/{{revision}}", writing.squash),
    ("GET", _REPO_API, reading.about),
    ("GET", "/api/{kinds}", reading.find_all),
]
_WEB: list[tuple[str, str, Handler]] = [
    ("POST", ".git/info/lfs/objects/batch", large.batch),
    ("POST", ".git/info/lfs/verify", large.verify),
    ("GET", "/resolve/{revision}/{path:path}", reading.content),
    ("GET", "/raw/{revision}/{path:path}", reading.content),
    ("GET", "/tree/{revision}", browsing.files),
    ("GET", "/tree/{revision}/{path:path}", browsing.files),
    ("GET", "/blob/{revision}/{path:path}", browsing.file),
    ("GET", "/commits/{revision}", browsing.history),
    ("GET", "/commit/{revision}", browsing.commit),
    ("GET", "/discussions", browsing.discussions),
    ("GET", "/discussions/{number}", browsing.discussion),
    ("GET", "/viewer", viewer.viewer),
    ("GET", "/viewer/{revision}", viewer.viewer),
    ("GET", "/cell/{revision}/{column}/{row}/{path:path}", viewer.cell),
    ("GET", "/leaderboard", leaderboard.leaderboard),
    ("GET", "", pages.repo),
]


def _kind_routes() -> list[Route]:
    """Routes below a repo's web address; a model's address names no kind."""
    reading_rows = CapacityLimiter(READERS)
    routes = []
    for kinds in _KIND_NAMES:
        for method, rest, handler in _WEB:
            prefix = "" if kinds == "models" else f"/{kinds}"
            limiter = reading_rows if handler in (viewer.viewer, viewer.cell) else None
            run = endpoint(shown(_of_kind(kinds, handler)), limiter=limiter)
            routes.append(Route(f"{prefix}/{{namespace}}/{{name}}{rest}", run, methods=[method]))
    return sorted(routes, key=lambda route: route.path.startswith("/{"))


def _of_kind(kinds: str, handler: Handler) -> Handler:
    def run(call: Call) -> Response:
        call.path["kinds"] = kinds
        return handler(call)

    return run


class RawPath:
    """Routes on the path as it was sent: `refs%2Fpr%2F1` is one part of it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope.get("raw_path"):
            scope = {**scope, "path": scope["raw_path"].decode("latin-1").partition("?")[0]}
        await self._app(scope, receive, send)


def make_app(store: Store, accounts: Accounts) -> ASGIApp:
    """The application that serves a store to the users of these accounts."""
    upload: Callable[[Request], Awaitable[Response]] = streaming(large.receive)
    routes = [
        Route("/-/lfs/{kinds}/{namespace}/{name}/{oid}", upload, methods=["PUT"]),
        Route("/-/lfs/{kinds}/{namespace}/{name}/{oid}", endpoint(large.download), methods=["GET"]),
        Route("/-/style.css", endpoint(pages.style), methods=["GET"]),
        Route("/-/icon.svg", endpoint(pages.icon), methods=["GET"]),
        Route("/favicon.ico", endpoint(pages.icon), methods=["GET"]),
        Route(f"{_REPO_API}/commit/{{revision}}", streaming(writing.commit), methods=["POST"]),
        *(Route(path, endpoint(handler), methods=[method]) for method, path, handler in _API),
        Route("/api/{rest:path}", endpoint(managing.unknown), methods=["GET", "POST", "PUT", "DELETE"]),
        Route("/", endpoint(shown(pages.front)), methods=["GET"]),
        Route("/login", endpoint(pages.login), methods=["GET", "POST"]),
        Route("/logout", endpoint(pages.logout), methods=["POST"]),
        *_kind_routes(),
        Route("/{namespace}", endpoint(shown(pages.front)), methods=["GET"]),
        Route("/{rest:path}", endpoint(shown(pages.unknown)), methods=["GET"]),
    ]
    app = Starlette(routes=routes)
    app.state.store, app.state.accounts = store, accounts
    return RawPath(app)
