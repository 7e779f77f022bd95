"""Starting, stopping, being killed, and the two command lines: ours and `hf`."""

import base64
import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import HfApi

from ytaudio.localhub import LocalHub, LocalHubError, serve

SERVE = (
    "import signal, sys; from ytaudio.localhub import serve; "
    "signal.signal(signal.SIGINT, signal.default_int_handler); "  # a background shell starts its children without it
    "serve(sys.argv[1], host=sys.argv[2], port=int(sys.argv[3]), users=sys.argv[4:])"
)


def start_server(
    folder: Path, *users: str, host: str = "127.0.0.1"
) -> tuple[subprocess.Popen, dict[str, str], list[str]]:
    """A server in a process of its own: (process, the environment it printed, all it printed until it was ready)."""
    command = [sys.executable, "-c", SERVE, str(folder), host, "0", *users]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    lines = []
    for line in process.stdout:
        lines.append(line.strip())
        if "Ctrl-C stops it" in line:
            break
    exports = dict(line.removeprefix("export ").split("=", 1) for line in lines if line.startswith("export "))
    return process, exports, lines


def commit(client: httpx2.Client, repo: str, number: int, data: bytes) -> str:
    """One commit of a large and a small file, as the real client sends it but without its retries; gives its id."""
    oid = hashlib.sha256(data).hexdigest()
    objects = [{"oid": oid, "size": len(data)}]
    batch = client.post(f"/{repo}.git/info/lfs/objects/batch", json={"operation": "upload", "objects": objects}).json()
    assert client.put(batch["objects"][0]["actions"]["upload"]["href"], content=data).status_code == 200
    small = {"path": "last.txt", "content": base64.b64encode(str(number).encode()).decode(), "encoding": "base64"}
    lines = [
        {"key": "header", "value": {"summary": str(number)}},
        {"key": "file", "value": small},
        {"key": "lfsFile", "value": {"path": f"{number}.bin", "algo": "sha256", "oid": oid, "size": len(data)}},
    ]
    answer = client.post(f"/api/models/{repo}/commit/main", content="\n".join(map(json.dumps, lines)))
    assert answer.status_code == 200, answer.text
    return answer.json()["commitOid"]


def test_every_acknowledged_commit_survives_kill_9(tmp_path):
    process, exports, _ = start_server(tmp_path)
    repo = HfApi(endpoint=exports["HF_ENDPOINT"], token=exports["HF_TOKEN"]).create_repo("stream").repo_id
    headers = {"Authorization": f"Bearer {exports['HF_TOKEN']}"}
    acknowledged: list[tuple[str, bytes]] = []
    enough = threading.Event()

    def commit_until_killed() -> None:
        with httpx2.Client(base_url=exports["HF_ENDPOINT"], headers=headers, trust_env=False) as client:
            for number in range(10_000):
                data = os.urandom(20_000)
                try:
                    acknowledged.append((commit(client, repo, number, data), data))
                except httpx2.TransportError:
                    return
                if number == 25:
                    enough.set()

    writer = threading.Thread(target=commit_until_killed)
    writer.start()
    assert enough.wait(60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    writer.join()
    with LocalHub(tmp_path) as hub:
        assert hub.token == exports["HF_TOKEN"]
        api = HfApi(endpoint=hub.url, token=hub.token)
        history = [commit.commit_id for commit in api.list_repo_commits(repo)][::-1][1:]
        assert history[: len(acknowledged)] == [oid for oid, _ in acknowledged]
        assert len(history) - len(acknowledged) in (0, 1), "at most the commit that was being answered"
        for i, (oid, data) in enumerate(acknowledged):
            assert Path(api.hf_hub_download(repo, f"{i}.bin", revision=oid)).read_bytes() == data
            assert Path(api.hf_hub_download(repo, "last.txt", revision=oid)).read_bytes() == str(i).encode()
        assert list((tmp_path / "tmp").iterdir()) == []
        api.upload_file(path_or_fileobj=b"on it goes", path_in_repo="a", repo_id=repo)


def test_the_same_user_and_token_at_the_next_start(tmp_path):
    with LocalHub(tmp_path) as hub:
        first = (hub.user, hub.token)
        HfApi(endpoint=hub.url, token=hub.token).create_repo("kept")
    accounts = tmp_path / "accounts.json"
    assert stat.S_IMODE(accounts.stat().st_mode) == 0o600
    assert hub.token in accounts.read_text()
    with LocalHub(tmp_path, users={"hf_more": "more"}) as hub:
        assert (hub.user, hub.token) == ("more", "hf_more")
        assert HfApi(endpoint=hub.url, token=first[1]).whoami()["name"] == first[0]
    hub = LocalHub(tmp_path)
    for _ in range(2):  # one object may be started again
        hub.start()
        assert HfApi(endpoint=hub.url, token=first[1]).repo_exists(f"{first[0]}/kept")
        hub.stop()


def test_the_environment_is_all_a_client_needs(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "example.org")
    with LocalHub(tmp_path) as hub:
        environment = hub.environment()
    assert environment["HF_ENDPOINT"] == hub.url
    assert not hub.url.endswith("/")
    assert environment["HF_TOKEN"] == hub.token
    assert environment["HF_HUB_DISABLE_XET"] == "1"
    assert environment["NO_PROXY"] == environment["no_proxy"] == "example.org,127.0.0.1,localhost"


def test_what_cannot_be_served_is_said_in_one_sentence(tmp_path):
    with LocalHub(tmp_path / "a") as hub:
        with pytest.raises(LocalHubError, match="Cannot listen on"), LocalHub(tmp_path / "b", port=hub.port):
            pass
        with pytest.raises(LocalHubError, match="Another Hub already serves"), LocalHub(tmp_path / "a"):
            pass
        with pytest.raises(LocalHubError, match="Another Hub already serves"):
            serve(tmp_path / "a", port=0, users=["late"])
        assert "late" not in (tmp_path / "a" / "accounts.json").read_text()
        assert httpx2.get(hub.url, trust_env=False).status_code == 200
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalHubError, match="choose another folder"):
        LocalHub(tmp_path / "file" / "hub")
    with pytest.raises(LocalHubError, match="cannot be a user's name"):
        LocalHub(tmp_path / "c", users={"hf_x": "../up"})
    with pytest.raises(LocalHubError, match="choose another"):
        LocalHub(tmp_path / "c", users={"hf_x": "ann", "hf_y": "Ann"})


def test_serve_prints_what_a_shell_needs(tmp_path):
    process, exports, lines = start_server(tmp_path, "ann", "ben")
    try:
        assert set(exports) == {"HF_ENDPOINT", "HF_TOKEN", "HF_HUB_DISABLE_XET"}
        tokens = {line.split()[1].rstrip(":"): line.split("=")[1] for line in lines if ": HF_TOKEN=" in line}
        assert set(tokens) == {"ann", "ben"}
        assert HfApi(endpoint=exports["HF_ENDPOINT"], token=tokens["ben"]).whoami()["name"] == "ben"
        assert httpx2.get(exports["HF_ENDPOINT"], trust_env=False).status_code == 200
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def test_beyond_loopback_is_said(tmp_path):
    process, exports, lines = start_server(tmp_path, host="0.0.0.0")
    try:
        assert any("other machines" in line for line in lines)
        assert httpx2.get(exports["HF_ENDPOINT"], trust_env=False).status_code == 200
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


def test_importing_it_is_light():
    code = "import sys, ytaudio.localhub; print({'starlette', 'uvicorn', 'huggingface_hub'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


def test_the_hf_command(hub, tmp_path):
    def hf(*arguments: str) -> str:
        command = [str(Path(sys.executable).with_name("hf")), *arguments]
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=120, env={**os.environ, "HF_HOME": home}
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    home, repo = str(tmp_path / "home"), f"{hub.user}/from-the-shell"
    (tmp_path / "up" / "sub").mkdir(parents=True)
    (tmp_path / "up" / "sub" / "a.txt").write_text("a")
    (tmp_path / "up" / "w.bin").write_bytes(bytes(1000))
    assert hub.user in hf("auth", "whoami")
    hf("repos", "create", repo, "--repo-type", "dataset", "--private")
    hf("upload", repo, str(tmp_path / "up"), ".", "--repo-type", "dataset", "--commit-message", "up")
    hf("download", repo, "--repo-type", "dataset", "--local-dir", str(tmp_path / "down"))
    assert (tmp_path / "down" / "sub" / "a.txt").read_text() == "a"
    assert (tmp_path / "down" / "w.bin").read_bytes() == bytes(1000)
    hf("repos", "delete", repo, "--repo-type", "dataset", "--yes")
    assert not HfApi().repo_exists(repo, repo_type="dataset")
