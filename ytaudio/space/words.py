"""What the demo's page says, as HTML: answers, timelines, what is known of the models, and what they cannot do.

Labels, names and titles come from elsewhere: every one of them is escaped.
"""

import base64
from collections.abc import Mapping
from html import escape
from pathlib import Path

from ytaudio.classifier import Timeline
from ytaudio.listening import Heard
from ytaudio.media import Reason

from .settings import Asked, Demo, Example, Measured

STYLE = Path(__file__).with_name("style.css")
COLORS = (  # of labels, in their order; readable on light and on dark
    *("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1"),
    *("#76b7b2", "#d4a91c", "#9c755f", "#d77a9c", "#8c8c8c"),
)
_SHOWN = 10  # bars of a model; what else it knows is a line
_READABLE = "give an audio or video file, such as MP3, WAV, M4A, MP4 or WebM."
SENTENCES = {  # what a visitor is told, and can do
    Reason.REMOVED: "This video is gone, or it was never there: check the link.",
    Reason.PRIVATE: "This video is private: only those whom its owner lets in can hear it.",
    Reason.MEMBERS_ONLY: "This video is for the members of its channel.",
    Reason.AGE_RESTRICTED: "This video asks for a visitor's age, which a demo does not have.",
    Reason.GEO_BLOCKED: "This video is not shown in the country where this demo runs.",
    Reason.DRM: "This video is protected against being read.",
    Reason.TOO_SHORT: "There is no sound in it.",
    Reason.SILENT: "It is silent: there is nothing to hear in it.",
    Reason.NO_AUDIO: f"There is no sound in it that can be read: {_READABLE}",
    Reason.BAD_LINK: "This is no link to a YouTube video: give one like https://www.youtube.com/watch?v=...",
    Reason.PRIVATE_HOST: "This link leads into a private network, where this demo does not go: upload a file.",
    Reason.UNSUPPORTED: f"Its sound cannot be read here: {_READABLE}",
    Reason.NETWORK: "The site does not answer in time: try again in a minute.",
    Reason.SERVER_ERROR: "The site answers with an error: try again in a minute.",
    Reason.LIVE: "This video is live: come back when it has ended.",
    Reason.UPCOMING: "This video has not begun yet: come back when it has ended.",
    Reason.UNKNOWN: "It cannot be read, for a reason that this demo does not know: try another one.",
    Reason.OFFLINE: "This demo has no way to the site: upload the sound as a file.",
}
_WALL = (
    "YouTube takes this demo for a robot, as it does with many servers: upload the sound as a file, or run the demo on "
    "your own machine with `ytaudio demo`."
)
SENTENCES |= {Reason.RATE_LIMITED: _WALL, Reason.BOT_CHECK: _WALL}


def clock(seconds: float) -> str:
    """A place in a recording: "0:07", "12:30", "1:02:03"."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def percent(share: float) -> str:
    """A share from 0 to 1 as people say it: "83 %", "<1 %"."""
    return "&lt;1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def head(title: str, demo: Demo) -> str:
    """The page's title, and who answers."""
    names = " and ".join(f"<b>{escape(model.name)}</b>" for model in demo.models)
    verb = "says" if len(demo.models) == 1 else "say, side by side,"
    return (
        f'<header class="yta-head"><h1>{escape(title)}</h1>'
        f"<p>Give a sound, and {names} {verb} which of {len(demo.labels)} categories it is.</p></header>"
    )


def examples(demo: Demo) -> str:
    """What stands above the buttons of the example clips."""
    lead = "<b>Or try one of these.</b> " if demo.examples else ""
    return f'<p class="yta-note">{lead}{escape(demo.about_examples)}</p>'


def of_example(example: Example) -> str:
    """A clip's name, with what its dataset says it is."""
    return f"A clip that its dataset calls “{example.label}”"


def message(sentence: str) -> str:
    """A sentence in the place of an answer."""
    return f'<p class="yta-message" role="alert">{escape(sentence)}</p>'


def nothing_yet(demo: Demo) -> str:
    """What stands where the answers will be."""
    names = " and ".join(f"<b>{escape(model.name)}</b>" for model in demo.models)
    verb = "answers" if len(demo.models) == 1 else "answer"
    return f'<p class="yta-empty">Give a sound above, or try an example: {names} {verb} here.</p>'


def heard(title: str, url: str, told: Heard, spectrogram: bytes) -> str:
    """What was listened to: its name, how much of it, and its spectrogram (a PNG file)."""
    pieces = len(told.windows)
    much = "all of it was heard"
    if pieces > 1 or told.windows[0].seconds < told.duration_s - 1:
        much = f"{pieces} piece{'s' if pieces > 1 else ''} of {told.windows[0].seconds:g} s, spread over it, were heard"
    name = f"<b>{escape(title)}</b>"
    if url:
        name = f'<a href="{escape(url)}" target="_blank" rel="noopener noreferrer">{name}</a>'
    picture = base64.b64encode(spectrogram).decode()
    return (
        f'<section class="yta-heard"><p>{name}, {clock(told.duration_s)} long: {much}.</p>'
        f'<div class="yta-picture"><img alt="Spectrogram of the pieces" src="data:image/png;base64,{picture}">'
        f"<span>8 kHz</span><span>60 Hz</span></div>{_axis(told.duration_s)}</section>"
    )


def _axis(duration_s: float) -> str:
    return (
        f'<p class="yta-axis"><span>0:00</span><span>{clock(duration_s / 2)}</span><span>{clock(duration_s)}</span></p>'
    )


def answer(model: Asked, told: Timeline | str, colors: Mapping[str, str], url: str = "") -> str:
    """One model's answer: its first choice, what each piece sounds like, a bar for each category.

    Args:
        model: as demo.json tells it.
        told: what it says; a sentence where it cannot be asked.
        colors: of the labels.
        url: of a video on YouTube, so that each piece leads to its moment.
    """
    name = f'<h3 class="yta-model">{escape(model.name)}</h3>'
    if isinstance(told, str):
        return f'<article class="yta-answer">{name}{message(told)}</article>'
    agree = f"{told.answer.agreeing} of {told.answer.crops} pieces agree" if told.answer.crops > 1 else "one piece"
    return (
        f'<article class="yta-answer">{name}<p class="yta-best"><b>{escape(told.answer.label)}</b> '
        f"{percent(told.answer.probability)} <small>{agree}</small></p>"
        f"{_bars(told.answer.probabilities, colors)}{_timeline(told, colors, url)}</article>"
    )


def _bars(probabilities: Mapping[str, float], colors: Mapping[str, str]) -> str:
    ranked = sorted(probabilities.items(), key=lambda pair: -pair[1])
    bars = "".join(
        f'<li><span class="yta-label">{escape(label)}</span>'
        f'<span class="yta-bar"><i style="width:{100 * share:.1f}%;background:{colors[label]}"></i></span>'
        f'<span class="yta-share">{percent(share)}</span></li>'
        for label, share in ranked[:_SHOWN]
    )
    more = f"<p>... and {len(ranked) - _SHOWN} more.</p>" if len(ranked) > _SHOWN else ""
    return f'<ul class="yta-bars">{bars}</ul>{more}'


def _timeline(told: Timeline, colors: Mapping[str, str], url: str) -> str:
    """A cell for each part, coloured by its first choice, the fainter the less sure; under it the time."""
    if len(told.parts) < 2:
        return ""
    cells = []
    for part in told.parts:
        share = part.probabilities.get(part.label, 0.0)
        said = f"{clock(part.start_s)} " + (f"{escape(part.label)} {percent(share)}" if part.label else "silent")
        style = f"background:{colors[part.label]};opacity:{0.2 + 0.8 * share:.2f}" if part.label else ""
        inside = f'<i style="{style}"></i><span>{said}</span>'
        if url:
            moment = f"{escape(url)}&amp;t={int(part.start_s + part.seconds / 2)}s"
            inside = f'<a href="{moment}" target="_blank" rel="noopener noreferrer">{inside}</a>'
        cells.append(f'<li title="{said}">{inside}</li>')
    return (
        f'<ol class="yta-timeline" aria-label="What each piece sounds like">{"".join(cells)}</ol>'
        f"{_axis(told.duration_s)}"
    )


def colors_of(demo: Demo) -> dict[str, str]:
    """A colour for each label, the same for every model."""
    return {label: COLORS[number % len(COLORS)] for number, label in enumerate(demo.labels)}


def limits(demo: Demo, longest: str) -> str:
    """What the demo cannot do, how often it was right, and what becomes of what it is given."""
    labels = [f"<b>{escape(label)}</b>" for label in demo.labels[:20]]
    more = f" and {len(demo.labels) - 20} more" if len(demo.labels) > 20 else ""
    differing = len({frozenset(model.labels) for model in demo.models}) > 1
    each = " The models know different ones of these, and each answers with its own." if differing else ""
    known = "".join(f"<li>{_about(model)}</li>" for model in demo.models)
    points = (
        "<b>It hears, and that is all.</b> It sees no picture and reads no title, and it does not understand what is "
        "said.",
        f"<b>It knows {len(demo.labels)} categories</b> ({', '.join(labels)}{more}) and always names one. Of anything "
        f"else, a bird or an empty room, it names one just the same, sometimes with great confidence.{each}",
        f"<b>It errs,</b> and does not know when:<ul>{known}</ul>",
        "<b>It samples.</b> A long recording is not heard as a whole, but in pieces spread over it.",
        "<b>It is not for judging people:</b> not who they are, not what they do or may publish, and it is no ground "
        "for a decision about anyone.",
        f"<b>It keeps nothing.</b> Files of up to {escape(longest)} are taken, and deleted as soon as they were heard, "
        "or after ten minutes. Of a YouTube video only the sound of those pieces is read.",
    )
    return '<ul class="yta-limits">' + "".join(f"<li>{point}</li>" for point in points) + "</ul>"


def _about(model: Asked) -> str:
    """What a model was trained on and how often it was right, as far as its repository tells."""
    where = f" of {escape(model.dataset)}" if model.dataset else ""
    trained = "its repository does not tell what it was trained on"
    if model.dataset or model.trained_videos:
        trained = f"trained on {model.trained_videos or 'the'} videos{where}"
    return f"<b>{escape(model.name)}</b>: {trained}; {_measured(model.measured)}."


def _measured(measured: Measured | None) -> str:
    if measured is None:
        return "nobody has measured how often it is right"
    sample = measured.sample or f"the videos of {measured.dataset or 'a dataset that is not told'}"
    split = f" (split {measured.split})" if measured.split else ""
    interval = ""
    if measured.low is not None and measured.high is not None:
        interval = f", 95 % interval {percent(measured.low)} to {percent(measured.high)}"
    return f"right for {percent(measured.accuracy)} of {escape(sample + split)}{interval}"
