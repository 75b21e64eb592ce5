"""The shipped catalogue of contest mathematics: large enough, and no concept in two spellings."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from promptcot import catalogue, domains
from promptcot.records import Row
from promptcot.stages.sample import read_table
from promptcot.storage.rows import read_rows

NOT_PLURAL = ("ss", "us", "is")


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return list(read_rows(catalogue.path()))


def bare(concept: str) -> tuple[str, ...]:
    """The words of a concept without case, punctuation, possessive and plural s, small words and their order."""
    words = re.findall(r"[a-z0-9^+*/=]+", concept.lower().replace("'s", "").replace("'", ""))
    return tuple(sorted(singular(word) for word in words if word not in {"a", "an", "the", "of", "for", "in", "on"}))


def singular(word: str) -> str:
    if len(word) <= 3 or word.endswith(NOT_PLURAL) or not word.endswith("s"):
        return word
    return f"{word[:-3]}y" if word.endswith("ies") else word[:-1]


def test_it_has_many_concepts_in_many_combinations_of_five(rows: list[Row]) -> None:
    assert len(read_table("contest")) >= 800
    assert len(rows) >= 1200
    assert {len(set(row["concepts"])) for row in rows} == {5}
    assert {row["level"] for row in rows} <= set(domains.settings("math").levels)


def test_no_concept_occurs_in_two_spellings(rows: list[Row]) -> None:
    spellings: dict[tuple[str, ...], set[str]] = {}
    for row in rows:
        for concept in row["concepts"]:
            spellings.setdefault(bare(concept), set()).add(concept)
    assert [variants for variants in spellings.values() if len(variants) > 1] == []


def test_no_combination_occurs_twice(rows: list[Row]) -> None:
    counts = Counter(frozenset(row["concepts"]) for row in rows)
    assert [sorted(combination) for combination, count in counts.items() if count > 1] == []


def test_no_concept_stands_alone(rows: list[Row]) -> None:
    """Each occurs at least twice, and so with at least four others."""
    counts = Counter(concept for row in rows for concept in row["concepts"])
    assert [concept for concept, count in counts.items() if count < 2] == []


def test_concepts_are_short_plain_phrases(rows: list[Row]) -> None:
    concepts = {concept for row in rows for concept in row["concepts"]}
    assert [concept for concept in concepts if not 1 <= len(concept.split()) <= 10] == []
    assert [
        concept for concept in concepts if concept != concept.strip() or concept[-1] in ".,;:" or "\\" in concept
    ] == []
    assert [concept for concept in concepts if not concept.isascii()] == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Vieta's formulas", "Vietas formula"),
        ("area ratios", "ratio of areas"),
        ("cyclic quadrilaterals", "Cyclic quadrilateral"),
    ],
)
def test_the_comparison_sees_through_spelling(one: str, other: str) -> None:
    assert bare(one) == bare(other)
