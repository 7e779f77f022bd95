"""ytaudio: what a video is about, from its sound.

Links with topic labels become a published audio dataset; models are trained on it, measured, published and used. The
rooms, in order: catalog, media, clips, collect, engine, assemble, models, training, evaluation, cards, hub, cli.
"""

__version__ = "0.1.0"
