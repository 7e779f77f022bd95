"""The card of a demo Space: what it asks, what it carries, what whoever owns it must know."""

from huggingface_hub import SpaceCardData

from ytaudio.space.settings import Demo

from .markup import render


def space_card(repo_id: str, demo: Demo, gradio: str) -> str:
    """README.md of a Gradio demo.

    Args:
        repo_id: where it will be found.
        demo: its models and examples.
        gradio: the version of gradio that the Hub installs.
    """
    name = repo_id.rsplit("/", 1)[-1]
    front = SpaceCardData(
        title=name.replace("-", " "),
        emoji="🎧",
        colorFrom="blue",
        colorTo="indigo",
        sdk="gradio",
        sdk_version=gradio,
        python_version="3.11",
        app_file="app.py",
        short_description="What a video is about, from its sound alone",
        models=[model.name for model in demo.models],
        datasets=sorted({model.dataset for model in demo.models if model.dataset}) or None,
        tags=["audio", "audio-classification", "ytaudio"],
    )
    return render("space_card.md", front_matter=front.to_yaml(), name=name, demo=demo)
