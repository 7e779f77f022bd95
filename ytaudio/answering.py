"""Many inputs to answers: read in threads while the model works, answered in their order, sites left alone at walls."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, overload

from ytaudio.classifier import CROPS, PARTS, Answer, Classifier, Timeline
from ytaudio.inputs import Input, find_inputs
from ytaudio.listening import Heard, Source, listen
from ytaudio.media import Access, Failure

__all__ = ["CROPS", "PARTS", "Classifier", "Result", "answers", "classify", "find_inputs"]

THREADS = 4  # inputs read at a time
_AHEAD = 2 * THREADS  # inputs in memory: being read, or waiting for the model
_CROPS_TOGETHER = 32  # up to which inputs that are ready share a visit to the model

Reading: TypeAlias = tuple[Source | Input | Failure, "Future[Heard | Failure]"]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one input."""

    input: str  # as given; of a file in a folder its path
    outcome: Timeline | Failure
    title: str = ""  # that the site gives a video; a file's name without its ending

    @property
    def answer(self) -> Answer | None:
        """What it is about, or None for a failure."""
        return None if isinstance(self.outcome, Failure) else self.outcome.answer

    @property
    def failure(self) -> Failure | None:
        """Why there is no answer, or None where there is one."""
        return self.outcome if isinstance(self.outcome, Failure) else None


@overload
def classify(
    inputs: Source,
    *,
    model: str | Path | Classifier,
    crops: int = CROPS,
    revision: str | None = None,
    trust_remote_code: bool = False,
    access: Access | None = None,
) -> Answer | Failure: ...
@overload
def classify(
    inputs: list[Any],
    *,
    model: str | Path | Classifier,
    crops: int = CROPS,
    revision: str | None = None,
    trust_remote_code: bool = False,
    access: Access | None = None,
) -> list[Result]: ...
def classify(
    inputs: Source | list[Any],
    *,
    model: str | Path | Classifier,
    crops: int = CROPS,
    revision: str | None = None,
    trust_remote_code: bool = False,
    access: Access | None = None,
) -> Answer | Failure | list[Result]:
    """What links, files and waveforms are about, from their sound.

        >>> answer = ytaudio.classify("talk.mp4", model="USER/NAME")
        >>> answer.label, answer.probability, f"{answer.agreeing} of {answer.crops} crops agree"
        >>> ytaudio.classify((waveform, 44_100), model="USER/NAME")
        >>> ytaudio.classify(["folder", "https://www.youtube.com/watch?v=dQw4w9WgXcQ"], model="USER/NAME")

    What cannot be heard is a value, too: a Failure with `reason` and `detail`. A model is loaded at each call; give a
    `ytaudio.Classifier` to load it once.

    Args:
        inputs: a link, the path of a sound or video file, or a waveform with its rate in Hz, as soundfile.read gives
            it: ((samples,) or (samples, channels), sampling_rate). Or a list of such, in which a folder stands for all
            sound and video below it.
        model: USER/NAME on the Hub, a folder, or a loaded `ytaudio.Classifier`.
        crops: windows of an input that are read and heard, at most; their probabilities are averaged.
        revision: branch, tag or commit of the Hub.
        trust_remote_code: run the model code that lies in its repository; the models of ytaudio do not need it.
        access: cookies and proxy for links, and which hosts they may lead to.

    Returns:
        An Answer or a Failure for one input; for a list a Result for each input that is sound, in order.

    Raises:
        UserError: there is no such model, or it is no audio classifier.
        TypeError: a waveform that is none.
    """
    asked = model
    if not isinstance(asked, Classifier):
        asked = Classifier.load(str(asked), revision=revision, trust_remote_code=trust_remote_code)
    if isinstance(inputs, str | Path | tuple):
        return asked.classify(inputs, crops=crops, access=access)
    return [result for result in answers(inputs, asked, crops=crops, access=access) if result]


def answers(
    inputs: Iterable[Source | Input | Failure],
    classifier: Classifier,
    *,
    crops: int = CROPS,
    access: Access | None = None,
) -> Iterator[Result | None]:
    """The result of each input, in order and as soon as it is there; None for a file of a folder that is no sound.

    At most THREADS inputs are read at a time, and few wait for the model, so that memory is bounded. A site that puts
    up a wall is asked for nothing more.
    """
    return _Run(classifier, crops, access).results(found for source in inputs for found in _spelled_out(source))


def _spelled_out(source: Source | Input | Failure) -> Sequence[Source | Input | Failure]:
    """What a source stands for: a folder's files, or itself."""
    return find_inputs([str(source)]) if isinstance(source, str | Path) else [source]


class _Run:
    """The inputs of one call: what is being read, what follows for the model, which sites are left alone."""

    def __init__(self, classifier: Classifier, crops: int, access: Access | None) -> None:
        self._classifier, self._crops, self._access = classifier, crops, access
        self._walls: dict[str, Failure] = {}  # host to the wall it put up
        self._lock = threading.Lock()

    def results(self, items: Iterable[Source | Input | Failure]) -> Iterator[Result | None]:
        """As `answers`."""
        pool = ThreadPoolExecutor(THREADS, thread_name_prefix="listen")
        reading: deque[Reading] = deque()
        try:
            for item in items:
                reading.append((item, pool.submit(self._listen, item)))
                if len(reading) >= _AHEAD:
                    yield from self._next(reading)
            while reading:
                yield from self._next(reading)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _listen(self, item: Source | Input | Failure) -> Heard | Failure:
        """Read one input, unless its site has put up a wall."""
        if isinstance(item, Failure):
            return item
        seconds = self._classifier.crop_seconds
        if not isinstance(item, Input):
            return listen(item, seconds=seconds, crops=self._crops, access=self._access)
        site = item.site
        with self._lock:
            wall = self._walls.get(site)
        if wall:
            return Failure(item.name, wall.reason, f"not asked: {site} put up a wall before", wall.retry_after_s)
        heard = listen(item.name, seconds=seconds, crops=self._crops, access=self._access)
        if site and isinstance(heard, Failure) and heard.reason.kind == "wall":
            with self._lock:
                self._walls.setdefault(site, heard)
        return heard

    def _next(self, reading: deque[Reading]) -> Iterator[Result | None]:
        """The result of the first input, and of those after it that are read already and fit the batch."""
        group = [(reading[0][0], reading.popleft()[1].result())]
        crops = _crops_of(group[0][1])
        while reading and reading[0][1].done() and crops < _CROPS_TOGETHER:
            item, future = reading.popleft()
            group.append((item, future.result()))
            crops += _crops_of(group[-1][1])
        answered = iter(self._classifier.answers([heard for _, heard in group if isinstance(heard, Heard)]))
        for item, heard in group:
            if isinstance(heard, Failure):
                skipped = isinstance(item, Input) and item.is_skipped(heard)
                yield None if skipped else Result(_name(item), heard)
            else:
                yield Result(_name(item), next(answered), heard.title)


def _crops_of(heard: Heard | Failure) -> int:
    return 0 if isinstance(heard, Failure) else len(heard.windows)


def _name(item: Source | Input | Failure) -> str:
    if isinstance(item, Failure):
        return item.video_id
    return "waveform" if isinstance(item, tuple) else item.name if isinstance(item, Input) else str(item)
