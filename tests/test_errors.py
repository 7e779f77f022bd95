import pytest

from ytaudio.errors import UserError, mendable


def test_an_error_to_mend_is_one_line_and_exit_code_2(capsys):
    with pytest.raises(SystemExit) as left, mendable():
        raise UserError("No such\n  file: give another.")
    assert left.value.code == 2
    assert capsys.readouterr().err == "No such file: give another.\n"


def test_a_bug_keeps_its_traceback():
    @mendable()
    def broken():
        return {}["absent"]

    with pytest.raises(KeyError):
        broken()
