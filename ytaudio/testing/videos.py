"""What a made-up video is, and made-up catalogues of them in the shape of Kaggle's youtube.csv."""

import csv
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

STATES = (
    "ok",
    "silent",
    "removed",
    "private",
    "members_only",
    "age_restricted",
    "geo_blocked",
    "drm",
    "live",
    "upcoming",
    "no_audio",
    "bot_check",
    "rate_limited",
    "network",
    "server_error",
)
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_WORDS = {
    "travel": ("Road", "Coast", "Mountains", "Island", "Train", "Desert", "Border", "Night bus"),
    "food": ("Noodles", "Street food", "Bread", "Curry", "Breakfast", "Grill", "Market", "Soup"),
    "art_music": ("Prelude", "Strings", "Session", "Melody", "Study in blue", "Piano", "Improvisation", "Choir"),
    "history": ("Empire", "Siege", "Archive", "Revolution", "Dynasty", "Expedition", "Treaty", "Lost city"),
}


@dataclass(frozen=True, slots=True)
class SiteVideo:
    """One made-up video of the site."""

    id: str  # 11 characters, as YouTube's
    category: str  # travel, food, art_music or history: what it sounds like
    channel_id: str
    channel: str
    duration_s: float  # seconds, from a few to 11 hours and more
    seed: int  # of its sound; seeds of one thousand (seed // 1000) sound alike
    title: str = ""
    container: str = "webm"  # "webm" (Opus), "mp4" (fragmented, AAC), or in pieces: "hls-ts", "hls-fmp4", "dash"
    state: str = "ok"  # "ok", "silent", or a failure, one of STATES


def random_id(rng: random.Random) -> str:
    """An id in YouTube's shape: 11 characters of its alphabet, the last of which carries only 4 bits."""
    return "".join(rng.choices(_ALPHABET, k=10)) + rng.choice("AEIMQUYcgkosw048")


def make_videos(
    categories: Sequence[str] = ("art_music", "food", "history", "travel"),
    per_category: int = 20,
    *,
    channels_per_category: int = 8,
    seed: int = 0,
    duration_s: tuple[float, float] = (60.0, 600.0),
    alike: float = 0.4,
    mp4: float = 0.25,
) -> list[SiteVideo]:
    """Made-up videos, `per_category` of each category, in a mixed order.

    A share `alike` of them repeats the sound of an earlier video of the same channel in all but its details, so that a
    split which tears a channel apart is rewarded with a score it has not earned. A share `mp4` comes as fragmented MP4.
    """
    rng = random.Random(seed)
    videos: list[SiteVideo] = []
    for category in categories:
        channels = [
            ("UC" + random_id(rng) + random_id(rng), f"{category} channel {k + 1}")
            for k in range(channels_per_category)
        ]
        characters: dict[str, list[int]] = {}
        for number in range(per_category):
            channel_id, channel = channels[number % len(channels)]
            known = characters.setdefault(channel_id, [])
            if known and rng.random() < alike:
                character = rng.choice(known)
            else:
                character = rng.randrange(1, 2**40)
                known.append(character)
            videos.append(
                SiteVideo(
                    id=random_id(rng),
                    category=category,
                    channel_id=channel_id,
                    channel=channel,
                    duration_s=round(rng.uniform(*duration_s), 1),
                    seed=character * 1000 + rng.randrange(1000),
                    title=f"{rng.choice(_WORDS.get(category, ('Video',)))} {number + 1}",
                    container="mp4" if rng.random() < mp4 else "webm",
                )
            )
    rng.shuffle(videos)
    return videos


def with_states(videos: Iterable[SiteVideo], states: Sequence[str]) -> list[SiteVideo]:
    """The same videos, the first of them in the given states: "private", "silent", "live" and so on."""
    videos = list(videos)
    changed = [replace(video, state=state) for video, state in zip(videos, states, strict=False)]
    return changed + videos[len(changed) :]


def write_catalog(
    path: str | Path,
    videos: Iterable[SiteVideo],
    *,
    dead: int = 0,
    duplicates: int = 0,
    bad_links: int = 0,
    empty_cells: int = 0,
    seed: int = 0,
) -> Path:
    """Write a CSV as Kaggle's youtube.csv: link, title, description, category.

    Links are bare ids, watch and youtu.be URLs in turn. `dead` lines name videos that no site has, `duplicates` repeat
    lines in another spelling of the link, `bad_links` and `empty_cells` are lines that no reader can use.
    """
    rng = random.Random(seed)
    videos = list(videos)
    categories = sorted({video.category for video in videos}) or sorted(_WORDS)
    spellings = (
        "{}",
        "https://www.youtube.com/watch?v={}",
        "https://youtu.be/{}",
        "https://m.youtube.com/watch?v={}&t=9s",
    )

    def line(video_id: str, title: str, category: str, spelling: int) -> list[str]:
        about = f'{title}, told by its sound.\nMore on "{category}" in the channel.'
        return [spellings[spelling % len(spellings)].format(video_id), title, about, category]

    rows = [line(video.id, video.title, video.category, k) for k, video in enumerate(videos)]
    rows += [line(random_id(rng), f"Gone {k + 1}", categories[k % len(categories)], k) for k in range(dead)]
    for k in range(duplicates if videos else 0):
        video = videos[k % len(videos)]
        rows.append(line(video.id, video.title, video.category, (k % len(videos)) + 1 + k // len(videos)))
    wrong = ("https://www.youtube.com/playlist?list=PL0123456789", "not a link", "tooShort", "https://", "elevenPlus12")
    rows += [[wrong[k % len(wrong)], f"Bad {k + 1}", "", categories[k % len(categories)]] for k in range(bad_links)]
    for k in range(empty_cells):
        rows.append(["", f"Empty {k + 1}", "", categories[0]] if k % 2 else [random_id(rng), "No label", "", ""])
    rng.shuffle(rows)
    path = Path(path)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["link", "title", "description", "category"], *rows])
    return path
