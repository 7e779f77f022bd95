"""Where a model's parts come from: one commit of one repository, and code of nobody else's."""

from contextlib import suppress
from pickle import UnpicklingError  # what torch raises of weights that are more than weights
from typing import Any

from huggingface_hub import HfApi
from huggingface_hub.errors import OfflineModeIsEnabled, StrictDataclassError
from safetensors import SafetensorError
from transformers import FeatureExtractionMixin, PreTrainedConfig

from ytaudio.errors import ModelError
from ytaudio.hub_errors import hub_errors, is_local

BROKEN = (  # what a config, an extractor or weights that are broken or forged make of the code that reads them
    *(ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError, AssertionError, MemoryError),
    *(UnpicklingError, SafetensorError, StrictDataclassError, EOFError),
)


def allowed(name: str, revision: str | None, trust_remote_code: bool) -> dict[str, Any]:
    """What every part of a model is loaded with: its commit, and whether code that it brings may run.

    Raises:
        ModelError: there is no such model, or it would run somebody else's code (`USER/NAME--module.Class`), which the
            user has not looked at and of which no commit is known.
    """
    commit = _pinned(name, revision)
    foreign = _foreign(name, commit) if trust_remote_code and not is_local(name) else []
    if foreign:
        raise ModelError(
            f"{name} would run code of {foreign[0]}, of which no commit is known: "
            "have the code copied into the model's own repository."
        )
    return {"revision": commit, "trust_remote_code": trust_remote_code}


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


def _foreign(name: str, commit: str | None) -> list[str]:
    """Repositories of others whose code a model's config or extractor names."""
    found: set[str] = set()
    for read in (PreTrainedConfig.get_config_dict, FeatureExtractionMixin.get_feature_extractor_dict):
        with suppress(OSError, *BROKEN):  # whoever loads it says what is wrong with it
            named = read(name, revision=commit)[0].get("auto_map") or {}
            places = [str(place) for place in (named.values() if isinstance(named, dict) else named)]
            found |= {place.split("--")[0] for place in places if "--" in place}
    return sorted(other for other in found if other.split("/")[0] != name.split("/")[0])
