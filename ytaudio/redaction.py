"""Text without secrets: tokens, passwords in addresses and keys go into no log, record, card or error."""

import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

_KNOWN = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "WANDB_API_KEY")
_SHORTEST = 8  # characters of a secret that is looked for as it is: less is a word of the text
_NAME = r"(?<![a-z])(?:[a-z]+[_-])*(?:token|password|passwd|secret|api[_-]?key|access[_-]?key)"
_VALUE = r"(?!null\b|none\b|true\b|false\b)[^\s'\",;}\]]{8,}"
_HIDDEN = (
    (re.compile(r"(?<![A-Za-z0-9])(hf|api_org)_(?:(?=[a-z_]*[A-Z0-9])[A-Za-z0-9_]{8,}|[A-Za-z0-9]{8,}\w*)"), r"\1_***"),
    (re.compile(r"(?<![A-Za-z0-9])(AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])"), r"\1***"),
    (re.compile(r"(?i)\b(bearer|basic)[ ]+[A-Za-z0-9._~+/=-]{8,}"), r"\1 ***"),
    (re.compile(r"://[^\s/?#'\"]*@"), "://***@"),  # a user and a password
    (re.compile(rf"(?i)({_NAME}['\"]?\s*[=:]\s*['\"]?){_VALUE}"), r"\1***"),
    (re.compile(rf"(?i)(--{_NAME}\s+['\"]?){_VALUE}"), r"\1***"),
)


def redacted(text: str) -> str:
    """Without access tokens, keys and passwords, wherever they stand and whatever they are called."""
    for name in _KNOWN:
        if len(secret := os.environ.get(name, "").strip()) >= _SHORTEST:
            text = text.replace(secret, "***")
    for pattern, instead in _HIDDEN:
        text = pattern.sub(instead, text)
    return text


@contextmanager
def secrets_hidden() -> Iterator[None]:
    """A bug keeps its traceback, and the traceback keeps no secret: a library may quote a request or an answer."""
    try:
        yield
    except Exception:
        sys.excepthook = _tell  # at the last moment: typer puts its own there
        raise


def _tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(redacted("".join(traceback.format_exception(kind, error, trace))))
