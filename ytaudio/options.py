"""What `ytaudio build` can be told, one option each, and what takes much to say of other verbs."""

from pathlib import Path
from typing import Annotated

import typer


def _reasons() -> list[str]:
    from ytaudio.media import Reason

    return ["all", *(reason.value for reason in Reason if reason.kind != "wall")]


Source = Annotated[
    str, typer.Argument(metavar="SOURCE", help="A CSV, kaggle:OWNER/NAME[/FILE.csv] or hub:USER/NAME[@REVISION].")
]
Out = Annotated[
    Path, typer.Argument(metavar="OUT", help="Folder to build in; give it again to go on where a run stopped.")
]
PerCategory = Annotated[int | None, typer.Option(min=1, help="Stop at this many good videos a category.")]
ClipsPerVideo = Annotated[int, typer.Option(min=1, help="Windows spread over each video.")]
ClipSeconds = Annotated[float, typer.Option(min=1.0, max=600.0, help="Length of each, in seconds.")]
Threads = Annotated[int, typer.Option(min=1, help="Videos read at a time.")]
Seed = Annotated[int, typer.Option(help="Of the order of videos and of the splits.")]
Protocol = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="default: 70/15/15 by channel; lab: 98 train, 11 validation.",
        autocompletion=lambda: ["default", "lab"],
    ),
]
Categories = Annotated[
    str | None, typer.Option(metavar="A,B,...", help="Keep these categories only, with commas between.")
]
Retry = Annotated[
    list[str] | None,
    typer.Option(metavar="REASON", help="Try what failed so again: geo_blocked, ... or all.", autocompletion=_reasons),
]
Sleep = Annotated[float, typer.Option(min=0.0, max=3600.0, help="Seconds between two videos, on average.")]
Patience = Annotated[float, typer.Option(min=0.0, max=604_800.0, help="Seconds to wait at walls before the run ends.")]
Cookies = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Cookies file in Netscape format.")]
CookiesFromBrowser = Annotated[
    str | None,
    typer.Option(
        metavar="BROWSER",
        help="Take cookies from firefox, chrome, ...",
        autocompletion=lambda: ["firefox", "chrome", "chromium", "edge", "brave", "opera", "safari", "vivaldi"],
    ),
]
Proxy = Annotated[str | None, typer.Option(metavar="URL", help="HTTP or SOCKS proxy for the video site.")]
AllowPrivateHosts = Annotated[
    bool,
    typer.Option(
        "--allow-private-hosts",
        envvar="YTAUDIO_ALLOW_PRIVATE_HOSTS",
        help="Follow links into this machine and private networks, for tests and labs.",
    ),
]
Engine = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Many machines: slurm or ray; local for a trial.",
        autocompletion=lambda: ["local", "ray", "slurm"],
    ),
]
Tasks = Annotated[
    int | None, typer.Option(min=1, help="For --engine: each takes its share of the videos; 8 if left out.")
]
Shared = Annotated[
    str | None, typer.Option(metavar="URL", help="Where tasks work, if not in OUT: a folder, s3://bucket/run, ...")
]
Slurm = Annotated[
    list[str] | None, typer.Option(metavar="KEY=VALUE", help="For --engine slurm: time=12:00:00, partition=cpu, ...")
]
Streaming = Annotated[bool, typer.Option("--streaming", help="Read clips as they are scored; keep none on disk.")]
Bf16 = Annotated[bool, typer.Option("--bf16", help="Compute in bfloat16, where it is faster.")]
Public = Annotated[bool, typer.Option("--public", help="Anyone may read it; the default is private.")]
Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="LINK|FILE|FOLDER|-...",
        help="Video links, sound and video files, folders (with all below them), or - for what is piped in.",
        show_default=False,
    ),
]
Crops = Annotated[
    int | None,
    typer.Option(min=1, max=240, help="Windows heard of an input, spread over it: 6 unless told; 24 for a timeline."),
]
Repo = Annotated[str, typer.Argument(metavar="USER/NAME", help="The repository on the Hub that HF_ENDPOINT names.")]
Trust = Annotated[bool, typer.Option("--trust-remote-code", help="Run the model code that lies in its repository.")]
Models = Annotated[
    list[str],
    typer.Option(
        "--model", metavar="MODEL", help="USER/NAME[@REVISION], or for `demo` a folder; give it again for another."
    ),
]
Examples = Annotated[
    bool, typer.Option("--examples/--no-examples", help="Clips of the first model's test split to try.")
]
DatasetName = Annotated[
    str, typer.Option("--dataset", metavar="DATASET", help="USER/NAME[@REVISION] on the Hub, or a folder.")
]
Port = Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="0 takes any free one.")]
Host = Annotated[str, typer.Option(metavar="ADDRESS", help="0.0.0.0 lets other machines in.")]
