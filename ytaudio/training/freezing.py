"""Which parameters are the pretrained backbone's, and which of them are held still."""

import re
from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedModel

from ytaudio.errors import ModelError

FREEZE = ("none", "feature_encoder", "backbone", "lower:N")
_LAYERS = {"layers", "layer", "blocks"}  # how models name the list of what they stack


@dataclass(frozen=True, slots=True)
class Anatomy:
    """The parameters of a model's pretrained part, by name, from the sound upwards."""

    front: frozenset[str]  # what turns a waveform or its features into what the lowest layer takes
    layers: tuple[frozenset[str], ...]  # the lowest first; none where the model stacks no layers
    top: frozenset[str]  # of the backbone, what comes after the layers: a last norm, an adapter

    def backbone(self) -> frozenset[str]:
        """All of them."""
        return self.front.union(self.top, *self.layers)


def backbone_of(model: PreTrainedModel) -> nn.Module | None:
    """The module that a head was put on, or None where the model does not keep it apart, as our CNN does not."""
    if model.base_model is not model:
        return model.base_model
    encoder = getattr(model, "encoder", None)  # whisper's, whose prefix names the model with a decoder
    return encoder if isinstance(encoder, nn.Module) else None


def _stack(module: nn.Module, count: int | None) -> tuple[str, nn.ModuleList] | None:
    """The list of a backbone's layers and its name: the first one that is called so and has as many as configured."""
    for name, child in module.named_modules():
        if not isinstance(child, nn.ModuleList) or name.split(".")[-1] not in _LAYERS or "pos_conv_embed" in name:
            continue
        if count in (None, len(child)):
            return name, child
    return None


def anatomy(model: PreTrainedModel) -> Anatomy:
    """Where a model's front, layers and head lie.

    What is registered before the layers comes before them, and what is registered after them comes after; so it is in
    transformers' audio models, but for the norm of `do_stable_layer_norm` and of a conformer, which comes last.

    Raises:
        ModelError: the model keeps no backbone apart from its head.
    """
    backbone = backbone_of(model)
    if backbone is None:
        names = getattr(model, "backbone_parts", ())  # our CNN's
        inside = [n for n, _ in model.named_parameters() if n.split(".")[0] in names]
        prefix, found = "", _stack(model, None) if inside else None
    else:
        prefix = next(f"{name}." for name, module in model.named_modules() if module is backbone)
        inside = [f"{prefix}{n}" for n, _ in backbone.named_parameters()]
        found = _stack(backbone, getattr(backbone.config, "num_hidden_layers", None))
    if not inside:
        raise ModelError(
            f"{model.config.model_type} does not say what of it is pretrained: leave freeze at none, or choose a "
            "model with a backbone."
        )
    if found is None:
        return Anatomy(frozenset(inside), (), frozenset())
    stack, layers = f"{prefix}{found[0]}.", found[1]
    places = [place for place, name in enumerate(inside) if name.startswith(stack)]
    front, top = inside[: places[0]], inside[places[-1] + 1 :]
    config = getattr(backbone, "config", model.config)
    if getattr(config, "do_stable_layer_norm", False) or config.model_type == "wav2vec2-conformer":
        last = f"{stack.rsplit('.', 2)[0]}.layer_norm."
        top += [name for name in front if name.startswith(last)]
    return Anatomy(
        front=frozenset(front) - frozenset(top),
        layers=tuple(
            frozenset(n for n in inside if n.startswith(f"{stack}{number}.")) for number in range(len(layers))
        ),
        top=frozenset(top),
    )


def head_parameter_names(model: PreTrainedModel) -> set[str]:
    """The names of the parameters that are not of the backbone: projector, classifier, pooling, layer weights.

    All of them where the model does not say what of it is pretrained.
    """
    names = {name for name, _ in model.named_parameters()}
    try:
        return names - anatomy(model).backbone()
    except ModelError:
        return names


def _chosen(model: PreTrainedModel, how: str) -> frozenset[str]:
    """The parameters that `how` names."""
    kind, parts = model.config.model_type, anatomy(model)
    if how == "backbone":
        return parts.backbone()
    if how == "feature_encoder":
        convolutions = {name for name in parts.front if ".feature_extractor." in name}
        if not convolutions and backbone_of(model) is None:
            raise ModelError(f"{kind} has no feature encoder to freeze: set freeze to none, backbone or lower:N.")
        return frozenset(convolutions) or parts.front
    wanted = int(how.removeprefix("lower:"))
    if wanted > len(parts.layers):
        raise ModelError(f"{kind} has {len(parts.layers)} layers, and freeze is {how}: give at most that many.")
    return parts.front.union(*parts.layers[:wanted])


class _Still1d(nn.BatchNorm1d):
    """A batch norm that keeps its statistics while its weights are frozen."""

    def train(self, mode: bool = True) -> "_Still1d":
        return super().train(mode and self.weight.requires_grad)


class _Still2d(nn.BatchNorm2d):
    """As _Still1d, over images."""

    def train(self, mode: bool = True) -> "_Still2d":
        return super().train(mode and self.weight.requires_grad)


_STILL: dict[type, type] = {nn.BatchNorm1d: _Still1d, nn.BatchNorm2d: _Still2d}


def freeze(model: PreTrainedModel, how: str) -> None:
    """Stop gradients of part of a model.

    "none" trains all; "feature_encoder" holds the convolutions over the waveform (wav2vec2 and its kin), or whatever
    makes frames of it (whisper, AST, w2v-bert); "lower:N" holds that, and all else below the layers, and the N lowest
    layers (transformer layers, or blocks of our CNN); "backbone" trains the head alone. Batch norms of a frozen part
    keep their statistics, too. Dropout and SpecAugment stay on in training, as in transformers.

    Raises:
        ModelError: another word, more layers than there are, or the model has no such part.
    """
    if how not in FREEZE[:3] and not re.fullmatch(r"lower:\d{1,4}", how):
        raise ModelError(f"freeze is {how!r}: choose one of {', '.join(FREEZE)}, N being a number of layers.")
    if how == "none":
        return
    frozen = _chosen(model, how)
    for name, parameter in model.named_parameters():
        if name in frozen:
            parameter.requires_grad = False
    for name, module in model.named_modules():
        if type(module) in _STILL and f"{name}.weight" in frozen:
            module.__class__ = _STILL[type(module)]  # after train(), too, which would switch it on again
            module.train(module.training)
        own = {f"{name}.{inner}" for inner, _ in module.named_parameters()}
        if hasattr(module, "_requires_grad") and own and own <= frozen:
            module._requires_grad = False  # wav2vec2's convolutions ask their input for gradients by it
