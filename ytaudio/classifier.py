"""A model that says what windows of sound are about: one answer for an input, or one for each of its parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ytaudio import clips
from ytaudio.errors import ModelError
from ytaudio.listening import Heard, Source, listen
from ytaudio.media import Access, Failure
from ytaudio.training.checkpoints import load_for_inference, natural_crop_seconds, revision_of
from ytaudio.training.features import crop_samples, features
from ytaudio.training.runs import told_crop_seconds

CROPS, PARTS = 6, 24  # of an input for its answer, and for its timeline
_TOGETHER = 16  # crops that go through the model at once


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model makes of one input."""

    probabilities: dict[str, float]  # label to mean probability over the crops
    crops: int  # that were heard and are not silent
    agreeing: int  # crops whose own first choice is the answer

    @property
    def label(self) -> str:
        """The answer: the label with the highest probability."""
        return max(self.probabilities, key=lambda label: self.probabilities[label])

    @property
    def probability(self) -> float:
        """The answer's probability."""
        return self.probabilities[self.label]


@dataclass(frozen=True, slots=True)
class Part:
    """One of the equal parts of an input, by what is heard in its middle."""

    start_s: float  # seconds from the beginning
    seconds: float  # length of the part; one crop of it is heard
    probabilities: dict[str, float]  # label to probability; empty where the part is silent
    dbfs: float  # level of what was heard, in dB relative to full scale

    @property
    def label(self) -> str:
        """The label with the highest probability; "" where the part is silent."""
        return max(self.probabilities, key=lambda label: self.probabilities[label], default="")


@dataclass(frozen=True, slots=True)
class Timeline:
    """What each part of an input sounds like."""

    parts: tuple[Part, ...]  # in their order, side by side
    answer: Answer  # averaged over the parts that are not silent
    duration_s: float  # of the input


@dataclass(frozen=True, slots=True)
class Classifier:
    """A model ready to answer for links, files and waveforms."""

    name: str
    model: Any
    extractor: Any
    crop_seconds: float

    @classmethod
    def load(cls, name: str, *, revision: str | None = None, trust_remote_code: bool = False) -> "Classifier":
        """A model from the Hub or a folder, with the crop length it was trained on.

        Where nothing tells that length, it is what the model hears at once, or five seconds.

        Raises:
            UserError: there is no such model, or it is no audio classifier.
        """
        model, extractor = load_for_inference(name, revision=revision, trust_remote_code=trust_remote_code)
        told = told_crop_seconds(name, revision_of(model) or revision)
        return cls(str(name), model.eval(), extractor, told or natural_crop_seconds(extractor))

    @property
    def labels(self) -> list[str]:
        """The model's labels, in the order of its outputs."""
        return [self.model.config.id2label[n] for n in range(self.model.config.num_labels)]

    @property
    def revision(self) -> str:
        """The commit of the Hub that was loaded, "" for a folder."""
        return revision_of(self.model)

    def classify(self, source: Source, *, crops: int = CROPS, access: Access | None = None) -> Answer | Failure:
        """What one link, file or (waveform, sampling_rate) is about; of a long one only `crops` windows are read."""
        heard = listen(source, seconds=self.crop_seconds, crops=crops, access=access)
        return heard if isinstance(heard, Failure) else self.answers([heard])[0].answer

    def timeline(self, source: Source, *, parts: int = PARTS, access: Access | None = None) -> Timeline | Failure:
        """What each of up to `parts` equal parts of an input sounds like; one crop of each is read and heard."""
        heard = listen(source, seconds=self.crop_seconds, crops=parts, access=access)
        return heard if isinstance(heard, Failure) else self.answers([heard])[0]

    def answers(self, several: Sequence[Heard]) -> list[Timeline]:
        """A timeline, which has the answer in it, for each of several inputs, whose crops share the model's batches.

        Silent windows are not asked about, as none was trained on.

        Raises:
            ModelError: the model answers with no number.
        """
        loud = [[level >= clips.SILENCE_DBFS for level in heard.levels] for heard in several]
        asked = [w for heard, is_loud in zip(several, loud, strict=True) for w in _where(heard.waveforms, is_loud)]
        rows = iter(self.probabilities(asked))
        return [self._timeline(heard, is_loud, rows) for heard, is_loud in zip(several, loud, strict=True)]

    def answer(self, waveforms: Sequence[np.ndarray]) -> Answer:
        """The averaged answer for crops: float32 (samples,) at 16 kHz each, shorter ones repeated to the crop."""
        return self._averaged(self.probabilities(waveforms))

    def probabilities(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        """What the model says of each crop, float32 (samples,) at 16 kHz: (crops, labels), rows that sum to 1.

        Of a model for several labels at once (problem_type multi_label_classification) each label's own probability.
        """
        size = crop_samples(self.crop_seconds)
        independent = self.model.config.problem_type == "multi_label_classification"
        rows = []
        for first in range(0, len(waveforms), _TOGETHER):
            crops = [clips.repeat_to(one, size)[:size] for one in waveforms[first : first + _TOGETHER]]
            inputs = {self.extractor.model_input_names[0]: features(self.extractor, crops)}
            with torch.inference_mode():
                logits = self.model(**inputs).logits.float()
                rows.append((logits.sigmoid() if independent else logits.softmax(-1)).numpy())
        found = np.concatenate(rows) if rows else np.zeros((0, len(self.labels)), dtype=np.float32)
        if not np.isfinite(found).all():
            raise ModelError(f"{self.name} answers with no number (NaN): train it again, at a lower learning rate.")
        return found

    def _timeline(self, heard: Heard, is_loud: Sequence[bool], rows: Any) -> Timeline:
        """One input's timeline; takes as many of the rows as it has loud windows."""
        share_s = heard.duration_s / len(heard.windows)
        said = [next(rows) if loud else None for loud in is_loud]
        parts = tuple(
            Part(k * share_s, share_s, {} if row is None else self._named(row), level)
            for k, (row, level) in enumerate(zip(said, heard.levels, strict=True))
        )
        return Timeline(parts, self._averaged(np.stack([row for row in said if row is not None])), heard.duration_s)

    def _averaged(self, rows: np.ndarray) -> Answer:
        """(crops, labels) to their mean."""
        mean = rows.mean(axis=0)
        return Answer(self._named(mean), len(rows), int((rows.argmax(axis=1) == mean.argmax()).sum()))

    def _named(self, row: np.ndarray) -> dict[str, float]:
        return dict(zip(self.labels, row.tolist(), strict=True))


def _where(waveforms: Sequence[np.ndarray], wanted: Sequence[bool]) -> list[np.ndarray]:
    return [waveform for waveform, is_wanted in zip(waveforms, wanted, strict=True) if is_wanted]
