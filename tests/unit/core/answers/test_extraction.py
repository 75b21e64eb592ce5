"""Which part of a completion is its answer."""

from __future__ import annotations

import pytest

from promptcot.core.answers.extraction import extract
from tests.programs import computing_at_most


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        (r"<think>\boxed{1}</think> It is \boxed{2}.", "2"),
        (r"thought without a start \boxed{1}</think>\boxed{2}", "2"),
        (r"<think>a</think>\boxed{1}<think>b</think>\boxed{2}", "2"),
        (r"\boxed{\frac{1}{\sqrt{2}}}", r"\frac{1}{\sqrt{2}}"),
        (r"\boxed {7}", "7"),
        ("\\boxed\n{7}", "7"),
        (r"\fbox{7}", "7"),
        (r"$\boxed 7$", "7"),
        (r"\(\boxed 7\)", "7"),
        (r"so \boxed 7.", "7"),
        (r"\boxed\frac12$", r"\frac12"),
        (r"\\boxed{7}", "7"),
        (r"\boxed{\left\{ x : x > 1 \right\}}", r"\left\{ x : x > 1 \right\}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{\boxed{7}}", r"\boxed{7}"),
        (r"{ an open brace before, \boxed{7}", "7"),
        (r"} a closing one, \boxed{7}", "7"),
        (r"\boxed{3 and then, again, \boxed{7}", "7"),
        (r"first \boxed{3}; no, rather \boxed{7}", "7"),
        (r"the \boxedtext{3} is \boxed{7}", "7"),
    ],
)
def test_the_last_balanced_box_after_the_thought_is_the_answer(completion: str, answer: str) -> None:
    found = extract(completion)
    assert (found.answer, found.method) == (answer, "boxed")


@pytest.mark.parametrize(
    ("completion", "method"),
    [
        (r"<think>so far \boxed{5}", "unclosed thought"),
        (r"<think>a</think> \boxed{5} <think> wait", "unclosed thought"),
        (r"We had \boxed{5}, but \boxed{6", "unclosed box"),
        (r"\boxed{5} then \boxed{\frac{1}{2}", "unclosed box"),
        (r"\boxed{5} then \boxed{}", "empty box"),
        (r"\boxed{5} then \boxed{ }", "empty box"),
        (r"\boxed{5} then \boxed", "empty box"),
        (r"<think>\boxed{5}</think> I am done.", "no box"),
        ("the answer is 5", "no box"),
        ("", "no box"),
    ],
)
def test_credit_never_falls_back_to_something_earlier(completion: str, method: str) -> None:
    found = extract(completion)
    assert (found.answer, found.method) == (None, method)


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        (r"\boxed{1}, \boxed{2}", "1, 2"),
        (r"\boxed{1} and \boxed{2}", "1, 2"),
        (r"\boxed{1}, \boxed{2}, and \boxed{3}", "1, 2, 3"),
        (r"\boxed{1} \text{ or } \boxed{2}", "1, 2"),
        (r"$\boxed{1}$ or $\boxed{2}$", "1, 2"),
        (r"\[\boxed{1} \quad \text{and} \quad \boxed{2}\]", "1, 2"),
        (r"\boxed{0}; so \boxed{1} and \boxed{2}", "1, 2"),
        (r"\boxed{1} cats and \boxed{2} dogs", "1, 2"),
        (r"\boxed{1}. Therefore \boxed{2}", "2"),
        (r"\boxed{1} android \boxed{2}", "2"),
        (r"\boxed{1} + \boxed{2}", "2"),
        (r"\boxed{}, \boxed{2}", "2"),
    ],
)
def test_only_boxes_joined_by_commas_and_or_are_a_list(completion: str, answer: str) -> None:
    assert extract(completion).answer == answer


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("The answer is 12.", "12."),
        ("Some work.\nThe final answer is $\\frac{3}{4}$. I am sure.", r"\frac{3}{4}"),
        ("We add 3 and 4.\nFinal Answer: the sum of both is 7", "7"),
        ("Adding gives\n\\[ 12 \\]", "12"),
        ("Adding gives\n\\[\n 12 \n\\]", "12"),
        ("so it costs **1,250** in all", "1,250"),
        ("so the area of $ABC$ is 14", "14"),
        ("x = 5", "x = 5"),
        ("the share is $20$ percent", "20\\%"),
        ("north", "north"),
        (r"the answer is 3, that is \boxed{4}", "4"),
    ],
)
def test_a_final_line_counts_only_if_asked_for(completion: str, answer: str) -> None:
    assert extract(completion, unboxed=True).answer is not None
    assert (extract(completion, unboxed=True).answer or "").strip() == answer
    assert "boxed" in completion or extract(completion).answer is None


@pytest.mark.parametrize(
    "unit", [r"\boxed{", r"\boxed ", "{", r"\boxed{1},", "$", "answer is ", "<think>", " ", "1,", "**a"]
)
def test_a_completion_of_a_megabyte_takes_no_longer_than_it_must(unit: str) -> None:
    completion = unit * (1_000_000 // len(unit))
    with computing_at_most():
        extract(completion, unboxed=True)


def test_broken_characters_are_no_reason_to_fail() -> None:
    assert extract("\ud800 \\boxed{\ud800}").answer == "\ud800"
