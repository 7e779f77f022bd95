"""The loss of a training, one value a crop: cross entropy, with class weights, smoothed or mixed labels."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def balanced_weights(labels: Sequence[int], classes: int) -> Tensor:
    """A weight for each class so that all classes count alike, float32 (classes,); the mean over the clips is 1.

    A class without clips has weight 0. Source: King and Zeng, Logistic Regression in Rare Events Data, 2001; as
    scikit-learn's class_weight="balanced".
    """
    counts = torch.bincount(torch.as_tensor(labels, dtype=torch.int64), minlength=classes).float()
    present = counts > 0
    return torch.where(present, counts.sum() / (present.sum() * counts.clamp(min=1)), 0.0)


class ClipLoss:
    """Cross entropy of each crop by itself: the mean is the trainer's, who knows what all processes have seen.

    A weighted mean that is divided by the batch's own weights, as torch's is, would depend on how the batch is cut into
    micro batches; these weights have a mean of 1 over the training split, so the number of crops is what to divide by.

    Args:
        class_weights: float (classes,), or None for equal ones.
        label_smoothing: share of each label that is spread over all classes (Szegedy et al. 2016), in training alone.
    """

    def __init__(self, class_weights: Tensor | None = None, label_smoothing: float = 0.0) -> None:
        self.class_weights, self.label_smoothing = class_weights, label_smoothing

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Logits (batch, classes) and labels, int (batch,) or shares (batch, classes), to losses float32 (batch,)."""
        classes = logits.shape[-1]
        shares = labels.float() if labels.is_floating_point() else F.one_hot(labels, classes).float()
        if self.class_weights is not None:
            weights = shares @ self.class_weights.to(shares.device)
        else:
            weights = shares.new_ones(len(shares))
        smooth = shares * (1 - self.label_smoothing) + self.label_smoothing / classes
        return -(smooth * logits.float().log_softmax(-1)).sum(-1) * weights


def mix_pairs(inputs: Tensor, labels: Tensor, classes: int, alpha: float) -> tuple[Tensor, Tensor]:
    """Mixup (Zhang et al. 2018): every crop with another of its batch, by a share drawn from Beta(alpha, alpha).

    Inputs (batch, ...) and labels int (batch,) to inputs (batch, ...) and shares float (batch, classes). Draws from
    torch's global generator, which a checkpoint keeps.
    """
    kept = torch.distributions.Beta(alpha, alpha).sample((len(inputs),)).to(inputs.device)
    other = torch.randperm(len(inputs)).to(inputs.device)
    along = kept.reshape(-1, *[1] * (inputs.dim() - 1)).to(inputs.dtype)
    shares = F.one_hot(labels, classes).float()
    return (
        along * inputs + (1 - along) * inputs[other],
        kept[:, None] * shares + (1 - kept[:, None]) * shares[other],
    )
