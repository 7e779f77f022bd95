"""The only room that writes to a Hub: each publication is one commit, and a reader never sees half of it."""

import json
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
from huggingface_hub import (
    CommitOperation,
    CommitOperationAdd,
    CommitOperationDelete,
    DatasetInfo,
    HfApi,
    constants,
    hf_hub_download,
)
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, LocalTokenNotFoundError
from huggingface_hub.utils import validate_repo_id

from ytaudio import cards
from ytaudio.evaluation.scores import SCORES_FILE, Scores
from ytaudio.examples import FOLDER
from ytaudio.hub_errors import hub_errors
from ytaudio.links import LINKS_ONLY
from ytaudio.packing import (
    WEIGHTS,
    Files,
    HubError,
    card_files,
    dataset_files,
    link_files,
    model_files,
    result_files,
)
from ytaudio.training.runs import RUN_FILE, TrainingRun

if TYPE_CHECKING:
    from ytaudio.spaces import Prepared  # which knows models, and so takes torch's time to import

__all__ = ["HubError", "add_scores", "push_dataset", "push_model", "push_space"]

ATTEMPTS = 5
WAIT_S = 1.0  # before the second attempt; doubled before each further one
_OF_MODELS = (".eval_results/ytaudio", "predictions/", "plots/", SCORES_FILE, "model-", *WEIGHTS)


def push_dataset(
    folder: str | Path,
    repo_id: str,
    *,
    public: bool = False,
    links_only: bool = False,
    message: str | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Publish what `ytaudio build` wrote and give its address: data, card, plots, report and eval.yaml in one commit.

    Data and examples of an earlier publication that are no longer there are deleted in the same commit. The repository
    is private unless `public`; a repository that is public already is refused without it. One that holds audio never
    becomes links-only, since its history would still give the audio, nor the other way round, since its readers rebuild
    from it.

    Args:
        folder: the folder built in, or its dataset folder that holds data/ and report.json.
        repo_id: USER/NAME, or NAME for one of the token's user.
        public: let anyone read it.
        links_only: publish what `ytaudio build hub:USER/NAME` makes the same clips from, and no audio.
        message: of the commit.
        sleep: waits that many seconds between attempts.

    Raises:
        UserError: something is missing in the folder (then nothing is created), the repository holds the other kind,
            the Hub refuses or cannot be reached.
    """
    repo_id = _full_name(repo_id)
    with tempfile.TemporaryDirectory(prefix="ytaudio-links-") as place:
        if links_only:
            files, said = link_files(Path(folder), repo_id, Path(place)), "Links, windows, card and report"
        else:
            files, said = dataset_files(Path(folder), repo_id), "Clips, card and report"
        check = partial(_same_kind, repo_id, links_only)
        return _publish(repo_id, "dataset", files, ("data/", FOLDER), not public, message or said, sleep, check)


def _same_kind(repo_id: str, links_only: bool, there: DatasetInfo) -> None:
    """Refuse a repository that holds the other kind of dataset.

    Raises:
        HubError: naming the mend.
    """
    names = {file.rfilename for file in there.siblings or ()}
    if not any(name.startswith("data/") for name in names):
        return
    holds_links = False
    if "report.json" in names:
        path = Path(hf_hub_download(repo_id, "report.json", repo_type="dataset", revision=there.sha))
        try:
            holds_links = json.loads(path.read_text(encoding="utf-8")).get(LINKS_ONLY) is True
        except (ValueError, AttributeError):
            holds_links = False  # of somebody else's making; whatever it is, it is not links-only
    if holds_links and not links_only:
        raise HubError(
            f"{repo_id} is links-only, and others rebuild from it: say --links-only, or push to another name."
        )
    if links_only and not holds_links:
        raise HubError(
            f"{repo_id} holds audio, and its history would go on giving it: push --links-only to another name, "
            "or delete that repository first."
        )


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
    .eval_results/ and predictions/ carry the results; without it the card says that it was not evaluated. A licence
    that the published card names stays; without one it is that of the model fine-tuned from, where its card names one.

    Args:
        folder: what a recipe saved: config.json, the weights, preprocessor_config.json, code if any.
        repo_id: USER/NAME, or NAME for one of the token's user.
        private: of a repository made now; one that is there keeps what it is.
        message: of the commit.
        sleep: waits that many seconds between attempts.

    Raises:
        HubError: the folder is not a trained model (then nothing is created), the Hub refuses or cannot be reached.
    """
    repo_id = _full_name(repo_id)
    files = model_files(Path(folder), repo_id, partial(_licence, repo_id))
    return _publish(repo_id, "model", files, _OF_MODELS, private, message or "Model, card and results", sleep)


def add_scores(
    scores: Scores, repo_id: str, *, message: str | None = None, sleep: Callable[[float], None] = time.sleep
) -> str:
    """Add an evaluation to a model that is published and give its address: all in one commit.

    A card that ytaudio wrote is written anew; of any other, only the model-index changes.

    Raises:
        HubError: there is no such model, the Hub refuses or cannot be reached.
    """
    with _mend(f"model {repo_id}"):
        there = HfApi().model_info(repo_id)
        names = set(HfApi().list_repo_files(repo_id, revision=there.sha))

        def read(name: str) -> str:
            return Path(hf_hub_download(repo_id, name, revision=there.sha)).read_text(encoding="utf-8")

        if "config.json" not in names:
            raise HubError(f"{repo_id} has no config.json: push the model first, with `ytaudio push model`.")
        files = result_files(scores)
        card = read("README.md") if "README.md" in names else ""
        if card and not cards.is_ours(card):
            files["README.md"] = cards.with_results(card, scores, repo_id).encode()
        else:
            run = TrainingRun.from_json(read(RUN_FILE)) if RUN_FILE in names else None
            files |= card_files(scores, run, json.loads(read("config.json")), repo_id, _licence(repo_id, run))
        _commit(HfApi(), repo_id, "model", files, (), message or f"Results on {scores.dataset_id}", sleep)
    return f"{constants.ENDPOINT}/{repo_id}"


def _licence(repo_id: str, run: TrainingRun | None) -> cards.Licence | None:
    """The licence that a model's card there names, or else that of the model it was fine-tuned from."""

    def named(model: str, revision: str | None = None) -> cards.Licence | None:
        try:
            return cards.licence_in(HfApi().model_info(model, revision=revision).card_data)
        except (HfHubHTTPError, httpx2.TransportError, ValueError):
            return None  # it is not there yet, or no longer

    base = named(run.base_model, run.base_revision) if run and run.base_revision else None
    return cards.licence_of(named(repo_id), base)


def push_space(
    repo_id: str,
    prepared: "Prepared",
    *,
    private: bool = True,
    message: str | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Publish a Gradio demo, as `ytaudio.spaces.prepare_space` made it ready, in one commit and give its address.

    Raises:
        UserError: the Space is public and nobody said so, its history holds clips that would become public, the Hub
            refuses or cannot be reached.
    """
    repo_id = _full_name(repo_id)
    files, message = prepared.files(repo_id), message or "Demo"
    check = None if private else partial(prepared.check_history, repo_id)
    return _publish(repo_id, "space", files, prepared.stale, private, message, sleep, check)


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
    files: Files,
    stale: tuple[str, ...],
    private: bool,
    message: str,
    sleep: Callable[[float], None],
    check: Callable[[Any], None] | None = None,
) -> str:
    """Create the repository if need be and commit all files at once; paths that begin like `stale` are replaced."""
    api, what = HfApi(), f"{repo_type} {repo_id}"
    with _mend(what):
        sdk = "gradio" if repo_type == "space" else None
        url = api.create_repo(repo_id, repo_type=repo_type, private=private, exist_ok=True, space_sdk=sdk)
        there = api.repo_info(repo_id, repo_type=repo_type)
        if repo_type != "model" and private and there.private is False:
            mend = f"hf repos settings {repo_id} --type {repo_type} --private"
            raise HubError(f"The {what} is public: say --public, or make it private first: {mend}")
        _commit(api, repo_id, repo_type, files, stale, message, sleep, check)
        if repo_type != "model" and not private and there.private:
            api.update_repo_settings(repo_id, repo_type=repo_type, private=False)
    return str(url)


def _commit(
    api: HfApi,
    repo_id: str,
    repo_type: str,
    files: Files,
    stale: tuple[str, ...],
    message: str,
    sleep: Callable[[float], None],
    check: Callable[[Any], None] | None = None,
) -> None:
    """One create_commit on the newest parent, again when another came first or the Hub stumbles.

    The client does not retry commits. An attempt whose answer got lost is harmless: files that are there already are
    left out of the next one.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            there = api.repo_info(repo_id, repo_type=repo_type)
            if check:
                check(there)
            known = api.list_repo_files(repo_id, repo_type=repo_type, revision=there.sha)
            operations: list[CommitOperation] = [
                CommitOperationAdd(path_in_repo=path, path_or_fileobj=content) for path, content in files.items()
            ]
            operations += [
                CommitOperationDelete(path_in_repo=path)
                for path in known
                if stale and path.startswith(stale) and path not in files
            ]
            with warnings.catch_warnings():  # the client wonders at predictions/*.parquet in a model's repository
                warnings.filterwarnings("ignore", message="It seems that you are about to commit a data file")
                api.create_commit(
                    repo_id, operations, commit_message=message, repo_type=repo_type, parent_commit=there.sha
                )
            return
        except (HfHubHTTPError, httpx2.TransportError, RuntimeError) as error:
            # the client wraps what goes wrong in an upload as a RuntimeError
            cause = error.__cause__ if isinstance(error, RuntimeError) else error
            if not isinstance(cause, HfHubHTTPError | httpx2.TransportError):
                raise
            status = cause.response.status_code if isinstance(cause, HfHubHTTPError) else None
            if attempt == ATTEMPTS or (status is not None and status not in (409, 412, 429) and status < 500):
                raise cause from None
            sleep(WAIT_S * 2 ** (attempt - 1))
