"""A small catalogue with dead videos on a loopback site, and the command that builds a dataset of it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from crash.forge import Ended, Forge, digests

from ytaudio.testing import MediaSite

OPTIONS = ("--per-category", 2, "--clips-per-video", 2, "--clip-seconds", 1, "--threads", 2, "--patience", 0)


@dataclass
class World:
    site: MediaSite
    forge: Forge
    csv: Path
    clean: dict[str, str]  # clips and Parquet files of an uninterrupted run, with their digests
    moments: int  # that such a run has
    visited: list[str]  # ids, as such a run visits
    ids: list[str]  # of all videos

    def build(self, out: Path, *options: object, **how: object) -> Ended:
        return self.forge.run("build", self.csv, out, *OPTIONS, *options, **how)

    def start(self, out: Path, *options: object, **how: object) -> int:
        return self.forge.start("build", self.csv, out, *OPTIONS, *options, **how)

    def asked(self) -> set[str]:
        """The ids of videos that the site was asked for since its counts were reset."""
        return {request.path.split("/")[-1].partition(".")[0] for request in list(self.site.log)}

    @contextmanager
    def walled(self, state: str = "bot_check", ids: Iterable[str] = ()) -> Iterator[None]:
        """The site answers for these videos, or for all, with a wall."""
        before = [self.site.video(one) for one in ids or self.ids]
        for video in before:
            self.site.add(replace(video, state=state))
        try:
            yield
        finally:
            for video in before:
                self.site.add(video)


def made_of(folder: Path) -> dict[str, str]:
    """What a build is for: clips and Parquet files, without the record of how it went."""
    return {f"{part}/{k}": v for part in ("clips", "dataset/data") for k, v in digests(folder / part).items()}
