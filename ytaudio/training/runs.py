"""The record of a training, kept beside the weights and told by the card."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import RemoteEntryNotFoundError

from ytaudio.clips import MINIMUM_S
from ytaudio.hub_errors import hub_errors, is_local

RUN_FILE = "training_run.json"
_LONGEST_CROP_S = 3600.0  # seconds; a record that tells of more would have every sound decoded whole
CROP_S = 5.0  # seconds; of a model that does not say what it was trained on


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """What a training was, as the card tells it; saved beside the weights as training_run.json."""

    base_model: str  # repo id or folder fine-tuned, or the model type trained from new weights
    base_revision: str  # commit of base_model on the Hub, or ""
    dataset_id: str
    dataset_revision: str  # the commit trained on
    labels: tuple[str, ...]
    settings: dict[str, Any]  # the YAML of the run with the command line applied
    command: str  # as launched
    history: tuple[dict[str, float], ...]  # Trainer's log: epoch, loss, eval_loss, eval_macro_f1, ...
    seconds: float  # wall time of training
    parameters: int
    trainable_parameters: int
    crop_seconds: float
    hardware: str
    versions: dict[str, str]  # package to version
    energy_wh: float | None = None  # that the training took; None where no counter could be read
    energy_source: str = ""  # what that figure counts: "CPU, memory", "GPU"; see ytaudio.training.energy
    price: str = ""  # what it cost, in the words of who paid: "0.40 EUR at 2.00 an hour"

    def save(self, folder: str | Path) -> None:
        """Write training_run.json into a model folder."""
        (Path(folder) / RUN_FILE).write_text(json.dumps(asdict(self), indent=1, sort_keys=True) + "\n")

    @classmethod
    def load(cls, folder: str | Path) -> "TrainingRun":
        """Read training_run.json of a model folder."""
        return cls.from_json((Path(folder) / RUN_FILE).read_text())

    @classmethod
    def from_json(cls, text: str) -> "TrainingRun":
        """What training_run.json holds."""
        read = json.loads(text)
        return cls(**{**read, "labels": tuple(read["labels"]), "history": tuple(read["history"])})


def trained_crop_seconds(model: str | Path, revision: str | None = None) -> float:
    """The crop length a model was trained on, in seconds, or CROP_S where its folder or repository does not say.

    Raises:
        UserError: the Hub cannot be asked.
    """
    return told_crop_seconds(model, revision) or CROP_S


def told_crop_seconds(model: str | Path, revision: str | None = None) -> float | None:
    """The crop length a model was trained on, in seconds, or None where its folder or repository does not say.

    Raises:
        UserError: the Hub cannot be asked.
    """
    path = Path(model) / RUN_FILE
    if not is_local(model):
        with hub_errors(f"model {model}"):
            try:
                path = Path(hf_hub_download(str(model), RUN_FILE, revision=revision))
            except RemoteEntryNotFoundError:
                return None
    try:
        told = json.loads(path.read_text(encoding="utf-8"))["crop_seconds"] if path.is_file() else None
    except (ValueError, TypeError, LookupError, RecursionError):
        return None  # a record of somebody else's making
    return float(told) if isinstance(told, int | float) and MINIMUM_S <= told <= _LONGEST_CROP_S else None
