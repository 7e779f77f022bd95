"""What a README, a config and a result file say, and what a hostile one cannot do."""

import json

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationCopy

from ytaudio.localhub.cards import check_card, read_yaml, split_card

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize("text", [BOMB, "a: &a [*a]", "[" * 5000, "a: [1", "!!python/object:os.system x"])
def test_hostile_yaml_is_refused(text):
    with pytest.raises(ValueError, match=r"\w"):
        read_yaml(text)


def test_yaml_becomes_what_json_can_say():
    assert read_yaml("a: 2024-01-02\nb: .nan\n1: [x]\nc: !!set {y}") == {
        "a": "2024-01-02",
        "b": None,
        "1": ["x"],
        "c": ["y"],
    }


@pytest.mark.parametrize(
    ("text", "front", "rest"),
    [
        ("---\na: 1\n---\nbody", "a: 1\n", "body"),
        ("﻿---\r\na: 1\r\n---\r\nbody", "a: 1\r\n", "body"),
        ("---\n---\nbody", "", "body"),
        ("body\n---\na: 1\n---\n", None, "body\n---\na: 1\n---\n"),
    ],
)
def test_front_matter(text, front, rest):
    assert split_card(text) == (front, rest)


def test_cards_are_checked():
    assert check_card("---\nlicense: mit\n---\n") == ([], [])
    assert check_card("no metadata")[1]
    assert check_card("---\n- a\n---\n")[0]
    assert check_card("---\na: [\n---\n")[0]


@pytest.mark.parametrize(
    ("front", "wrong"),
    [
        ("language: no", "language"),
        ("language: [de, 1]", "language"),
        ("tags: {a: 1}", "tags"),
        ("tags: audio", "tags"),
        ("datasets: [{a: 1}]", "datasets"),
        ("model-index: x", "model-index"),
        ("model-index: [{name: x}]", "model-index"),
        ("tags: [audio]\nlanguage: de\ndatasets: a/b\nmodel-index: [{name: x, results: []}]", None),
        ("tags:\nlanguage:\ndatasets:\nmodel-index:", None),
    ],
)
def test_types_in_a_card_are_checked(front, wrong):
    errors, _ = check_card(f"---\n{front}\n---\n")
    assert ([wrong] if wrong else []) == [error.split('"')[1] for error in errors]


@pytest.mark.parametrize(
    "text", [f"---\n{BOMB}---\n", "---\n- list\n---\n", "---\na: [\n---\n", "---\nlanguage: no\n---\n"]
)
def test_a_commit_with_a_broken_card_is_refused(alice, repo, web, text):
    head = alice.model_info(repo).sha

    def commit(path: str):
        lines = [
            {"key": "header", "value": {"summary": "x"}},
            {"key": "file", "value": {"path": path, "content": text, "encoding": "utf-8"}},
        ]
        return web.post(f"/api/models/{repo}/commit/main", content="\n".join(map(json.dumps, lines)))

    refused = commit("README.md")
    assert refused.status_code == 400
    assert refused.json()["error"].startswith("Invalid metadata in README.md: ")
    assert alice.model_info(repo).sha == head
    assert commit("sub/README.md").status_code == 200


@pytest.mark.parametrize(
    "text", [f"---\n{BOMB}---\n", "---\n- list\n---\n", "---\ntags: {a: 1}\nlicense: [1, {b: 2}]\n---\n"]
)
def test_a_hostile_card_leaves_the_repo_usable(alice, repo, web, text):
    """A card that came in as a large file is not checked; the same holds for one of an older Hub."""
    alice.create_commit(repo, [CommitOperationAdd("card.bin", text.encode())], commit_message="large")
    alice.create_commit(repo, [CommitOperationCopy("card.bin", "README.md")], commit_message="as the card")
    assert "README.md" in alice.list_repo_files(repo)
    assert alice.model_info(repo).id == repo
    assert web.get(f"/{repo}").status_code == 200
