"""Who may do what: users, their tokens, and the organisations they opened."""

import hmac
import json
import re
import secrets
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from ytaudio.localhub import durable
from ytaudio.localhub.errors import HubError, LocalHubError

DEFAULT_USER = "local"
RESERVED = {"api", "datasets", "spaces", "models", "login", "logout", "buckets", "kernels", "docs", "settings", "-"}
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9]|[-._](?=[A-Za-z0-9])|_)*")


def is_namespace(name: str) -> bool:
    """Whether a user or an organisation may bear this name."""
    return bool(_NAME.fullmatch(name)) and len(name) <= 42 and name.lower() not in RESERVED


class Accounts:
    """The file `accounts.json` (mode 0600): tokens, organisations, and the key that signs upload addresses."""

    def __init__(self, path: Path, users: Mapping[str, str] | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._data = json.loads(path.read_bytes()) if path.exists() else {}
        before = json.dumps(self._data)
        self._data.setdefault("key", secrets.token_hex(32))
        self._data.setdefault("organizations", {})
        tokens = self._data.setdefault("tokens", {})
        tokens.update(users or {})
        if not tokens:
            tokens[new_token()] = DEFAULT_USER
        for name in tokens.values():
            if not is_namespace(name):
                raise LocalHubError(f"{name!r} cannot be a user's name: use letters, digits, '-', '_' and '.'.")
        for name in (users or {}).values():
            if any(other != name and other.casefold() == name.casefold() for other in tokens.values()):
                raise LocalHubError(
                    f"{name!r} cannot be a user's name beside one that differs by case: choose another."
                )
        self.token: str = next(iter(users or tokens))
        self.user: str = tokens[self.token]
        if json.dumps(self._data) != before:
            self._save()

    def _save(self) -> None:
        durable.write(self._path, json.dumps(self._data, indent=1).encode(), mode=0o600)

    def add_users(self, names: Iterable[str]) -> dict[str, str]:
        """Make sure these users exist; gives each one's token by name."""
        names = list(names)
        with self._lock:
            tokens = self._data["tokens"]
            by_name = {name: token for token, name in reversed(tokens.items())}
            for name in names:
                if name not in by_name and (not is_namespace(name) or self.spelled(name)):
                    raise LocalHubError(f"{name!r} cannot be a user's name here: choose another.")
                if name not in by_name:
                    by_name[name] = new_token()
                    tokens[by_name[name]] = name
            self._save()
            return {name: by_name[name] for name in names}

    def spelled(self, name: str) -> str | None:
        """The user or organisation whose name is this one but for upper and lower case; None when there is none."""
        known = [*self._data["tokens"].values(), *self._data["organizations"]]
        return name if name in known else next((other for other in known if other.casefold() == name.casefold()), None)

    def user_of(self, token: str) -> str | None:
        """The user a token belongs to; None for an unknown one."""
        return self._data["tokens"].get(token)

    def is_user(self, name: str) -> bool:
        """Whether there is such a user."""
        return name in self._data["tokens"].values()

    def organizations_of(self, user: str) -> list[str]:
        """The organisations a user belongs to, by name."""
        return sorted(name for name, members in self._data["organizations"].items() if user in members)

    def members_of(self, organization: str) -> list[str] | None:
        """The members of an organisation; None when there is none of this name."""
        return self._data["organizations"].get(organization)

    def may_write(self, user: str | None, namespace: str) -> bool:
        """Whether a user may read private repos of a namespace and write to all of its repos."""
        return user is not None and (user == namespace or user in self._data["organizations"].get(namespace, ()))

    def claim(self, user: str, namespace: str) -> bool:
        """Let a user create repos in a namespace: a free name becomes an organisation with this user as its member.

        Raises:
            HubError: 409 when there is such a name in other letters, upper or lower.
        """
        with self._lock:
            if (known := self.spelled(namespace)) not in (None, namespace):
                raise HubError(409, f"There is a namespace {known!r} already: names differ by more than case.")
            if known is None:
                if not is_namespace(namespace):
                    return False
                self._data["organizations"][namespace] = [user]
                self._save()
        return self.may_write(user, namespace)

    def pass_of(self, user: str, until: int) -> str:
        """What a browser keeps of a user who signed in, good for reading until a time (seconds since 1970).

        Never the token: a browser shows its cookies to every server of a host, whatever the port.
        """
        return f"{user}:{until}:{self.sign(f'pass {user} {until}')}"

    def user_of_pass(self, kept: str) -> str | None:
        """The user to whom `pass_of` was given; None for a pass that is over, or that this Hub did not give."""
        user, _, rest = kept.partition(":")
        until = rest.partition(":")[0]
        if not self.is_user(user) or not re.fullmatch(r"[0-9]{1,12}", until) or int(until) < time.time():
            return None
        return user if hmac.compare_digest(kept.encode(), self.pass_of(user, int(until)).encode()) else None

    def sign(self, message: str) -> str:
        """A signature only this Hub can make: 64 hexadecimal digits (HMAC-SHA-256)."""
        return hmac.new(bytes.fromhex(self._data["key"]), message.encode(), "sha256").hexdigest()


def new_token() -> str:
    """A fresh token in the Hub's form, `hf_` and 32 characters."""
    return f"hf_{secrets.token_hex(16)}"
