"""A demo as a Space: what is known of its models, and the files that run it anywhere, rooms of this package included.

A Space installs from package indexes, where this package need not be. So it carries the modules that app.py imports,
directly or not, as the folder ytaudio/ beside app.py; what those need of other packages is its requirements.txt.
"""

import ast
import importlib.metadata
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from huggingface_hub import HfApi, SpaceInfo

from ytaudio import cards
from ytaudio.errors import UserError
from ytaudio.hub_errors import hub_errors, is_local, name_and_revision
from ytaudio.packing import Files
from ytaudio.space.facts import known_of, source_of_examples
from ytaudio.space.samples import Clips, examples_of
from ytaudio.space.settings import EXAMPLES, SETTINGS_FILE, Demo

PACKAGE = Path(__file__).parent
APP, STYLE = "space/app.py", "space/style.css"
MOST_MODELS = 4  # side by side
_GRADIO = "gradio"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A demo before it is published or run: its settings, its clips, and sentences for whoever makes it."""

    demo: Demo
    clips: Clips
    notes: tuple[str, ...]
    stale: ClassVar[tuple[str, ...]] = ("ytaudio/", f"{EXAMPLES}/", "models.txt")  # of earlier pushes

    def files(self, repo_id: str) -> Files:
        """A Space's files: app, settings, example clips, card, requirements, and the rooms it needs."""
        rooms = rooms_of(APP)
        return {
            "app.py": PACKAGE / APP,
            SETTINGS_FILE: self.demo.to_json().encode(),
            "README.md": cards.space_card(repo_id, self.demo, gradio_version()).encode(),
            "requirements.txt": requirements(rooms).encode(),
            **{f"{EXAMPLES}/{name}": flac for name, flac in self.clips.items()},
            **{f"ytaudio/{room}": PACKAGE / room for room in [*rooms, STYLE] if room != APP},
        }

    @staticmethod
    def check_history(repo_id: str, there: SpaceInfo) -> None:
        """Refuse to make a Space public whose history would give the clips that it had while it was private.

        Raises:
            UserError: naming the mend.
        """
        commits = HfApi().list_repo_commits(repo_id, repo_type="space") if there.private else []
        for commit in commits:
            names = HfApi().list_repo_files(repo_id, repo_type="space", revision=commit.commit_id)
            if any(name.startswith(f"{EXAMPLES}/") for name in names):
                raise UserError(
                    f"{repo_id} is private, and its history holds example clips that would be public with it: push to "
                    "another name, or delete that Space first."
                )

    def write(self, folder: Path) -> None:
        """Leave demo.json and the clips in a folder, where `ytaudio.space.app` finds them."""
        (folder / EXAMPLES).mkdir(parents=True, exist_ok=True)
        (folder / SETTINGS_FILE).write_text(self.demo.to_json(), encoding="utf-8")
        for name, flac in self.clips.items():
            (folder / EXAMPLES / name).write_bytes(flac)


def prepare(models: Sequence[str], *, trust_remote_code: bool = False, examples: bool = True) -> Prepared:
    """What a demo of these models needs, asked of the Hub (or of folders) now.

    Raises:
        UserError: a model that is not there or is no audio classifier, too many of them, or the Hub does not answer.
    """
    models = list(dict.fromkeys(models))
    if not 1 <= len(models) <= MOST_MODELS:
        raise UserError(f"A demo asks one to {MOST_MODELS} models: give --model that often.")
    known = tuple(known_of(name, trust_remote_code) for name in models)
    notes = []
    if len({frozenset(model.labels) for model in known}) > 1:
        notes.append("The models do not have the same categories: each answers with its own, and the page says so.")
    if not examples:
        return Prepared(Demo(known, (), "This demo carries no example clips."), {}, tuple(notes))
    found, clips, about = examples_of(*source_of_examples(known[0].name, known[0].revision), Demo(known).labels)
    if not found:
        notes.append(about)
    return Prepared(Demo(known, found, about), clips, tuple(notes))


def prepare_space(
    models: Sequence[str], *, public: bool, trust_remote_code: bool = False, examples: bool = True
) -> Prepared:
    """As `prepare`, for a Space.

    Its example clips are other people's sound: a private Space carries them, a public one only where its dataset is
    public already.

    Raises:
        UserError: as `prepare`, or a model is a folder.
    """
    for name in models:
        if is_local(name):
            raise UserError(f"{name} is a folder: publish it with `ytaudio push model {name} USER/NAME`, name that.")
    dataset = _dataset_of(models[0]) if examples and public and models else ""
    withheld = bool(dataset) and _is_private("dataset", dataset)
    made = prepare(models, trust_remote_code=trust_remote_code, examples=examples and not withheld)
    notes = list(made.notes)
    if withheld:
        notes.append(f"No example clips go into a public Space: {dataset} is private.")
    for model in made.demo.models:
        if _is_private("model", model.name):
            notes.append(f"{model.name} is private: add a secret HF_TOKEN that may read it to the Space's settings.")
    return Prepared(made.demo, made.clips, tuple(notes))


def _dataset_of(model: str) -> str:
    """The dataset that example clips come from, "" where none is told."""
    name, revision = name_and_revision(model)
    return source_of_examples(name, revision or "")[0]


def _is_private(kind: str, name: str) -> bool:
    """Whether a repository is private, or cannot be seen at all."""
    try:
        with hub_errors(f"{kind} {name}"):
            return bool(HfApi().repo_info(name, repo_type=kind).private)
    except UserError:
        return True


def rooms_of(app: str) -> list[str]:
    """The modules of this package that one of them imports, directly or not, itself included, as paths within it.

    Imports inside functions count, those for type checkers alone do not.
    """
    found: dict[str, None] = {}
    waiting = [app]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found[module] = None
            waiting += [*_packages(module), *(path for name in _imported(module) for path in _modules(name))]
    return sorted(found)


def _packages(module: str) -> Iterator[str]:
    """The __init__.py of every package around a module."""
    return (f"{parent.as_posix()}/__init__.py".removeprefix("./") for parent in Path(module).parents)


def _modules(name: str) -> list[str]:
    """The module that a dotted name of this package stands for; none for a function or a class in one."""
    place = "/".join(name.split(".")[1:])
    return [path for path in (f"{place}.py", f"{place}/__init__.py".lstrip("/")) if (PACKAGE / path).is_file()]


def _imported(module: str) -> Iterator[str]:
    """The dotted names a module imports, absolute; of `from a import b` both a and a.b."""
    package = ["ytaudio", *Path(module).parent.parts]
    for node in _run(ast.parse((PACKAGE / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = ".".join(package[: len(package) + 1 - node.level]) if node.level else ""
            base = ".".join(filter(None, (above, node.module)))
            yield from (base, *(f"{base}.{alias.name}" for alias in node.names))


def _run(tree: ast.AST) -> Iterator[ast.AST]:
    """What of a module is run: all but the blocks for type checkers."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            yield node
            yield from _run(node)


def requirements(rooms: Sequence[str]) -> str:
    """requirements.txt of these modules: the bounds of this package's own requirements, without gradio.

    gradio's version is the card's sdk_version.
    """
    imported = {name.split(".")[0] for room in rooms for name in _imported(room)}
    owners = importlib.metadata.packages_distributions()
    needed = {_plain(owner) for name in imported for owner in owners.get(name, ())} - {_GRADIO}
    lines = [one.partition(";")[0].strip() for one in importlib.metadata.requires("ytaudio") or ()]
    return "".join(f"{line}\n" for line in sorted(set(lines)) if _plain(re.split(r"[^\w.-]", line)[0]) in needed)


def _plain(distribution: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def gradio_version() -> str:
    """The version of gradio that a Space is given: the one installed here, else the oldest that this package takes."""
    try:
        return importlib.metadata.version(_GRADIO)
    except importlib.metadata.PackageNotFoundError:
        bounds = (re.match(r"gradio>=([\d.]+)", one) for one in importlib.metadata.requires("ytaudio") or ())
        return next(f"{found[1]}.0" for found in bounds if found)
