"""Requests for the rationale of a problem, and the outcomes of the replies."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from promptcot import domains
from promptcot.core.parsing.blocks import parse
from promptcot.errors import InputError
from promptcot.records import Completion, Drop, Message, Retry, Row, Sampling, derive_seed
from promptcot.stages.explain import Explain
from promptcot.stages.judge import Judge
from tests.generations import read_as, render

ROW: Row = {
    "id": "p1-a",
    "problem": "Find gcd(6, 4).",
    "foundational_concepts": ["gcd", "divisibility"],
    "level": "AIME",
    "prompt": "what a benchmark asks",
    "note": [1],
}
SAMPLING = Sampling(temperature=0.7, max_tokens=100)
NANO = domains.load("nano")
REPLY = Completion("\n<!-- BEGIN RATIONALE -->\nTake 6 and 4.\n<!-- END RATIONALE -->", "stop", 7, 9)


def worded(concepts: Sequence[str], level: str) -> str:
    return f"{level}: {', '.join(concepts)}"


def stage(name: str = "a", domain: str = "nano", *, chat: bool = False) -> Explain:
    return Explain(name, domains.load(domain), worded, SAMPLING, 5, chat)


STAGE = stage()


def test_problem_concepts_and_level_are_asked_in_the_words_of_the_domain() -> None:
    [request] = STAGE.ask(ROW)
    assert request.prompt == "Problem: Find gcd(6, 4).\nConcepts:\n1. gcd\n2. divisibility\nLevel: AIME\n"
    assert (request.seed, request.sampling) == (derive_seed(5, "a", "p1-a", 0), SAMPLING)
    assert stage("b").ask(ROW)[0].seed != request.seed


def test_the_mathematical_wording_names_the_markers_of_the_reply_and_no_others() -> None:
    [request] = stage(domain="math").ask(ROW)
    for part in ("Level: AIME", "1. gcd\n2. divisibility\n", "Find gcd(6, 4)."):
        assert part in request.prompt
    assert request.prompt.count("<!-- BEGIN RATIONALE -->") == request.prompt.count("<!-- END RATIONALE -->") == 1
    assert "PROBLEM -->" not in request.prompt


def test_in_a_chat_the_same_is_the_users_turn() -> None:
    [request] = stage(chat=True).ask(ROW)
    assert (request.prompt, request.messages) == ("", (Message("user", STAGE.ask(ROW)[0].prompt),))


def test_the_row_looks_as_if_a_generator_had_written_it() -> None:
    [row] = STAGE.read(ROW, [REPLY])
    assert row == {
        **ROW,
        "prompt": "AIME: gcd, divisibility",
        "completion": render("Take 6 and 4.", "Find gcd(6, 4)."),
        "rationale": "Take 6 and 4.",
        "annotator": "a",
        "finish_reason": "stop",
        "prompt_tokens": 7,
        "completion_tokens": 9,
    }
    assert parse(row["completion"]) == read_as(row["rationale"], row["problem"])
    [request] = Judge("one", NANO, SAMPLING, seed=5).ask(row)
    assert row["completion"] in request.prompt


def test_the_concepts_may_have_the_name_of_public_files() -> None:
    public = {key: value for key, value in ROW.items() if key != "foundational_concepts"}
    public["concepts"] = ROW["foundational_concepts"]
    assert STAGE.ask(public) == STAGE.ask(ROW)
    assert STAGE.read(public, [REPLY])[0]["foundational_concepts"] == public["concepts"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("problem", "", "row p1-a: neither `problem` nor `prompt`"),
        ("foundational_concepts", [], "`foundational_concepts`"),
        ("foundational_concepts", "gcd", "`foundational_concepts`"),
        ("foundational_concepts", ["gcd", 1], "`foundational_concepts`"),
        ("level", None, "row p1-a has no text in `level`"),
        ("level", 3, "--level"),
    ],
)
def test_a_row_that_lacks_something_is_named(field: str, value: object, words: str) -> None:
    lacking = {**ROW, field: value, "prompt": None}
    with pytest.raises(InputError, match=f"explain-a: .*{words}"):
        STAGE.ask(lacking)


@pytest.mark.parametrize(
    ("reply", "reason", "dropped"),
    [
        (Completion(" "), "empty", "empty"),
        (Completion("because"), "no BEGIN RATIONALE", "unreadable: no BEGIN RATIONALE"),
        (Completion(render("r", "p")), "problem markers", "unreadable: problem markers"),
    ],
)
def test_what_cannot_be_read_is_asked_for_again_and_then_dropped(reply: Completion, reason: str, dropped: str) -> None:
    expected = Drop(dropped, raw=(reply.text,), finish_reason=reply.finish_reason)
    assert STAGE.read(ROW, [reply]) == Retry(reason, expected)


@pytest.mark.parametrize("text", [REPLY.text[:40], REPLY.text[:-3], ""])
def test_a_reply_that_was_cut_off_is_dropped_and_not_asked_for_again_under_the_same_limit(text: str) -> None:
    reply = Completion(text, "length")
    assert STAGE.read(ROW, [reply]) == Drop("unreadable: cut off", raw=(text,), finish_reason="length")


def test_what_an_annotator_repeats_of_its_prompt_is_no_rationale() -> None:
    row = {
        **ROW,
        "problem": "Find the number of pairs.\n<!-- BEGIN RATIONALE -->\nIt is the best.\n<!-- END RATIONALE -->",
    }
    for words in ("Find the number of pairs.", "It is the best.", "the rationale"):
        reply = Completion(f"It says:\n<!-- BEGIN RATIONALE -->\n{words}\n<!-- END RATIONALE -->")
        assert isinstance(found := stage(domain="math").read(row, [reply]), Retry)
        assert found.reason == "repeated from the prompt"


def test_a_problem_that_holds_markers_is_left_out() -> None:
    row = {**ROW, "problem": "Find n. <!-- END PROBLEM --> Find m."}
    assert STAGE.read(row, [REPLY]) == Drop("the problem does not fit between markers: repeated END PROBLEM")
