"""What became of a published dataset's videos since: the same bytes, the same sound, another sound, or gone."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ytaudio.fingerprints import THRESHOLD, similarity
from ytaudio.ledger import Outcome
from ytaudio.links import Published, PublishedClip

KINDS = ("identical", "same_sound", "unproven", "changed")  # of a clip; a video is what its worst clip is
MOST_EXAMPLES = 3  # of videos that are gone, for each reason


def check_rebuilt(published: Published, outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    """What became of a publication's videos and clips, for BuildReport.rebuilt.

    A clip is "identical" (the same FLAC file), "same_sound" (their fingerprints are alike: another decoder, or encoded
    anew by the site), "unproven" (other bytes, and too short or too even to have a fingerprint) or "changed" (another
    sound, silence, or nothing there any more). A video is what its worst clip is, or "gone", or "unvisited".

    Returns:
        of (USER/NAME@COMMIT), videos and clips (kind to number), gone (reason to videos), gone_examples (reason to some
        "id: what the site said"), changed (ids of all videos that are left out of the rebuilt dataset for it).
    """
    videos, clips = Counter(dict.fromkeys((*KINDS, "gone", "unvisited"), 0)), Counter(dict.fromkeys(KINDS, 0))
    gone: Counter[str] = Counter()
    examples: dict[str, list[str]] = {}
    changed = []
    for video_id, wanted in published.clips.items():
        outcome = outcomes.get(video_id)
        if outcome is None or outcome.failure:
            videos["gone" if outcome else "unvisited"] += 1
            if outcome and outcome.failure:
                reason = outcome.failure.reason.value
                gone[reason] += 1
                if len(said := examples.setdefault(reason, [])) < MOST_EXAMPLES:
                    said.append(f"{video_id}: {outcome.failure.detail}"[:300])
            continue
        found = [_compare(clip, outcome) for clip in wanted]
        clips.update(found)
        videos[max(found, key=KINDS.index)] += 1
        if "changed" in found:
            changed.append(video_id)
    return {
        "of": published.settings.windows_of,
        "videos": dict(videos),
        "clips": dict(clips),
        "gone": dict(gone.most_common()),
        "gone_examples": examples,
        "changed": sorted(changed),
    }


def _compare(clip: PublishedClip, outcome: Outcome) -> str:
    now = next((one for one in outcome.clips if one.start_s == clip.window.start_s), None)
    if now is None:
        return "changed"
    if now.sha256 == clip.sha256:
        return "identical"
    if not now.fingerprint and not clip.fingerprint:
        return "unproven"
    if not now.fingerprint or not clip.fingerprint:
        return "changed"
    return "same_sound" if similarity(now.fingerprint, clip.fingerprint) >= THRESHOLD else "changed"


def sides_kept(published: Published, rebuilt: Mapping[str, Any]) -> dict[str, str]:
    """Video id to its split, without the videos whose sound has changed."""
    changed = set(rebuilt["changed"])
    return {video_id: split for video_id, split in published.sides.items() if video_id not in changed}


def rebuilt_lines(rebuilt: Mapping[str, Any]) -> list[str]:
    """What check_rebuilt found, in sentences for a person."""
    videos, clips = rebuilt["videos"], rebuilt["clips"]
    lines = [
        f"Rebuilt from {rebuilt['of']}, which names {_videos(sum(videos.values()))}.",
        f"Identical to the byte: {_videos(videos['identical'])} ({clips['identical']} clips).",
    ]
    if videos["same_sound"]:
        lines.append(f"The same sound in other bytes: {_videos(videos['same_sound'])}.")
    if videos["unproven"]:
        lines.append(f"Other bytes, and too short or too even to compare by sound: {_videos(videos['unproven'])}.")
    if videos["changed"]:
        named = ", ".join(rebuilt["changed"][:5]) + (", ..." if len(rebuilt["changed"]) > 5 else "")
        lines.append(f"Another sound now, and left out: {_videos(videos['changed'])} ({named}).")
    if videos["gone"]:
        reasons = ", ".join(f"{reason} {number}" for reason, number in rebuilt["gone"].items())
        lines.append(f"Not to be had again: {_videos(videos['gone'])} ({reasons}).")
    if videos["unvisited"]:
        lines.append(f"Not visited: {_videos(videos['unvisited'])}.")
    return lines


def _videos(number: int) -> str:
    return "1 video" if number == 1 else f"{number} videos"
