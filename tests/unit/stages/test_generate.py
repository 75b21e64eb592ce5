"""Requests to the generator, and the outcomes of its replies."""

from __future__ import annotations

import pytest

from promptcot import domains
from promptcot.core.parsing.blocks import Blocks
from promptcot.core.parsing.blocks import render as rendered
from promptcot.errors import InputError, UnfitRow
from promptcot.records import Completion, Drop, Message, Row, Sampling, derive_seed
from promptcot.stages.generate import Generate
from tests.generations import render

ROW: Row = {"id": "a1", "prompt": "Concepts: gcd {{ 1 }}", "level": "AIME", "note": [1]}
SAMPLING = Sampling(temperature=0.7, max_tokens=100)
STAGE = Generate(SAMPLING, seed=5)


def test_the_prompt_of_the_row_is_asked_as_it_is() -> None:
    [request] = STAGE.ask(ROW)
    assert (request.prompt, request.messages, request.sampling) == (ROW["prompt"], (), SAMPLING)


def test_in_a_chat_the_prompt_is_the_users_turn() -> None:
    [request] = Generate(SAMPLING, seed=5, chat=True).ask(ROW)
    assert (request.prompt, request.messages) == ("", (Message("user", ROW["prompt"]),))


def test_the_seed_depends_on_the_run_and_on_the_row_and_on_nothing_else() -> None:
    [request] = STAGE.ask(ROW)
    assert request.seed == derive_seed(5, "a1", 0)
    assert STAGE.ask({**ROW, "note": 2})[0].seed == request.seed
    assert STAGE.ask({**ROW, "id": "a2"})[0].seed != request.seed
    assert Generate(SAMPLING, seed=6).ask(ROW)[0].seed != request.seed


@pytest.mark.parametrize("row", [{"id": "a1"}, {"id": "a1", "prompt": None}, {"id": "a1", "prompt": ""}])
def test_a_row_without_a_prompt_is_named(row: Row) -> None:
    with pytest.raises(InputError, match="generate: row a1 has no text in `prompt`"):
        STAGE.ask(row)


@pytest.mark.parametrize("names", [("rationale", "problem", "proof"), ("problem",), ("problem", "rationale")])
def test_a_row_whose_prompt_asks_for_the_blocks_of_another_domain_is_not_paid_for(names: tuple[str, ...]) -> None:
    row = {**ROW, "prompt": rendered(dict.fromkeys(names, "..."), Blocks(names))}
    with pytest.raises(UnfitRow, match=r"row a1: its `prompt` shows .*: the blocks are rationale, problem; name the d"):
        STAGE.ask(row)
    assert Generate(SAMPLING, seed=5, blocks=Blocks(names)).ask(row)


def test_what_can_be_read_is_added_to_the_row_and_the_text_is_kept() -> None:
    text = "Sure!\n" + render("Take 6 and 4.", "Find gcd(6, 4).") + "\n"
    [row] = STAGE.read(ROW, [Completion(text, "stop", 7, 9)])
    assert row == {
        **ROW,
        "completion": text,
        "rationale": "Take 6 and 4.",
        "problem": "Find gcd(6, 4).",
        "finish_reason": "stop",
        "prompt_tokens": 7,
        "completion_tokens": 9,
    }
    assert "completion" not in ROW


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Completion("Find gcd(6, 4)."), "unreadable: no BEGIN RATIONALE"),
        (Completion(render("r", "p")[:-5], "length"), "unreadable: cut off"),
        (Completion(" \n"), "empty"),
        (Completion("", "length"), "unreadable: cut off"),
    ],
)
def test_what_cannot_be_read_is_dropped_with_a_reason_and_its_raw_text(reply: Completion, reason: str) -> None:
    assert STAGE.read(ROW, [reply]) == Drop(reason, raw=(reply.text,), finish_reason=reply.finish_reason)


def test_the_example_of_the_prompt_is_no_problem() -> None:
    prompt = domains.load("math").render("generate", concepts=["gcd"], level="AIME")
    asked = {"id": "a", "prompt": prompt}
    example = Completion(prompt[prompt.index("<!-- BEGIN") :])
    for chat in (False, True):
        found = Generate(Sampling(), seed=1, chat=chat).read(asked, [example])
        assert found == Drop("unreadable: repeated from the prompt", (example.text,), "stop")
