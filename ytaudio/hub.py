"""The only room that writes to a Hub: each publication is one commit, and a reader never sees half of it."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx2
import pyarrow as pa
import pyarrow.parquet as pq
from huggingface_hub import CommitOperation, CommitOperationAdd, CommitOperationDelete, HfApi, constants
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, LocalTokenNotFoundError
from huggingface_hub.utils import validate_repo_id

from ytaudio import cards
from ytaudio.errors import UserError
from ytaudio.hub_errors import hub_errors
from ytaudio.scores import SCORES_FILE, Scores, predictions_parquet
from ytaudio.training import RUN_FILE, TrainingRun

ATTEMPTS = 5
WAIT_S = 1.0  # before the second attempt; doubled before each further one
WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_SHARD = re.compile(r"(?P<split>\w+)-(?P<number>\d{5})-of-(?P<of>\d{5})\.parquet")
Content = Path | bytes


class HubError(UserError):
    """Something that keeps a publication from a Hub; the message is one sentence that names the mend."""


def push_dataset(
    folder: str | Path,
    repo_id: str,
    *,
    public: bool = False,
    message: str | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Publish what `ytaudio build` wrote and give its address: data, card, plots, report and eval.yaml in one commit.

    Data files of an earlier publication that are no longer there are deleted in the same commit. The repository is
    private unless `public`; a repository that is public already is refused without it.

    Args:
        folder: the folder built in, or its dataset folder that holds data/ and report.json.
        repo_id: USER/NAME, or NAME for one of the token's user.
        public: let anyone read it.
        message: of the commit.
        sleep: waits that many seconds between attempts.

    Raises:
        HubError: something is missing in the folder (then nothing is created), the Hub refuses or cannot be reached.
    """
    folder = Path(folder)
    folder = folder / "dataset" if (folder / "dataset" / "data").is_dir() else folder
    shards, report = _checked_data(folder)
    splits = sorted(shards, key=lambda name: ({"train": 0, "validation": 1, "test": 2}.get(name, 3), name))
    repo_id = _full_name(repo_id)
    files: dict[str, Content] = {f"data/{path.name}": path for split in splits for path in shards[split]}
    files |= {
        "README.md": cards.dataset_card(report, repo_id, splits).encode(),
        "report.json": folder / "report.json",
        "eval.yaml": cards.eval_yaml(repo_id, splits).encode(),
        **cards.dataset_plots(report),
    }
    return _publish(
        repo_id, "dataset", files, ("data/",), not public, message or f"{report['clips']} clips from videos", sleep
    )


def _checked_data(folder: Path) -> tuple[dict[str, list[Path]], dict]:
    """Every split's Parquet files, all there and readable, and the report that belongs to them."""
    if not (folder / "data").is_dir():
        raise HubError(f"{folder} holds no dataset: give the folder that `ytaudio build` wrote.")
    shards: dict[str, list[Path]] = {}
    rows = 0
    for path in sorted((folder / "data").glob("*.parquet")):
        named = _SHARD.fullmatch(path.name)
        try:
            metadata = pq.read_metadata(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise HubError(f"{path} cannot be read as Parquet ({error}): build again.") from None
        if not named or not {"audio", "label"} <= set(pq.read_schema(path).names):
            raise HubError(
                f"{path} is not a file of a dataset that `ytaudio build` wrote: move it away or build again."
            )
        rows += metadata.num_rows
        shards.setdefault(named["split"], []).append(path)
    for split, paths in shards.items():
        if [path.name for path in paths] != [f"{split}-{n:05d}-of-{len(paths):05d}.parquet" for n in range(len(paths))]:
            raise HubError(f"{folder / 'data'} lacks a part of the split {split}: build again.")
    try:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise HubError(f"{folder / 'report.json'} cannot be read ({error}): build again.") from None
    if not rows or rows != report.get("clips"):
        raise HubError(f"{folder} holds {rows} clips and its report tells of {report.get('clips')}: build again.")
    return shards, report


def push_model(
    folder: str | Path,
    repo_id: str,
    *,
    private: bool = True,
    message: str | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Publish a trained model and give its address: weights, code, card, results and plots in one commit.

    With scores.json in the folder (as `score_model(...).save(folder)` leaves it) the card, the model-index,
    .eval_results/ and predictions/ carry the results; without it the card says that it was not evaluated.

    Args:
        folder: what a recipe saved: config.json, the weights, preprocessor_config.json, code if any.
        repo_id: USER/NAME, or NAME for one of the token's user.
        private: of a repository made now; one that is there keeps what it is.
        message: of the commit.
        sleep: waits that many seconds between attempts.

    Raises:
        HubError: the folder is not a trained model (then nothing is created), the Hub refuses or cannot be reached.
    """
    folder, repo_id = Path(folder), _full_name(repo_id)
    files = _model_files(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    run = _read(TrainingRun.load, folder, RUN_FILE)
    scores = _read(Scores.load, folder, SCORES_FILE)
    scores = replace(scores, model_id=repo_id) if scores else None  # it may have been scored as a folder
    labels = [name for _, name in sorted(config.get("id2label", {}).items(), key=lambda pair: int(pair[0]))]
    card = cards.model_card(scores, run, repo_id, labels=labels, remote_code="auto_map" in config)
    files |= {"README.md": card.encode(), **cards.model_plots(scores, run)}
    if run:
        files[RUN_FILE] = cards.redacted((folder / RUN_FILE).read_text(encoding="utf-8")).encode()
    if scores:
        files |= _results(scores)
    stale = (".eval_results/ytaudio", "predictions/", "plots/", SCORES_FILE, "model-", *WEIGHTS)
    return _publish(repo_id, "model", files, stale, private, message or "Model, card and results", sleep)


def _model_files(folder: Path) -> dict[str, Content]:
    """The files of a transformers model: config, extractor, weights and code."""
    if not (folder / "config.json").is_file() or not any((folder / name).is_file() for name in WEIGHTS):
        raise HubError(f"{folder} is not a trained model (config.json and model.safetensors): give a recipe's folder.")
    if not (folder / "preprocessor_config.json").is_file():
        raise HubError(f"{folder} has no preprocessor_config.json: save the feature extractor there too.")
    names = ["config.json", "preprocessor_config.json"]
    if (folder / WEIGHTS[1]).is_file():
        parts = json.loads((folder / WEIGHTS[1]).read_text(encoding="utf-8"))["weight_map"].values()
        names += [WEIGHTS[1], *sorted(set(parts))]
    else:
        names.append(WEIGHTS[0])
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise HubError(f"{folder} lacks {', '.join(missing)}: save the model again.")
    return {name: folder / name for name in [*names, *(path.name for path in sorted(folder.glob("*.py")))]}


def _read(load: Callable, folder: Path, name: str):
    """A record beside the weights, or None where there is none."""
    if not (folder / name).is_file():
        return None
    try:
        return load(folder)
    except (ValueError, TypeError, KeyError) as error:
        raise HubError(f"{folder / name} cannot be read ({error}): make it again or take it away.") from None


def _results(scores: Scores) -> dict[str, Content]:
    """What travels of an evaluation: every figure, every prediction, and the Hub's own format of results."""
    files: dict[str, Content] = {
        SCORES_FILE: scores.to_json().encode(),
        f"predictions/{scores.split}.parquet": predictions_parquet(scores),
    }
    if scores.dataset_revision:
        name = re.sub(r"[^\w.-]", "-", scores.dataset_id)
        files[f".eval_results/ytaudio-{name}.yaml"] = cards.eval_results_yaml(scores).encode()
    return files


def push_space(
    repo_id: str,
    models: Sequence[str],
    *,
    private: bool = True,
    message: str | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Publish the Gradio demo of one or more models in one commit and give its address.

    Raises:
        HubError: the Hub refuses or cannot be reached.
    """
    source, repo_id = Path(__file__).parent / "space", _full_name(repo_id)
    files: dict[str, Content] = {
        path.relative_to(source).as_posix(): path
        for path in sorted(source.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and path.name != "__init__.py"
    }
    if "app.py" not in files:
        raise HubError(f"{source} has no app.py: install ytaudio again.")
    files |= {
        "README.md": cards.space_card(repo_id, models).encode(),
        "models.txt": "\n".join(models).encode(),
    }
    return _publish(repo_id, "space", files, (), private, message or "Demo", sleep)


@contextmanager
def _mend(what: str) -> Iterator[None]:
    """The Hub's refusals as HubErrors of one sentence."""
    try:
        with hub_errors(what, HubError):
            yield
    except LocalTokenNotFoundError:
        raise HubError(f"There is no token to write the {what} with: set HF_TOKEN, or run `hf auth login`.") from None
    except (BadRequestError, HfHubHTTPError) as error:
        status = error.response.status_code
        said = cards.redacted(" ".join(str(error.server_message or "no reason given").split()))[:300].rstrip(".")
        raise HubError(
            f"{constants.ENDPOINT} refused the {what} ({status}: {said}): mend that and push again."
        ) from None


def _full_name(repo_id: str) -> str:
    """USER/NAME, the user being the token's own where only NAME is given."""
    with _mend(f"repository {repo_id}"):
        validate_repo_id(repo_id)
        return repo_id if "/" in repo_id else f"{HfApi().whoami()['name']}/{repo_id}"


def _publish(
    repo_id: str,
    repo_type: str,
    files: Mapping[str, Content],
    stale: tuple[str, ...],
    private: bool,
    message: str,
    sleep: Callable[[float], None],
) -> str:
    """Create the repository if need be and commit all files at once; paths that begin like `stale` are replaced."""
    api, what = HfApi(), f"{repo_type} {repo_id}"
    with _mend(what):
        sdk = "gradio" if repo_type == "space" else None
        url = api.create_repo(repo_id, repo_type=repo_type, private=private, exist_ok=True, space_sdk=sdk)
        there = api.repo_info(repo_id, repo_type=repo_type)
        if repo_type == "dataset" and private and not there.private:
            raise HubError(f"The {what} is public: say --public, or make it private on its page first.")
        _commit(api, repo_id, repo_type, files, stale, message, sleep)
        if repo_type == "dataset" and not private and there.private:
            api.update_repo_settings(repo_id, repo_type=repo_type, private=False)
    return str(url)


def _commit(
    api: HfApi,
    repo_id: str,
    repo_type: str,
    files: Mapping[str, Content],
    stale: tuple[str, ...],
    message: str,
    sleep: Callable[[float], None],
) -> None:
    """One create_commit on the newest parent, again when another came first or the Hub stumbles.

    The client does not retry commits. An attempt whose answer got lost is harmless: files that are there already are
    left out of the next one.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            there = api.repo_info(repo_id, repo_type=repo_type)
            known = api.list_repo_files(repo_id, repo_type=repo_type, revision=there.sha)
            operations: list[CommitOperation] = [
                CommitOperationAdd(path_in_repo=path, path_or_fileobj=content) for path, content in files.items()
            ]
            operations += [
                CommitOperationDelete(path_in_repo=path)
                for path in known
                if stale and path.startswith(stale) and path not in files
            ]
            api.create_commit(repo_id, operations, commit_message=message, repo_type=repo_type, parent_commit=there.sha)
            return
        except (HfHubHTTPError, httpx2.TransportError) as error:
            status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
            if attempt == ATTEMPTS or (status is not None and status not in (409, 412, 429) and status < 500):
                raise
            sleep(WAIT_S * 2 ** (attempt - 1))
