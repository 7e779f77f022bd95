"""A link or a file to probabilities: windows in, several crops, their probabilities averaged."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ytaudio import clips, media
from ytaudio.catalog import Video, parse_link
from ytaudio.media import Failure, Media, Reason
from ytaudio.training.checkpoints import load_for_inference
from ytaudio.training.data import ClipCollator
from ytaudio.training.runs import trained_crop_seconds


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model makes of one input."""

    probabilities: dict[str, float]  # label to mean probability over the crops
    crops: int
    agreeing: int  # crops whose own first choice is the answer


@dataclass(frozen=True, slots=True)
class Classifier:
    """A model ready to answer for links and files."""

    model: Any
    extractor: Any
    crop_seconds: float

    @classmethod
    def load(cls, name: str, *, revision: str | None = None, trust_remote_code: bool = False) -> "Classifier":
        """A model from the Hub or a folder, with the crop length it was trained on.

        Raises:
            UserError: there is no such model, or it is no audio classifier.
        """
        model, extractor = load_for_inference(name, revision=revision, trust_remote_code=trust_remote_code)
        return cls(model.eval(), extractor, trained_crop_seconds(name, revision))

    @property
    def labels(self) -> list[str]:
        """The model's labels, in the order of its outputs."""
        return [self.model.config.id2label[n] for n in range(self.model.config.num_labels)]

    def classify(self, source: str | Path, *, crops: int = 6) -> Answer | Failure:
        """What one link or file is about; of a long one only `crops` windows are read."""
        found = _open(str(source))
        if isinstance(found, Failure):
            return found
        opened = media.open_media(found)
        if isinstance(opened, Failure):
            return opened
        waveforms = []
        with opened as reader:
            for window in clips.spread_windows(found.duration_s, crops, self.crop_seconds):
                waveform = reader.window(window)
                if isinstance(waveform, Failure):
                    return waveform
                waveforms.append(waveform)
        waveforms = [waveform for waveform in waveforms if waveform.size]
        if not waveforms:
            return Failure(found.video_id, Reason.TOO_SHORT, "it holds no sound")
        if max(map(clips.dbfs, waveforms)) < clips.SILENCE_DBFS:
            return Failure(found.video_id, Reason.SILENT, f"nothing in it is above {clips.SILENCE_DBFS:.0f} dBFS")
        return self.answer(waveforms)

    def answer(self, waveforms: list[np.ndarray]) -> Answer:
        """The averaged answer for crops: a list of float32 (samples,) at 16 kHz, shorter ones repeated to the crop."""
        collator = ClipCollator(self.extractor, self.crop_seconds)
        crops = [clips.repeat_to(waveform, collator.samples)[: collator.samples] for waveform in waveforms]
        inputs = collator.features(crops)
        with torch.inference_mode():
            probabilities = self.model(**{collator.name: inputs}).logits.float().softmax(-1).numpy()
        mean = probabilities.mean(axis=0)
        agreeing = int((probabilities.argmax(axis=1) == mean.argmax()).sum())
        return Answer(dict(zip(self.labels, mean.tolist(), strict=True)), len(crops), agreeing)


def files_in(inputs: list[str]) -> list[str]:
    """The inputs with the files of every folder among them in its place, sorted."""
    found: list[str] = []
    for one in inputs:
        inside = sorted(str(path) for path in Path(one).iterdir() if path.is_file()) if Path(one).is_dir() else [one]
        found += inside
    return found


def _open(source: str) -> Media | Failure:
    if Path(source).is_file():
        if not Path(source).stat().st_size:
            return Failure(source, Reason.NO_AUDIO, "the file is empty")
        return media.local_file(Path(source))
    try:
        video_id, url = parse_link(source)
    except ValueError:
        return Failure(source, Reason.BAD_LINK, "there is no such file, and it is no link to a video")
    return media.locate(Video(video_id, url, "", "", ""))
