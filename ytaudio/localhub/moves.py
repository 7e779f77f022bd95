"""Where repos went: a moved repo's old id leads to the new one until the name is used again."""

import json
import threading
from pathlib import Path

from ytaudio.localhub import durable


class Moves:
    """The file `moved.json`: new ids by kind and old id."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._data: dict[str, dict[str, str]] = json.loads(path.read_bytes()) if path.exists() else {}

    def new_id(self, kind: str, old_id: str) -> str | None:
        """The id that a repo moved to; None when none of this id moved."""
        return self._data.get(kind, {}).get(old_id)

    def add(self, kind: str, old_id: str, new_id: str) -> None:
        """A repo moved; ids it had before lead to the new one too."""
        with self._lock:
            known = {old: new_id if new == old_id else new for old, new in self._data.get(kind, {}).items()}
            self._keep(kind, {**known, old_id: new_id})

    def forget(self, kind: str, repo_id: str) -> None:
        """This id is a new repo's now, or nobody's: nothing leads from it or to it any more."""
        with self._lock:
            known = self._data.get(kind, {})
            left = {old: new for old, new in known.items() if repo_id not in (old, new)}
            if left != known:
                self._keep(kind, left)

    def _keep(self, kind: str, known: dict[str, str]) -> None:
        data = {**self._data, kind: known}
        durable.write(self._path, json.dumps(data).encode())
        self._data = data
