"""What a README, a config and a result file say, and what a hostile one cannot do."""

import pytest

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


def test_a_hostile_card_leaves_the_repo_usable(alice, repo, web):
    import base64
    import json

    for text in (f"---\n{BOMB}---\n", "---\n- list\n---\n", "---\ntags: {a: 1}\nlicense: [1, {b: 2}]\n---\n"):
        lines = [
            {"key": "header", "value": {"summary": "x"}},
            {"key": "file", "value": {"path": "README.md", "content": base64.b64encode(text.encode()).decode(),
                                      "encoding": "base64"}},
        ]  # fmt: skip
        assert web.post(f"/api/models/{repo}/commit/main", content="\n".join(map(json.dumps, lines))).status_code == 200
        assert alice.model_info(repo).id == repo
        assert web.get(f"/{repo}").status_code == 200
