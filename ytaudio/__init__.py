"""ytaudio: what a video is about, from its sound.

Links with topic labels become a published audio dataset; models are trained on it, measured, published and used. The
rooms, in order: catalog, media, clips, collect, engine, assemble, models, training, evaluation, answering, space,
cards, hub, cli.

    >>> import ytaudio
    >>> ytaudio.classify("talk.mp4", model="USER/NAME")
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ytaudio.answering import Classifier, classify

__all__ = ["Classifier", "__version__", "classify"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`classify` and `Classifier`, whose imports (torch, transformers) wait until somebody asks for them."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ytaudio.startup import without_collections

    with without_collections():
        from ytaudio import answering
    return getattr(answering, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
