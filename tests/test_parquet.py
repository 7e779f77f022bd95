import hashlib

import numpy as np
import pyarrow.parquet as pq
import pytest

from ytaudio.clips import encode
from ytaudio.errors import UserError
from ytaudio.ledger import ClipRecord, Outcome
from ytaudio.parquet import write_split
from ytaudio.visits import clip_path


@pytest.fixture
def video(tmp_path):
    made = []
    for index in range(3):
        flac = encode(np.random.default_rng(index).uniform(-0.5, 0.5, 4000).astype(np.float32))
        clip_path(tmp_path, "abc", index).parent.mkdir(parents=True, exist_ok=True)
        clip_path(tmp_path, "abc", index).write_bytes(flac)
        made.append(ClipRecord(index, float(index), 0.25, 4000, -10.0, hashlib.sha256(flac).hexdigest()))
    return Outcome("abc", "food", "https://example.org/abc", "", "UC", 9.0, tuple(made), None, 0, 0.0)


def test_every_clip_is_a_row_with_its_bytes(tmp_path, video):
    write_split([video], tmp_path, ["art_music", "food"], tmp_path, "train")
    rows = pq.read_table(tmp_path / "train-00000-of-00001.parquet").to_pylist()
    assert sorted(row["clip"] for row in rows) == [0, 1, 2]
    assert {row["label"] for row in rows} == {1}
    for row in rows:
        assert hashlib.sha256(row["audio"]["bytes"]).hexdigest() == video.clips[row["clip"]].sha256


@pytest.mark.parametrize(("spoil", "mend"), [("missing", "the same command again"), ("other", "remove that file")])
def test_a_clip_that_is_not_the_ledgers_is_a_sentence_with_its_path(tmp_path, video, spoil, mend):
    path = clip_path(tmp_path, "abc", 1)
    path.unlink() if spoil == "missing" else path.write_bytes(b"fLaC")
    with pytest.raises(UserError, match=mend) as told:
        write_split([video], tmp_path, ["food"], tmp_path, "train")
    assert str(path) in str(told.value)
