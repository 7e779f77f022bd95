"""What is a secret in a text, and what only looks like one."""

import subprocess
import sys

import pytest

from ytaudio.redaction import redacted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("hf_abcdefghijklmnop", "hf_***"),
        ("'hf_abc_DEFghijkl_m'", "'hf_***'"),
        ("https://joe:secret@example.org/x", "https://***@example.org/x"),
        ("s3://AKIAIOSFODNN7EXAMPLE:abc/d@bucket/x", "s3://AKIA***:abc/d@bucket/x"),
        ("Authorization: Bearer abcdefgh.ij", "Authorization: Bearer ***"),
        ("Proxy-Authorization: Basic am9lOnNlY3JldA==", "Proxy-Authorization: Basic ***"),
        ("--hub_token abcdefghijkl --seed 1", "--hub_token *** --seed 1"),
        ("--wandb-api-key=abcdefghijkl", "--wandb-api-key=***"),
        ("hub_token: 'abcdefghijkl'", "hub_token: '***'"),
        ('{"password": "abcdefghijkl", "seed": 1}', '{"password": "***", "seed": 1}'),
    ],
)
def test_secrets_are_hidden(text, shown):
    assert redacted(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "hf://datasets/user/name@main/data.parquet",
        "from huggingface_hub import hf_hub_download",
        "pad_token_id: 12345678",
        "max_tokens: 40000000",
        "hub_token: null",
        "set HF_TOKEN to a valid one, or run `hf auth login`",
        "who@example.org wrote a token of gratitude",
        "https://www.youtube.com/watch?v=abcdefghijk",
    ],
)
def test_what_only_looks_like_one_is_left(text):
    assert redacted(text) == text


def test_the_tokens_of_the_environment_are_hidden_whatever_their_form(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "odd-looking-token")
    assert redacted("you sent odd-looking-token, thanks") == "you sent ***, thanks"


def test_a_traceback_keeps_everything_else():
    code = (
        "from ytaudio.redaction import secrets_hidden\n"
        "with secrets_hidden():\n    raise KeyError('Bearer hf_abcdefghijklmnop at https://a:b@c/d')"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 1
    assert "KeyError: 'Bearer hf_*** at https://***@c/d'" in ended.stderr
    assert 'File "<string>", line 3' in ended.stderr
