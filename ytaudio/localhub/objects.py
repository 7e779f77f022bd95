"""Content, stored once by the SHA-256 of its bytes."""

import contextlib
import hashlib
import os
import re
import secrets
from pathlib import Path
from types import TracebackType

from ytaudio.localhub import durable
from ytaudio.localhub.errors import HubError, bad_request

_SHA256 = re.compile(r"[0-9a-f]{64}")


def is_sha256(text: object) -> bool:
    """Whether this is a SHA-256 in lower-case hexadecimal digits."""
    return isinstance(text, str) and _SHA256.fullmatch(text) is not None


class Objects:
    """The content store: `objects/aa/<sha256>`; nothing in it ever changes."""

    def __init__(self, folder: Path, temporary: Path) -> None:
        self._folder = folder
        self._temporary = temporary
        for first in range(256):  # all of them now: an upload then waits for no new folder's name
            (folder / f"{first:02x}").mkdir(parents=True, exist_ok=True)
        durable.sync_folder(folder)

    def path(self, sha256: str) -> Path:
        """Where the content with this hash lies, or would lie.

        Raises:
            HubError: 400 for what is no SHA-256, and so perhaps a path out of the store.
        """
        if not is_sha256(sha256):
            raise bad_request(f"Not a SHA-256 in hexadecimal digits: {sha256[:100]!r}")
        return self._folder / sha256[:2] / sha256

    def size(self, sha256: str) -> int | None:
        """Bytes of a stored content; None when it is not here."""
        try:
            return self.path(sha256).stat().st_size
        except FileNotFoundError:
            return None

    def read(self, sha256: str) -> bytes:
        """The whole content."""
        return self.path(sha256).read_bytes()

    def add(self, content: bytes) -> str:
        """Store bytes, durable on return; gives their SHA-256."""
        sha256 = hashlib.sha256(content).hexdigest()
        if self.size(sha256) is None:
            with self.receive(sha256, len(content)) as upload:
                upload.write(content)
                upload.finish()
        return sha256

    def receive(self, sha256: str, size: int) -> "Upload":
        """Begin an upload of known hash and size."""
        return Upload(self._temporary / secrets.token_hex(12), self.path(sha256), sha256, size)


class Upload:
    """Bytes on their way into the store; what is not finished leaves no trace."""

    def __init__(self, temporary: Path, final: Path, sha256: str, size: int) -> None:
        self._temporary = temporary
        self._final = final
        self._sha256 = sha256
        self._size = size  # bytes promised
        self._received = 0  # bytes so far
        self._digest = hashlib.sha256()
        self._file = temporary.open("xb")

    def write(self, block: bytes) -> None:
        """Take the next bytes.

        Raises:
            HubError: 400, more bytes than promised.
        """
        self._received += len(block)
        if self._received > self._size:
            raise bad_request(f"The upload is longer than the {self._size} bytes it promised.")
        self._digest.update(block)
        self._file.write(block)

    def finish(self) -> None:
        """Check hash and size, then make the content visible and durable.

        Raises:
            HubError: 400 for a truncated upload, 422 for content of another hash.
        """
        if self._received != self._size:
            raise bad_request(f"The upload ended after {self._received} of {self._size} bytes.")
        if self._digest.hexdigest() != self._sha256:
            raise HubError(422, f"The content's SHA-256 is not {self._sha256}.")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        durable.publish(self._temporary, self._final)

    def __enter__(self) -> "Upload":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        with contextlib.suppress(FileNotFoundError):
            self._temporary.unlink()
