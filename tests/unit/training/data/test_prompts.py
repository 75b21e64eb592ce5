"""Problems with a known answer as prompts: which are used, their wording, and the reasons for dropping others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from promptcot.errors import InputError
from promptcot.storage.json import loads
from promptcot.training.data.prompts import Prompts, open_prompts
from promptcot.training.method_recipe import Grpo
from promptcot.training.recipe import TrainRecipe
from tests.unit.training.materials import CHATML, tokenizer, write

OPENED = "<|im_start|>user\n1<|im_end|>\n<|im_start|>assistant\n"
SYSTEM = {"role": "system", "content": "0"}
WINDOW = 128


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def said(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTCOT_CACHE", str(tmp_path / "cache"))


def opened(tmp_path: Path, rows: Sequence[dict[str, Any]], template: str | None = None, **data: Any) -> Prompts:
    grpo = {"max_completion_length": 32, "reward": {"verifier": "integers"}}
    recipe = TrainRecipe.model_validate(
        {
            "model": {"path": "nano:solver"},
            "data": {"path": str(write(tmp_path / "rows.jsonl", rows)), **data},
            "method": {"kind": "grpo", "grpo": grpo},
            "schedule": {"max_length": WINDOW},
        }
    )
    return open_prompts(recipe, Grpo.model_validate(grpo), tokenizer(template))


@pytest.mark.parametrize(
    ("row", "template", "data", "asked"),
    [
        ({"problem": "1", "answer": "2"}, None, {}, "1\n"),
        ({"question": "1", "answer": "so #### 2"}, None, {}, "1\n"),
        ({"q": "1", "g": "2"}, None, {"columns": {"problem": "q", "answer": "g"}}, "1\n"),
        ({"prompt": "1\n", "messages": [user("1")], "answer": "2"}, None, {}, "1\n"),
        ({"prompt": "1\n", "messages": [user("1")], "answer": "2"}, CHATML, {}, OPENED),
        ({"problem": "1", "prompt": "3\n", "answer": "2"}, CHATML, {}, OPENED),
        ({"prompt": "1", "answer": "2"}, CHATML, {"chat": True}, OPENED),
        ({"prompt": [user("1")], "answer": "2"}, None, {}, "1\n"),
        ({"prompt": [user("1")], "answer": "2"}, CHATML, {}, OPENED),
        ({"messages": [user("1"), said("2")], "answer": "2"}, CHATML, {}, OPENED),
        (
            {"messages": [SYSTEM, user("1")], "answer": "2"},
            CHATML,
            {},
            f"<|im_start|>system\n0<|im_end|>\n{OPENED}",
        ),
        (
            {"prompt": [user("1"), said("3"), user("1")], "reward_model": {"ground_truth": "2"}},
            CHATML,
            {},
            f"{OPENED}3<|im_end|>\n{OPENED}",
        ),
    ],
)
def test_prompts_are_asked_as_they_are_and_problems_in_the_words_of_their_domain(
    tmp_path: Path, row: dict[str, Any], template: str | None, data: dict[str, Any], asked: str
) -> None:
    [found] = opened(tmp_path, [row], template, **data).rows
    assert (found["prompt"], found["answer"]) == (asked, "2")


@pytest.mark.parametrize(
    ("row", "template", "data", "reason"),
    [
        ({"prompt": "1\n"}, None, {}, "no gold"),
        ({"prompt": "1\n", "answer": " "}, None, {}, "no gold"),
        ({"prompt": "1\n", "answer": "1/2"}, None, {}, "gold unreadable"),
        ({"prompt": " ", "answer": "2"}, None, {}, "no prompt"),
        ({"prompt": "\ud800", "answer": "2"}, None, {}, "not text"),
        ({"prompt": "1 " * WINDOW, "answer": "2"}, None, {}, "prompt too long"),
        ({"prompt": OPENED, "answer": "2"}, CHATML, {"chat": True}, "already rendered"),
        ({"messages": [user(OPENED)], "answer": "2"}, CHATML, {}, "already rendered"),
        ({"messages": [said("1")], "answer": "2"}, CHATML, {}, "no prompt"),
    ],
)
def test_rows_that_ask_nothing_or_cannot_be_rewarded_are_left_out_by_name(
    tmp_path: Path, row: dict[str, Any], template: str | None, data: dict[str, Any], reason: str
) -> None:
    found = opened(tmp_path, [{"id": "bad", **row}, {"prompt": "5\n", "answer": "2"}], template, **data)
    assert (len(found), found.reasons) == (1, {"bad": reason})
    assert [loads(line) for line in found.dropped.read_bytes().splitlines()] == [{"id": "bad", "reason": reason}]


def test_rows_that_share_an_id_are_left_out_alone(tmp_path: Path) -> None:
    found = opened(tmp_path, [{"id": "a", "prompt": f"{n}\n", "answer": answer} for n, answer in enumerate("2x3")])
    assert [row["answer"] for row in found.rows] == ["2", "3"]
    assert found.counts.rows_in == 3


def test_what_can_be_done_about_rows_is_said_where_none_is_left_too(tmp_path: Path) -> None:
    rows = [{"prompt": "1 " * WINDOW, "answer": "2"}, {"prompt": "1\n", "answer": "x"}]
    words = [
        "prompt too long: the prompt leaves no room for an answer of method.grpo.max_completion_length: raise",
        "gold unreadable: the verifier cannot read the answer",
    ]
    lines = opened(tmp_path, [*rows, {"prompt": "1\n", "answer": "2"}]).lines
    with pytest.raises(InputError, match="no prompt is left to train on: 1 × ") as refused:
        opened(tmp_path, rows)
    for told in ("\n".join(lines), str(refused.value)):
        assert all(word in told for word in words)
