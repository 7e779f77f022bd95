"""The head that a checkpoint gets: its labels, its pooling, its weights for the layers."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from ytaudio.catalog import normalize_category
from ytaudio.errors import ModelError
from ytaudio.models import PooledAudioConfig
from ytaudio.models.pooled_audio import POOLINGS
from ytaudio.training.freezing import backbone_of

_OLD_HEAD = {"projector", "classifier", "layer_weights"}  # what transformers' heads are made of
_LOADER = "transformers.modeling_utils"  # whose warnings tell what of a checkpoint did not fit


@contextmanager
def without_old_head() -> Iterator[dict[str, Any]]:
    """Load a backbone from a checkpoint without a warning that its head is left behind, which is what is wanted.

    The loading info of transformers goes into the dict. If anything else did not fit, the whole warning is told.
    """
    info: dict[str, Any] = {}
    held: list[logging.LogRecord] = []

    def hold(record: logging.LogRecord) -> bool:
        if "LOAD REPORT" not in record.getMessage():
            return True
        held.append(record)
        return False

    logger = logging.getLogger(_LOADER)
    logger.addFilter(hold)
    try:
        yield info
    finally:
        logger.removeFilter(hold)
        left = {key.split(".")[0] for key in info.get("unexpected_keys", ())}
        if not info or info["missing_keys"] or info["mismatched_keys"] or not left <= _OLD_HEAD:
            for record in held:
                logger.handle(record)


def sound_config(config: PreTrainedConfig) -> PreTrainedConfig:
    """The config of what hears: the backbone's where a pooling head of ours is over it, else the config itself."""
    return config.backbone() if isinstance(config, PooledAudioConfig) else config


def choose_head(name: str, config: PreTrainedConfig, pooling: str, layer_weights: bool) -> PooledAudioConfig | None:
    """The config of the pooling head that is to be put on a model, or None where its own head does.

    A plain mean is what transformers' heads do, and most of them weigh layers, too: `config` is then told to. LayerDrop
    goes where layers are weighed, since transformers forgets a layer that is dropped and weighs the wrong ones.

    Raises:
        ModelError: a model whose head cannot be had so.
    """
    kind = config.model_type
    if pooling not in POOLINGS:
        raise ModelError(f"pooling is {pooling!r}: choose one of {', '.join(POOLINGS)}.")
    if isinstance(config, PooledAudioConfig):
        if pooling not in ("mean", config.pooling) or (layer_weights and not config.layer_weights):
            own = f"pooling {config.pooling} and layer_weights {str(config.layer_weights).lower()}"
            raise ModelError(f"{name} has a head with {own}: leave both settings out, or begin from its backbone.")
        return None
    stock = pooling == "mean" and hasattr(config, "use_weighted_layer_sum")
    if stock and layer_weights:
        setattr(config, "use_weighted_layer_sum", True)  # noqa: B010 (not every config declares it)
    if getattr(config, "use_weighted_layer_sum", False):
        for drop in ("layerdrop", "encoder_layerdrop"):
            if hasattr(config, drop):
                setattr(config, drop, 0.0)
    if stock or (pooling == "mean" and not layer_weights):
        return None
    if not hasattr(config, "num_hidden_layers") or getattr(config, "auto_map", None):
        raise ModelError(f"{kind} pools in its own way: leave pooling at mean and layer_weights at false.")
    if getattr(config, "add_adapter", False):
        raise ModelError(f"{name} has an adapter, which cannot be pooled: set add_adapter to false in model_config.")
    setattr(config, "use_weighted_layer_sum", False)  # noqa: B010 (the pooling head has weights of its own)
    size = getattr(config, "classifier_proj_size", PooledAudioConfig.classifier_proj_size)
    return PooledAudioConfig.over(
        config,
        pooling=pooling,
        layer_weights=layer_weights,
        classifier_proj_size=size,
        id2label=config.id2label,
        label2id=config.label2id,
    )


def set_spec_augment(name: str, config: PreTrainedConfig, wanted: bool | None) -> None:
    """Switch SpecAugment on or off in a config; None leaves it as it is.

    Raises:
        ModelError: it is wanted, and the model has none: AST has no such setting, and of whisper only the transcriber
            heeds it.
    """
    if wanted is None:
        return
    heard = sound_config(config)
    if hasattr(heard, "apply_spec_augment") and heard.model_type != "whisper":
        if isinstance(config, PooledAudioConfig):
            config.backbone_config = {**(config.backbone_config or {}), "apply_spec_augment": wanted}
        else:
            setattr(config, "apply_spec_augment", wanted)  # noqa: B010 (not every config declares it)
    elif wanted:
        raise ModelError(f"{name} ({heard.model_type}) has no SpecAugment: leave spec_augment out.")


@torch.no_grad()
def fill_missing(model: PreTrainedModel, missing: Iterable[str]) -> None:
    """Give parameters that a checkpoint lacks the values a new model has, where transformers forgets to.

    from_pretrained builds models without memory for their weights; of most families it then leaves `layer_weights` as
    whatever the memory held (transformers 5.23), and of sew-d `masked_spec_embed`.
    """
    for name in missing:
        if name.endswith("layer_weights"):
            weights = model.get_parameter(name)
            weights.fill_(1 / len(weights))
        elif name.endswith("masked_spec_embed"):
            model.get_parameter(name).uniform_()


def _output_layer(model: PreTrainedModel) -> nn.Linear | None:
    """The layer with an output a label: the last linear one of the head that has as many."""
    backbone = backbone_of(model)
    inside = set(backbone.modules()) if backbone is not None else set()
    outputs = [
        module
        for module in model.modules()
        if isinstance(module, nn.Linear) and module.out_features == model.config.num_labels and module not in inside
    ]
    return outputs[-1] if outputs else None


@torch.no_grad()
def match_labels(name: str, model: PreTrainedModel, before: Mapping[Any, str], labels: Sequence[str]) -> str:
    """Make the outputs of a loaded model those of `labels`, by name: what was done, kept, reordered or made anew.

    `before` are the labels that the checkpoint's head was trained on. The same labels in another order keep the head,
    its outputs reordered; any other labels get a new output layer, even if there are as many, while the layers below it
    stay. Names are compared as `catalog.normalize_category` writes them.

    Raises:
        ModelError: the head is not of a known shape.
    """
    old = [normalize_category(str(before[number])) for number in sorted(before, key=int)]
    new = [normalize_category(label) for label in labels]
    if old == new:
        return "kept"
    output = _output_layer(model)
    if output is None:
        raise ModelError(f"{name} was trained on other labels, and its head has no last linear layer to make anew.")
    if sorted(old) == sorted(new) and len(set(new)) == len(new):
        order = torch.tensor([old.index(label) for label in new])
        for weights in output.parameters():
            weights.copy_(weights[order])
        return "reordered"
    for weights in output.parameters():
        setattr(weights, "_is_hf_initialized", False)  # noqa: B010 (else transformers takes them for loaded ones)
    model._init_weights(output)
    return "made anew"
