"""The house as a test: the order of rooms, what the wheel holds, one look at names and documentation."""

import ast
import configparser
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "ytaudio"
ROOMS = (
    *("redaction", "startup", "errors", "durable", "catalog", "media", "clips", "fingerprints", "ledger", "manners"),
    *("visits", "turns", "collect", "places", "launches", "shares", "schedulers", "engine"),
    *("exchange", "splits", "parquet", "channels", "examples", "assemble", "links", "rebuilt", "models", "hub_errors"),
    *("republished", "kaggle", "sources", "intervals", "training", "evaluation", "inputs"),
    *("listening", "classifier", "answering", "drawing", "plots", "soundplots", "space"),
    *("cards", "packing", "spaces", "hub", "localhub", "testing", "progress", "printing", "answers", "verdicts"),
    *("building", "options", "ending", "quickstart", "cli"),
)
INSIDE = {  # of rooms with an order of their own
    "training": (
        *("arguments", "choices", "manual", "processes", "energy", "memory", "runs"),
        *("freezing", "heads", "provenance", "checkpoints", "augmentations", "features", "data", "preloading"),
        *("streaming", "supplies"),
        *("losses", "averaging", "dropout", "trainer", "records", "epochs", "fitting", "embedding", "probing"),
        *("plans", "checks"),
    ),
    "evaluation": (
        *("metric", "calibration", "scores", "checking", "predictions", "floors", "comparison", "ranking", "scoring"),
        *("folds", "crossscores", "crossvalidation"),
    ),
}
ALONE = {"models", "localhub", "testing"}
TOP_LEVEL = {"ytaudio", "recipes", "hub_cards", "tests", "setup.cfg", "README.md"}  # the owner's choice
FORCED = {"pyproject.toml", "LICENSE", ".gitignore", ".ci"}  # by tools
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "yt_dlp_plugins" not in path.parts)


def tracked():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return listed.stdout.splitlines()


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").split(".")[0] == "ytaudio":
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("ytaudio.")}
        elif isinstance(node, ast.ImportFrom) and node.level:
            inside = path.parent.relative_to(PACKAGE).parts
            found.add(inside[0] if inside else (node.module or "").split(".")[0])
    return {name for name in found if (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").exists()}


def test_every_module_is_in_a_room_of_the_plan():
    assert {room(path) for path in MODULES} - {"__init__"} <= set(ROOMS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_rooms_above_its_own(path):
    here, imports = room(path), imported_rooms(path)
    if here == "__init__":
        assert imports <= {"startup", "answering"}, "ytaudio.classify is made when it is asked for"
    elif here in ALONE:
        assert imports <= {here}
    else:
        above = set(ROOMS[: ROOMS.index(here)])
        assert imports - {here} <= above, f"{here} imports {imports - above - {here}} from below"


@pytest.mark.parametrize("name", INSIDE)
def test_modules_of_a_large_room_import_only_from_those_above_them(name):
    order = INSIDE[name]
    assert {path.stem for path in (PACKAGE / name).glob("*.py")} == {"__init__", *order}
    for place, module in enumerate(order):
        tree = ast.parse((PACKAGE / name / f"{module}.py").read_text())
        froms = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
        inside = {found.split(".")[2] for found in froms if found.startswith(f"ytaudio.{name}.")}
        assert inside <= set(order[:place]), f"{module} imports {inside - set(order[:place])} from below"


def test_nothing_imports_the_recipes():
    for path in MODULES:
        assert "import recipes" not in path.read_text() and "from recipes" not in path.read_text()


def test_top_level_is_the_owners():
    assert {name.split("/")[0] for name in tracked()} <= TOP_LEVEL | FORCED


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_public_names_are_documented_and_modules_are_one_idea(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "a module says what its one job is"
    assert path.read_text().count("\n") <= 320
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < 70, f"{node.name} is long"
    for node in tree.body:
        public = isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
        if public and any(ast.unparse(decorator) == "overload" for decorator in node.decorator_list):
            continue  # its one docstring is below them
        assert not public or ast.get_docstring(node), f"{node.name} has no docstring"


def test_help_answers_at_once_because_nothing_heavy_is_imported():
    heavy = "torch transformers datasets huggingface_hub yt_dlp av librosa matplotlib numpy sklearn starlette"
    script = f"import sys, ytaudio.cli; print([m for m in {heavy.split()!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_needs_no_model_does_not_wait_for_torch():
    script = (
        "import importlib, sys\n"
        "rooms = 'catalog ledger localhub testing evaluation.comparison sources building hub'.split()\n"
        "for room in rooms:\n"
        "    importlib.import_module(f'ytaudio.{room}')\n"
        "    print([(room, m) for m in ('torch', 'transformers', 'evaluate') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]"] * 8


def test_tests_mirror_the_package():
    for path in MODULES:
        if room(path) in {"__init__", "progress", "printing", "options", "ending", "republished"}:
            continue
        name = room(path)
        mirrors = [ROOT / "tests" / f"test_{name}.py", ROOT / "tests" / name]
        assert any(mirror.exists() for mirror in mirrors), f"no tests for {name}"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    source.mkdir()
    for name in tracked():
        if (ROOT / name).is_file() and not name.startswith(("tests/", ".ci/")):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(place),
        str(source),
    ]
    subprocess.run(command, check=True)
    return zipfile.ZipFile(next(place.glob("*.whl")))


def test_the_wheel_holds_templates_recipes_and_the_plugin(wheel):
    names = set(wheel.namelist())
    shipped = [name for name in tracked() if name.startswith(("ytaudio/", "recipes/", "hub_cards/"))]
    expected = {name if name.startswith("ytaudio/") else f"ytaudio/{name}" for name in shipped}
    assert expected <= names, sorted(expected - names)
    assert any(name.endswith("mediasite.py") for name in names)
    entry = configparser.ConfigParser()
    entry.read_string(wheel.read(next(name for name in names if name.endswith("entry_points.txt"))).decode())
    assert entry["console_scripts"]["ytaudio"] == "ytaudio.cli:main"
    metadata = wheel.read(next(name for name in names if name.endswith("METADATA"))).decode()
    assert "License-Expression: Apache-2.0" in metadata
    assert "Requires-Dist: torch<2.14,>=2.11" in metadata
    assert "Requires-Dist: yt-dlp[default,deno]" in metadata
