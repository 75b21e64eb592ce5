"""The keys of a `domain.toml`, and the errors for its mistakes."""

from __future__ import annotations

from typing import Any

import pytest

from promptcot.core.domains import TAKEN, domain_of, read_table
from promptcot.core.parsing.blocks import PLAIN, Blocks
from promptcot.errors import RecipeError

COMPLETE: dict[str, Any] = {
    "levels": ["easy", "hard"],
    "sizes": [2, 3],
    "blocks": ["rationale", "problem"],
    "verifier": "exact",
}


def mistakes(**changes: Any) -> tuple[str, ...]:
    with pytest.raises(RecipeError) as caught:
        domain_of({**COMPLETE, **changes}, "puzzles: domain.toml")
    assert str(caught.value).startswith("puzzles: domain.toml: ")
    return caught.value.mistakes


def test_a_domain_says_levels_sizes_blocks_and_verifier() -> None:
    found = domain_of(COMPLETE, "here")
    assert (found.levels, found.sizes, found.verifier, found.concepts) == (("easy", "hard"), (2, 3), "exact", None)
    assert found.written == PLAIN


def test_the_block_that_solvers_see_may_have_another_name() -> None:
    found = domain_of({**COMPLETE, "blocks": ["puzzle", "unit_tests"], "problem": "puzzle"}, "here")
    assert found.written == Blocks(("puzzle", "unit_tests"), "puzzle")
    assert found.written.others == ("unit_tests",)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"verifyer": "exact"}, "verifyer: unknown key; did you mean verifier?"),
        ({"size": [2]}, "size: unknown key; did you mean sizes?"),
        ({"levels": []}, "levels: give at least one"),
        ({"levels": ["easy", "easy"]}, "'easy' is given twice"),
        ({"levels": [""]}, "levels.0: String should have at least 1 character"),
        ({"levels": ["easy", " "]}, "levels: a level is text for prompts and must not be blank"),
        ({"sizes": [0]}, "sizes.0: Input should be greater than 0"),
        ({"sizes": "3"}, "sizes: Input should be a valid list"),
        ({"blocks": ["Problem"]}, "'Problem' is not a valid name of a block"),
        ({"blocks": ["problem", "tests2"]}, "'tests2' is not a valid name of a block"),
        ({"blocks": ["problem", "a" * 41]}, "is not a valid name of a block"),
        ({"blocks": ["problem", "problem"]}, "'problem' is given twice"),
        ({"blocks": ["problem", "answer"]}, "'answer' is the name of a field of rows, which has another meaning"),
        ({"blocks": []}, "blocks: give at least one"),
        ({"blocks": ["rationale", "puzzle"]}, "problem: it must name the block that solvers see"),
        ({"blocks": ["puzzle", "problem"], "problem": "puzzle"}, "no other block can have that name"),
        ({"verifier": ""}, "write the name of a verifier"),
        ({"refusals": [{"reason": "x", "said": ["(a"]}]}, "refusals.0.said: '(a' is not a phrase"),
        ({"refusals": [{"said": ["a"]}]}, "refusals.0.reason: Field required"),
        ({"refusals": [{"reason": "x", "boxd": []}]}, "refusals.0.boxd: unknown key; did you mean boxed?"),
        ({"verifier": "my verifier"}, "write the name of a verifier"),
        ({"verifier": "my_package:"}, "write the name of a verifier"),
        ({"concepts": ""}, "concepts: String should have at least 1 character"),
    ],
)
def test_a_mistake_is_told_with_its_key(changes: dict[str, Any], said: str) -> None:
    [mistake] = mistakes(**changes)
    assert said in mistake


def test_a_block_that_is_no_problem_needs_another_one_named() -> None:
    with pytest.raises(RecipeError, match="one of rationale, puzzle"):
        domain_of({**COMPLETE, "blocks": ["rationale", "puzzle"], "problem": "riddle"}, "here")


def test_all_mistakes_are_told_together() -> None:
    found = mistakes(levels=[], blocks=["id", "Level"], verifier="?", colour="red")
    assert len(found) == 4
    assert any("'id' is the name of a field" in one and "'Level' is not a valid name" in one for one in found)


@pytest.mark.parametrize("name", ["mathematics", "integers", "exact", "mine:Words", "my_package.grading:make.words"])
def test_a_verifier_is_named_or_lies_elsewhere(name: str) -> None:
    assert domain_of({**COMPLETE, "verifier": name}, "here").verifier == name


def test_what_is_no_toml_is_a_mistake_of_the_file() -> None:
    with pytest.raises(RecipeError, match=r"puzzles: 1 mistake\n  - not TOML"):
        read_table("levels = [", "puzzles")


def test_rationale_and_problem_are_no_names_that_rows_use_otherwise() -> None:
    assert TAKEN.isdisjoint(PLAIN.names)
