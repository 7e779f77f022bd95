"""A question to every model at once: one reading of a few windows, a timeline of each model, sentences for failures."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from ytaudio.catalog import parse_link
from ytaudio.classifier import Classifier, Timeline
from ytaudio.errors import UserError
from ytaudio.listening import Heard, listen
from ytaudio.media import Access, Failure, Reason

from .settings import Asked, Demo
from .words import SENTENCES

PIECES = 12  # of an input, at the most, that are read and heard
DEADLINE_S = 90.0  # for one question, from its turn on
_YOUTUBE = "www.youtube.com"  # the host of every address that parse_link makes of a YouTube link


@dataclass(frozen=True, slots=True)
class Told:
    """What was heard, and what each model makes of it; a sentence for a model that cannot be asked."""

    heard: Heard
    timelines: tuple[Timeline | str, ...]


class Panel:
    """The models of a demo, loaded, and the threads in which questions are answered.

    A model that cannot be loaded is kept as the sentence that says why, so that the others answer all the same.

    Args:
        demo: names the models.
        at_a_time: questions that are answered at once.
        access: how the site is reached; its patience is a visitor's.
    """

    def __init__(self, demo: Demo, at_a_time: int = 2, access: Access | None = None) -> None:
        self.models: tuple[Classifier | str, ...] = tuple(_loaded(model) for model in demo.models)
        self._access = replace(access or Access(), timeout_s=10.0, retries=1, backoff_s=0.5, pages_s=40.0)
        self._threads = ThreadPoolExecutor(at_a_time, thread_name_prefix="question")

    def ask(self, source: str) -> Told | str:
        """What the models say of a file, or of an address that `youtube_address` made; a sentence where they cannot."""
        waiting = self._threads.submit(self._told, source)
        try:
            return waiting.result(DEADLINE_S)
        except TimeoutError:
            waiting.cancel()
            return f"It took longer than {DEADLINE_S:.0f} seconds, which is all one may take: try something else."

    def _told(self, source: str) -> Told | str:
        awake = [model for model in self.models if isinstance(model, Classifier)]
        if not awake:
            return "No model can be asked: what each lacks is said below."
        heard = listen(source, seconds=max(model.crop_seconds for model in awake), crops=PIECES, access=self._access)
        if isinstance(heard, Failure):
            return SENTENCES[heard.reason]
        return Told(heard, tuple(_asked(model, heard) for model in self.models))


def _loaded(model: Asked) -> Classifier | str:
    try:
        return Classifier.load(model.name, revision=model.revision or None, trust_remote_code=model.trust_remote_code)
    except UserError as error:
        return str(error)


def _asked(model: Classifier | str, heard: Heard) -> Timeline | str:
    try:
        return model if isinstance(model, str) else model.answers([heard])[0]
    except UserError as error:
        return str(error)


def youtube_address(link: str) -> str:
    """The address of the video that a YouTube link or a bare id names.

    Raises:
        ValueError: it names none; the message is a sentence for the visitor.
    """
    if not link.strip():
        raise ValueError("There is no link yet: paste one like https://www.youtube.com/watch?v=...")
    try:
        _, address = parse_link(link)
    except ValueError as error:
        if str(error) == "not_a_video":
            raise ValueError("This leads to a list or a channel: give the link of one video.") from None
        raise ValueError(SENTENCES[Reason.BAD_LINK]) from None
    if urlsplit(address).hostname != _YOUTUBE:
        raise ValueError(SENTENCES[Reason.BAD_LINK])
    return address
