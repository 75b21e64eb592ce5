"""Equivalence classes of answers, independent of their order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, islice, permutations
from pathlib import Path

import pytest

from promptcot.core.answers import exact
from promptcot.core.answers.stated import CHOICE as CHOICES
from promptcot.core.answers.stated import stated
from promptcot.evaluation.classes import Classes
from promptcot.evaluation.compared import Same
from promptcot.grading import Grade, Grader

KEY = ("source", "id")


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader(workers=1) as one:
        yield one


def sorted_into(grader: Same, texts: Sequence[str]) -> set[frozenset[str]]:
    """The classes of these answers, which come in this order."""
    classes = Classes(grader)

    async def place() -> None:
        for text in texts:
            async with classes.turn(KEY):
                await classes.place(KEY, text)

    asyncio.run(place())
    found: dict[int, set[str]] = {}
    for text, number in zip(texts, classes.of(KEY), strict=True):
        found.setdefault(number, set()).add(text)
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


JOINED = [
    ("5", r"5\text{ cm}"),
    ("5", "x=5", r"5\text{ cm}"),
    ("0.335", r"33.5\%", r"\frac{67}{200}"),
    ("33.5", r"33.5\%"),
    (r"5\text{ cm}", r"0.05\text{ m}", r"50\text{ mm}"),
    ("(C)", "C", CHOICE, "(C) 12", "12", "12.0"),
    ("C", r"\textbf{(C)}\ 12\text{ cm}", r"12\text{ cm}", r"0.12\text{ m}"),
    ("60", r"60^\circ"),
    (r"\frac{\pi}{3}", r"60^\circ"),
    ("a=1, b=2", "(a,b)=(1,2)", "b=2, a=1"),
    ("f(t)=2t", "f(x)=2x"),
]
"""Each one class."""

TOLD_APART = [
    [("5",), (r"5\text{ cm}",), (r"5\text{ m}",)],
    [("5",), ("x=5",), ("y=5",)],
    [("5",), (r"5\text{ cm}", r"0.05\text{ m}")],
    [("33.5",), (r"33.5\%",), ("0.335",)],
    [("60",), (r"60^\circ",), (r"\frac{\pi}{3}",)],
    [("x",), (r"\sqrt{x^2}",), ("|x|",)],
    [("C", "(C) 12"), ("12",), ("(D) 12",)],
    [("C", r"(C) 12"), (r"12\text{ cm}",), (r"12\text{ m}",)],
    [(r"x \equiv 2 \pmod 5", r"x\equiv2\pmod{5}"), ("x=2",), (r"2 \pmod 5",)],
    [("(3,2,1)",), ("z=3,y=2,x=1", "x=1,y=2,z=3")],
]
"""Each so many classes, since a wording goes with one of two others that go together."""


def orders(texts: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """All orders of a few texts, and some of more."""
    return islice(permutations(texts), 0, None, 1 if len(texts) < 4 else 17)


@pytest.mark.parametrize("texts", JOINED, ids=str)
def test_what_no_wording_tells_apart_is_one_class_in_any_order(grader: Grader, texts: Sequence[str]) -> None:
    for order in orders(texts):
        assert sorted_into(grader, order) == {frozenset(texts)}, order


@pytest.mark.parametrize("classes", TOLD_APART, ids=str)
def test_what_a_wording_tells_apart_is_two_classes_in_any_order(grader: Grader, classes: list[tuple[str, ...]]) -> None:
    for order in orders([text for one in classes for text in one]):
        assert sorted_into(grader, order) == set(map(frozenset, classes)), order


TABLES = Path(__file__).parents[2] / "cases" / "answers"


def families() -> dict[str, list[str]]:
    """The answers to each gold of the tables, the gold first."""
    found: dict[str, dict[str, None]] = {}
    for table in sorted(TABLES.glob("*.jsonl")):
        for row in map(json.loads, table.read_text().splitlines()):
            found.setdefault(row["gold"], {row["gold"]: None})[row["pred"]] = None
    return {gold: [text for text in texts if text.strip()] for gold, texts in found.items()}


class AtOnce:
    """Compares like the grader if no algebra is needed; all other pairs count as different."""

    async def asame(self, one: str, other: str) -> Grade:
        return Grade(exact.mutual(one, other), "exact")


def classes_at_once(texts: Sequence[str]) -> set[frozenset[str]]:
    return sorted_into(AtOnce(), texts)


def graded(gold: str, texts: Iterable[str]) -> set[bool]:
    return {verdict for text in texts if (verdict := exact.same(gold, text)) is not None}


def test_what_one_class_holds_is_graded_alike_by_every_wording_that_states_as_much() -> None:
    """Over the families of all tables, each gold beside its right and its wrong answers, and each of them as a gold.

    A class of a letter, its choice and the value is graded as the choice is.
    """
    checked = 0
    for texts in families().values():
        for members in classes_at_once(texts):
            most = max(len(stated(text)) for text in members)
            fullest = {text for text in members if len(stated(text)) == most}
            choices = any(stated(text) >= CHOICES for text in members)
            for gold in texts:
                if all(stated(gold) >= stated(text) for text in fullest):
                    checked += 1
                    assert len(graded(gold, fullest if choices else members)) < 2, (gold, members)
    assert checked > 2000


def test_the_wordings_of_a_class_are_the_same_but_for_a_letter_and_its_value() -> None:
    for texts in families().values():
        for members in classes_at_once(texts):
            for one, other in combinations(members, 2):
                apart = stated(one).isdisjoint(stated(other))
                assert apart or exact.mutual(one, other) is True, (one, other)


def test_classes_do_not_depend_on_the_order_of_the_traces() -> None:
    for texts in families().values():
        assert classes_at_once(texts) == classes_at_once(texts[::-1]) == classes_at_once(sorted(texts))
