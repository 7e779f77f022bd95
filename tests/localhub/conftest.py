"""A Hub of this folder's own with three users, and clients that speak to it as each of them."""

import itertools
from collections.abc import Iterator

import httpx2
import pytest

ALICE, BOB, CAROL = (
    "hf_alicealicealice",
    "hf_bobbobbobbobbob",
    "hf_carolcarolcarol00",
)

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def own_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    from ytaudio.localhub import LocalHub

    with LocalHub(tmp_path_factory.mktemp("hub"), users={ALICE: "alice", BOB: "bob", CAROL: "carol"}) as running:
        yield running


@pytest.fixture(scope="session")
def alice(own_hub):
    from huggingface_hub import HfApi

    return HfApi(endpoint=own_hub.url, token=ALICE)


@pytest.fixture(scope="session")
def bob(own_hub):
    from huggingface_hub import HfApi

    return HfApi(endpoint=own_hub.url, token=BOB)


@pytest.fixture(scope="session")
def anonymous(own_hub):
    from huggingface_hub import HfApi

    return HfApi(endpoint=own_hub.url, token=False)


@pytest.fixture(scope="session")
def web(own_hub) -> Iterator[httpx2.Client]:
    """Plain HTTP, as alice unless a request says otherwise."""
    headers = {"Authorization": f"Bearer {ALICE}"}
    with httpx2.Client(base_url=own_hub.url, headers=headers, trust_env=False) as client:
        yield client


@pytest.fixture
def repo(alice, request: pytest.FixtureRequest) -> str:
    """A fresh model repo of alice's, named after the test."""
    name = request.node.originalname.replace("_", "-")
    return alice.create_repo(f"alice/{name[:80]}-{next(_NUMBERS)}").repo_id
