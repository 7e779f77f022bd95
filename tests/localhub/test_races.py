"""What one client does while another is in the middle of something."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

READS = (
    "/",
    "/api/models?author=alice",
    "/api/models/alice/churn",
    "/api/models/alice/churn2/tree/main",
    "/api/settings/repositories",
    "/alice/churn/resolve/main/.gitattributes",
    "/alice/churn2",
)


def upload_address(web, repo: str, data: bytes) -> str:
    objects = [{"oid": hashlib.sha256(data).hexdigest(), "size": len(data)}]
    answer = web.post(f"/{repo}.git/info/lfs/objects/batch", json={"operation": "upload", "objects": objects})
    return answer.json()["objects"][0]["actions"]["upload"]["href"]


@pytest.mark.parametrize("change", ["delete", "move"])
def test_a_repo_that_goes_during_an_upload_leaves_its_name_free(alice, own_hub, repo, web, change):
    data = f"half and half, {change}".encode()
    address = upload_address(web, repo, data)

    def body():
        yield data[:5]
        if change == "delete":
            alice.delete_repo(repo)
        else:
            alice.move_repo(repo, f"{repo}-moved")
        yield data[5:]

    assert web.put(address, content=body()).status_code == 404
    assert not (own_hub.directory / "repos" / "model" / repo).exists()
    alice.create_repo(repo)
    alice.upload_file(path_or_fileobj=data, path_in_repo="a.bin", repo_id=repo)
    assert "a.bin" in alice.list_repo_files(repo)


def test_remains_of_a_repo_do_not_hold_its_name(alice, own_hub):
    (own_hub.directory / "repos" / "model" / "alice" / "remains" / "lfs").mkdir(parents=True)
    assert not alice.repo_exists("alice/remains")
    alice.create_repo("alice/remains")
    assert alice.list_repo_files("alice/remains") == [".gitattributes"]


def test_two_moves_into_each_others_place_end(alice):
    ids = ["alice/ring-1", "alice/ring-2"]
    for repo_id in ids:
        alice.create_repo(repo_id)
    with ThreadPoolExecutor(2) as pool:
        for _ in range(20):
            moves = [pool.submit(alice.move_repo, *ids), pool.submit(alice.move_repo, *reversed(ids))]
            assert all(move.exception(timeout=20) is not None for move in moves), "both names are taken"


def test_reading_while_repos_come_and_go(own_hub, web):
    """Never a 500: what is gone is missing, and lists leave it out."""
    tokens, done = web.headers["Authorization"], threading.Event()

    def churn() -> None:
        with httpx2.Client(base_url=own_hub.url, headers={"Authorization": tokens}, trust_env=False) as client:
            while not done.is_set():
                client.post("/api/repos/create", json={"name": "churn"})
                client.post("/api/repos/move", json={"fromRepo": "alice/churn", "toRepo": "alice/churn2"})
                client.request("DELETE", "/api/repos/delete", json={"name": "churn2"})
                client.request("DELETE", "/api/repos/delete", json={"name": "churn"})

    threads = [threading.Thread(target=churn) for _ in range(2)]
    for thread in threads:
        thread.start()
    statuses = set()
    try:
        for _ in range(60):
            for path in READS:
                statuses.add(web.get(path).status_code)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert statuses <= {200, 307, 404}
