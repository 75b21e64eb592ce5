"""What students and generators of a claim learn from: which problems, how many of each level, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from nano.catalogue import LEVELS
from nano.claims import hard
from nano.claims.claim import Case
from nano.claims.pools import Answers, Row
from nano.claims.rationale import ROLES, held_out, problem_in, shares
from nano.claims.sizes import SMALLEST
from nano.claims.students import benchmark, drawn, prompt, shared, source, truth
from nano.holdout import held_out_combination
from nano.texts import example
from promptcot import nano as world
from promptcot.nano.findings import finding


def row(number: int, rate: float = 0.5, level: str = "AMC12", problem: str = "Find 3.") -> Row:
    answers = Answers("7", (f"trace {number}",), 1.0)
    return Row(str(number), problem, level, True, False, answers, Answers(None, (), rate))


def rows(*counts: int) -> list[Row]:
    """So many rows of each level."""
    levels = [level for level, count in zip(LEVELS, counts, strict=True) for _ in range(count)]
    return [row(number, level=level) for number, level in enumerate(levels)]


def case(seed: int = 1, variant: str = "hard") -> Case:
    return Case("trial", variant, seed, Path("out"), SMALLEST, {})


def by_level(found: Sequence[Row]) -> list[int]:
    return [sum(one.level == level for one in found) for level in LEVELS]


SHARED = [((9, 9, 9), 9, [3, 3, 3]), ((9, 1, 4), 9, [4, 1, 4]), ((1, 1, 1), 9, [1, 1, 1]), ((9, 0, 9), 4, [2, 0, 2])]


@pytest.mark.parametrize(("there", "most", "expected"), SHARED)
def test_a_number_is_shared_as_equally_as_there_is_of_each(
    there: tuple[int, ...], most: int, expected: list[int]
) -> None:
    assert shared(there, most) == expected


def test_sets_that_are_compared_have_equally_many_problems_of_each_level() -> None:
    sets = {"hard": rows(30, 30, 30), "easy": rows(60, 9, 3)}
    found = [drawn(sets, case(variant=variant), most=40, least=10) for variant in sets]
    assert [by_level(one) for one in found] == [[20, 6, 2]] * 2


def test_a_set_is_drawn_by_the_seed_and_never_all_there_is() -> None:
    sets = {"hard": rows(30, 30, 30), "easy": rows(9, 9, 9)}
    first, second = (drawn(sets, case(seed, "easy"), most=1000, least=10) for seed in (1, 2))
    assert len(first) == len(second) == 18
    assert {one.id for one in first} != {one.id for one in second}
    assert first == drawn(sets, case(1, "easy"), most=1000, least=10)


def test_a_part_has_the_shares_of_levels_of_the_whole() -> None:
    sets = {"hard": rows(60, 30, 15)}
    assert by_level(drawn(sets, case(), most=60, least=60)) == [30, 20, 10]
    assert by_level(drawn(sets, case(), most=60, least=60, part=0.2)) == [6, 4, 2]


def test_a_pool_that_is_too_small_is_refused_with_the_way_out() -> None:
    with pytest.raises(SystemExit, match=r"two thirds .* 18 problems \(AMC12 6.*19 are needed.*nano/claims/sizes\.py"):
        drawn({"hard": rows(9, 9, 9)}, case(), most=30, least=19)


def test_a_round_shows_a_student_every_problem_once_with_one_of_its_traces() -> None:
    taught = [(f"problem {number}", [f"{number} a", f"{number} b"]) for number in range(20)]
    texts = [source(taught, 1)(index) for index in range(60)]
    for first in (0, 20, 40):
        shown = texts[first : first + 20]
        assert sorted(one.prompt for one in shown) == sorted(prompt(problem) for problem, _ in taught)
    assert all(one.prompt.split()[1] == one.completion.split()[0] for one in texts)
    assert [one.prompt for one in texts[:20]] != [one.prompt for one in texts[20:40]]
    assert source(taught, 1)(7) == source(taught, 1)(7)
    assert any(source(taught, 1)(index) != source(taught, 2)(index) for index in range(20))


def test_a_student_is_shown_what_the_benchmark_shows() -> None:
    assert all(prompt(one["problem"]) == one["prompt"] for one in benchmark())


def test_the_truth_about_a_student_counts_ill_posed_problems_as_wrongly_labelled() -> None:
    right = row(1, 0.25, problem="Find the larger root of x^2 - 11x + 28 = 0.")
    wrong = row(2, 0.75, "AIME", "Find the larger root of x^2 - 12x + 27 = 0.")
    ill = row(3, 0.5, problem="Find the larger root of x^2 - 11x + 27 = 0.")
    found = truth([(one, one.teacher) for one in (right, wrong, ill, right)])
    counts = {"problems": 4, "problems_AMC12": 3, "problems_AIME": 1, "problems_HMMT-Feb": 0}
    assert found == {**counts, "well_posed": 0.75, "labels": 0.5, "single": 0.4375}


def test_hard_and_easy_are_chosen_by_the_rate_of_the_base_model() -> None:
    eighths = [row(number, number / 8) for number in range(9)]
    assert [one.base.rate for one in hard.selected(eighths, hard.BANDS["hard"])] == [0.25, 0.375, 0.5]
    assert [one.base.rate for one in hard.selected(eighths, hard.BANDS["easy"])] == [0.75, 0.875, 1.0]


def test_generators_are_compared_on_combinations_that_no_training_text_has() -> None:
    found = held_out(SMALLEST)
    assert len({tuple(sorted(concepts)) for concepts, _, _ in found}) == len(found) == SMALLEST.combinations
    assert all(held_out_combination(concepts) for concepts, _, _ in found)
    assert held_out(SMALLEST) == found


@pytest.mark.parametrize("role", ROLES.values())
def test_the_problem_is_found_beside_every_kind_of_rationale(role: str) -> None:
    for index in range(20):
        problem = problem_in(example(role, 1, index).completion)
        assert problem is not None
        assert isinstance(world.check(problem), world.Solution)


def test_a_text_without_a_whole_block_has_no_problem() -> None:
    assert problem_in("<!-- BEGIN PROBLEM -->\nFind the larger root of") is None


def _row(problem: str) -> dict[str, Any]:
    return {"problem": problem, "foundational_concepts": ["integer roots"], "level": "AMC12"}


def test_shares_are_of_all_texts_and_copies_count_once_as_distinct() -> None:
    sound, ill = (finding(_row(f"Find the larger root of x^2 - 11x + {end} = 0.")) for end in (28, 27))
    found = shares([sound, sound, ill, None])
    assert found == {
        "well_posed": 0.5,
        "well_posed_distinct": 0.25,
        "parsed": 0.75,
        "wholly_right": 0.5,
        "distinct": 0.5,
    }
