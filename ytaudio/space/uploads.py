"""Files that visitors bring: each in a folder of its own, for one question, and for a few minutes at the most."""

import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr
import gradio_client.utils
from gradio import route_utils

KEPT_S = 600  # for which an upload that nobody asks about is kept
_NOT_FETCHED = "Files are uploaded here, not fetched: give a link in the field for links."
_GONE = "This file is not here any more: give it again."


class OwnUpload(route_utils.GradioUploadFile):
    """An upload whose folder, named by its hash, is its own.

    Gradio's hash is of the content alone: of two visitors with the same file, the first to be answered would have the
    other's deleted.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.sha.update(secrets.token_bytes(16))


def uploads_only(component: gr.File | gr.Audio) -> Any:
    """A field for files that gives the path of an upload, and takes no address in its place.

    Gradio would fetch an address, or hand it on where it is called a stream. The field's methods are replaced one by
    one: Gradio writes a stub file beside the module of every class made from its own.
    """
    keep = component.async_move_resource_to_block_cache

    async def keep_uploaded(path: str | Path | None) -> str | None:
        _refuse_address(path)
        return await keep(path)

    def path_of(payload: Any) -> str | None:  # gr.File's own leaves an empty file behind each time
        if payload is None:
            return None
        _refuse_address(payload.path)
        if not Path(payload.path).is_file():
            raise gr.Error(_GONE, print_exception=False)
        return payload.path

    setattr(component, "async_move_resource_to_block_cache", keep_uploaded)  # noqa: B010 (methods, to a type checker)
    setattr(component, "preprocess", path_of)  # noqa: B010
    return component


def _refuse_address(path: str | Path | None) -> None:
    if gradio_client.utils.is_http_url_like(str(path)):
        raise gr.Error(_NOT_FETCHED, print_exception=False)


def forget(path: str) -> None:
    """Delete an upload, with the folder that Gradio made for it alone."""
    Path(path).unlink(missing_ok=True)
    with suppress(OSError):  # it holds another file, or is gone
        Path(path).parent.rmdir()


def kept_below(folder: Path) -> tuple[int, int]:
    """Bytes and number of what lies below a folder, once all that is too old is deleted.

    Gradio deletes files that were uploaded as a whole; neither those of a connection that broke off, nor folders.
    """
    size = number = 0
    oldest = time.time() - KEPT_S
    for path in sorted(folder.rglob("*"), reverse=True):  # what is in a folder before the folder
        with suppress(OSError):  # a folder that is not empty, or another question's upload, just deleted
            told = path.lstat()
            if told.st_mtime < oldest:
                path.rmdir() if path.is_dir() else path.unlink()
            else:
                size, number = size + told.st_size, number + 1
    return size, number
