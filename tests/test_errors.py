import subprocess
import sys

import pytest

from ytaudio.errors import UserError, mendable, writing_to


def test_an_error_to_mend_is_one_line_and_exit_code_2(capsys):
    with pytest.raises(SystemExit) as left, mendable():
        raise UserError("No such\n  file:\x1b give another.")
    assert left.value.code == 2
    assert capsys.readouterr().err == "No such file: give another.\n"


def test_a_bug_keeps_its_traceback():
    @mendable()
    def broken():
        return {}["absent"]

    with pytest.raises(KeyError):
        broken()


def test_a_reader_who_leaves_sees_no_traceback():
    code = "from ytaudio.errors import mendable\nwith mendable():\n    for _ in range(9999): print('line ' * 20)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as printing:
        printing.stdout.close()
        assert printing.stderr.read() == b""
    assert printing.returncode == 1
    with pytest.raises(BrokenPipeError), mendable():
        raise BrokenPipeError(32, "of a connection")


def test_a_full_disk_is_a_sentence_and_other_trouble_is_not_hidden(tmp_path):
    with (
        pytest.raises(UserError, match=r"Cannot write to out \(No space left on device\): make room"),
        writing_to("out"),
    ):
        open("/dev/full", "w").write("x" * 100_000)  # noqa: SIM115, PTH123
    with pytest.raises(UserError, match="Cannot write to"), writing_to("out"):
        (tmp_path / "file").touch()
        (tmp_path / "file" / "inside").mkdir()
    with pytest.raises(ConnectionResetError), writing_to("out"):
        raise ConnectionResetError(104, "reset by peer")
