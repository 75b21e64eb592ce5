"""Copies of benchmark problems are found however they are made, and other problems are not: cases/contamination.json.

To add a case, add a line to the table: a copy of one of its benchmark problems, or a text that is none.
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from promptcot.core.overlap.contamination import Contamination, Hit, Reference

_TABLE = json.loads((Path(__file__).parents[3] / "cases" / "contamination.json").read_text(encoding="utf-8"))
BENCHMARK: dict[str, str] = _TABLE["benchmark"]

PHRASES = ("Find the remainder when 91 is divided by 6.", "Calculate the remainder when 5^3 is divided by 100.")


def index(*, mask_numbers: bool = True, names: Any = BENCHMARK) -> Contamination:
    problems = [Reference("table", row, name, BENCHMARK[name]) for row, name in enumerate(names, 1)]
    return Contamination(problems, mask_numbers, PHRASES)


WHOLE = index()
STRICT = index(mask_numbers=False)


def found(hit: Hit | None) -> str:
    assert hit is not None
    return hit.reference.id


@pytest.mark.parametrize("case", _TABLE["copies"], ids=lambda case: f"{case['of']}, {case['kind']}")
def test_a_copy_is_found_and_names_the_problem_that_it_is_of(case: dict[str, str]) -> None:
    hit = WHOLE.hit(case["text"])
    assert hit is not None
    assert hit.reference.id == case["of"] or case["kind"] == "joined"
    assert 0 < hit.share <= 1
    assert hit.overlap


@pytest.mark.parametrize("case", _TABLE["others"], ids=lambda case: case["why"])
def test_another_problem_is_not_found(case: dict[str, str]) -> None:
    assert WHOLE.hit(case["text"]) is None
    assert STRICT.hit(case["text"]) is None


@pytest.mark.parametrize("name", BENCHMARK)
def test_each_problem_is_found_as_it_is_and_beside_others(name: str) -> None:
    text = BENCHMARK[name]
    beside = f"Find the mass of the moon. {text} Then add what you found to the number of days in a leap year."
    for one in (WHOLE, STRICT):
        assert (found(one.hit(text)), found(one.hit(beside))) == (name, name)


@pytest.mark.parametrize("name", BENCHMARK)
def test_no_problem_is_one_of_the_others(name: str) -> None:
    """One end that two problems have in common is left out: a single problem does not tell that many have it."""
    end = {"circle", "dice"}
    others = [other for other in BENCHMARK if other != name and not {other, name} <= end]
    assert index(names=others).hit(BENCHMARK[name]) is None


@pytest.mark.parametrize("name", [name for name in BENCHMARK if len(BENCHMARK[name]) > 40])
def test_other_numbers_are_a_copy_only_where_numbers_are_masked(name: str) -> None:
    rng = random.Random(name)
    text = re.sub(r"\d+", lambda number: str(int(number[0]) + rng.randint(1, 7)), BENCHMARK[name])
    assert found(WHOLE.hit(text)) == name


def test_a_short_problem_with_other_numbers_is_another_one_where_numbers_count() -> None:
    text = "What is the value of $83^2 - 17^2$?"
    assert found(WHOLE.hit(text)) == "squares"
    assert STRICT.hit(text) is None


def test_problems_from_one_template_are_different_where_numbers_count() -> None:
    """In the nano world nearly all problems share their sentences with one of its benchmark."""
    template = "A bag holds {} red balls and {} blue balls, and one ball is drawn at random. What is p + q?"
    one = Contamination([Reference("bags", n, str(n), template.format(n, n + 3)) for n in range(1, 60)], False)
    assert one.hit(template.format(70, 71)) is None
    assert found(one.hit(template.format(7, 10))) == "7"


def test_what_a_hit_says_can_be_checked() -> None:
    hit = WHOLE.hit("First this. " + BENCHMARK["grid"] + " Then that.")
    assert hit is not None
    assert (hit.reference.benchmark, hit.reference.row, hit.rule, hit.share) == ("table", 15, "embedded", 1.0)
    assert hit.overlap.startswith("a knight starts on the corner square of a 5")


def test_a_phrase_weighs_the_less_the_more_problems_have_it() -> None:
    """The end of an answer's form is all that these have in common with a new problem."""
    end = "can be written as m/n, where m and n are relatively prime positive integers. Find m + n."
    starts = ["The area of the lens", "The chance of rain", "The slope of the tangent", "Her mean speed in the storm"]
    one = Contamination([Reference("aime", row, start, f"{start} {end}") for row, start in enumerate(starts, 1)])
    assert one.hit(f"The ratio of both volumes {end}") is None
    assert found(one.hit(f"The area of the lens, as a number, {end}")) == starts[0]


def test_figures_are_not_compared() -> None:
    figure = '\n[asy]\ndraw((0,0)--(3,0)--(3,4)--cycle);\nlabel("$A$", (0,0), SW);\n[/asy]'
    one = Contamination([Reference("b", 1, "figure", BENCHMARK["grid"] + figure)])
    assert found(one.hit(BENCHMARK["grid"])) == "figure"
    assert one.hit("How long is the longest side?" + figure) is None


@pytest.mark.parametrize(
    "text", ["", " \n", "$$", "?!", "x" * 100_000, "1" * 100_000, "(" * 100_000, r"\frac{" * 20_000, "\ud800"]
)
def test_texts_that_say_nothing_are_in_no_benchmark(text: str) -> None:
    assert WHOLE.hit(text) is None
    assert not len(Contamination([Reference("b", 1, "1", "  $$ ")]))


@pytest.mark.parametrize("text", ["1 " * 50_000, " ".join(f"w{n % 977} and {n % 31}" for n in range(12_000))])
def test_texts_of_100_000_characters_are_compared_in_moments(text: str) -> None:
    one = Contamination([Reference("b", 1, "long", text)])
    assert found(one.hit(text)) == found(one.hit(f"Given {text} find it.")) == "long"


def test_a_short_problem_is_not_found_scattered_over_a_long_text() -> None:
    one = Contamination([Reference("b", 1, "short", "Find the least prime that is above 90 and not odd.")])
    filler = " ".join(f"word{n} other{n}" for n in range(40))
    parts = ["find the least", "least prime that", "that is above", "above 90 and", "and not odd"]
    assert one.hit(f" {filler} ".join(parts)) is None


def test_of_equal_problems_in_two_benchmarks_the_first_is_named() -> None:
    one = Contamination([Reference("all", 3, "a", BENCHMARK["grid"]), Reference("half", 1, "b", BENCHMARK["grid"])])
    hit = one.hit(BENCHMARK["grid"])
    assert (len(one), hit and hit.reference.benchmark) == (1, "all")


def test_a_sum_of_two_numbers_is_not_any_other() -> None:
    one = Contamination([Reference("b", 1, "sum", "$2 + 2$")])
    assert found(one.hit("2+2")) == found(one.hit("Find 2 + 2 and rest.")) == "sum"
    assert one.hit("$5 + 9$") is None
