"""Several processes of one recipe: that they find each other, and that a user's mistake is one sentence."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from ytaudio.errors import UserError, mendable
from ytaudio.redaction import secrets_hidden

_GRACE_S = 4.0  # within which a launcher ends its other processes after one has failed


def launched() -> int:
    """How many processes the launcher started, on all machines."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def join_on_cpu() -> None:
    """Let a launcher's processes find each other where there is no accelerator; before TrainingArguments are made.

    transformers joins them (over gloo) only if it is told to use the CPU, and else each trains alone, on everything.
    """
    if launched() > 1 and not torch.accelerator.is_available():
        os.environ["ACCELERATE_USE_CPU"] = "true"


def check_joined(world_size: int) -> None:
    """Refuse processes that would each train alone and write to the same folder.

    Raises:
        UserError: `world_size`, what TrainingArguments found, is not what the launcher started.
    """
    if launched() != world_size:
        raise UserError(
            f"The launcher started {launched()} processes and {world_size} found each other: "
            "name a --config_file of recipes/accelerate, or add --use_cpu where there is no GPU."
        )


def share_weights(model: nn.Module, device: torch.device) -> None:
    """Give every process the first one's weights."""
    if launched() > 1:
        model.to(device)
        for tensor in (*model.parameters(), *model.buffers()):
            torch.distributed.broadcast(tensor.data, 0)


def part() -> None:
    """Let the other processes go: from here on this one works alone."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _tell_launcher(sentence: str) -> None:
    """Have torch's launcher close its own report with the sentence rather than with advice on tracebacks."""
    path = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if path:
        detail = {"py_callstack": sentence, "timestamp": str(int(time.time()))}
        Path(path).write_text(json.dumps({"message": {"message": sentence, "extraInfo": detail}}))


@contextmanager
def mendable_together() -> Iterator[None]:
    """`mendable`, where several processes meet the same mistake: the first of a machine says it.

    Another process tells of an error, whichever it is, only if the launcher has not ended it by then, which means that
    the first one met none.
    """
    with secrets_hidden(), mendable():
        try:
            yield
        except Exception as error:
            if int(os.environ.get("LOCAL_RANK", "0")) > 0:  # or it lost the first one in the middle of an exchange
                time.sleep(_GRACE_S)
            if isinstance(error, UserError):
                _tell_launcher(" ".join(str(error).split()))
            raise
