"""The whole loop on made-up media and an embedded Hub, each step the command a user would type."""

import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile

from ytaudio.catalog import Video
from ytaudio.clips import SAMPLING_RATE, resample
from ytaudio.errors import UserError, writing_to
from ytaudio.ledger import Settings
from ytaudio.localhub import LocalHub, LocalHubError
from ytaudio.testing import MediaSite, SiteVideo, make_videos, write_catalog
from ytaudio.testing.sounds import RATE, render
from ytaudio.turns import visiting_order

HERE = Path(__file__).parent
MARK = ".ytaudio-quickstart"
PORT = 8642  # of the Hub while the quickstart runs, and after it
CATEGORIES = ("travel", "food", "art_music", "history")
LAUNCH = "accelerate launch --num_processes 1 --num_machines 1 --mixed_precision no --dynamo_backend no"

TRY_IT = '''"""Nothing of ytaudio is imported here: this is how anyone uses the published models."""

import sys
from pathlib import Path

import numpy as np
import soundfile
import transformers

transformers.logging.set_verbosity_error()
for name in sys.argv[1:]:
    classify = transformers.pipeline("audio-classification", model=name, trust_remote_code=True)
    for path in sorted(Path("fresh").glob("*.wav")):
        waveform, sampling_rate = soundfile.read(path, dtype="float32")
        best, second = classify({"array": waveform, "sampling_rate": sampling_rate}, top_k=2)
        said = f"{best['label']} {best['score']:.2f}, {second['label']} {second['score']:.2f}"
        print(f"{name:24} heard {path.stem:9} and said {said}")
'''


def recipes_folder() -> Path:
    """Where the recipes lie: in the package when installed from a wheel, beside it in a checkout."""
    return next(place for place in (HERE / "recipes", HERE.parent / "recipes") if place.is_dir())


@dataclass(frozen=True, slots=True)
class Session:
    """A folder to work in and the environment its commands see."""

    folder: Path
    environment: Mapping[str, str]
    began: float  # time.monotonic() at the start, s

    def title(self, text: str) -> None:
        """Head a step with the seconds since the start."""
        print(f"\n[{time.monotonic() - self.began:4.0f} s] {text}", flush=True)  # noqa: T201

    def do(self, command: str) -> None:
        """Show a command, run it in the folder, and stop if it fails.

        Raises:
            UserError: it failed; what it printed stands above.
        """
        print(f"$ {command}", flush=True)  # noqa: T201
        words = shlex.split(command)
        done = subprocess.run(self._real(words), cwd=self.folder, env=dict(self.environment), check=False)
        if done.returncode:
            raise UserError(f"`{words[0]}` ended with exit code {done.returncode}: mend what it says above, run again.")

    def _real(self, words: Sequence[str]) -> list[str]:
        """The same command through this very interpreter, whatever PATH says."""
        module = {"ytaudio": ["ytaudio.cli"], "accelerate": ["accelerate.commands.accelerate_cli"]}.get(words[0])
        return [sys.executable, *(["-m", *module] if module else []), *words[1:]]


def made_up_site(per_category: int) -> tuple[list[SiteVideo], list[SiteVideo]]:
    """A little video site and a fresh video of every category.

    The videos that are visited first have 11 hours, are private and are removed, so that everybody meets them.
    """
    spare = per_category + max(2, per_category // 6)
    made = make_videos(CATEGORIES, spare, channels_per_category=max(6, per_category * 5 // 6), seed=7)
    order = visiting_order([Video(v.id, "", v.title, "", v.category) for v in made], Settings().seed)
    long, private, removed = (order[category][0].id for category in CATEGORIES[:3])
    videos = {video.id: video for video in made}
    videos[long] = replace(videos[long], duration_s=11 * 3600.0)
    videos[private] = replace(videos[private], state="private")
    videos[removed] = replace(videos[removed], state="removed")
    return list(videos.values()), make_videos(CATEGORIES, 1, channels_per_category=1, seed=8)


def write_fresh_clip(video: SiteVideo, path: Path) -> None:
    """Five seconds of a made-up video as a WAV file at 16 kHz."""
    sound = render(video.category, video.seed, video.channel_id, samples=5 * RATE)
    soundfile.write(path, resample(sound, RATE), SAMPLING_RATE)


def write_day(clips: Sequence[Path], path: Path) -> None:
    """The clips one after the other as one WAV file: a sound whose parts are about different things."""
    soundfile.write(path, np.concatenate([soundfile.read(clip)[0] for clip in clips]), SAMPLING_RATE)


def _port() -> int:
    """PORT, so that addresses in the cards lead somewhere later, or 0, any other, where something else is there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PORT))
        except OSError:
            return 0
    return PORT


def _prepare(folder: Path, per_category: int) -> None:
    """Make the folder ours: a mark with the number of videos, and the recipes where commands can name them.

    Raises:
        UserError: it holds other things, was begun with another number, or cannot be written.
    """
    mark = folder / MARK
    with writing_to(folder):
        if folder.exists() and any(folder.iterdir()) and not mark.exists():
            raise UserError(f"{folder} holds other things: give a new folder, ytaudio quickstart FOLDER.")
        folder.mkdir(parents=True, exist_ok=True)
        if mark.exists() and mark.read_text() != f"{per_category}":
            raise UserError(f"{folder} was begun with --videos {mark.read_text()}: repeat that, or give a new folder.")
        mark.write_text(f"{per_category}")
        (folder / "recipes").unlink(missing_ok=True)
        (folder / "recipes").symlink_to(recipes_folder())


def run(folder: Path, per_category: int) -> None:
    """Everything, in FOLDER; a second run there goes on where the first stopped.

    Raises:
        UserError: the folder holds other things, or a step failed.
    """
    began = time.monotonic()
    _prepare(folder, per_category)
    folder = folder.resolve()
    videos, fresh = made_up_site(per_category)
    try:
        hub = LocalHub(folder / "hub", port=_port())
    except LocalHubError as error:
        raise UserError(str(error)) from None
    with hub, MediaSite([*videos, *fresh]) as site:
        environment = {
            **os.environ,
            **hub.environment(),
            **site.environment(),
            "HF_HOME": str(folder / "cache"),
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "TOKENIZERS_PARALLELISM": "false",
        }
        _steps(Session(folder, environment, began), hub, site, videos, fresh, per_category)
        _farewell(folder, hub.user, time.monotonic() - began)


def _steps(
    session: Session, hub: LocalHub, site: MediaSite, videos: list[SiteVideo], fresh: list[SiteVideo], per_category: int
) -> None:
    user, recipes = hub.user, "recipes"
    dataset, cnn, wav2vec2 = f"{user}/made-up-sounds", f"{user}/spectrogram-cnn", f"{user}/wav2vec2-small"
    session.title(f"An embedded Hub at {hub.url}, a made-up video site, and a CSV as Kaggle's")
    print(f"The commands below run in {session.folder}, with HF_ENDPOINT and HF_TOKEN of that Hub.")  # noqa: T201
    catalog = session.folder / "youtube.csv"
    write_catalog(catalog, videos, dead=8, duplicates=4, bad_links=3, empty_cells=2)
    print("youtube.csv: link,title,description,category; some lines are dead, double or broken, as in real lists")  # noqa: T201
    print("The site is on this machine, where links may not lead unless --allow-private-hosts lets them.")  # noqa: T201
    session.title("Links to a dataset: only the windows are read")
    session.do(f"ytaudio build youtube.csv sounds --per-category {per_category} --allow-private-hosts")
    hours = sum(video.duration_s for video in videos) / 3600
    print(f"{hours:.0f} hours of video are on the site, {site.bytes_sent / 1e6:.0f} MB of them were read")  # noqa: T201
    session.title("Published in one commit")
    session.do(f"ytaudio push dataset sounds {dataset} --public")
    session.title("A convolutional network over log-mel spectrograms, from new weights")
    publish = "--push_to_hub --public --hub_model_id"
    data = f"--dataset_name {dataset}"
    session.do(
        f"{LAUNCH} {recipes}/finetune.py {recipes}/spectrogram_cnn.yaml {data} --output_dir cnn {publish} {cnn}"
        " --num_train_epochs 6 --per_device_train_batch_size 8"
    )
    session.title("A small wav2vec2 with RANDOM weights: the real recipe, but nothing pretrained can be had offline")
    session.do("python -m ytaudio.testing.models small-random-wav2vec2")
    session.do(
        f"{LAUNCH} {recipes}/finetune.py {recipes}/wav2vec2.yaml {data} --output_dir wav2vec2 {publish} {wav2vec2}"
        " --model_name_or_path small-random-wav2vec2 --freeze none --learning_rate 1e-3"
        " --num_train_epochs 2 --crop_seconds 3"
    )
    session.title("Both on the same test videos, which neither has met")
    session.do(f"ytaudio compare {cnn} {wav2vec2}")
    session.title("Fresh clips from channels nobody has met, through pipeline from the Hub, without ytaudio")
    (session.folder / "try_it.py").write_text(TRY_IT)
    (session.folder / "fresh").mkdir(exist_ok=True)
    for video in fresh:
        write_fresh_clip(video, session.folder / "fresh" / f"{video.category}.wav")
    write_day([session.folder / "fresh" / f"{video.category}.wav" for video in fresh], session.folder / "day.wav")
    session.do(f"python try_it.py {cnn} {wav2vec2}")
    session.title("A link to one of those videos: of its sound, a few windows are read")
    session.do(f"ytaudio classify https://www.youtube.com/watch?v={fresh[0].id} --model {cnn} --allow-private-hosts")


def _farewell(folder: Path, user: str, seconds: float) -> None:
    recipes = recipes_folder()
    if Path("recipes/finetune.py").is_file():  # a checkout
        recipes = Path("recipes")
    print(  # noqa: T201
        f"""
Done in {seconds:.0f} s. Look at what was published:
  ytaudio hub serve {os.path.relpath(folder / "hub")} --port {PORT}
  http://127.0.0.1:{PORT}/datasets/{user}/made-up-sounds
  http://127.0.0.1:{PORT}/{user}/spectrogram-cnn
  http://127.0.0.1:{PORT}/{user}/wav2vec2-small

For the real thing change three settings:
  1. the Hub:    no HF_ENDPOINT, and HF_TOKEN a token of yours
  2. the CSV:    Kaggle's, for one (pip install ".[kaggle]"), or your own
     ytaudio build kaggle:rajatrc1705/youtube-videos-dataset sounds --per-category 109
     ytaudio push dataset sounds YOU/sounds
  3. the model:  pretrained, with the recipe's own settings:
     accelerate launch {recipes}/finetune.py {recipes}/wav2vec2.yaml --dataset_name YOU/sounds \\
         --output_dir wav2vec2 --push_to_hub --hub_model_id YOU/wav2vec2-sounds"""
    )
