"""Files that were cut, overwritten or had bits turned, read as media: what the test beside this starts in a process.

Usage: harmed.py EXAMPLES SEED PLACE. The case under way stands in PLACE/case.txt, should the process die of it.
"""

import faulthandler
import resource
import sys
import time
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from media import real_files

from ytaudio.clips import Window
from ytaudio.media import Access, Failure, Media, open_media
from ytaudio.media.ranges import CAP_BYTES
from ytaudio.testing import MediaSite

KINDS = (
    *("webm", "front.webm", "live.webm", "sidx.mp4", "bare.mp4", "blind.mp4", "m4a", "front.m4a", "mp3", "vbr.mp3"),
    *("ogg", "flac", "wav", "float.wav", "ima.wav", "aac.ts", "mp3.avi", "adts.aac", "aiff", "flv"),
)
SECONDS = 4.0
WINDOWS = (Window(0.0, 1.0), Window(1.5, 1.0), Window(3.5, 2.0), Window(1e6, 1.0))
ACCESS = Access(timeout_s=5.0, retries=0)
LOUDEST = 2.0  # full scale is 1; codecs and filters overshoot

place = st.floats(0.0, 1.0, exclude_max=True)
front = st.floats(0.0, 0.05, exclude_max=True)  # headers are worth more harm than sound
harm = st.one_of(
    st.tuples(st.just("flip"), place | front, st.integers(0, 7)),
    st.tuples(st.just("write"), place | front, st.binary(min_size=1, max_size=8)),
    st.tuples(st.just("write"), place | front, st.sampled_from([b"\xff" * 8, b"\0" * 8, b"\x7f\xff\xff\xff", b"\xff"])),
    st.tuples(st.just("cut"), place, st.none()),
    st.tuples(st.just("drop"), place | front, st.integers(1, 5000)),
    st.tuples(st.just("repeat"), place | front, st.integers(1, 5000)),
)


def harmed(data: bytes, harms: list) -> bytes:
    """The data with each harm done to it in turn."""
    for kind, where, how in harms:
        at = int(where * len(data))
        if kind == "flip":
            data = data[:at] + bytes([data[at] ^ 1 << how]) + data[at + 1 :] if data else data
        elif kind == "write":
            data = data[:at] + how + data[at + len(how) :]
        elif kind == "cut":
            data = data[:at]
        elif kind == "drop":
            data = data[:at] + data[at + how :]
        else:
            data = data[: at + how] + data[at:]
    return data


def check(site: MediaSite, kind: str, data: bytes) -> None:
    """Read the windows of some data; what is not a failure has to be sound."""
    began = time.monotonic()
    media = Media("v", site.add_file("harmed", data), {}, SECONDS, "", "", "", "", "")
    opened = open_media(media, ACCESS)
    if isinstance(opened, Failure):
        assert opened.detail, opened
        return
    with opened as reader:
        assert reader.duration_s is None or np.isfinite(reader.duration_s), reader.duration_s
        for window in WINDOWS:
            heard = reader.window(window)
            if isinstance(heard, Failure):
                assert heard.detail
                continue
            assert heard.dtype == np.float32 and heard.ndim == 1 and heard.size <= round(window.seconds * 16_000)
            assert np.isfinite(heard).all() and np.abs(heard).max(initial=0.0) <= LOUDEST
        assert reader.bytes_read <= (len(WINDOWS) + 1) * min(CAP_BYTES, 3 * len(data) + (1 << 20))
    assert time.monotonic() - began < 20, "too slow"


def main(examples: int, number: int, folder: Path) -> None:
    """Try so many examples."""
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    whole = {kind: real_files.encoded(kind, SECONDS) for kind in KINDS}
    with MediaSite() as site:

        @seed(number)
        @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(st.sampled_from(KINDS), st.lists(harm, min_size=1, max_size=4))
        def each(kind: str, harms: list) -> None:
            (folder / "case.txt").write_text(f"{kind} {harms!r}\n")
            faulthandler.dump_traceback_later(60, exit=True)
            check(site, kind, harmed(whole[kind], harms))

        each()
    faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
