"""One embedded Hub for the whole run, and no way out: set before any Hugging Face library is imported."""

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
USER, TOKEN = "tester", "hf_testtokentesttokentesttoken00"

sys.path.insert(0, str(HERE / "loopback_only"))
import sitecustomize  # noqa: E402

assert Path(sitecustomize.__file__).parent == HERE / "loopback_only", "another sitecustomize hides the network guard"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def pytest_configure(config: pytest.Config) -> None:
    place = Path(tempfile.mkdtemp(prefix="ytaudio-tests-"))
    config.stash[PLACE], config.stash[PORT] = place, _free_port()
    for name in [name for name in os.environ if name.startswith(("HF_", "HUGGING", "YTAUDIO_MEDIA"))]:
        del os.environ[name]
    os.environ |= {
        "HF_ENDPOINT": f"http://127.0.0.1:{config.stash[PORT]}",
        "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HOME": str(place / "hf"),
        "YTAUDIO_ALLOW_PRIVATE_HOSTS": "1",  # every site here is on loopback; test_guard.py and attacks/ do without it
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "OMP_NUM_THREADS": "1",
        "MPLBACKEND": "Agg",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONPATH": os.pathsep.join([str(HERE / "loopback_only"), os.environ.get("PYTHONPATH", "")]).rstrip(
            os.pathsep
        ),
    }


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[PLACE], ignore_errors=True)


PLACE = pytest.StashKey[Path]()
PORT = pytest.StashKey[int]()


@pytest.fixture(scope="session")
def hub(pytestconfig: pytest.Config) -> Iterator:
    """The embedded Hub that HF_ENDPOINT names, with one user, `tester`."""
    from ytaudio.localhub import LocalHub

    with LocalHub(pytestconfig.stash[PLACE] / "hub", port=pytestconfig.stash[PORT], users={TOKEN: USER}) as running:
        yield running
