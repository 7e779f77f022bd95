"""Any audio classification checkpoint, or a new model of a known type, ready to train or to ask."""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi
from huggingface_hub.errors import OfflineModeIsEnabled, StrictDataclassError
from transformers import (
    CONFIG_MAPPING,
    FEATURE_EXTRACTOR_MAPPING,
    MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING,
    AutoConfig,
    AutoFeatureExtractor,
    PreTrainedConfig,
    PreTrainedModel,
    SequenceFeatureExtractor,
)
from transformers import AutoModelForAudioClassification as _Classifier

import ytaudio.models  # noqa: F401 (registers our own with the Auto classes)
from ytaudio.errors import ModelError
from ytaudio.hub_errors import hub_errors, hub_sentence, is_local

_AUTO = "AutoModelForAudioClassification"
_LACKS = {
    AutoConfig: "is not an audio classifier that transformers can load: name a model with a config.json it knows.",
    AutoFeatureExtractor: "has no feature extractor: save one beside its weights, as preprocessor_config.json.",
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


def _pinned(name: str, revision: str | None) -> str | None:
    """The commit of the Hub that `revision` is now, so that config, code and weights are of one commit.

    None for a folder. Offline (HF_HUB_OFFLINE=1) the revision stays as it is, and the cache answers.
    """
    if is_local(name):
        return None
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ModelError(f"There is no folder {name}: give a model's folder, or its name on the Hub as USER/NAME.")
    with hub_errors(f"model {name}", ModelError):
        try:
            return HfApi().model_info(name, revision=revision).sha
        except OfflineModeIsEnabled:
            return revision


def _from_pretrained(loader: Any, name: str, **kwargs: Any) -> Any:
    """`loader.from_pretrained(name)` whose foreseeable failures are ModelErrors."""
    try:
        return loader.from_pretrained(name, **kwargs)
    except (OSError, ValueError) as error:
        said = " ".join(str(error).split())
        if "trust_remote_code" in said:
            raise ModelError(
                f"{name} brings its own code: read it on its page, then allow it with --trust_remote_code."
            ) from error
        sentence = (
            hub_sentence(error, f"model {name}") or f"{name} {_LACKS[loader].format(said=said[:160].rstrip('. '))}"
        )
        raise ModelError(sentence) from error


def _new(name: str, labels: dict[str, Any], overrides: dict[str, Any]) -> tuple[PreTrainedModel, Any]:
    """A model of a type with new weights, and its type's feature extractor."""
    try:
        unknown = [key for key in overrides if not hasattr(AutoConfig.for_model(name), key)]
        config = _checked(AutoConfig.for_model(name, **overrides, **labels), name)
    except (TypeError, StrictDataclassError) as error:
        said = " ".join(str(error).split()).rstrip(".")
        raise ModelError(f"These settings do not make a {name} ({said}): mend model_config.") from error
    if unknown:
        raise ModelError(f"A {name} has no setting {unknown[0]}: take it out of model_config.")
    model = _Classifier.from_config(config)
    rate = getattr(config, "sampling_rate", 16_000)
    extractor: Any = FEATURE_EXTRACTOR_MAPPING[type(config)]
    return model, extractor(sampling_rate=rate)


def load_classifier(
    name_or_path: str | Path,
    labels: Sequence[str],
    *,
    revision: str | None = None,
    trust_remote_code: bool = False,
    attn_implementation: str | None = None,
    config: dict[str, Any] | None = None,
) -> tuple[PreTrainedModel, SequenceFeatureExtractor]:
    """A model that tells `labels` apart, and its feature extractor, for training.

    `name_or_path` is any AutoModelForAudioClassification checkpoint (a folder, or a repo of the Hub at `revision`),
    whose head is made anew where the number of labels differs; or a model type to build with new weights, such as
    "spectrogram_cnn". `config` overrides settings of the model's config.

    Raises:
        ModelError: no such model, not an audio classifier, or settings it does not take.
    """
    name = str(name_or_path)
    names = {"id2label": dict(enumerate(labels)), "label2id": {label: k for k, label in enumerate(labels)}}
    if _is_new(name):
        model, extractor = _new(name, names, config or {})
    else:
        commit = _pinned(name, revision)
        hub = {"revision": commit, "trust_remote_code": trust_remote_code}
        settings = _checked(_from_pretrained(AutoConfig, name, **hub), name)
        # one by one, since from_pretrained ignores those whose name is wrong
        for key, value in {**(config or {}), "num_labels": len(labels), **names}.items():
            if not hasattr(settings, key):
                raise ModelError(f"{name} ({settings.model_type}) has no setting {key}: take it out of model_config.")
            setattr(settings, key, value)
        settings.gradient_checkpointing = False  # old configs of the Hub may still switch it on
        extractor = _from_pretrained(AutoFeatureExtractor, name, **hub)
        if attn_implementation:
            hub["attn_implementation"] = attn_implementation
        model = _from_pretrained(_Classifier, name, config=settings, ignore_mismatched_sizes=True, **hub)
        model.config._commit_hash = commit
    name_of_input = extractor.model_input_names[0]
    if name_of_input not in inspect.signature(model.forward).parameters:
        raise ModelError(
            f"{name} takes no {name_of_input}, which is what its feature extractor makes: name a checkpoint whose "
            "preprocessor_config.json fits its model."
        )
    # These heads average the loss over the batch and ignore num_items_in_batch though their **kwargs swallow it:
    # without this, Trainer multiplies loss and gradients by the accumulation steps (and by the processes).
    setattr(model, "accepts_loss_kwargs", False)  # noqa: B010 (nn.Module's attributes are typed as modules)
    return model, extractor


def load_for_inference(
    name_or_path: str | Path, revision: str | None = None, trust_remote_code: bool = False
) -> tuple[PreTrainedModel, SequenceFeatureExtractor]:
    """A trained model with the labels it was trained on, in eval mode, and its feature extractor.

    Raises:
        ModelError: no such model, or not an audio classifier.
    """
    name = str(name_or_path)
    commit = _pinned(name, revision)
    hub = {"revision": commit, "trust_remote_code": trust_remote_code}
    config = _checked(_from_pretrained(AutoConfig, name, **hub), name)
    extractor = _from_pretrained(AutoFeatureExtractor, name, **hub)
    model = _from_pretrained(_Classifier, name, config=config, **hub).eval()
    model.config._commit_hash = commit
    return model, extractor


def revision_of(model: PreTrainedModel) -> str:
    """The commit of the Hub that a model was loaded at, or "" where it came from a folder or is new."""
    return getattr(model.config, "_commit_hash", None) or ""
