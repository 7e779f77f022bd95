"""What a demo was given when it was made: its models, what is known of them, and its example clips, in demo.json."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SETTINGS_FILE = "demo.json"
EXAMPLES = "examples"  # the folder of the clips, beside demo.json


@dataclass(frozen=True, slots=True)
class Measured:
    """How often a model was right; shares from 0 to 1, the interval of 95 %."""

    accuracy: float  # over videos
    low: float | None  # None where the interval is not told
    high: float | None
    sample: str  # what was scored: "44 videos of 12 channels", or ""
    split: str  # "" where it is not told
    dataset: str  # USER/NAME, or "" of one that is on no Hub


@dataclass(frozen=True, slots=True)
class Asked:
    """A model the demo asks, and what its repository tells of it."""

    name: str  # USER/NAME, or a folder where the demo runs on this machine
    revision: str  # the commit asked, or "" of a folder
    trust_remote_code: bool  # whether code from its repository may run, as whoever made the demo said
    labels: tuple[str, ...]
    dataset: str = ""  # trained on: USER/NAME, or "" where that is not recorded or on no Hub
    trained_videos: int | None = None  # None where nobody recorded it
    measured: Measured | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """A clip to try, with what its dataset says it is."""

    file: str  # in the folder of examples
    label: str
    url: str  # of its video, or ""
    start_s: float  # where in the video it begins


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo: the models in their order, examples, and where those come from or why there are none."""

    models: tuple[Asked, ...]
    examples: tuple[Example, ...] = ()
    about_examples: str = ""  # a sentence

    @property
    def labels(self) -> tuple[str, ...]:
        """What any of the models can answer, in the order in which the models name it."""
        return tuple(dict.fromkeys(label for model in self.models for label in model.labels))

    def to_json(self) -> str:
        """What demo.json holds."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def load(cls, folder: Path) -> "Demo":
        """Read demo.json of a folder."""
        read = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
        examples = tuple(Example(**one) for one in read["examples"])
        return cls(tuple(_asked(model) for model in read["models"]), examples, read["about_examples"])


def _asked(read: dict[str, Any]) -> Asked:
    measured = Measured(**read["measured"]) if read["measured"] else None
    return Asked(**{**read, "labels": tuple(read["labels"]), "measured": measured})
