"""Dropout at a third of the cost on a CPU: the same probabilities, drawn 16 random bits at a time.

torch draws a double for each element, one after the other, unless the processor is Intel's (bernoulli_mkl_kernel of
its source): a fifth of a step of wav2vec2 in bf16. Four elements to each 64 bits of the same generator leave the
distribution as it is, to one part in 65,536, and seeds, resumes and checkpointed activations as exact as they were; the
masks are others than torch's.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

_STEPS = 1 << 16


def pays(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether torch's own masks are the slow ones here: they are not where MKL draws them in parallel."""
    if not torch.backends.mkl.is_available():
        return True
    return not cpuinfo.is_file() or "GenuineIntel" not in cpuinfo.read_text(errors="replace")


def kept(like: Tensor, p: float) -> Tensor:
    """A mask for a CPU tensor in its shape and dtype: 0 with probability p, else 1 / (1 - p)."""
    bits = torch.empty(-(-like.numel() // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)
    dropped = bits[: like.numel()] < round(p * _STEPS) - _STEPS // 2
    return torch.where(dropped, 0.0, 1 / (1 - p)).to(like.dtype).view(like.shape)


def dropout(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """torch.nn.functional.dropout of a CPU tensor (Srivastava et al. 2014)."""
    if not training or not 0 < p < 1:
        return F.dropout(x, p, training, inplace)
    mask = kept(x, p)
    return x.mul_(mask) if inplace else x * mask


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """scaled_dot_product_attention with dropout, which torch too computes step by step on a CPU.

    Queries (batch, heads, frames, size) and keys and values (batch, heads, others, size) to (batch, heads, frames,
    size), written out as in torch's documentation.
    """
    if not dropout_p or is_causal or enable_gqa:
        return F.scaled_dot_product_attention(
            query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
        )
    scores = (query * (scale or 1 / math.sqrt(query.shape[-1]))) @ key.transpose(-2, -1)
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -torch.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
    return dropout(scores.softmax(-1), dropout_p) @ value


class CheapDropout(TorchFunctionMode):
    """Inside the block, dropout of CPU tensors is this module's."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Every function of torch passes here; two of them are replaced."""
        replaced: dict[Callable[..., Any], Callable[..., Any]] = {
            F.dropout: dropout,
            F.scaled_dot_product_attention: attention,
        }
        ours = replaced.get(func)
        tensor = args[0] if args else None
        if ours and isinstance(tensor, Tensor) and tensor.device.type == "cpu":
            return ours(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))
