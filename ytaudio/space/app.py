"""The demo's page: give a file, a recording or a YouTube link, and every model answers, side by side.

`ytaudio demo` runs it on this machine, and a Space runs it as its app.py. The models and the example clips are named in
the demo.json beside it. What the page says is in ytaudio/space/words.py, its looks are in style.css there.
"""

import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported

import gradio as gr
from gradio import route_utils
from starlette.middleware import Middleware

from ytaudio.classifier import Timeline
from ytaudio.space import words
from ytaudio.space.asking import Panel, Told, youtube_address
from ytaudio.space.door import LOOPBACK, Door
from ytaudio.space.picture import spectrogram
from ytaudio.space.settings import EXAMPLES, Demo, Example
from ytaudio.space.uploads import KEPT_S, OwnUpload, forget, uploads_only

TITLE = "What is this video about, from its sound?"
LARGEST = 100  # MB of an upload
AT_A_TIME = 2  # questions; others wait
WAITING = 20  # questions at the most
Show = Callable[..., list[Any]]
THEME = gr.themes.Soft(  # in the fonts of the visitor's own machine
    primary_hue="blue", neutral_hue="slate", font=("system-ui", "sans-serif"), font_mono=("ui-monospace", "monospace")
).set(body_text_color_subdued="*neutral_500", body_text_color_subdued_dark="*neutral_400", block_border_width="1px")


def page(demo: Demo, panel: Panel, folder: Path) -> gr.Blocks:
    """The whole page; the clips of the demo's examples lie in `folder`."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(KEPT_S // 4, KEPT_S)) as blocks:
        gr.HTML(words.head(TITLE, demo))
        with gr.Tabs():
            with gr.Tab("File"):
                file = uploads_only(gr.File(label="A sound or a video", file_types=["audio", "video"], height=160))
                ask_file = gr.Button("Listen to the file", variant="primary")
            with gr.Tab("Microphone"):
                recording = uploads_only(
                    gr.Audio(label="A recording", sources=["microphone"], type="filepath", buttons=[])
                )
                ask_recording = gr.Button("Listen to the recording", variant="primary")
            with gr.Tab("YouTube link"):
                link = gr.Textbox(label="Link", placeholder="https://www.youtube.com/watch?v=...", max_length=500)
                ask_link = gr.Button("Listen to the video", variant="primary")
        gr.HTML(words.examples(demo))
        with gr.Row(elem_classes="yta-examples"):
            tries = [gr.Button(example.label, size="sm", min_width=90) for example in demo.examples]
        heard = gr.HTML(words.nothing_yet(demo), elem_id="heard")
        with gr.Row(elem_id="answers"):
            answers = [gr.HTML(visible=False, min_width=300) for _ in demo.models]
        with gr.Accordion("What it cannot do", elem_id="limits"):
            gr.HTML(words.limits(demo, f"{LARGEST} MB"))

        said: list[Any] = [heard, *answers]
        turn: dict[str, Any] = {"concurrency_id": "question", "concurrency_limit": AT_A_TIME}
        here = turn | {"api_visibility": "private", "scroll_to_output": True}
        show = partial(_shown, demo, panel)
        for given, button in ((file, ask_file), (recording, ask_recording)):
            button.click(partial(_of_upload, demo, show), given, [given, *said], **here)
        gr.on([ask_link.click, link.submit], partial(_of_link, demo, show), link, said, **here)
        for example, button in zip(demo.examples, tries, strict=True):
            button.click(partial(_of_example, show, folder / EXAMPLES, example), None, said, **here)

        def ask(link: str) -> dict:  # Gradio reads the hints
            """Each model's probabilities for a YouTube link: {model: {label: probability}}."""
            return _probabilities(demo, panel, link)

        gr.api(ask, api_name="ask", **turn)
    return blocks


def _shown(demo: Demo, panel: Panel, source: str, title: str = "", url: str = "") -> list[Any]:
    """The page's answer to a file or an address: what was heard, and what each model says of it."""
    told = panel.ask(source)
    if isinstance(told, str):
        return _said(demo, told)
    colors = words.colors_of(demo)
    answers = [words.answer(model, said, colors, url) for model, said in zip(demo.models, told.timelines, strict=True)]
    heard = words.heard(title or told.heard.title, url, told.heard, spectrogram(told.heard.waveforms))
    return [heard, *(gr.update(value=answer, visible=True) for answer in answers)]


def _said(demo: Demo, sentence: str) -> list[Any]:
    """A sentence in the place of an answer."""
    return [words.message(sentence), *(gr.update(visible=False) for _ in demo.models)]


def _of_upload(demo: Demo, show: Show, path: str | None) -> list[Any]:
    """An upload's answer, before which stands the emptied field: the upload is deleted."""
    if path is None:
        return [None, *_said(demo, "There is no sound yet: give one above, and press the button when it is there.")]
    try:
        return [None, *show(path)]
    finally:
        forget(path)


def _of_link(demo: Demo, show: Show, link: str) -> list[Any]:
    try:
        address = youtube_address(link)
    except ValueError as error:
        return _said(demo, str(error))
    return show(address, url=address)


def _of_example(show: Show, clips: Path, example: Example) -> list[Any]:
    return show(str(clips / example.file), title=words.of_example(example))


def _probabilities(demo: Demo, panel: Panel, link: str) -> dict[str, Any]:
    """For programs: each model's probabilities for a YouTube link, {model: {label: probability}}.

    Raises:
        gr.Error: there is no answer; the message is a sentence.
    """
    try:
        told = panel.ask(youtube_address(link if isinstance(link, str) else ""))  # a program may give anything
    except ValueError as error:
        raise gr.Error(str(error), print_exception=False) from None
    if not isinstance(told, Told):
        raise gr.Error(told, print_exception=False)
    return {
        model.name: said.answer.probabilities if isinstance(said, Timeline) else {"error": said}
        for model, said in zip(demo.models, told.timelines, strict=True)
    }


def launch(demo: Demo, panel: Panel, folder: Path, uploads: Path, **settings: Any) -> gr.Blocks:
    """Serve the page; `uploads` is a folder for them alone, and `settings` are of Gradio's launch.

    Nothing is sent elsewhere, and nothing is kept: no analytics, no history of runs, no files but uploads for a while.
    """
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)  # read when components are made
    setattr(route_utils, "GradioUploadFile", OwnUpload)  # noqa: B010 (a class, to a type checker)
    blocks = page(demo, panel, folder)
    on_loopback = settings.get("server_name", "").startswith(LOOPBACK)
    blocks.queue(max_size=WAITING, default_concurrency_limit=AT_A_TIME)
    blocks.launch(
        max_file_size=LARGEST << 20,
        theme=THEME,
        css_paths=words.STYLE,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        app_kwargs={"middleware": [Middleware(Door, largest=LARGEST << 20, kept=uploads, on_loopback=on_loopback)]},
        **settings,
    )
    return blocks


if __name__ == "__main__":
    here = Path(__file__).parent
    found = Demo.load(here)
    with tempfile.TemporaryDirectory(prefix="ytaudio-demo-", ignore_cleanup_errors=True) as uploads:
        launch(found, Panel(found, AT_A_TIME), here, Path(uploads))
