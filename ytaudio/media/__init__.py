"""The only room that knows yt-dlp and PyAV: a video to its stream, a window of the stream to a waveform.

From what others stand on to what stands on them:

- what is told: `kinds` (Media, Failure, Reason), `pieces` (segments of a stream), `failures` (an error to its reason);
- what links may lead to: `addresses` (which are public), `guard` (of each connection), `handlers` (yt-dlp's, guarded);
- the outside: `access` (cookies, proxy), `patience` (how long pages may take), `reach` (is the network there);
- bytes: `ranges` (a remote file), `fetching` (whole resources), each under a cap, `processor` (who decodes meanwhile);
- places in a file: `fragments` and `landmarks` (MP4, Matroska), `mp3` and `blocks` (MP3, AC-3 and WAV, by counting);
- pieces of a stream: `playlists` (HLS, DASH to segments), `packed` (sound without a container);
- sound: `sound` (packets to a waveform), `reader` (what every reader gives), and the readers: `files` (a file with an
  index or a bit rate), `unindexed` (a file with landmarks alone), `segments` (a stream in pieces);
- the doors: `opening` (a stream to its reader), `locating` (a video to its stream).
"""

from .access import VERSION, Access, check_access
from .failures import classify
from .kinds import Failure, Media, Reason
from .locating import local_file, locate
from .opening import open_media, read_window
from .reach import online
from .reader import Reader

__all__ = [
    "VERSION",
    "Access",
    "Failure",
    "Media",
    "Reader",
    "Reason",
    "check_access",
    "classify",
    "local_file",
    "locate",
    "online",
    "open_media",
    "read_window",
]
