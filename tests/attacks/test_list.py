"""The list of attacks in README.md and the tests: each names the other."""

import ast
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in (HERE / "README.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| attack")
]


def names_in(path: Path) -> set[str]:
    """The names of a file's tests."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def named(cell: str) -> list[tuple[Path, str]]:
    """`test_x.py::test_y`, from this folder, or `../z/test_x.py::test_y`."""
    return [((HERE / file).resolve(), test) for file, test in re.findall(r"`([\w./-]+\.py)::(\w+)`", cell)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_every_attack_says_what_happened_and_names_its_tests(row):
    attack, where, happened, tests = row
    assert attack
    assert where
    assert happened
    assert named(tests), "an attack without a test is a claim"
    for path, test in named(tests):
        assert test in names_in(path), f"{path.name} has no {test}"


def test_every_test_of_this_folder_is_in_the_list():
    listed = {(path, test) for row in ROWS for path, test in named(row[3])}
    for path in HERE.glob("test_*.py"):
        if path != Path(__file__).resolve():
            missing = {test for test in names_in(path) if (path, test) not in listed}
            assert not missing, f"README.md does not name {sorted(missing)} of {path.name}"
