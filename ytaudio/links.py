"""A dataset without its audio: which windows of which videos it is made of, and whether they sound the same today."""

from collections.abc import Mapping
from dataclasses import dataclass

from ytaudio.clips import Window
from ytaudio.ledger import Settings


@dataclass(frozen=True, slots=True)
class PublishedClip:
    """One clip as its publication names it."""

    index: int  # of the clip in its video
    window: Window
    sha256: str  # of the FLAC file
    fingerprint: str  # of the sound, as ytaudio.fingerprints writes it; "" where none was published


@dataclass(frozen=True, slots=True)
class Published:
    """What a links-only dataset says at one commit."""

    name: str  # USER/NAME
    commit: str  # 40 hexadecimal digits
    clips: Mapping[str, tuple[PublishedClip, ...]]  # video id to its clips, by index
    sides: Mapping[str, str]  # video id to split
    settings: Settings  # the ones it was built with, windows_of being NAME@COMMIT
    protocol: str  # the name of the one it was split by

    @property
    def windows(self) -> dict[str, list[Window]]:
        """Video id to the windows to read again, by index."""
        return {video_id: [clip.window for clip in clips] for video_id, clips in self.clips.items()}
