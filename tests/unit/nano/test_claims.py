"""The claims in miniature: what is trained is theirs to say; here is what they make of results."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from nano.asking import answer
from nano.claims import hard, results
from nano.claims.claim import Case, Claim, Comparison, Result
from nano.claims.plots import CLAIMS, DOCS, draw
from nano.claims.pools import MAIN, Labelled, Row, labelled, pool_path, read, write
from nano.claims.rationale import ROLES, held_out, problem_in
from nano.claims.running import waiting
from nano.claims.sizes import FULL, SMALLEST
from nano.claims.statistics import difference, mean, outcome
from nano.claims.students import benchmark, drawn, drawn_equal, prompt, source, truth
from nano.claims.writing import filled, part, sentence, table
from nano.holdout import held_out_combination
from nano.texts import example
from promptcot import nano as world

CLAIM = Claim(
    "trial",
    ("with", "without"),
    (Comparison("with", "without", target=0.25),),
    {"accuracy": "accuracy", "problems": "problems"},
    lambda case: {},
)


def results_of(better: Sequence[float], worse: Sequence[float]) -> list[Result]:
    pairs = [("with", better), ("without", worse)]
    return [
        Result(variant, seed, {"accuracy": value, "problems": 800.0})
        for variant, values in pairs
        for seed, value in enumerate(values, 1)
    ]


def test_the_interval_over_three_seeds_is_student_s() -> None:
    """Mean 0.5, standard error 0.1 / sqrt(3), t = 4.303 for two degrees of freedom."""
    found = mean(results_of([0.4, 0.5, 0.6], []), "with", "accuracy")
    assert found.mean == pytest.approx(0.5)
    assert found.interval == pytest.approx((0.5 - 0.2484, 0.5 + 0.2484), abs=1e-4)


def test_a_difference_of_seeds_is_welch_s() -> None:
    """Equal spread: standard error sqrt(2 / 3) / 10, t = 2.776 for four degrees of freedom."""
    found = difference(results_of([0.7, 0.8, 0.9], [0.4, 0.5, 0.6]), CLAIM.comparisons[0], "accuracy")
    assert found.difference == pytest.approx(0.3)
    assert found.interval == pytest.approx((0.3 - 0.2267, 0.3 + 0.2267), abs=1e-4)


OUTCOMES = {
    "clear and large": ([0.80, 0.81, 0.82], [0.50, 0.51, 0.52], "holds"),
    "clear, but small": ([0.60, 0.61, 0.62], [0.50, 0.51, 0.52], "below target"),
    "as large as noise": ([0.2, 0.9, 0.8], [0.1, 0.5, 0.4], "fails"),
    "the other way": ([0.50, 0.51, 0.52], [0.80, 0.81, 0.82], "fails"),
    "no difference, no spread": ([0.5, 0.5], [0.5, 0.5], "fails"),
    "one seed": ([0.9], [0.1], "not measured"),
    "one variant": ([0.9, 0.8], [], "not measured"),
    "nothing": ([], [], "not measured"),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_a_claim_holds_only_if_its_interval_is_above_zero_and_the_target_is_reached(name: str) -> None:
    better, worse, expected = OUTCOMES[name]
    found = difference(results_of(better, worse), CLAIM.comparisons[0], "accuracy")
    assert outcome(found, 0.25) == expected


SENTENCES = {
    "clear and large": "**Holds**: with against without: +30.0 points (",
    "clear, but small": "**Holds, but misses its target**: with against without: +10.0 points (",
    "as large as noise": "**Fails**, the interval reaches 0 or below: with against without: +30.0 points (",
    "the other way": "**Fails**, the difference is not positive: with against without: −30.0 points (",
    "no difference, no spread": "**Fails**, the difference is not positive: with against without: +0.0 points;",
    "one seed": "Not measured: with against without.",
    "nothing": "Not measured: with against without.",
}


@pytest.mark.parametrize("name", SENTENCES)
def test_a_sentence_says_plainly_whether_a_claim_holds(name: str) -> None:
    comparison = CLAIM.comparisons[0]
    found = difference(results_of(*OUTCOMES[name][:2]), comparison, "accuracy")
    assert sentence(comparison, found).startswith(SENTENCES[name])


def test_what_is_only_reported_neither_holds_nor_fails() -> None:
    comparison = Comparison("with", "without", claimed=False)
    found = difference(results_of([0.2, 0.3], [0.5, 0.6]), comparison, "accuracy")
    assert sentence(comparison, found).startswith("Reported, not claimed: with against without: −30.0 points (")


def test_the_table_has_all_variants_and_an_interval_for_what_is_compared() -> None:
    assert table(CLAIM, results_of([0.4, 0.5, 0.6], [0.5])).splitlines() == [
        "|  | seeds | accuracy | problems |",
        "| --- | --- | --- | --- |",
        "| with | 3 | 50.0 % (25.2 % to 74.8 %) | 800 |",
        "| without | 1 | 50.0 % | 800 |",
    ]


def test_a_variant_without_results_has_dashes() -> None:
    assert table(CLAIM, results_of([0.5], [])).splitlines()[-1] == "| without | 0 | – | – |"


def test_only_the_part_between_the_markers_is_written_and_writing_twice_changes_nothing() -> None:
    page = "before\n<!-- results of trial -->\nold\n<!-- end of results -->\nafter\n"
    found = results_of([0.8, 0.81], [0.5, 0.51])
    once = filled(page, CLAIM, found)
    assert once == f"before\n<!-- results of trial -->\n{part(CLAIM, found)}\n<!-- end of results -->\nafter\n"
    assert filled(once, CLAIM, found) == once
    assert "Not measured yet." in filled(once, CLAIM, [])


def test_a_page_without_a_place_for_a_claim_is_refused() -> None:
    with pytest.raises(ValueError, match="no place for trial"):
        filled("nothing here", CLAIM, [])


def test_the_page_has_a_place_for_every_claim() -> None:
    page = (DOCS / "claims.md").read_text(encoding="utf-8")
    assert re.findall(r"<!-- results of (\S+) -->", page) == [claim.name for claim in CLAIMS]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_what_is_compared_is_measured_and_every_case_has_a_folder_of_its_own(claim: Claim, tmp_path: Path) -> None:
    assert {one for pair in claim.comparisons for one in (pair.better, pair.worse)} <= {*claim.variants}
    cases = waiting(claim, tmp_path, 3, FULL)
    assert len({case.training for case in cases}) == len(cases) == 3 * len(claim.variants)


def test_a_figure_has_every_seed_and_the_mean_of_every_variant() -> None:
    [axes] = draw(CLAIM, results_of([0.4, 0.5, 0.6], [0.5])).axes
    assert [np.size(line.get_xdata()) for line in axes.lines] == [3, 1, 2, 1, 1]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["with", "without"]


def test_a_claim_goes_on_with_the_cases_that_have_no_result(tmp_path: Path) -> None:
    results.add(tmp_path, "trial", Result("with", 1, {"accuracy": 0.5}))
    results.add(tmp_path, "trial", Result("without", 2, {"accuracy": 0.25}))
    assert [(case.variant, case.seed) for case in waiting(CLAIM, tmp_path, 2, FULL)] == [("without", 1), ("with", 2)]
    assert results.read(tmp_path, "trial")[1] == Result("without", 2, {"accuracy": 0.25})
    assert results.read(tmp_path, "other") == []


def row(number: int, rate: float = 0.5, traces: int = 1, problem: str = "Find 3.") -> Row:
    told = Labelled("7", tuple(f"trace {number} {place}" for place in range(traces)), 1.0)
    return Row(str(number), problem, True, False, told, Labelled(None, (), rate))


def case(seed: int = 1, variant: str = "hard") -> Case:
    return Case("trial", variant, seed, Path("out"), SMALLEST)


def test_a_pool_is_read_as_it_was_written_and_problems_without_a_trace_teach_nothing(tmp_path: Path) -> None:
    path = pool_path(tmp_path, MAIN)
    path.parent.mkdir()
    write(path, [row(1), row(2, traces=0)])
    assert read(tmp_path, MAIN) == [row(1), row(2, traces=0)]
    assert labelled(tmp_path, MAIN) == [row(1)]


def test_sets_that_are_compared_have_equally_many_problems_drawn_by_the_seed() -> None:
    sets = {"hard": [row(number) for number in range(40)], "easy": [row(number) for number in range(5)]}
    assert len(drawn_equal(sets, case())) == len(drawn_equal(sets, case(variant="easy"))) == 5
    assert drawn_equal(sets, case(1)) == drawn_equal(sets, case(1)) != drawn_equal(sets, case(2))
    assert len(drawn(sets["easy"], 100, case())) == 5


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
    right = row(1, problem="Find the larger root of x^2 - 11x + 28 = 0.")
    wrong = row(2, problem="Find the larger root of x^2 - 12x + 27 = 0.")
    ill = row(3, problem="Find the larger root of x^2 - 11x + 27 = 0.")
    found = truth([(one, one.teacher) for one in (right, wrong, ill, right)])
    assert found == {"problems": 4, "well_posed": 0.75, "labels": 0.5}


def test_hard_and_easy_are_chosen_by_the_rate_of_the_base_model() -> None:
    rows = [row(number, rate) for number, rate in enumerate((0.0, 0.25, 0.5, 0.75, 1.0))]
    assert [one.base.rate for one in hard.selected(rows, hard.BANDS["hard"])] == [0.25, 0.5]
    assert [one.base.rate for one in hard.selected(rows, hard.BANDS["easy"])] == [1.0]


ANSWERS = {
    "The answer is \\boxed{13}.": "13",
    "\\boxed{1} and then \\boxed{2}": "2",
    "There is no such number.": None,
    "\\boxed{}": None,
    "": None,
}


@pytest.mark.parametrize("completion", ANSWERS)
def test_an_answer_is_the_number_in_the_last_box(completion: str) -> None:
    assert answer(completion) == ANSWERS[completion]


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
