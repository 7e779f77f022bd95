"""Any audio classification checkpoint, or a new model of a known type, ready to train or to ask."""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from transformers import (
    CONFIG_MAPPING,
    FEATURE_EXTRACTOR_MAPPING,
    MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING,
    ASTFeatureExtractor,
    AutoConfig,
    AutoFeatureExtractor,
    AutoModel,
    PreTrainedConfig,
    PreTrainedModel,
    SeamlessM4TFeatureExtractor,
    SequenceFeatureExtractor,
    WhisperFeatureExtractor,
)
from transformers import AutoModelForAudioClassification as _Classifier
from transformers.utils import is_flash_attn_2_available

from ytaudio.errors import ModelError
from ytaudio.hub_errors import hub_sentence, is_local
from ytaudio.models import PooledAudioForAudioClassification
from ytaudio.training.heads import (
    choose_head,
    fill_missing,
    match_labels,
    set_spec_augment,
    sound_config,
    without_old_head,
)
from ytaudio.training.provenance import BROKEN, allowed
from ytaudio.training.runs import CROP_S

ATTENTION = ("eager", "sdpa", "flash_attention_2")
_AST_FRAME_S = 0.01  # from frame to frame, fixed in its extractor
_AUTO = "AutoModelForAudioClassification"
_LACKS = {
    AutoConfig: "is not an audio classifier that transformers can load: name a model with a config.json it knows.",
    AutoFeatureExtractor: "has no feature extractor: save one beside its weights, as preprocessor_config.json.",
    AutoModel: "cannot be loaded ({said}): name a model with weights that fit its config.json.",
    _Classifier: "cannot be loaded ({said}): name a model with weights that fit its config.json.",
}


def _is_new(name: str) -> bool:
    """Whether a name is a model type to build with new weights, such as spectrogram_cnn, rather than a checkpoint."""
    return not is_local(name) and name in CONFIG_MAPPING


def _checked(config: PreTrainedConfig, name: str) -> PreTrainedConfig:
    """The config, if there is an audio classifier for it."""
    if type(config) in MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING or _AUTO in getattr(config, "auto_map", {}):
        return config
    raise ModelError(
        f"{name} ({config.model_type}) is not an audio classifier: name a checkpoint of wav2vec2, hubert, wavlm, AST, "
        "whisper or another model that transformers' AutoModelForAudioClassification knows, or spectrogram_cnn."
    )


def _from_pretrained(loader: Any, name: str, **kwargs: Any) -> Any:
    """`loader.from_pretrained(name)` whose foreseeable failures are ModelErrors.

    Whoever wrote the repository chose the bytes that transformers stumbles over, and nothing of it may be a traceback.
    """
    try:
        return loader.from_pretrained(name, **kwargs)
    except (OSError, ImportError, *BROKEN) as error:
        said = " ".join(str(error).split())
        if "trust_remote_code" in said:
            raise ModelError(
                f"{name} brings its own code: read it on its page, then allow it with --trust-remote-code."
            ) from error
        sentence = (
            hub_sentence(error, f"model {name}") or f"{name} {_LACKS[loader].format(said=said[:160].rstrip('. '))}"
        )
        raise ModelError(sentence) from error


def _weights(loader: Any, name: str, info: dict[str, Any] | None = None, **kwargs: Any) -> PreTrainedModel:
    """A model from a checkpoint's weights; what it lacks is as in a new model, and `info` learns what fitted."""
    model, told = _from_pretrained(loader, name, output_loading_info=True, **kwargs)
    if info is not None:
        info.update(told)
    fill_missing(model, told["missing_keys"])
    return model


def _check_attention(name: str, config: PreTrainedConfig, wanted: str | None) -> None:
    """Refuse a way to compute attention that the model or this machine does not have."""
    if wanted is None:
        return
    if wanted not in ATTENTION:
        raise ModelError(f"attn_implementation is {wanted!r}: choose one of {', '.join(ATTENTION)}.")
    heard = sound_config(config)
    known: Any = MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING.get(type(heard), None)
    if known is not None and not {"sdpa": known._supports_sdpa, "flash_attention_2": known._supports_flash_attn}.get(
        wanted, True
    ):
        others = "sdpa or eager" if known._supports_sdpa else "eager"
        raise ModelError(f"{name} ({heard.model_type}) has no {wanted}: set attn_implementation to {others}.")
    if wanted == "flash_attention_2" and not is_flash_attn_2_available():
        raise ModelError(
            "flash_attention_2 needs a GPU and the package flash-attn, which this machine lacks: take sdpa."
        )


def _configured(
    name: str, revision: dict[str, Any], overrides: dict[str, Any], names: dict[str, Any]
) -> tuple[PreTrainedConfig, dict[Any, str]]:
    """A checkpoint's config with settings changed and new labels, and the labels it had."""
    config = _checked(_from_pretrained(AutoConfig, name, **revision), name)
    before = dict(config.id2label or {})
    # one by one, since from_pretrained ignores those whose name is wrong
    for key, value in {**overrides, "num_labels": len(names["id2label"]), **names}.items():
        if not hasattr(config, key):
            raise ModelError(f"{name} ({config.model_type}) has no setting {key}: take it out of model_config.")
        setattr(config, key, value)
    config.gradient_checkpointing = False  # old configs of the Hub may still switch it on
    return config, before


def _new_config(name: str, overrides: dict[str, Any], names: dict[str, Any]) -> PreTrainedConfig:
    """The config of a model type, with settings changed."""
    try:
        unknown = [key for key in overrides if not hasattr(AutoConfig.for_model(name), key)]
        config = _checked(AutoConfig.for_model(name, **overrides, **names), name)
    except (TypeError, StrictDataclassError) as error:
        said = " ".join(str(error).split()).rstrip(".")
        raise ModelError(f"These settings do not make a {name} ({said}): mend model_config.") from error
    if unknown:
        raise ModelError(f"A {name} has no setting {unknown[0]}: take it out of model_config.")
    return config


def _new_extractor(config: PreTrainedConfig) -> Any:
    """The feature extractor of a model type, as its published checkpoints have it."""
    heard = sound_config(config)
    if heard.model_type == "wav2vec2-bert":  # which transformers' mapping gives one that makes waveforms
        return SeamlessM4TFeatureExtractor()
    extractor: Any = FEATURE_EXTRACTOR_MAPPING[type(heard)]
    return extractor(sampling_rate=getattr(heard, "sampling_rate", 16_000))


def load_classifier(
    name_or_path: str | Path,
    labels: Sequence[str],
    *,
    revision: str | None = None,
    trust_remote_code: bool = False,
    attn_implementation: str | None = None,
    config: dict[str, Any] | None = None,
    pooling: str = "mean",
    layer_weights: bool = False,
    spec_augment: bool | None = None,
) -> tuple[PreTrainedModel, SequenceFeatureExtractor]:
    """A model that tells `labels` apart, and its feature extractor, for training.

    A checkpoint that was trained on the same labels keeps its head, its outputs reordered if need be; any other gets a
    new output layer.

    Args:
        name_or_path: any AutoModelForAudioClassification checkpoint (a folder, or a repo of the Hub), or a model type
            to build with new weights, such as "spectrogram_cnn".
        labels: names, in the order of the model's outputs.
        revision: branch, tag or commit of the Hub.
        trust_remote_code: run the code that the repo brings.
        attn_implementation: eager, sdpa or flash_attention_2; None for the best that the model has.
        config: settings of the model's config to change.
        pooling: mean, statistics or attention; a pooled checkpoint keeps its own where this is mean.
        layer_weights: learn how much each layer of the backbone counts.
        spec_augment: whether to blank stripes in training; None for what the checkpoint says.

    Raises:
        ModelError: no such model, not an audio classifier, or settings it does not take.
    """
    name, build = str(name_or_path), _is_new(str(name_or_path))
    names: dict[str, Any] = {"id2label": dict(enumerate(labels)), "label2id": {n: k for k, n in enumerate(labels)}}
    hub: dict[str, Any] = {}
    if build:
        settings, before = _new_config(name, config or {}, names), names["id2label"]
    else:
        hub = allowed(name, revision, trust_remote_code)
        settings, before = _configured(name, hub, config or {}, names)
    _check_attention(name, settings, attn_implementation)
    set_spec_augment(name, settings, spec_augment)
    head = choose_head(name, settings, pooling, layer_weights)
    extractor = _new_extractor(settings) if build else _from_pretrained(AutoFeatureExtractor, name, **hub)
    how: dict[str, Any] = {"attn_implementation": attn_implementation} if attn_implementation else {}
    if build:
        model = _Classifier.from_config(head or settings, **how)
    elif head is not None:
        with without_old_head() as info:
            backbone = _weights(AutoModel, name, info, config=settings, **hub, **how)
        model = PooledAudioForAudioClassification(head, backbone)
    else:
        model = _weights(_Classifier, name, config=settings, ignore_mismatched_sizes=True, **hub, **how)
        match_labels(name, model, before, labels)
    model.config._commit_hash = hub.get("revision")
    return _ready(name, model, extractor)


def _ready(name: str, model: PreTrainedModel, extractor: Any) -> tuple[PreTrainedModel, Any]:
    """A model and an extractor that fit each other."""
    made, own = extractor.model_input_names[0], model.main_input_name
    taken = inspect.signature(model.forward).parameters
    if made not in taken or (own in taken and own != made):
        raise ModelError(
            f"{name} takes no {made}, which is what its feature extractor makes: name a checkpoint whose "
            "preprocessor_config.json fits its model."
        )
    # These heads average the loss over the batch and ignore num_items_in_batch though their **kwargs swallow it:
    # without this, Trainer multiplies loss and gradients by the accumulation steps (and by the processes).
    setattr(model, "accepts_loss_kwargs", False)  # noqa: B010 (nn.Module's attributes are typed as modules)
    return model, extractor


def longest_crop_seconds(extractor: Any) -> float | None:
    """The most an extractor hears at once: 10.24 s of AST, 30 s of whisper; None where any length will do.

    What is longer is cut off, and what is shorter is padded to it, so that it costs as much.
    """
    if isinstance(extractor, ASTFeatureExtractor):
        return extractor.max_length * _AST_FRAME_S
    if isinstance(extractor, WhisperFeatureExtractor):
        return float(extractor.chunk_length)
    return None


def natural_crop_seconds(extractor: Any) -> float:
    """The length of crops to train on where nothing else is said: all that the model hears at once, or CROP_S."""
    return longest_crop_seconds(extractor) or CROP_S


def _trained(name: str, revision: str | None, trust: bool) -> tuple[PreTrainedConfig, Any, dict[str, Any]]:
    """Config and extractor of a trained audio classifier, and what its weights are loaded with."""
    hub = allowed(name, revision, trust)
    config = _checked(_from_pretrained(AutoConfig, name, **hub), name)
    return config, _from_pretrained(AutoFeatureExtractor, name, **hub), hub


def load_for_inference(
    name_or_path: str | Path, revision: str | None = None, trust_remote_code: bool = False
) -> tuple[PreTrainedModel, SequenceFeatureExtractor]:
    """A trained model with the labels it was trained on, in eval mode, and its feature extractor.

    Raises:
        ModelError: no such model, or not an audio classifier.
    """
    config, extractor, hub = _trained(str(name_or_path), revision, trust_remote_code)
    model = _from_pretrained(_Classifier, str(name_or_path), config=config, **hub).eval()
    model.config._commit_hash = hub["revision"]
    return model, extractor


def described(name: str, revision: str | None = None, trust_remote_code: bool = False) -> tuple[tuple[str, ...], str]:
    """The labels of a trained audio classifier, and its commit ("" of a folder); its weights are not read.

    Raises:
        ModelError: no such model, not an audio classifier, or one that has no feature extractor.
    """
    config, _, hub = _trained(name, revision, trust_remote_code)
    return tuple(name for _, name in sorted(dict(config.id2label or {}).items())), hub["revision"] or ""


def revision_of(model: PreTrainedModel) -> str:
    """The commit of the Hub that a model was loaded at, or "" where it came from a folder or is new."""
    return getattr(model.config, "_commit_hash", None) or ""
