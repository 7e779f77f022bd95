import json

import numpy as np
import pytest

from ytaudio.answering import Result
from ytaudio.answers import AnswerTable, clock, json_line, picture_name, stretches, timeline_lines
from ytaudio.classifier import Answer, Part, Timeline
from ytaudio.media import Failure, Reason
from ytaudio.printing import as_lines


def made(labels, duration_s=60.0):
    """A timeline whose parts say these labels, each at 80 %; None is silence."""
    known = sorted({label for label in labels if label} | {"other"})
    share_s = duration_s / len(labels)
    parts = []
    for k, label in enumerate(labels):
        said = {one: 0.8 if one == label else 0.2 / (len(known) - 1) for one in known} if label else {}
        parts.append(Part(k * share_s, share_s, said, -20.0 if label else -120.0))
    loud = [part.probabilities for part in parts if part.probabilities]
    mean = {one: float(np.mean([said[one] for said in loud])) for one in known}
    return Timeline(tuple(parts), Answer(mean, len(loud), 2), duration_s)


def test_neighbouring_parts_of_one_label_are_one_stretch_and_silence_says_so():
    timeline = made(["food", "food", None, "food", "travel", "travel"])
    assert [(start, end, label) for start, end, label, _ in stretches(timeline)] == [
        (0, 20, "food"),
        (20, 30, ""),
        (30, 40, "food"),
        (40, 60, "travel"),
    ]
    head, *lines = timeline_lines("a\x1b[31m.mp4", timeline)
    assert head.startswith("a [31m.mp4, 1:00.0: food 52 %") and head.endswith("2 of 5 parts agree")
    assert lines[0] == "  0:00.0 to 0:20.0  ████████████████      food 80 %"
    assert lines[1].endswith("silent") and "█" not in lines[1]


@pytest.mark.parametrize(
    ("time_s", "of_s", "said"),
    [
        (59.96, 100, "1:00.0"),
        (7.5, 60, "0:07.5"),
        (59.6, 600, "1:00"),
        (3599.9, 39_600, "1:00:00"),
        (0, 3600, "0:00:00"),
    ],
)
def test_times_are_as_fine_as_the_whole_asks_for(time_s, of_s, said):
    assert clock(time_s, of_s) == said


@pytest.mark.parametrize("width", [60, 80, 132])
@pytest.mark.parametrize("labels", [2, 4, 527])
def test_a_table_fits_the_page_however_many_labels_and_however_long_names(width, labels):
    names = [
        "a.wav",
        "https://www.youtube.com/watch?v=dQw4w9WgXcQ&list=" + "x" * 200,
        "日本語の長い名前" * 9 + ".mp4",
        "\udcff\n.wav",
    ]
    said = {f"a label of some length {k}": 1 / labels for k in range(labels)}
    table = AnswerTable(names, list(said), width)
    for row in (table.head(), *(table.row(name, Answer(said, 6, 4)) for name in names)):
        lines = as_lines(row).rstrip("\n").split("\n")
        assert max(len(line.rstrip()) for line in lines) <= width
        assert len(lines) <= 24
    last = as_lines(table.row("a.wav", Answer({"food": 0.75, "travel": 0.25}, 6, 4)))
    assert "food 75 %" in last and "travel 25 %" in last and "4 of 6" in last


def test_json_is_one_line_of_ascii_that_tells_all():
    timeline = made(["food", None])
    line = json_line(Result("ä\n\udcff", timeline, "títle"), "USER/NAME", "abc", timeline=True, png="x.png")
    assert line.isascii() and "\n" not in line
    told = json.loads(line)
    assert told["label"] == "food" and told["probability"] == 0.8 and told["agreeing"] == 2 and told["crops"] == 1
    assert told["timeline"][1] == {"start_s": 30.0, "seconds": 30.0, "dbfs": -120.0, "label": "", "probabilities": {}}
    assert {"input", "model", "revision", "title", "duration_s", "probabilities", "png"} < set(told)
    failure = Failure("x", Reason.PRIVATE, "Private video")
    assert json.loads(json_line(Result("x", failure), "m", "")) == {
        "input": "x",
        "model": "m",
        "revision": "",
        "reason": "private",
        "detail": "Private video",
    }


def test_pictures_have_plain_names_of_their_own(tmp_path):
    taken = set()
    names = ["../../etc/passwd", "a/b c.wav", "d/b c.mp4", "https://youtu.be/dQw4w9WgXcQ", "-", "日本", "x" * 300]
    found = [picture_name(name, taken) for name in names]
    assert found[:6] == ["passwd.png", "b-c.png", "b-c-2.png", "dQw4w9WgXcQ.png", "input.png", "input-2.png"]
    assert len(found[6]) == 64
    assert picture_name("B-C.wav", taken) == "B-C-3.png", "some systems see no case in names"
