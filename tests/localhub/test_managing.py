"""Users, visibility, and whole repos."""

from pathlib import Path

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError


def status(call, *args, **kwargs) -> int:
    with pytest.raises(HfHubHTTPError) as refused:
        call(*args, **kwargs)
    return refused.value.response.status_code


def test_who_am_i(alice, bob):
    me = alice.whoami()
    assert (me["name"], me["type"], me["auth"]["accessToken"]["role"]) == ("alice", "user", "write")
    assert bob.whoami()["name"] == "bob"


def test_a_wrong_token_gets_401_everywhere(own_hub, alice, web):
    alice.create_repo("alice/open", exist_ok=True)
    wrong = HfApi(endpoint=own_hub.url, token="hf_wrong")
    assert status(wrong.whoami) == 401
    assert status(wrong.model_info, "alice/open") == 401
    assert status(wrong.create_repo, "x") == 401
    assert status(wrong.hf_hub_download, "alice/open", "config.json") == 401
    assert status(lambda: list(wrong.list_models())) == 401
    for path in ("/", "/alice/open", "/alice/open/resolve/main/.gitattributes", "/api/nowhere"):
        assert web.get(path, headers={"Authorization": "Bearer hf_wrong"}).status_code == 401, path


def test_no_token_reads_what_is_public_and_writes_nothing(own_hub, alice, anonymous):
    alice.create_repo("alice/open", exist_ok=True)
    assert anonymous.model_info("alice/open").private is False
    assert "alice/open" in [m.id for m in anonymous.list_models()]
    assert status(anonymous.create_repo, "alice/other") == 401
    assert status(anonymous.upload_file, path_or_fileobj=b"", path_in_repo="a", repo_id="alice/open") == 401
    assert status(anonymous.delete_repo, "alice/open") == 401
    assert alice.repo_exists("alice/open")


@pytest.mark.parametrize("kind", ["model", "dataset", "space"])
def test_a_private_repo_is_there_for_its_owner_alone(alice, bob, anonymous, own_hub, web, kind):
    sdk = {"space_sdk": "gradio"} if kind == "space" else {}
    repo = alice.create_repo(f"alice/secret-{kind}", private=True, repo_type=kind, **sdk).repo_id
    alice.upload_file(path_or_fileobj=b"1", path_in_repo="a.txt", repo_id=repo, repo_type=kind)
    assert alice.repo_info(repo, repo_type=kind).private is True
    assert bob.repo_exists(repo, repo_type=kind) is False
    assert status(bob.repo_info, repo, repo_type=kind) == 404
    assert status(bob.list_repo_refs, repo, repo_type=kind) == 404
    assert status(bob.upload_file, path_or_fileobj=b"", path_in_repo="a", repo_id=repo, repo_type=kind) == 404
    assert status(bob.delete_repo, repo, repo_type=kind) == 404
    with pytest.raises(RepositoryNotFoundError):
        bob.hf_hub_download(repo, "a.txt", repo_type=kind)
    with pytest.raises(RepositoryNotFoundError):
        anonymous.repo_info(repo, repo_type=kind)
    list_all = {"model": "list_models", "dataset": "list_datasets", "space": "list_spaces"}[kind]
    assert repo in [r.id for r in getattr(alice, list_all)()]
    assert repo not in [r.id for r in getattr(bob, list_all)()]
    assert repo not in web.get("/", headers={"Authorization": ""}).text
    alice.update_repo_settings(repo, visibility="public", repo_type=kind)
    assert bob.repo_info(repo, repo_type=kind).private is False
    alice.update_repo_settings(repo, private=True, repo_type=kind)
    assert not bob.repo_exists(repo, repo_type=kind)


def test_somebody_elses_public_repo_can_be_read_only(alice, bob):
    alice.create_repo("alice/open", exist_ok=True)
    assert bob.repo_exists("alice/open")
    bob.auth_check("alice/open")
    assert status(bob.auth_check, "alice/open", write=True) == 403
    assert status(bob.upload_file, path_or_fileobj=b"", path_in_repo="a", repo_id="alice/open") == 403
    assert status(bob.delete_repo, "alice/open") == 403
    assert status(bob.move_repo, "alice/open", "bob/open") == 403
    assert status(bob.create_branch, "alice/open", branch="b") == 403
    assert status(bob.update_repo_settings, "alice/open", private=True) == 403
    assert status(bob.create_repo, "alice/new") == 403


def test_create_delete_move(alice, repo):
    assert status(alice.create_repo, repo) == 409
    assert alice.create_repo(repo, exist_ok=True).repo_id == repo
    alice.upload_file(path_or_fileobj=b"1", path_in_repo="model.bin", repo_id=repo)
    alice.create_repo("alice/taken", exist_ok=True)
    assert status(alice.move_repo, repo, "alice/taken") == 409
    head = alice.model_info(repo).sha
    alice.move_repo(repo, "alice/moved")
    assert alice.model_info("alice/moved").sha == head
    assert Path(alice.hf_hub_download("alice/moved", "model.bin")).read_bytes() == b"1"
    alice.delete_repo("alice/moved")
    assert not alice.repo_exists("alice/moved")
    alice.delete_repo("alice/moved", missing_ok=True)
    with pytest.raises(RepositoryNotFoundError):
        alice.delete_repo("alice/moved")
    assert alice.create_repo("alice/moved").repo_id == "alice/moved"
    assert len(alice.list_repo_commits("alice/moved")) == 1


def test_kinds_have_names_of_their_own(alice):
    urls = [alice.create_repo("alice/same", repo_type=kind) for kind in ("model", "dataset")]
    assert [str(url).split("/", 3)[3] for url in urls] == ["alice/same", "datasets/alice/same"]
    alice.delete_repo("alice/same", repo_type="dataset")
    assert alice.repo_exists("alice/same")
    assert not alice.repo_exists("alice/same", repo_type="dataset")


def test_an_organization_is_made_by_its_first_repo(alice, bob):
    repo = alice.create_repo("lab/model", private=True).repo_id
    assert "lab" in [org["name"] for org in alice.whoami()["orgs"]]
    assert status(bob.create_repo, "lab/other") == 403
    assert not bob.repo_exists(repo)
    assert [user.username for user in alice.list_organization_members("lab")] == ["alice"]


@pytest.mark.parametrize("name", ["a--b", "a..b", ".hidden", "x.git", "ü", "a/b/c", "", "../x", "x" * 97])
def test_a_bad_name_is_refused(alice, web, name):
    answer = web.post("/api/repos/create", json={"name": name, "organization": None})
    assert answer.status_code == 400, answer.text


def test_duplicate(alice, bob):
    alice.create_repo("alice/origin")
    alice.upload_file(path_or_fileobj=b"1", path_in_repo="w.bin", repo_id="alice/origin")
    copy = bob.duplicate_repo("alice/origin", "bob/copy").repo_id
    assert bob.model_info(copy).sha == alice.model_info("alice/origin").sha
    bob.upload_file(path_or_fileobj=b"2", path_in_repo="w.bin", repo_id=copy)
    assert bob.model_info(copy).sha != alice.model_info("alice/origin").sha
    assert "bob/copy" in [r.id for r in bob.list_user_repos()]


def test_names_differ_by_more_than_case(alice, bob, own_hub):
    alice.create_repo("alice/CaseTest")
    assert status(alice.create_repo, "alice/casetest") == 409
    assert alice.create_repo("alice/CaseTest", exist_ok=True).repo_id == "alice/CaseTest"
    other = alice.create_repo("alice/other-case").repo_id
    assert status(alice.move_repo, other, "alice/CASETEST") == 409
    assert status(alice.duplicate_repo, other, "alice/CASETEST") == 409
    alice.create_repo("CaseLab/one")
    assert status(alice.create_repo, "caselab/two") == 409
    assert status(alice.create_repo, "BOB/two") == 409
    with pytest.raises(ValueError, match="choose another"):
        own_hub.add_users(["Alice"])
    alice.move_repo("alice/CaseTest", "alice/casetest")
    assert [m.id for m in alice.list_models(search="casetest")] == ["alice/casetest"]


def test_the_old_id_of_a_moved_repo_leads_to_the_new_one(alice, bob, own_hub, web, tmp_path):
    for name in ("first", "second", "third"):
        assert not alice.repo_exists(f"alice/{name}-name")
    head = alice.upload_file(
        path_or_fileobj=b"1", path_in_repo="w.bin", repo_id=alice.create_repo("alice/first-name").repo_id
    ).oid
    alice.move_repo("alice/first-name", "alice/second-name")
    alice.move_repo("alice/second-name", "alice/third-name")
    for old in ("alice/first-name", "alice/second-name"):
        assert alice.model_info(old).id == "alice/third-name"
        assert alice.model_info(old, revision=head, files_metadata=True).siblings[1].size == 1
        assert Path(alice.hf_hub_download(old, "w.bin", cache_dir=tmp_path / old)).read_bytes() == b"1"
    alice.upload_file(path_or_fileobj=b"2", path_in_repo="w2.bin", repo_id="alice/first-name")
    assert "w2.bin" in alice.list_repo_files("alice/third-name")
    answer = web.get("/alice/first-name/resolve/main/a%20b?x=1", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["Location"]) == (307, "/alice/third-name/resolve/main/a%20b?x=1")
    assert [m.id for m in alice.list_models(search="d-name")] == ["alice/third-name"]
    alice.update_repo_settings("alice/first-name", visibility="private")
    assert not bob.repo_exists("alice/first-name")
    alice.create_repo("alice/first-name")
    assert alice.list_repo_files("alice/first-name") == [".gitattributes"], "the name is another repo's now"
    alice.delete_repo("alice/first-name")
    alice.delete_repo("alice/third-name")
    alice.create_repo("alice/third-name")
    assert not alice.repo_exists("alice/first-name")
    assert not alice.repo_exists("alice/second-name")
    assert status(alice.model_info, "alice/second-name") == 404
