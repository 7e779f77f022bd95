import socket

import pytest
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import LocalTokenNotFoundError

from ytaudio.errors import UserError
from ytaudio.hub_errors import hub_errors, is_local, name_and_revision


class Mine(UserError):
    pass


def said(call) -> str:
    with pytest.raises(Mine) as caught, hub_errors("dataset me/x", Mine):
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_the_hub_refuses_is_one_sentence(hub):
    api = HfApi()
    repo = api.create_repo("tester/hub-errors", repo_type="dataset", private=True, exist_ok=True).repo_id
    assert "is not on" in said(lambda: api.dataset_info("tester/nothing-here"))
    assert "no such revision" in said(lambda: api.dataset_info(repo, revision="nowhere"))
    assert "refused the token" in said(lambda: HfApi(token="hf_wrong").whoami())
    assert "is not on" in said(lambda: HfApi(token=False).dataset_info(repo))
    assert "USER/NAME" in said(lambda: api.dataset_info("not//a name"))


def test_a_missing_file_of_a_repo_that_is_there_is_not_the_hubs_fault(hub):
    repo = HfApi().create_repo("tester/hub-errors-file", exist_ok=True).repo_id
    with pytest.raises(OSError, match="404"), hub_errors("model me/x", Mine):
        hf_hub_download(repo, "nothing.json")


def test_a_hub_that_is_not_there():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        assert "cannot be reached" in said(lambda: HfApi(endpoint=endpoint).dataset_info("a/b"))


def test_no_token_at_all():
    def call():
        raise LocalTokenNotFoundError("none")

    assert "HF_TOKEN" in said(call)


def test_other_errors_pass_as_they_are():
    with pytest.raises(ValueError, match=r"^a bug$"), hub_errors("model me/x", Mine):
        raise ValueError("a bug")
    with pytest.raises(KeyError), hub_errors("model me/x", Mine):
        raise KeyError("a bug")
    with pytest.raises(Mine, match=r"^mine already$"), hub_errors("model me/x", UserError):
        raise Mine("mine already")


def test_a_folder_is_local_and_a_name_is_not(tmp_path):
    assert is_local(tmp_path) and not is_local("tester/name") and not is_local(tmp_path / "nothing")


def test_a_name_may_tell_a_revision_and_a_folder_may_be_called_so(tmp_path, monkeypatch):
    assert name_and_revision("user/name@v1") == ("user/name", "v1")
    assert name_and_revision("user/name@refs/pr/1") == ("user/name", "refs/pr/1")
    assert name_and_revision("user/name") == ("user/name", None) == name_and_revision("user/name@")
    (tmp_path / "run@home").mkdir()
    monkeypatch.chdir(tmp_path)
    assert name_and_revision("run@home") == ("run@home", None)
