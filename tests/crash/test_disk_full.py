"""A full disk, a limit on files and folders that cannot be used: exit code 2, one sentence, nothing lost."""

import json
import os
import shutil

import pytest
from crash.forge import Forge, digests
from crash.world import made_of
from waiting import until

from ytaudio.ledger import read_ledger


def refused(ended, *parts: str) -> None:
    """A mendable error: exit code 2 and one sentence with these parts."""
    assert ended.code == 2, ended
    assert "Traceback" not in ended.stderr and len(ended.stderr.strip().splitlines()) == 1, ended.stderr
    for part in parts:
        assert part in ended.stderr, ended.stderr


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A file system in memory, if this machine lets an ordinary user mount one in a namespace."""
    folder = tmp_path_factory.mktemp("room")
    with Forge(tmp_path_factory.mktemp("runs"), "--room", str(folder)) as forge:
        forge.folder = folder
        yield forge


def call(forge, name, *arguments):
    return forge.ask(do="call", name=name, arguments=list(map(str_or_int, arguments)))["value"]


def str_or_int(value):
    return value if isinstance(value, int) else str(value)


@pytest.mark.slow
def test_a_full_disk_loses_nothing_and_the_run_goes_on_when_there_is_room(world, room):
    """From no room at all to almost enough: the settings' line, clips, the ledger and the Parquet files in turn."""
    if not room.ready:
        pytest.skip("no mounts in user namespaces here; the test with limited files does the same on any machine")
    out, stages = room.folder / "out", set()
    words = ("build", world.csv, out, "--per-category", 2, "--clips-per-video", 2, "--clip-seconds", 1, "--threads", 2)
    needed = sum(path.stat().st_size + 8192 for path in (world.csv.parent / "clean").rglob("*") if path.is_file())
    for left in (0, 20_480, needed // 2, needed * 5 // 8, needed * 3 // 4):
        call(room, "remove", out)
        call(room, "ballast", room.folder, left // 4096 * 4096)
        ended = room.run(*words, environment=world.site.environment())
        if ended.code == 0:
            continue
        refused(ended, "No space left on device", "make room", "the same command")
        before = call(room, "files", out)
        lines = call(room, "text", out / "ledger.jsonl").splitlines()
        stages.add("parquet" if len(lines) > len(world.visited) else "clips" if len(lines) > 1 else "ledger")
        assert not any(name.startswith("dataset/") for name in before), "half a dataset"
        call(room, "ballast", room.folder, -1)
        again = room.run(*words, environment=world.site.environment())
        assert again.code == 0, again.stderr
        after = call(room, "files", out)
        assert {name: after[name] for name in world.clean} == world.clean
        assert {name for name in after if name.startswith("clips/")} <= set(world.clean), "leftovers"
        assert call(room, "text", out / "ledger.jsonl").splitlines()[: len(lines[:-1])] == lines[:-1]
    assert stages == {"ledger", "clips", "parquet"}


def test_a_limit_on_the_size_of_files_is_a_full_disk(world, tmp_path):
    """RLIMIT_FSIZE, which any machine has: first no clip fits, then the ledger does not, then no Parquet file."""
    clean = world.csv.parent / "clean"
    clip = max(path.stat().st_size for path in clean.glob("clips/*/*"))
    parquet = max(path.stat().st_size for path in clean.glob("dataset/data/*"))
    assert (clean / "ledger.jsonl").stat().st_size < clip < parquet
    stages = set()
    for name, largest in {
        "ledger": 60,
        "second line": 500,
        "clip": clip // 2,
        "parquet": (clip + parquet) // 2,
    }.items():
        folder = tmp_path / name
        refused(world.build(folder, largest_file=largest), "Cannot write to", "make room", "the same command")
        assert not (folder / "dataset").exists()
        stages.add(len((folder / "ledger.jsonl").read_bytes().splitlines()))
        assert world.build(folder).code == 0
        assert made_of(folder) == world.clean
    assert len(stages) > 2, "it stopped at several moments"


def test_a_full_disk_keeps_the_dataset_that_was_there(world, tmp_path):
    shutil.copytree(world.csv.parent / "clean", tmp_path / "out")
    before = digests(tmp_path / "out" / "dataset")
    refused(world.build(tmp_path / "out", "--protocol", "default", largest_file=20_000), "make room")
    assert digests(tmp_path / "out" / "dataset") == before


def test_a_folder_that_may_not_be_written_is_a_sentence(world, room, tmp_path):
    if room.ready:  # a file system mounted read-only, which stops root too
        call(room, "ballast", room.folder, -1)
        call(room, "remove", room.folder / "out")
        call(room, "read_only", room.folder, 1)
        ended = room.run("build", world.csv, room.folder / "out", environment=world.site.environment())
        call(room, "read_only", room.folder, 0)
        refused(ended, "Cannot write to", "Read-only file system", "give a folder")
    if os.geteuid():
        (tmp_path / "out").mkdir(mode=0o500)
        refused(world.build(tmp_path / "out"), "Cannot write to", "Permission denied", "give a folder")
    assert room.ready or os.geteuid(), "root of a machine without namespaces may write anywhere"


def test_what_is_no_folder_is_a_sentence(world, tmp_path):
    (tmp_path / "file").write_text("mine")
    refused(world.build(tmp_path / "file"), "Cannot write to", "give")
    refused(world.build(tmp_path / "file" / "below"), "Cannot write to", "give")
    assert (tmp_path / "file").read_text() == "mine"
    (tmp_path / "out" / "ledger.jsonl").mkdir(parents=True)
    refused(world.build(tmp_path / "out"), "ledger.jsonl")
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "clips").write_text("mine")
    refused(world.build(tmp_path / "clips"), "Cannot write to")
    (tmp_path / "lock" / "lock").mkdir(parents=True)
    refused(world.build(tmp_path / "lock"), "Cannot write to")


def test_a_second_builder_is_refused_at_once(world, tmp_path):
    world.site.reset_counts()
    world.site.latency_s = 0.2
    first = world.start(tmp_path / "out")
    until(lambda: world.site.requests)
    world.site.latency_s = 0.0
    refused(world.build(tmp_path / "out"), "Another build", "wait for it")
    ended = world.forge.wait(first)
    assert ended.code == 0, ended.stderr
    assert made_of(tmp_path / "out") == world.clean
    assert world.build(tmp_path / "out").code == 0, "the lock went with its holder"


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--clip-seconds", 2), "--clip-seconds was 1.0 and is now 2.0"),
        (("--clips-per-video", 3), "--clips-per-video was 2 and is now 3"),
        (("--seed", 5), "--seed was 0 and is now 5"),
    ],
)
def test_changed_settings_are_refused_by_name(world, option, said):
    clean = world.csv.parent / "clean"
    before = digests(clean)
    refused(world.build(clean, *option), said, "repeat those, or build into a new folder")
    assert digests(clean) == before


@pytest.fixture
def built(world, tmp_path):
    shutil.copytree(world.csv.parent / "clean", tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "dataset")
    world.site.reset_counts()
    return tmp_path / "out"


def with_clips(folder) -> list[str]:
    return [one for one, outcome in read_ledger(folder)[1].items() if outcome.clips]


@pytest.mark.parametrize("cut", [1, 30, 5000])
def test_a_cut_last_line_is_read_again_and_no_more_than_that(world, built, cut):
    ledger = built / "ledger.jsonl"
    whole = ledger.read_bytes()
    last = json.loads(whole.splitlines()[-1])["video_id"]
    begins = whole.rindex(b"\n", 0, -1) + 1
    ledger.write_bytes(whole[: max(begins + 1, len(whole) - cut)])
    assert world.build(built).code == 0
    assert made_of(built) == world.clean and world.asked() == {last}


def test_zeros_where_a_power_loss_left_the_end_of_the_ledger_are_read_again(world, built):
    ledger = built / "ledger.jsonl"
    lines = ledger.read_bytes().splitlines(keepends=True)
    last = json.loads(lines[-1])["video_id"]
    for end in (b"\0" * 700, lines[-1][:50] + b"\0" * 700):
        world.site.reset_counts()
        ledger.write_bytes(b"".join(lines[:-1]) + end)
        ended = world.build(built)
        assert ended.code == 0, ended.stderr
        assert made_of(built) == world.clean and world.asked() == {last}


def test_a_corrupt_line_in_the_middle_is_a_sentence_whose_mend_works(world, built):
    ledger = built / "ledger.jsonl"
    lines = ledger.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2][:40] + b"#" + lines[2][41:][::-1].strip() + b"\n"
    ledger.write_bytes(b"".join(lines))
    refused(world.build(built), "Line 3", "remove that line")
    assert ledger.read_bytes() == b"".join(lines), "not touched"
    ledger.write_bytes(b"".join(lines[:2] + lines[3:]))
    assert world.build(built).code == 0
    assert made_of(built) == world.clean


def test_an_empty_ledger_begins_anew(world, built):
    (built / "ledger.jsonl").write_bytes(b"")
    assert world.build(built).code == 0
    assert made_of(built) == world.clean


@pytest.mark.parametrize("harm", ["deleted", "truncated", "emptied", "folder deleted"])
def test_a_clip_harmed_by_hand_is_read_again_or_named(world, built, harm):
    one = with_clips(built)[0]
    clip = built / "clips" / one / "0.flac"
    if harm == "deleted":
        clip.unlink()
    elif harm == "folder deleted":
        shutil.rmtree(clip.parent)
    else:
        clip.write_bytes(clip.read_bytes()[:100] if harm == "truncated" else b"")
    ended = world.build(built)
    if ended.code == 0:
        assert made_of(built) == world.clean and world.asked() == {one}
    else:
        refused(ended, one, "remove that file")
        clip.unlink()
        assert world.build(built).code == 0
        assert made_of(built) == world.clean and world.asked() == {one}
