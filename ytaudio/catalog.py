"""CSV lines to videos; bad lines to reasons."""

import csv
import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

from ytaudio.errors import UserError

COLUMNS = ("link", "title", "description", "category")
REQUIRED = ("link", "category")
_Row = tuple[str, str, str, str]  # the cells of COLUMNS
YOUTUBE_HOSTS = {"youtube.com", "youtube-nocookie.com", "youtubekids.com", "youtu.be"}
LONGEST_LABEL = 100  # characters; what is longer is not a label but a cell of another column
_YOUTUBE_ID = re.compile(r"[0-9A-Za-z_-]{11}")
# what most links look like; it says the same as the long way, in a tenth of the time
_PLAIN = re.compile(
    r"https?://(?:(?:www\.|m\.|music\.)?youtube\.com/watch\?v=([0-9A-Za-z_-]{11})(?:&[^\s#]*)?"
    r"|youtu\.be/([0-9A-Za-z_-]{11})(?:\?[^\s#]*)?)"
)
_WITHOUT_SCHEME = re.compile(r"(www\.|m\.|music\.)?(youtube(-nocookie)?\.com|youtu\.be)/", re.IGNORECASE)
_SPACE = re.compile(r"\s")
_ID_LIKE = re.compile(r"[0-9A-Za-z_-]+")
_PATH_WITH_ID = {"shorts", "embed", "live", "v", "e", "vi", "watch"}
_NO_ID = {"videoseries", "live_stream"}  # of 11 characters too, in the place of an id: a playlist, a channel
_PASSWORD = re.compile(r"//[^/?#@]*@")
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_BETWEEN_WORDS = re.compile(r"[\s_\u2010-\u2015-]+")


class CatalogError(UserError):
    """A catalogue that cannot be used at all; the message is one sentence that names the mend."""


@dataclass(frozen=True, slots=True)
class Video:
    """One accepted line of the catalogue."""

    id: str  # the site's own id for YouTube, "u" and 16 hexadecimal digits of the URL's SHA-256 elsewhere
    url: str
    title: str
    description: str
    category: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """One refused line of the catalogue."""

    line: int  # 1-based, the header being line 1; a quoted cell with line breaks counts where it begins
    reason: str  # "open_quote", "empty", "bad_link", "not_a_video", "bad_label", "duplicate", "conflict"
    value: str  # what stood there, shortened, and without a password


@dataclass(frozen=True, slots=True)
class Catalog:
    """What one CSV says: videos in the order of its lines, and the lines refused."""

    videos: tuple[Video, ...]
    rejected: tuple[Rejected, ...]

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories that have at least one video, sorted: the order of the dataset's labels."""
        return tuple(sorted({video.category for video in self.videos}))

    def keep(self, categories: Sequence[str] | None) -> "Catalog":
        """Only the videos of these categories; None keeps all.

        Raises:
            CatalogError: the catalogue has no such category.
        """
        if categories is None:
            return self
        kept = {normalize_category(category) for category in categories}
        unknown = sorted(kept - set(self.categories))
        if unknown:
            raise CatalogError(
                f"The catalogue has no category {', '.join(unknown)}: it has {', '.join(self.categories)}."
            )
        return Catalog(tuple(video for video in self.videos if video.category in kept), self.rejected)


def parse_link(link: str) -> tuple[str, str]:
    """A link or a bare YouTube id to (video id, canonical URL).

    Raises:
        ValueError: the reason is the message, "bad_link" or "not_a_video" (a playlist, a channel, a search).
    """
    link = link.strip()
    if plain := _PLAIN.fullmatch(link):
        video_id = plain[1] or plain[2]
        return video_id, f"https://www.youtube.com/watch?v={video_id}"
    if _ID_LIKE.fullmatch(link):
        if not _YOUTUBE_ID.fullmatch(link):
            raise ValueError("bad_link")
        return link, f"https://www.youtube.com/watch?v={link}"
    if _WITHOUT_SCHEME.match(link):
        link = f"https://{link}"
    try:
        parts = urlsplit(link)
        host = unicodedata.normalize("NFKC", parts.hostname or "").replace("\u3002", ".").lower().rstrip(".")
    except ValueError:
        raise ValueError("bad_link") from None
    if parts.scheme.lower() not in ("http", "https") or not host or _SPACE.search(link) or not link.isprintable():
        raise ValueError("bad_link")
    if _registered(host) in YOUTUBE_HOSTS:
        video_id = _youtube_id(host, parts.path, parts.query)
        return video_id, f"https://www.youtube.com/watch?v={video_id}"
    if "@" in parts.netloc:  # a password would be published with the link
        raise ValueError("bad_link")
    url = urlunsplit((parts.scheme.lower(), parts.netloc.lower(), parts.path, parts.query, ""))
    return "u" + hashlib.sha256(url.encode()).hexdigest()[:16], url


def _registered(host: str) -> str:
    return ".".join(host.split(".")[-2:])


def _youtube_id(host: str, path: str, query: str) -> str:
    steps, asked = [step for step in path.split("/") if step], parse_qs(query.replace("&amp;", "&"))
    if steps == ["attribution_link"] and "u" in asked:
        shared, _, inner = asked["u"][0].partition("?")
        steps, asked = shared.split("/")[-1:], parse_qs(inner)
    if _registered(host) == "youtu.be":
        candidate = steps[0] if steps else ""
    elif steps and steps[0] in _PATH_WITH_ID and len(steps) > 1:
        candidate = steps[1].split("&")[0]
        if candidate in _NO_ID:
            raise ValueError("not_a_video")
    elif steps in (["watch"], []) and "v" in asked:
        candidate = asked["v"][0]
    else:
        raise ValueError("bad_link" if steps == ["watch"] else "not_a_video")
    if not _YOUTUBE_ID.fullmatch(candidate):
        raise ValueError("bad_link")
    return candidate


@lru_cache(1024)  # a catalogue has few, on every line
def normalize_category(category: str) -> str:
    """Labels that differ by case, blanks, hyphens or what nobody sees are one: " Art Music" is "art_music".

    Letters that Unicode writes in several ways (accents, full width, ligatures) are written in one, and nothing that
    would steer a terminal is left.
    """
    seen = _INVISIBLE.sub("", unicodedata.normalize("NFKC", category))
    folded = unicodedata.normalize("NFKC", seen.casefold())
    plain = "".join(c if c.isprintable() or c in "\u200c\u200d" else " " for c in folded)  # which Indic scripts need
    return _BETWEEN_WORDS.sub("_", plain).strip("_\u200c\u200d")


def _rows(path: Path) -> Iterator[tuple[int, _Row | None]]:
    """The CSV's rows with the line each begins on; None for one whose open quote swallows all lines after it.

    Raises:
        CatalogError: the file cannot be read, or lacks a required column.
    """
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        yield from _parsed(path, file)


def _parsed(path: Path, file: Iterable[str]) -> Iterator[tuple[int, _Row | None]]:
    ended = False

    def watched() -> Iterator[str]:
        nonlocal ended
        for line in file:
            yield line.replace("\0", "")
        ended = True

    csv.field_size_limit(2**31 - 1)
    lines = csv.reader(watched())
    header = [name.strip().casefold() for name in next(lines, [])]
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        found = "".join(c if c.isprintable() else "?" for c in ", ".join(header))[:80] or "none"
        raise CatalogError(
            f"{path} has no column {' or '.join(missing)} (columns found: {found}): "
            f"save it in UTF-8 with commas between, and name its columns {', '.join(COLUMNS)} "
            "(title and description may be left out)."
        )
    pick = _picker(header)
    before = lines.line_num
    for cells in lines:
        if ended:  # the file ended inside this row: a quote was opened and never closed
            yield before + 1, None
        elif cells:
            yield before + 1, pick(cells)
        before = lines.line_num


def _picker(header: Sequence[str]) -> Callable[[list[str]], _Row]:
    """What takes the cells of COLUMNS from a row: "" for those it lacks, the last of several columns of one name."""
    places = [[n for n, name in enumerate(header) if name == column] for column in COLUMNS]
    whole = itemgetter(*(at[-1] if at else -1 for at in places))

    def pick(cells: list[str]) -> _Row:
        if len(cells) >= len(header):
            return whole([*cells, ""])  # the blank at the end is for columns that the file has not
        link, title, description, category = (
            next((cells[n] for n in reversed(at) if n < len(cells)), "") for at in places
        )
        return link, title, description, category

    return pick


def read_catalog(path: str | Path) -> Catalog:
    """Read a CSV with the columns link, title, description, category (Kaggle's youtube-videos-dataset).

    The first line of a video wins and later ones of the same category are duplicates; a video under two categories is
    refused on every line, since neither label can be believed. Memory and time grow linearly with the file.

    Raises:
        CatalogError: no such file, wrong columns, or no usable line.
    """
    path = Path(path)
    try:
        return _sort_out(path, _rows(path))
    except OSError as error:
        raise CatalogError(f"Cannot read {path} ({error.strerror}): give the path of a CSV file.") from None


def _sort_out(path: Path, rows: Iterator[tuple[int, _Row | None]]) -> Catalog:
    accepted: dict[str, tuple[int, Video]] = {}
    conflicts: set[str] = set()
    rejected: list[Rejected] = []
    for line, row in rows:
        if row is None:
            rejected.append(Rejected(line, "open_quote", "the quote is never closed; all after it is lost"))
            continue
        link, category = row[0].strip(), normalize_category(row[3])
        if not link or not category:
            rejected.append(Rejected(line, "empty", "link" if not link else "category"))
            continue
        if len(category) > LONGEST_LABEL:
            rejected.append(Rejected(line, "bad_label", category[:80]))
            continue
        try:
            video_id, url = parse_link(link)
        except ValueError as error:
            rejected.append(Rejected(line, str(error), _PASSWORD.sub("//***@", link)[:80]))
            continue
        if video_id in accepted or video_id in conflicts:
            known = accepted.get(video_id)
            if known and known[1].category == category:
                rejected.append(Rejected(line, "duplicate", video_id))
                continue
            conflicts.add(video_id)
            rejected.append(Rejected(line, "conflict", f"{video_id} {category}"))
            if known:
                rejected.append(Rejected(known[0], "conflict", f"{video_id} {known[1].category}"))
                del accepted[video_id]
            continue
        accepted[video_id] = line, Video(video_id, url, row[1].strip(), row[2].strip(), category)
    if not accepted:
        raise CatalogError(f"{path} has no usable line ({len(rejected)} refused): give links or ids, and categories.")
    return Catalog(tuple(video for _, video in accepted.values()), tuple(sorted(rejected, key=lambda r: r.line)))
