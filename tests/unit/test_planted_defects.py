"""The defects that `benchmarks/verify_planted.py` plants are real edits, and reproducible by seed."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks._defects import DEFECTS, planted

PROBLEMS = [
    "Janet's ducks lay 16 eggs per day. She eats three for breakfast and sells the others for 2 dollars each. How much "
    "does she make every day?",
    "Let $f(x) = x^2 + bx$ be a polynomial such that $f(3) = 15$. Find $f(5) + b$.",
    "If $m$ and $n$ are integers such that $3m + 4n = 100$, what is the smallest possible value of $m - n$?",
    "The probability that a coin shows heads is $\\frac{1}{3}$. It is thrown twice. What is the chance of two?",
    "A triangle has side lengths 7, 8 and 9. There are 30% of the points inside. Find its area.",
    "Each of the 12 students has 4 books. How many books do they have together?",
]


def edits(defect: str) -> list[tuple[str, str]]:
    found = ((one, planted(one, defect, random.Random(seed))) for one in PROBLEMS for seed in range(20))
    return [(one, edited) for one, edited in found if edited is not None]


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_an_edit_that_its_seed_decides(defect: str) -> None:
    found = edits(defect)
    assert found == edits(defect)
    assert len({one for one, _ in found}) >= 2
    assert all(one.split() != edited.split() for one, edited in found)
    assert all(edited.count("$") % 2 == one.count("$") % 2 for one, edited in found)


def test_a_dropped_condition_leaves_the_question() -> None:
    for one, edited in edits("condition dropped"):
        assert len(edited) < len(one)
        assert one.rstrip()[-12:-1] in edited
        assert len(re.findall(r"\d", edited)) < len(re.findall(r"\d", one))


def test_a_contradicted_condition_stands_there_twice_with_two_values() -> None:
    for one, edited in edits("condition contradicted"):
        assert len(edited) > len(one)
        assert len(set(re.findall(r"\d+", edited)) - set(re.findall(r"\d+", one))) == 1


def test_an_undefined_symbol_is_new_and_stands_once() -> None:
    for one, edited in edits("symbol undefined"):
        [new] = set(re.findall(r"\\[a-z]+", edited)) - set(re.findall(r"\\[a-z]+", one))
        assert edited.count(new) == 1


def test_a_second_question_follows_the_first() -> None:
    assert all(edited.startswith(one) and edited[-1] in "?." for one, edited in edits("two questions"))


def test_a_problem_with_a_figure_is_left_alone() -> None:
    assert not any(planted("In the figure there are 3 dogs. How many?", one, random.Random(0)) for one in DEFECTS)


@given(st.text(), st.sampled_from(sorted(DEFECTS)), st.integers())
def test_no_text_breaks_a_rule(text: str, defect: str, seed: int) -> None:
    edited = planted(text, defect, random.Random(seed))
    assert edited is None or edited.split() != text.split()
