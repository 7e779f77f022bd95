"""A moving average of a model's weights, which is evaluated and kept in the place of the weights themselves."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

WEIGHTS_FILE = "averaged_weights.safetensors"
COUNT_FILE = "averaged_weights.json"
Tensors = tuple[Tensor, ...] | list[Tensor]


class WeightAverage:
    """The exponential moving average of all weights (Polyak and Juditsky 1992; Tarvainen and Valpola 2017).

    The first steps are forgotten sooner, by min(decay, (1 + steps) / (10 + steps)), so that a short training is not
    held back by where it began. Statistics of batch norms are averages already and are copied.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self._average = AveragedModel(model, multi_avg_fn=self._blend)

    def _blend(self, averaged: Tensors, current: Tensors, count: Tensor | int) -> None:
        share = min(self.decay, (1 + int(count)) / (10 + int(count)))
        torch._foreach_lerp_(averaged, current, 1 - share)

    def update(self, model: nn.Module) -> None:
        """Take in the weights after a step."""
        self._average.update_parameters(model)

    @contextmanager
    def swapped(self, model: nn.Module) -> Iterator[None]:
        """The model with the average's weights inside the block, and with its own again after it."""
        self._swap(model)
        try:
            yield
        finally:
            self._swap(model)

    def _swap(self, model: nn.Module) -> None:
        ours, theirs = self._average.module, model
        for kept, used in ((ours.parameters(), theirs.parameters()), (ours.buffers(), theirs.buffers())):
            for one, other in zip(kept, used, strict=True):
                one.data, other.data = other.data, one.data

    def give(self, model: nn.Module) -> None:
        """Make the model the average."""
        model.load_state_dict(self._average.module.state_dict())

    def save(self, folder: str | Path) -> None:
        """Write the average into a checkpoint's folder."""
        state = {name: value.contiguous() for name, value in self._average.module.state_dict().items()}
        save_file(state, Path(folder) / WEIGHTS_FILE)
        (Path(folder) / COUNT_FILE).write_text(json.dumps({"steps": int(self._average.n_averaged)}))

    def load(self, folder: str | Path) -> None:
        """Go on from a checkpoint's folder; one without an average leaves it as it is.

        Raises:
            FileNotFoundError: the checkpoint was saved without one.
        """
        count = json.loads((Path(folder) / COUNT_FILE).read_text())["steps"]
        self._average.module.load_state_dict(load_file(Path(folder) / WEIGHTS_FILE))
        self._average.n_averaged.fill_(count)
