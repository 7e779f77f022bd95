import io
import os
import socket
import sys

import numpy as np
import pytest
import soundfile

from ytaudio.inputs import STDIN, Input, find_inputs, find_media
from ytaudio.media import Failure, Media, Reason


def sound(path, seconds=2.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(0).uniform(-0.3, 0.3, round(16_000 * seconds)), 16_000)
    return path


def found(name):
    with find_media(str(name)) as media:
        return media


def test_a_folder_stands_for_the_files_below_it_without_hidden_ones_and_what_is_no_file(tmp_path):
    for name in ("b.wav", "a.wav", "sub/c.wav", ".hidden.wav", ".git/d.wav", "zoo/.e/f.wav"):
        sound(tmp_path / name, 0.1)
    os.mkfifo(tmp_path / "pipe.wav")  # opening it would wait for ever
    (tmp_path / "gone.wav").symlink_to(tmp_path / "nowhere")
    (tmp_path / "sub" / "round").symlink_to(tmp_path, target_is_directory=True)
    names = [one.name for one in find_inputs(["x.wav", str(tmp_path), "y.wav"])]
    below = [str(tmp_path / name) for name in ("a.wav", "b.wav", "sub/c.wav")]
    assert names == ["x.wav", *below, "y.wav"]
    (tmp_path / "empty").mkdir()
    [failure] = find_inputs([str(tmp_path / "empty")])
    assert isinstance(failure, Failure) and failure.reason is Reason.NO_AUDIO


@pytest.mark.parametrize(
    ("name", "from_folder", "reason", "skipped"),
    [
        ("notes.txt", True, Reason.UNSUPPORTED, True),
        ("cover.png", True, Reason.NO_AUDIO, True),
        ("song.MP3", True, Reason.UNSUPPORTED, False),
        ("mute.mp4", True, Reason.NO_AUDIO, False),
        ("notes.txt", False, Reason.UNSUPPORTED, False),
        ("notes.txt", True, Reason.SILENT, False),
    ],
)
def test_what_is_no_media_is_skipped_in_folders_alone(name, from_folder, reason, skipped):
    assert Input(name, from_folder).is_skipped(Failure(name, reason, "")) is skipped


def test_the_site_of_a_link_is_its_host_however_it_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    youtube = {
        Input(link).site for link in ("dQw4w9WgXcQ", "https://youtu.be/dQw4w9WgXcQ", "youtube.com/shorts/dQw4w9WgXcQ")
    }
    assert youtube == {"www.youtube.com"}
    assert Input("https://example.org/a").site == "example.org"
    (tmp_path / "dQw4w9WgXcQ").touch()  # a file goes before a video of that id
    assert Input("dQw4w9WgXcQ").site == Input("a b").site == ""


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("neither file nor link", Reason.BAD_LINK),
        ("file:///etc/hostname", Reason.BAD_LINK),
        ("data:audio/wav;base64," + "A" * 9000, Reason.BAD_LINK),
        ("a\0b", Reason.BAD_LINK),
        ("empty.mp3", Reason.NO_AUDIO),
        ("/dev/zero", Reason.UNSUPPORTED),
    ],
)
def test_what_cannot_be_opened_is_a_failure_with_a_reason(tmp_path, monkeypatch, name, reason):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.mp3").touch()
    assert found(name).reason is reason


def test_a_file_that_lists_others_opens_none_of_them(tmp_path):
    """A pipe that nobody writes to would hold whoever opens it, and a listening socket sees who comes."""
    os.mkfifo(tmp_path / "pipe.mp4")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/a.ts"
        lists = {
            "a.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{url}\n#EXTINF:5,\npipe.mp4\n#EXT-X-ENDLIST\n",
            "b.ffconcat": f"ffconcat version 1.0\nfile pipe.mp4\nfile {url}\n",
            "c.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
            "d.mpd": '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" mediaPresentationDuration="PT5S"><Period>'
            f'<AdaptationSet mimeType="audio/mp4"><Representation id="1" bandwidth="9"><BaseURL>{url}</BaseURL>'
            "</Representation></AdaptationSet></Period></MPD>",
            "e.edl": "# mpv EDL v0\npipe.mp4,0,5\n",
            "f.m3u": f"{url}\n",
        }
        for name, text in lists.items():
            (tmp_path / name).write_text(text)
            failure = found(tmp_path / name)
            assert failure.reason is Reason.UNSUPPORTED, name
            assert failure.detail == "it is neither sound nor video that FFmpeg reads"
        with pytest.raises(BlockingIOError):
            server.accept()


def test_a_pipe_is_read_to_its_end_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "tmp").mkdir()
    data = sound(tmp_path / "a.flac").read_bytes()

    def piped(stream):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stream)))
        with find_media(STDIN) as media:
            assert not list((tmp_path / "tmp").iterdir())  # it has no name, so that no kill can leave it
            return media

    heard = piped(data)
    assert isinstance(heard, Media) and heard.duration_s == pytest.approx(2.0)
    assert heard.title == ""
    assert isinstance(piped(sound(tmp_path / "short.flac", 0.1).read_bytes()), Media)  # less than a buffer holds
    assert piped(b"").reason is Reason.NO_AUDIO
    monkeypatch.setattr("ytaudio.inputs.STDIN_MOST_BYTES", len(data) - 1)
    assert piped(data).detail.endswith("save it as a file and name that")
