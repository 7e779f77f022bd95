"""What a training needs in memory: an estimate before it begins, and one sentence when there is too little."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ytaudio.errors import UserError

# Bytes of state that an optimiser keeps for a parameter, in units of the parameter; two moments where it is not here.
_MOMENTS = {"sgd": 0.0, "adafactor": 0.01, "lion": 1.0, "adamw_bnb_8bit": 0.5, "adamw_8bit": 0.5, "adagrad": 1.0}
_CPU_SIGNS = ("can't allocate memory", "not enough memory", "cannot allocate memory", "std::bad_alloc")
_ONEDNN_SIGNS = ("could not create a memory", "could not create a primitive")  # oneDNN's words for the same


class MemoryShort(UserError):
    """Too little memory for a training; the message says what to lower."""


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """What one process of a training holds at its peak, beyond what it holds before the first step but the weights."""

    weights: int  # bytes; parameters and buffers, twice with a moving average
    gradients: int  # bytes; of the trainable parameters, twice where processes exchange them in buckets
    optimiser: int  # bytes; the state of the trainable parameters
    activations: int  # bytes; kept for the backward pass of one batch, and what the backward pass holds beside it
    seconds: float  # of forward and backward for one batch on this device; extrapolated from two crops

    @property
    def total(self) -> int:
        """Bytes in all."""
        return self.weights + self.gradients + self.optimiser + self.activations


def _bytes(tensors: Any) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def kept_bytes(model: nn.Module, inputs: dict[str, Tensor], autocast: torch.dtype | None = None) -> tuple[int, int]:
    """What a forward pass keeps for the backward pass, and the largest single piece of it, both in bytes.

    Every tensor that autograd saves is counted once by its storage, parameters not; an activation that is computed
    again in the backward pass is not kept and not counted. Runs the backward pass too.
    """
    own = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    device = next(model.parameters()).device
    with (
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
        torch.autocast(device.type, dtype=autocast, enabled=autocast is not None),
    ):
        logits = model(**{name: tensor for name, tensor in inputs.items() if name != "labels"}).logits
        loss = nn.functional.cross_entropy(logits.float(), inputs["labels"])
    loss.backward()
    return sum(kept.values()), max(kept.values(), default=0)


@contextmanager
def _undisturbed(model: nn.Module) -> Iterator[None]:
    """The model in training mode; afterwards no gradient, running mean or random number is another than before."""
    training, buffers = model.training, {name: buffer.clone() for name, buffer in model.named_buffers()}
    drawn = np.random.get_state()
    model.train()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        np.random.set_state(drawn)
        model.zero_grad(set_to_none=True)
        model.train(training)
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                buffer.copy_(buffers[name])


def estimate(
    model: nn.Module, inputs: dict[str, Tensor], *, batch_size: int, args: Any, averaged: bool = False
) -> MemoryEstimate:
    """The peak of a training with `args` (TrainingArguments), from forward and backward passes of the first two crops.

    `inputs` is a batch of at least two crops with their labels, on the model's device. What grows with the batch is the
    difference between two crops and one. The model and the random numbers are as they were afterwards.
    """
    autocast = torch.bfloat16 if args.bf16 else torch.float16 if args.fp16 else None
    two = {name: tensor[:2] for name, tensor in inputs.items()}
    with _undisturbed(model):
        one_kept, one_largest = kept_bytes(model, {name: tensor[:1] for name, tensor in two.items()}, autocast)
        began = time.perf_counter()
        two_kept, two_largest = kept_bytes(model, two, autocast)
        took_s = time.perf_counter() - began
    crop = max(two_kept - one_kept, 0)
    # the largest piece's gradient, that of what it came from, and a copy in the layout of the fastest kernel
    backward = 3 * (two_largest - one_largest) * batch_size
    trainable = _bytes(parameter for parameter in model.parameters() if parameter.requires_grad)
    weights = _bytes((*model.parameters(), *model.buffers()))
    return MemoryEstimate(
        weights=weights * (2 if averaged else 1),
        gradients=trainable * (2 if args.world_size > 1 else 1),
        optimiser=round(trainable * _MOMENTS.get(str(getattr(args.optim, "value", args.optim)), 2.0)),
        activations=max(one_kept - crop, 0) + crop * batch_size + max(backward, 0),
        seconds=took_s / 2 * batch_size,
    )


def _cgroup_left() -> int | None:
    """Bytes left of this process's cgroup limit, of version 2 or 1, or None where there is none."""
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            most, now = ((Path("/sys/fs/cgroup") / name).read_text().strip() for name in (limit, used))
        except OSError:
            continue
        if most.isdigit() and int(most) < 1 << 60:  # version 1 writes a huge number for no limit
            return max(int(most) - int(now), 0)
    return None


def available(device: torch.device) -> int | None:
    """Bytes that can still be had on a device: of a CPU what the machine and its cgroup leave; None if unknown."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type != "cpu" or not hasattr(os, "sysconf"):
        return None
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    free = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)
    left = [size for size in (free, _cgroup_left()) if size is not None]
    return min(left) if left else None


def is_memory_error(error: BaseException) -> bool:
    """Whether an error says that memory could not be had, on a GPU or a CPU."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError | OSError) and any(sign in said for sign in (*_CPU_SIGNS, *_ONEDNN_SIGNS))


def what_to_lower(args: Any, crop_seconds: float | None) -> str:
    """The settings that make a training smaller, with this run's numbers, as the end of a sentence."""
    batch, steps = args.per_device_train_batch_size, args.gradient_accumulation_steps
    ways = []
    if batch > 1:
        less = batch // 2
        ways.append(f"--per_device_train_batch_size {less} --gradient_accumulation_steps {-(-steps * batch // less)}")
    if crop_seconds is None:
        ways.append("a shorter --crop_seconds")
    elif crop_seconds > 1:
        ways.append(f"--crop_seconds {max(crop_seconds / 2, 1):g}")
    if not (args.bf16 or args.fp16):
        ways.append("--bf16")
    if not (args.activation_checkpointing or args.gradient_checkpointing):
        ways.append("--activation_checkpointing")
    return f"give {', or '.join([*ways, '--freeze feature_encoder (backbone needs least)'])}"


@contextmanager
def enough_memory(args: Any, crop_seconds: float | None) -> Iterator[None]:
    """Too little memory in a training or an evaluation, said as one sentence; None is a length that nobody set.

    Raises:
        MemoryShort: instead of the library's error.
    """
    try:
        yield
    except (RuntimeError, MemoryError, OSError) as error:
        if not is_memory_error(error):
            raise
        crops = "crops" if crop_seconds is None else f"crops of {crop_seconds:g} s"
    else:
        return
    raise MemoryShort(  # outside the handler, which would keep the training's tensors alive in its traceback
        f"There is too little memory for {args.per_device_train_batch_size} {crops} at once in training and "
        f"{args.per_device_eval_batch_size} in evaluation: {what_to_lower(args, crop_seconds)}; "
        "checkpoints are kept, and as many crops a step go on from them; --overwrite begins anew with other settings."
    )


def warning(needed: MemoryEstimate, args: Any, crop_seconds: float) -> str:
    """A sentence if a training may need more than its device has left, else nothing."""
    left = available(args.device)
    if left is None or needed.total <= left:
        return ""
    return (
        f"This training may need about {needed.total / 1e9:.1f} GB a process and {left / 1e9:.1f} GB are left; "
        f"if it is killed, {what_to_lower(args, crop_seconds)}."
    )
