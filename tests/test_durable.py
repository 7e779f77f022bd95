"""Files that outlive a kill: there whole or not at all."""

import pytest

from ytaudio.durable import sync, write_synced, write_whole


def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    write_whole(tmp_path / "a" / "b", b"one")
    (tmp_path / "a" / "c").mkdir()
    with pytest.raises(OSError, match="c"):
        write_whole(tmp_path / "a" / "c", b"two")
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["b", "c"]
    assert (tmp_path / "a" / "b").read_bytes() == b"one"


def test_a_file_and_its_folder_are_synced(tmp_path):
    write_synced(tmp_path / "a", b"one")
    write_synced(tmp_path / "a", b"2")
    for path in (tmp_path / "a", tmp_path):
        sync(path)
    assert (tmp_path / "a").read_bytes() == b"2"
    with pytest.raises(FileNotFoundError):
        sync(tmp_path / "missing")
