"""Discussions and pull requests, through the real client."""

from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd
from huggingface_hub.errors import HfHubHTTPError


def upload(api, repo: str, path: str, text: str, **kwargs):
    return api.upload_file(path_or_fileobj=text.encode(), path_in_repo=path, repo_id=repo, **kwargs)


def test_a_commit_can_be_a_pull_request(alice, repo):
    upload(alice, repo, "a", "1")
    proposed = upload(alice, repo, "a", "2", create_pr=True, commit_message="Two", commit_description="why")
    assert (proposed.pr_num, proposed.pr_revision) == (1, "refs/pr/1")
    assert Path(alice.hf_hub_download(repo, "a")).read_text() == "1"
    assert Path(alice.hf_hub_download(repo, "a", revision="refs/pr/1")).read_text() == "2"
    upload(alice, repo, "b", "new", revision="refs/pr/1")
    pull = alice.get_discussion_details(repo, 1)
    assert (pull.title, pull.status, pull.is_pull_request, pull.target_branch) == ("Two", "open", True, "main")
    assert [event.type for event in pull.events] == ["comment", "commit", "commit"]
    upload(alice, repo, "c", "meanwhile on main")
    alice.merge_pull_request(repo, 1, comment="good")
    assert Path(alice.hf_hub_download(repo, "a")).read_text() == "2"
    assert {"a", "b", "c"} <= set(alice.list_repo_files(repo))
    assert alice.get_discussion_details(repo, 1).status == "merged"
    refs = alice.list_repo_refs(repo, include_pull_requests=True)
    assert [ref.ref for ref in refs.pull_requests] == ["refs/pr/1"]
    with pytest.raises(HfHubHTTPError):
        alice.merge_pull_request(repo, 1)


def test_a_pull_request_that_conflicts_is_not_merged(alice, repo):
    upload(alice, repo, "a", "1")
    upload(alice, repo, "a", "theirs", create_pr=True)
    head = upload(alice, repo, "a", "ours")
    assert alice.get_discussion_details(repo, 1).conflicting_files == ["a"]
    with pytest.raises(HfHubHTTPError) as refused:
        alice.merge_pull_request(repo, 1)
    assert refused.value.response.status_code == 409
    assert alice.model_info(repo).sha == head.oid


def test_discussions(alice, bob, repo, web):
    made = bob.create_discussion(repo, "Sounds good", description="Does it?")
    assert (made.num, made.author, made.status, made.is_pull_request) == (1, "bob", "open", False)
    said = alice.comment_discussion(repo, 1, "Yes")
    assert said.content == "Yes"
    assert alice.edit_discussion_comment(repo, 1, said.id, "No").content == "No"
    assert alice.rename_discussion(repo, 1, "Sounds bad").new_title == "Sounds bad"
    assert bob.change_discussion_status(repo, 1, "closed").new_status == "closed"
    draft = alice.create_pull_request(repo, "A draft")
    assert (draft.num, draft.status, draft.git_reference) == (2, "draft", "refs/pr/2")
    assert [d.title for d in alice.get_repo_discussions(repo)] == ["A draft", "Sounds bad"]
    assert [d.num for d in alice.get_repo_discussions(repo, discussion_type="discussion")] == [1]
    assert [d.num for d in alice.get_repo_discussions(repo, discussion_status="open")] == [2]
    alice.comment_discussion(repo, 2, "<script>1</script>")
    assert "&lt;script&gt;1" in web.get(f"/{repo}/discussions/2").text
    assert "Sounds bad" in web.get(f"/{repo}/discussions").text
    assert web.get(f"/{repo}/discussions/3").status_code == 404
    with pytest.raises(HfHubHTTPError) as refused:
        bob.rename_discussion(repo, 2, "Mine")
    assert refused.value.response.status_code == 403
    with pytest.raises(HfHubHTTPError) as missing:
        alice.get_discussion_details(repo, 99)
    assert missing.value.response.status_code == 404


def test_a_reader_can_propose_and_not_merge(alice, bob, anonymous, repo):
    files = [CommitOperationAdd("model.bin", b"large"), CommitOperationAdd("notes.txt", b"small")]
    for visitor in (bob, anonymous):
        with pytest.raises(HfHubHTTPError):
            visitor.create_commit(repo, files, commit_message="not mine")
    with pytest.raises(HfHubHTTPError):
        anonymous.create_commit(repo, files, commit_message="nobody's", create_pr=True)
    made = bob.create_commit(repo, files, commit_message="mine", create_pr=True)
    upload(bob, repo, "more.txt", "more", revision=made.pr_revision)
    assert {"model.bin", "notes.txt", "more.txt"} <= set(bob.list_repo_files(repo, revision=made.pr_revision))
    assert alice.list_repo_files(repo) == [".gitattributes"]
    draft = bob.create_pull_request(repo, title="a draft")
    upload(bob, repo, "draft.txt", "d", revision=draft.git_reference)
    alices = alice.create_pull_request(repo, title="alice's")
    for revision in (alices.git_reference, "main", "refs/pr/99"):
        with pytest.raises(HfHubHTTPError):
            upload(bob, repo, "x.txt", "x", revision=revision)
    with pytest.raises(HfHubHTTPError):
        bob.merge_pull_request(repo, made.pr_num)
    alice.merge_pull_request(repo, made.pr_num)
    assert "more.txt" in alice.list_repo_files(repo)
    alice.update_repo_settings(repo, private=True)
    with pytest.raises(HfHubHTTPError):
        upload(bob, repo, "x.txt", "x", create_pr=True)


def test_what_is_said_is_read_as_markdown_and_cannot_act(alice, repo, web):
    opened = alice.create_discussion(repo, title="<script>1</script>", description="See **row 7** in [it](data/x.md)")
    alice.comment_discussion(repo, opened.num, comment="<script>1</script><img src=x onerror=alert(1)>")
    alice.comment_discussion(repo, opened.num, comment="<b>" * 9_000)
    page = web.get(f"/{repo}/discussions/{opened.num}").text
    assert "<strong>row 7</strong>" in page
    assert f'href="/{repo}/blob/' in page
    assert "<script" not in page
    assert "&lt;script&gt;1&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;" in page
    assert "&lt;b&gt;&lt;b&gt;" in page, "too much of it is shown as it was written"
