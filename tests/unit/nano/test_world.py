"""The writer of problems against the checker: two programs that share nothing but nano/LANGUAGE.md."""

import contextlib
import random
from fractions import Fraction

import pytest

from nano.problems import Design, DesignError, Rule, design
from promptcot.nano import CONCEPTS, IllFormed, Solution, check, concepts_used
from tests.unit.nano import mutations

LEVELS = ("AMC12", "AIME", "HMMT-Feb")
ANYTHING = Rule(chain=lambda keys: True, design=lambda made: True)  # what is held out of training is checked as well
ALL_CONCEPTS = sorted({concept for concepts in CONCEPTS.values() for concept in concepts})


def drawn(count: int, seed: int) -> list[Design]:
    """Problems for any concepts of the catalogue; combinations whose values would grow too large are passed over."""
    rng = random.Random(seed)
    made: list[Design] = []
    while len(made) < count:
        with contextlib.suppress(DesignError):
            concepts = rng.sample(ALL_CONCEPTS, rng.randint(1, 3))
            made.append(design(concepts, LEVELS[len(made) % 3], rng, ANYTHING))
    return made


def solved(problem: str) -> Solution:
    outcome = check(problem)
    assert isinstance(outcome, Solution), (problem, outcome)
    return outcome


@pytest.fixture(scope="module")
def designs() -> list[Design]:
    return drawn(2000, seed=20250302)


@pytest.fixture(scope="module")
def few(designs: list[Design]) -> list[Design]:
    """Enough of them for mutations, of which each problem has dozens."""
    return designs[:400]


def test_writer_and_checker_agree_on_answer_operations_operands_and_level(designs: list[Design]) -> None:
    for made in designs:
        solution = solved(made.problem)
        assert solution.answer == str(Fraction(made.answer)), made.problem
        assert [step.operation for step in solution.steps] == list(made.keys), made.problem
        assert [dict(step.inputs) for step in made.steps] == [
            {operand.slot: operand.value for operand in step.operands} for step in solution.steps
        ], made.problem
        assert solution.level == made.level, made.problem


def test_writer_and_checker_agree_on_the_concepts_of_an_operation(designs: list[Design]) -> None:
    for made in designs:
        written = dict.fromkeys(concept for step in made.steps for concept in step.operation.concepts)
        assert concepts_used(solved(made.problem)) == tuple(written)


def test_the_drawn_problems_show_all_that_the_language_has(designs: list[Design]) -> None:
    steps = [step for made in designs for step in made.steps]
    assert {step.operation.key for step in steps} == set(CONCEPTS)
    assert {(step.operation.key, step.wording) for step in steps} == {(key, w) for key in CONCEPTS for w in (0, 1)}
    assert {step.name for step in steps} == {"", *mutations.NAMES}
    text = " ".join(made.problem for made in designs)
    for words in ("the even number", "the odd number", "the two-digit number", "the three-digit number"):
        assert words in text
    for words in ("Suppose that", "Denote by", " denote ", "Find", "Compute", "Determine", "What is", "Calculate"):
        assert words in text


def test_a_changed_number_is_noticed(few: list[Design]) -> None:
    noticed = []
    for made in few:
        original = solved(made.problem)
        for mutant in mutations.with_a_number_changed(made.problem):
            noticed.append(mutations.assert_number_noticed(original, check(mutant), mutant))
    assert len(noticed) > 4000
    assert sum(noticed) / len(noticed) > 0.7


def test_a_dropped_sentence_is_noticed(designs: list[Design]) -> None:
    for made in designs:
        for mutant in mutations.with_a_sentence_dropped(made.problem):
            assert isinstance(check(mutant), IllFormed), mutant


def test_a_swapped_name_is_noticed(few: list[Design]) -> None:
    mutants = [mutant for made in few for mutant in mutations.with_a_name_swapped(made.problem)]
    assert len(mutants) > 2000
    for mutant in mutants:
        assert isinstance(check(mutant), IllFormed), mutant


def test_a_doubled_sentence_is_noticed(few: list[Design]) -> None:
    for made in few:
        parts = mutations.sentences(made.problem)
        for place in range(len(parts)):
            mutant = " ".join(parts[: place + 1] + parts[place:])
            assert isinstance(check(mutant), IllFormed), mutant


def test_sentences_in_another_order_are_noticed(few: list[Design]) -> None:
    for made in few:
        parts = mutations.sentences(made.problem)
        for place in range(len(parts) - 1):
            mutant = " ".join([*parts[:place], parts[place + 1], parts[place], *parts[place + 2 :]])
            assert isinstance(check(mutant), IllFormed), mutant


def test_a_claim_made_false_is_noticed(designs: list[Design]) -> None:
    opposite = {"the even": "the odd", "the odd": "the even", "two-digit": "three-digit", "three-digit": "two-digit"}
    claiming = [made.problem for made in designs if " number " in made.problem]
    reasons = []
    for problem in claiming:
        for claim, other in opposite.items():
            if f"{claim} number " in problem:
                outcome = check(problem.replace(f"{claim} number ", f"{other} number "))
                assert isinstance(outcome, IllFormed), problem
                reasons.append(outcome.reason)
    assert len(reasons) > 200
    assert set(reasons) == {"false claim"}
