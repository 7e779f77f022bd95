"""What `ytaudio build` takes, a CSV here, one on Kaggle or a links-only dataset on a Hub, to one catalogue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ytaudio.catalog import Catalog, read_catalog
from ytaudio.kaggle import download_csv

if TYPE_CHECKING:  # a CSV is refused without waiting for what only a Hub needs
    from ytaudio.clips import Window
    from ytaudio.ledger import Settings
    from ytaudio.links import Published

KAGGLE, HUB = "kaggle:", "hub:"


@dataclass(frozen=True, slots=True)
class Source:
    """A catalogue and, where it was published with them, the windows and splits that its videos must get again."""

    catalog: Catalog
    name: str  # for the report: the CSV's name, "kaggle:OWNER/NAME/versions/3/FILE.csv" or "hub:USER/NAME@COMMIT"
    published: "Published | None" = None
    notes: tuple[str, ...] = ()  # sentences to print before the work begins

    @property
    def windows(self) -> "Mapping[str, Sequence[Window]] | None":
        """Video id to exactly the windows to read; None spreads them."""
        return self.published.windows if self.published else None

    def settings(self, asked: "Settings") -> "Settings":
        """The settings to build with: the publication's own where there is one, else the ones asked for."""
        return self.published.settings if self.published else asked

    def protocol(self, asked: str) -> str:
        """The name of the protocol to report: the one the publication was split by, else the one asked for."""
        return self.published.protocol if self.published else asked


def read_source(source: str, categories: Sequence[str] | None = None, folder: str | Path | None = None) -> Source:
    """Read a CSV's path, `kaggle:OWNER/NAME[/FILE.csv]` or `hub:USER/NAME[@REVISION]`.

    Args:
        source: the first argument of `ytaudio build`.
        categories: keep these classes only; None keeps all.
        folder: the one built in; a publication it was begun from goes on at the same commit.

    Raises:
        UserError: nothing usable is there; the message is one sentence that names the mend.
    """
    if source.startswith(KAGGLE):
        path, name = download_csv(source.removeprefix(KAGGLE))
        return Source(read_catalog(path).keep(categories), f"{KAGGLE}{name}")
    if source.startswith(HUB):
        from ytaudio.republished import read_published

        catalog, published, notes = read_published(source.removeprefix(HUB), Path(folder) if folder else None)
        return Source(catalog.keep(categories), f"{HUB}{published.settings.windows_of}", published, notes)
    return Source(read_catalog(source).keep(categories), Path(source).name)
