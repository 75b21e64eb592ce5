"""The training example from a row for each kind of training, and the reasons for dropping a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from promptcot import domains
from promptcot.errors import InputError
from promptcot.exports.examples import EXTRA, OTHER_TURNS, Example, Reader
from promptcot.records import Sampling
from promptcot.rewards import graders
from promptcot.stages.solve import Solve

MATH = domains.load("math")
ASKED = MATH.messages("solve", problem="Find 1+1.")[-1].content
LABELLED = {"problem": "Find 1+1.", "answer": "2", "agreement": 1.0, "margin": 1.0, "n": 4, "answered": 4}
PAIR = {"problem": "Find 1+1.", "chosen": "It is \\boxed{2}.", "rejected": "It is \\boxed{3}."}
CHAT = [{"role": "user", "content": "Find 1+1."}, {"role": "assistant", "content": "\\boxed{2}"}]
BAD = {"role": "assistant", "content": "\\boxed{3}"}
RAW = (
    "<｜User｜>Find 1+1.\n"
    "Please reason step by step, and put your final answer within \\boxed{}.<｜Assistant｜><think>\n"
)


def read(kind: Any, *rows: dict[str, Any], **options: Any) -> list[Example | str]:
    reader = Reader(kind, options.pop("prompts", MATH), **options)
    return reader([{"id": f"row-{place}", **row} for place, row in enumerate(rows)])


def example(kind: Any, row: dict[str, Any], **options: Any) -> Example:
    [found] = read(kind, row, **options)
    assert isinstance(found, Example), found
    return found


LEFT_OUT: Sequence[tuple[str, dict[str, Any], str]] = [
    ("rl", {"problem": "P"}, "no answer"),
    ("rl", {"problem": "P", "answer": None}, "no answer"),
    ("rl", {"problem": "P", "answer": " "}, "no answer"),
    ("rl", {"problem": "P", "answer": []}, "gold unreadable"),
    ("rl", {"problem": "P", "answer": {"a": 1}}, "gold unreadable"),
    ("rl", {"problem": "P", "answer": True}, "gold unreadable"),
    ("rl", {"problem": "P", "answer": float("nan")}, "gold unreadable"),
    ("rl", {"problem": "P", "answer": "\\frac{1}{"}, "gold unreadable"),
    ("rl", {"problem": "P", "reference_solution": "no mark"}, "no answer"),
    ("rl", {"answer": "2"}, "no problem text"),
    ("rl", {"problem": "", "answer": "2"}, "no problem text"),
    ("rl", {"problem": "  \n", "answer": "2"}, "no problem text"),
    ("rl", {"problem": 7, "answer": "2"}, "no problem text"),
    ("rl", {"prompt": [{"role": "user", "content": None}], "answer": "2"}, OTHER_TURNS),
    ("rl", {"prompt": [{"role": "user", "content": [{"type": "text", "text": "Q"}]}], "answer": "2"}, OTHER_TURNS),
    ("sft", {"messages": [CHAT[0], {"role": "tool", "content": "4"}, CHAT[1]]}, OTHER_TURNS),
    ("rl", {"prompt": [*CHAT, *CHAT], "answer": "2"}, "more than one question"),
    ("sft", {"problem": "P", "messages": [*CHAT, *CHAT]}, "more than one question"),
    ("pairs", {**PAIR, "chosen": [*CHAT, *CHAT]}, "more than one question"),
    ("pairs", {"chosen": [*CHAT, *CHAT], "rejected": [*CHAT, *CHAT[:1], BAD]}, "more than one question"),
    ("pairs", {"chosen": CHAT, "rejected": [{"role": "user", "content": "Other?"}, BAD]}, "no problem text"),
    ("rl", {**LABELLED, "agreement": 0.5}, "answer not agreed"),
    ("rl", {**LABELLED, "agreement": 0.0}, "answer not agreed"),
    ("rl", {**LABELLED, "answered": 1}, "answer not agreed"),
    ("rl", {**LABELLED, "margin": 0.0}, "answer not agreed"),
    ("rl", {**LABELLED, "label": "2", "agreement": 0.4}, "answer not agreed"),
    ("rl", {**LABELLED, "validity": "undecided"}, "not valid: undecided"),
    ("rl", {**LABELLED, "validity": {"verdict": "invalid", "share": 0.2}}, "not valid: invalid"),
    ("sft", {**LABELLED, "trace": "t", "agreement": 0.5}, "answer not agreed"),
    ("sft", LABELLED, "no trace"),
    ("sft", {**LABELLED, "trace": None}, "no trace"),
    ("sft", {**LABELLED, "trace": " "}, "no trace"),
    ("sft", {"messages": CHAT[:1]}, "no trace"),
    ("sft", {**LABELLED, "completion": "t", "finish_reason": "length"}, "trace truncated"),
    ("sft", {**LABELLED, "completion": "t", "malformed": "thinking not closed"}, "trace malformed"),
    ("pairs", LABELLED, "no right and wrong trace"),
    ("pairs", {**PAIR, "rejected": None}, "no right and wrong trace"),
    ("pairs", {**PAIR, "rejected": ""}, "no right and wrong trace"),
    ("pairs", {**PAIR, "rejected": PAIR["chosen"] + "\n"}, "right and wrong trace are the same"),
    ("pairs", {**PAIR, "rejected": PAIR["chosen"] + "<|im_end|>"}, "right and wrong trace are the same"),
]


@pytest.mark.parametrize(("kind", "row", "reason"), LEFT_OUT, ids=lambda value: str(value)[:60])
def test_what_nothing_can_be_learnt_from_is_left_out_with_the_reason(
    kind: Any, row: dict[str, Any], reason: str
) -> None:
    assert read(kind, row) == [reason]


GOES_OUT: Sequence[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("rl", LABELLED, {"answer": "2", "problem": "Find 1+1."}),
    ("rl", {"problem": "P", "answer": 2}, {"answer": "2"}),
    ("rl", {"problem": "P", "answer": 2.0}, {"answer": "2"}),
    ("rl", {"problem": "P", "answer": ["1", "2"]}, {"answer": "1, 2"}),
    ("rl", {"problem": "P", "answer": "\\frac{1}{2}"}, {"answer": "\\frac{1}{2}"}),
    ("rl", {"problem": "P", "reference_solution": "work #### 7"}, {"answer": "7"}),
    ("rl", {"problem": "P", "label": "7", "agreement": 0.75}, {"answer": "7"}),  # `label` of a set without golds
    ("rl", {"problem": "P", "answer": "7", "label": "8", "agreement": 0.25}, {"answer": "7"}),  # a gold that was given
    ("rl", {"problem": "P", "label": 7}, {"answer": "7"}),
    ("rl", {"problem": "P", "answer": "So we get the root \\boxed{\\frac12}."}, {"answer": "\\frac12"}),  # a solution
    ("rl", {"problem": "P", "answer": "7", "agreement": 10**400, "margin": -(10**400)}, {"answer": "7"}),
    ("rl", {"prompt": RAW, "answer": "2"}, {"prompt": ASKED, "problem": "Find 1+1."}),  # no markup within a chat
    ("sft", {"prompt": RAW, "completion": "a</think>b"}, {"prompt": ASKED, "completion": "<think>\na</think>b"}),
    ("pairs", {"chosen": CHAT, "rejected": [CHAT[0], BAD]}, {"prompt": "Find 1+1.", "rejected": BAD["content"]}),
    ("rl", {"prompt": "Q?", "answer": "7"}, {"prompt": "Q?", "problem": None}),
    ("rl", {"prompt": CHAT[:1], "answer": "7"}, {"prompt": "Find 1+1."}),
    ("rl", {"prompt": "raw <think>", "messages": CHAT[:1], "answer": "7"}, {"prompt": "raw <think>"}),
    ("rl", {"problem": "P", "answer": "7", "agreement": "x", "margin": float("nan")}, {"answer": "7"}),
    ("rl", {"problem": "P", "answer": "7", "agreement": 0.75}, {"answer": "7"}),  # a set of an older version
    ("sft", {**LABELLED, "trace": "t</s>"}, {"completion": "t", "answer": "2"}),
    ("sft", {"messages": CHAT}, {"completion": "\\boxed{2}", "prompt": "Find 1+1."}),
    ("sft", {"prompt": CHAT[:1], "completion": CHAT[1:]}, {"completion": "\\boxed{2}", "prompt": "Find 1+1."}),
    ("sft", {"prompt": "Q <think>", "completion": "b</think>"}, {"prompt": "Q ", "completion": "<think>b</think>"}),
    ("pairs", PAIR, {"chosen": PAIR["chosen"], "rejected": PAIR["rejected"]}),
    ("pairs", {**PAIR, "label": "2"}, {"answer": "2"}),
    ("pairs", {"prompt": "Q<think>", "chosen": "<think>a</think>", "rejected": "b</think>"},
     {"prompt": "Q", "chosen": "<think>a</think>", "rejected": "<think>b</think>"}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "row", "fields"), GOES_OUT, ids=lambda value: str(value)[:60])
def test_what_a_row_says_is_taken_from_where_it_says_it(kind: Any, row: dict[str, Any], fields: dict[str, Any]) -> None:
    found = example(kind, row)
    assert {name: getattr(found, name) for name in fields} == fields


@pytest.mark.parametrize("row", [row for _, row, why in LEFT_OUT if why.startswith(("answer not", "not valid"))])
def test_disputed_rows_go_out_where_they_are_asked_for(row: dict[str, Any]) -> None:
    assert example("rl", row, disputed=True).answer == "2"


@pytest.mark.parametrize("kind", ["sft", "rl"])
@pytest.mark.parametrize(("asked", "roles"), [("Find 1+1.", ["system", "user"]), ("Write a problem.", ["user"])])
def test_the_system_message_of_the_chat_that_asks_the_problem_stays(kind: Any, asked: str, roles: list[str]) -> None:
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": asked}, CHAT[1]]
    found = example(kind, {"problem": "Find 1+1.", "answer": "2", "messages": chat})
    assert [message.role for message in found.messages] == roles
    assert found.messages[-1].content == ASKED


@pytest.mark.parametrize("style", [None, "qwq", "deepseek-r1"])
def test_the_prompt_is_what_solve_asks(style: str | None) -> None:
    found = example("rl", LABELLED, style=style)
    raw, chat = (Solve(MATH, Sampling(), 0, chat=chat, style=style) for chat in (False, True))
    asked = {"id": "a", "sample": 0, **LABELLED}
    if style:
        assert found.prompt == raw.ask(asked)[0].prompt
    else:
        assert tuple(found.messages) == chat.ask(asked)[0].messages
        assert found.prompt == found.messages[-1].content


def test_a_prompt_is_sent_as_it_is_where_that_is_the_style() -> None:
    assert example("rl", {"problem": "P", "prompt": "Q", "answer": "2"}, style="row").prompt == "Q"


def test_a_domain_that_cannot_ask_says_so() -> None:
    with pytest.raises(InputError, match=r"solve\.nosuch"):
        read("rl", LABELLED, style="nosuch")


@pytest.mark.parametrize(
    "value", ["x", 7, 0.5, float("nan"), float("inf"), -1, 1 << 70, True, None, ["a", 3], {"a": {}}, "\ud800"]
)
def test_fields_of_any_kind_become_values_of_one_type(value: Any) -> None:
    kinds = {"string": str, "number": float, "integer": int, ("string",): list}
    found = example("rl", {**dict.fromkeys(EXTRA, value), "problem": "P", "answer": "2"}, disputed=True).extra
    assert list(found) == list(EXTRA)
    for name, kind in EXTRA.items():
        assert found[name] is None or isinstance(found[name], kinds[kind]), (name, found[name])  # type: ignore[index]


def test_whole_numbers_start_no_worker() -> None:
    graders.close()
    found = read("rl", *({"problem": "P", "answer": str(number)} for number in range(-50, 2000)))
    assert all(isinstance(one, Example) for one in found)
    assert graders.pids() == []


def test_the_verifier_that_is_named_checks_the_golds() -> None:
    rows = [{"problem": "P", "answer": "knight"}, {"problem": "P", "answer": "7"}]
    assert read("rl", *rows, verifier="integers")[0] == "gold unreadable"
    assert all(isinstance(one, Example) for one in read("rl", *rows, verifier="exact"))
