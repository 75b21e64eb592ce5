"""Answers sorted into classes: who is one with whom, whatever the order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import permutations

import pytest

from promptcot.evaluation.classes import Classes
from promptcot.grading import Grader

KEY = ("source", "id")


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader(workers=1) as one:
        yield one


def sorted_into(grader: Grader, texts: Sequence[str]) -> set[frozenset[str]]:
    """The classes of these answers, in this order, with choices settled."""
    classes = Classes(grader)

    async def place() -> list[int]:
        found = []
        for text in texts:
            async with classes.turn(KEY):
                found.append(await classes.place(KEY, text))
        return found

    numbers = asyncio.run(place())
    settled = classes.settled(KEY)
    found: dict[int, set[str]] = {}
    for text, number in zip(texts, numbers, strict=True):
        found.setdefault(settled.get(number, number), set()).add(text)
    return {frozenset(texts) for texts in found.values()}


CHOICE = r"\textbf{(C)}\ 12"


@pytest.mark.parametrize("texts", list(permutations(["C", CHOICE, "12"])), ids=str)
def test_a_choice_with_its_value_links_the_letter_and_the_value(grader: Grader, texts: Sequence[str]) -> None:
    assert sorted_into(grader, texts) == {frozenset(texts)}


@pytest.mark.parametrize("texts", list(permutations(["C", "(C) 12", "(C) 13", "12", "12.0"]))[::7], ids=str)
def test_a_letter_that_stands_for_two_values_links_neither(grader: Grader, texts: Sequence[str]) -> None:
    assert sorted_into(grader, texts) == {
        frozenset({"C"}),
        frozenset({"(C) 12", "12", "12.0"}),
        frozenset({"(C) 13"}),
    }


@pytest.mark.parametrize("texts", list(permutations([r"5\text{ cm}", r"50\text{ mm}", r"5\text{ m}"])), ids=str)
def test_units_that_differ_are_two_classes(grader: Grader, texts: Sequence[str]) -> None:
    assert sorted_into(grader, texts) == {
        frozenset({r"5\text{ cm}", r"50\text{ mm}"}),
        frozenset({r"5\text{ m}"}),
    }


@pytest.mark.parametrize("texts", list(permutations(["5", r"5\text{ cm}", r"5\text{ m}"])), ids=str)
def test_an_answer_without_a_unit_brings_two_units_never_together(grader: Grader, texts: Sequence[str]) -> None:
    together = sorted_into(grader, texts)
    assert len(together) == 2
    assert not any({r"5\text{ cm}", r"5\text{ m}"} <= one for one in together)


def test_all_wordings_of_a_class_are_the_same_as_each_other(grader: Grader) -> None:
    texts = ["0.335", r"33.5\%", "33.5", r"\frac{67}{200}", "x=0.335", "335", r"0.335\text{ m}", r"33.5\text{ cm}"]
    for one in sorted_into(grader, texts):
        assert all(grader.same(a, b).correct for a in one for b in one)
