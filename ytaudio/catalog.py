"""CSV lines to videos; bad lines to reasons."""

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

from ytaudio.errors import UserError

COLUMNS = ("link", "title", "description", "category")
REQUIRED = ("link", "category")
YOUTUBE_HOSTS = {"youtube.com", "youtube-nocookie.com", "youtu.be"}
_YOUTUBE_ID = re.compile(r"[0-9A-Za-z_-]{11}")
_ID_LIKE = re.compile(r"[0-9A-Za-z_-]+")
_PATH_WITH_ID = {"shorts", "embed", "live", "v", "e", "vi"}


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
    reason: str  # "empty", "bad_link", "not_a_video", "duplicate", "conflict"
    value: str  # what stood there, shortened


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
    if _ID_LIKE.fullmatch(link):
        if not _YOUTUBE_ID.fullmatch(link):
            raise ValueError("bad_link")
        return link, f"https://www.youtube.com/watch?v={link}"
    if "://" not in link and re.match(r"(www\.|m\.|music\.)?(youtube\.com|youtu\.be)/", link, re.IGNORECASE):
        link = f"https://{link}"
    try:
        parts = urlsplit(link)
        host = (parts.hostname or "").lower()
    except ValueError:
        raise ValueError("bad_link") from None
    if parts.scheme.lower() not in ("http", "https") or not host or any(c.isspace() for c in link):
        raise ValueError("bad_link")
    if _registered(host) in YOUTUBE_HOSTS:
        video_id = _youtube_id(host, parts.path, parts.query)
        return video_id, f"https://www.youtube.com/watch?v={video_id}"
    url = urlunsplit((parts.scheme.lower(), parts.netloc, parts.path, parts.query, ""))
    return "u" + hashlib.sha256(url.encode()).hexdigest()[:16], url


def _registered(host: str) -> str:
    return ".".join(host.split(".")[-2:])


def _youtube_id(host: str, path: str, query: str) -> str:
    steps = [step for step in path.split("/") if step]
    if _registered(host) == "youtu.be":
        candidate = steps[0] if steps else ""
    elif steps and steps[0] in _PATH_WITH_ID and len(steps) > 1:
        candidate = steps[1]
    elif steps == ["watch"]:
        candidate = parse_qs(query).get("v", [""])[0]
    else:
        raise ValueError("not_a_video")
    if not _YOUTUBE_ID.fullmatch(candidate):
        raise ValueError("bad_link")
    return candidate


def normalize_category(category: str) -> str:
    """Labels differ by case, blanks and hyphens only in spelling: " Art Music" is "art_music"."""
    return re.sub(r"[\s_-]+", "_", category.strip().casefold()).strip("_")


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The CSV's rows with the line each begins on.

    Raises:
        CatalogError: the file cannot be read, or lacks a required column.
    """
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise CatalogError(f"Cannot read {path} ({error.strerror}): give the path of a CSV file.") from None
    lines = csv.reader(io.StringIO(text.replace("\0", "")))
    csv.field_size_limit(2**31 - 1)
    header = [name.strip().casefold() for name in next(lines, [])]
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        found = ", ".join(header) or "none"
        raise CatalogError(
            f"{path} has no column {' or '.join(missing)} (columns found: {found}): "
            f"name its columns {', '.join(COLUMNS)}; title and description may be left out."
        )
    before = lines.line_num
    for cells in lines:
        if cells:
            yield before + 1, dict(zip(header, cells, strict=False))
        before = lines.line_num


def read_catalog(path: str | Path) -> Catalog:
    """Read a CSV with the columns link, title, description, category (Kaggle's youtube-videos-dataset).

    The first line of a video wins and later ones of the same category are duplicates; a video under two categories is
    refused on every line, since neither label can be believed. Memory and time grow linearly with the file.

    Raises:
        CatalogError: no such file, wrong columns, or no usable line.
    """
    path = Path(path)
    accepted: dict[str, tuple[int, Video]] = {}
    conflicts: set[str] = set()
    rejected: list[Rejected] = []
    for line, row in _rows(path):
        link, category = row.get("link", "").strip(), normalize_category(row.get("category", ""))
        if not link or not category:
            rejected.append(Rejected(line, "empty", "link" if not link else "category"))
            continue
        try:
            video_id, url = parse_link(link)
        except ValueError as error:
            rejected.append(Rejected(line, str(error), link[:80]))
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
        title, description = row.get("title", "").strip(), row.get("description", "").strip()
        accepted[video_id] = line, Video(video_id, url, title, description, category)
    if not accepted:
        raise CatalogError(f"{path} has no usable line ({len(rejected)} refused): give links or ids, and categories.")
    return Catalog(tuple(video for _, video in accepted.values()), tuple(sorted(rejected, key=lambda r: r.line)))
