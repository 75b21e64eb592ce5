"""The writer of problems against the checker: two programs that share nothing but nano/LANGUAGE.md.

`NANO_PROBLEMS=100000` in the environment draws as many problems as benchmarks/nano_checker.py does.
"""

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice, pairwise

import pytest

from nano.problems import Design, DesignError, design
from promptcot.nano import CONCEPTS, IllPosed, Solution, check, concepts_used
from promptcot.nano.families import FAMILIES, LIMIT
from promptcot.nano.findings import has_problem
from promptcot.nano.rationales import KINDS, false_sums, kind
from tests.unit.nano import brute_force, mutations

PROBLEMS = int(os.environ.get("NANO_PROBLEMS", "4000"))
LEVELS = ("AMC12", "AIME", "HMMT-Feb")
ALL_CONCEPTS = sorted({concept for concepts in CONCEPTS.values() for concept in concepts})


def draws(seed: int) -> Iterator[tuple[tuple[str, ...], Design]]:
    """Sampled concepts and a problem for them, without end; combinations that do not fit the level are passed over."""
    rng = random.Random(seed)
    while True:
        concepts = tuple(rng.sample(ALL_CONCEPTS, rng.randint(1, 3)))
        try:
            yield concepts, design(concepts, rng.choice(LEVELS), rng)
        except DesignError:
            continue


@cache
def drawn() -> list[tuple[tuple[str, ...], Design]]:
    return list(islice(draws(20250302), PROBLEMS))


def few() -> list[Design]:
    """Enough for mutations, of which each problem has dozens."""
    return [made for _, made in drawn()[:200]]


def solved(problem: str) -> Solution:
    outcome = check(problem)
    assert isinstance(outcome, Solution), (problem, outcome)
    return outcome


def test_the_checker_finds_the_answer_and_the_level_of_every_problem() -> None:
    for _, made in drawn():
        solution = solved(made.problem)
        assert (solution.answer, solution.level) == (str(made.answer), made.level), made.problem


def test_brute_force_finds_the_same_answers() -> None:
    small = [made for made in few() if made.answer <= brute_force.BOUND]
    assert len(small) > 100
    for made in small:
        assert brute_force.answer(made.problem) == int(made.answer), made.problem


def test_a_problem_uses_its_concepts_wherever_they_has_problem_at_its_level() -> None:
    for concepts, made in drawn():
        uses_all = set(concepts) <= set(concepts_used(solved(made.problem)))
        assert uses_all == has_problem(concepts, made.level), (concepts, made.level, made.problem)


def test_every_rationale_designs_first_and_has_no_false_sum() -> None:
    for _, made in drawn():
        assert kind(made.rationale, made.problem) == "design-first", (made.problem, made.rationale)
        assert false_sums(made.rationale) == (), made.rationale


@pytest.mark.parametrize("wanted", [one for one in KINDS if one != "noisy"])
def test_the_writer_can_explain_in_every_kind(wanted: str) -> None:
    for _, made in drawn()[:1000]:
        rationale = made.explained(wanted)
        assert kind(rationale, made.problem) == wanted, (made.problem, rationale)
        assert false_sums(rationale) == (), rationale


def test_the_rationale_of_another_problem_is_noisy() -> None:
    designs = few()
    for made, other in pairwise(designs):
        if made.problem != other.problem:
            assert kind(made.rationale, other.problem) == "noisy", (made.rationale, other.problem)


def test_the_drawn_problems_show_all_that_the_language_has() -> None:
    steps = Counter(step.family for _, made in drawn() for step in solved(made.problem).steps)
    assert set(steps) == set(CONCEPTS)
    referring = {step.family for _, made in drawn() for step in solved(made.problem).steps[1:]}
    assert referring == {family.name for family in FAMILIES if family.reference}
    text = " ".join(made.problem for _, made in drawn())
    for words in ("Suppose that", "Denote by", " denote ", "Find", "Compute", "Determine", "What is", "Calculate"):
        assert words in text
    for name in mutations.NAMES:
        assert f" {name} " in text
    values = [operand.value for _, made in drawn() for step in solved(made.problem).steps for operand in step.operands]
    assert max(values) <= LIMIT


@pytest.mark.parametrize("damage", mutations.ALL, ids=[damage.__name__ for damage in mutations.ALL])
def test_a_damaged_problem_is_judged_as_by_brute_force(damage: Callable[[str], Iterator[str]]) -> None:
    mutants = [mutant for made in few()[:60] for mutant in damage(made.problem)]
    assert len(mutants) >= 60
    for mutant in mutants:
        outcome = check(mutant)
        if isinstance(outcome, IllPosed) or int(outcome.answer) <= brute_force.BOUND:
            right = brute_force.answer(mutant)
            assert right == (None if isinstance(outcome, IllPosed) else int(outcome.answer)), (mutant, outcome)
