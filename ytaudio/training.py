"""What a recipe needs and a test must hold: loading any checkpoint, crops, collator, freezing, loss scaling."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

RUN_FILE = "training_run.json"


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

    def save(self, folder: str | Path) -> None:
        """Write training_run.json into a model folder."""
        (Path(folder) / RUN_FILE).write_text(json.dumps(asdict(self), indent=1, sort_keys=True) + "\n")

    @classmethod
    def load(cls, folder: str | Path) -> "TrainingRun":
        """Read training_run.json of a model folder."""
        read = json.loads((Path(folder) / RUN_FILE).read_text())
        return cls(**{**read, "labels": tuple(read["labels"]), "history": tuple(read["history"])})
