"""The claims in miniature: what is done with results, and which problems a student sees. No model is trained here."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nano.claims import hard, results
from nano.claims.claim import Case, Claim, Comparison, Result, Values
from nano.claims.plots import CLAIMS, DOCS, draw, take_over, written
from nano.claims.rehearsal import rehearse
from nano.claims.running import run, waiting
from nano.claims.sizes import FULL, SMALLEST
from nano.claims.statistics import difference, mean, outcome
from nano.claims.writing import filled, part, points, sentence, table
from promptcot.errors import InputError

CLAIM = Claim(
    "trial",
    ("with", "without"),
    (Comparison("with", "without", target=0.25),),
    {"accuracy": "accuracy", "problems": "problems"},
    lambda case: {},
    ("tokens",),
    lambda sizes: "As small as can be.",
)
BASIS = {"sizes": {"tokens": 4e3}, "start": "0123456789"}


def results_of(better: Sequence[float], worse: Sequence[float]) -> list[Result]:
    pairs = [("with", better), ("without", worse)]
    return [
        Result(variant, seed, {"accuracy": value, "problems": 800.0}, BASIS)
        for variant, values in pairs
        for seed, value in enumerate(values, 1)
    ]


def test_the_interval_over_three_seeds_is_student_s() -> None:
    """Mean 0.5, standard error 0.1 / sqrt(3), t = 4.303 for two degrees of freedom."""
    found = mean(results_of([0.4, 0.5, 0.6], []), "with", "accuracy")
    assert found.mean == pytest.approx(0.5)
    assert found.interval == pytest.approx((0.5 - 0.2484, 0.5 + 0.2484), abs=1e-4)


def test_the_interval_of_a_share_ends_at_one_and_that_of_a_count_does_not() -> None:
    found = results_of([0.93, 0.96, 0.99], [])
    assert mean(found, "with", "accuracy").interval == pytest.approx((0.96 - 0.0745, 1.0), abs=1e-4)
    counts = [replace(one, values={"problems": number}) for one, number in zip(found, (799, 800, 801), strict=True)]
    assert mean(counts, "with", "problems").interval == pytest.approx((797.52, 802.48), abs=1e-2)


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
    "no difference, no spread": ([0.5] * 3, [0.5] * 3, "fails"),
    "two seeds": ([0.9, 0.91, 0.92], [0.1, 0.11], "not measured"),
    "one variant": ([0.9, 0.8, 0.8], [], "not measured"),
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
    "two seeds": "Not measured: with against without (2 seeds, at least 3 are needed).",
    "nothing": "Not measured: with against without (0 seeds, at least 3 are needed).",
}


@pytest.mark.parametrize("name", SENTENCES)
def test_a_sentence_says_plainly_whether_a_claim_holds(name: str) -> None:
    comparison = CLAIM.comparisons[0]
    found = difference(results_of(*OUTCOMES[name][:2]), comparison, "accuracy")
    assert sentence(comparison, found, "accuracy").startswith(SENTENCES[name])


def test_what_is_only_reported_neither_holds_nor_fails() -> None:
    comparison = Comparison("with", "without", claimed=False)
    found = difference(results_of([0.2, 0.3, 0.4], [0.5, 0.6, 0.7]), comparison, "accuracy")
    said = sentence(comparison, found, "accuracy")
    assert said.startswith("Reported, not claimed: with against without: −30.0 points (")


def test_a_comparison_of_another_value_says_so() -> None:
    claim = replace(
        CLAIM, comparisons=(Comparison("with", "without", value="late"),), columns={"early": "a", "late": "b"}
    )
    found = [
        Result(variant, seed, {"early": 0.5, "late": 0.5 + (variant == "with") / 4 + seed / 100}, BASIS)
        for variant in claim.variants
        for seed in (1, 2, 3)
    ]
    assert "- **Holds**: with against without, b: +25.0 points (" in part(claim, found)


def test_points_have_a_sign_and_no_negative_zero() -> None:
    assert [points(value) for value in (0.123, -0.123, 0.0, -0.0004)] == ["+12.3", "−12.3", "+0.0", "+0.0"]


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
    found = results_of([0.8, 0.81, 0.82], [0.5, 0.51, 0.52])
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


def test_the_page_says_what_the_committed_results_give() -> None:
    """Otherwise run `python -m nano.claims.plots`; without results a section says that nothing was measured."""
    assert (DOCS / "claims.md").read_text(encoding="utf-8") == written(DOCS)


def test_only_claims_have_committed_results() -> None:
    assert {path.stem for path in (DOCS / "claims").glob("*")} <= {claim.name for claim in CLAIMS}


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_the_committed_results_have_one_basis_and_a_picture(claim: Claim) -> None:
    found = results.read(DOCS / "claims", claim.name)
    assert (DOCS / "plots" / f"claims-{claim.name}.png").exists() == bool(found)
    assert all(one.basis == found[0].basis for one in found)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_what_is_compared_is_measured_and_shown(claim: Claim) -> None:
    assert {one for pair in claim.comparisons for one in (pair.better, pair.worse)} <= {*claim.variants}
    assert {pair.value or claim.value for pair in claim.comparisons} <= {*claim.columns}
    assert {*claim.uses} <= {*vars(FULL)}


def test_a_figure_has_every_seed_and_the_mean_of_every_variant() -> None:
    [axes] = draw(CLAIM, results_of([0.4, 0.5, 0.6], [0.5])).axes
    assert [np.size(line.get_xdata()) for line in axes.lines] == [3, 1, 2, 1, 1]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["with", "without"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with models and pools."""
    return rehearse(tmp_path_factory.mktemp("claims"))


def test_the_page_tells_the_sizes_of_the_results_and_not_those_of_today() -> None:
    claim = replace(CLAIM, about=lambda sizes: f"{sizes.tokens:,.0f} tokens.")
    assert "\n4,000 tokens.\n" in part(claim, results_of([0.5], [0.5]))
    for changed in ({"sizes": {"tokens": 5e3}}, {"start": "other"}):
        other = replace(results_of([0.5], [])[0], basis={**BASIS, **changed})
        with pytest.raises(ValueError, match="different sizes, weights or pools; measure it again"):
            part(claim, [*results_of([0.5], [0.5]), other])


def test_the_page_forgets_results_of_other_weights(trained: Path, tmp_path: Path) -> None:
    basis = CLAIM.basis(trained, FULL)
    for kept in ({**basis, "start": "other"}, basis):
        results.write(tmp_path, "trial", [Result("with", 1, {"accuracy": 0.5}, kept)])
        take_over(trained, tmp_path, [CLAIM])
        assert bool(results.read(tmp_path, "trial")) == (kept == basis)


def test_a_case_that_is_measured_again_replaces_that_on_the_page_and_no_other(tmp_path: Path) -> None:
    out = rehearse(tmp_path)
    basis = CLAIM.basis(out, FULL)
    shown = [Result(variant, 1, {"accuracy": 0.5}, basis) for variant in ("without", "with")]
    results.write(tmp_path / "docs", "trial", shown)
    results.write(out / "claims", "trial", [Result("without", 1, {"accuracy": 0.25}, basis)])
    take_over(out, tmp_path / "docs", [CLAIM])
    found = [(one.variant, one.values["accuracy"]) for one in results.read(tmp_path / "docs", "trial")]
    assert found == [("with", 0.5), ("without", 0.25)]


def test_nothing_on_the_page_is_changed_where_weights_are_missing(trained: Path, tmp_path: Path) -> None:
    results.write(tmp_path / "docs", "trial", results_of([0.5], []))
    with pytest.raises(SystemExit, match="no such weights"):
        take_over(tmp_path, tmp_path / "docs", [replace(CLAIM, name="empty"), CLAIM])
    assert results.read(tmp_path / "docs", "trial") == results_of([0.5], [])


def test_a_claim_goes_on_with_the_cases_that_have_no_result(trained: Path) -> None:
    folder, basis = trained / "claims", CLAIM.basis(trained, SMALLEST)
    for result in (Result("with", 1, {"accuracy": 0.5}, basis), Result("without", 2, {"accuracy": 0.25}, basis)):
        results.add(folder, "trial", result)
    cases = waiting(CLAIM, trained, 2, SMALLEST)
    assert [(one.variant, one.seed) for one in cases] == [("without", 1), ("with", 2)]
    assert results.read(folder, "trial")[1] == Result("without", 2, {"accuracy": 0.25}, basis)
    assert results.read(folder, "other") == []


def test_every_case_has_a_folder_of_its_own(trained: Path) -> None:
    cases = [case for claim in CLAIMS for case in waiting(claim, trained, 3, SMALLEST)]
    assert len({case.training for case in cases}) == len(cases) == 3 * sum(len(claim.variants) for claim in CLAIMS)


def test_results_of_other_sizes_weights_or_pools_are_measured_again(trained: Path, tmp_path: Path) -> None:
    basis = hard.CLAIM.basis(trained, SMALLEST)
    assert {*basis} == {"sizes", "start", "pool"}
    for part_of_it in ({"sizes": {}}, {"start": "other"}, {"pool": "other"}):
        results.add(trained / "claims", "hard", Result("hard", 1, {}, {**basis, **part_of_it}))
    assert results.current(trained, hard.CLAIM, SMALLEST) == []
    assert len(waiting(hard.CLAIM, trained, 1, SMALLEST)) == 2
    results.add(trained / "claims", "hard", Result("hard", 1, {}, basis))
    assert [case.variant for case in waiting(hard.CLAIM, trained, 1, SMALLEST)] == ["easy"]


def test_sizes_that_a_claim_does_not_use_leave_its_results_as_they_are(trained: Path) -> None:
    before = hard.CLAIM.basis(trained, SMALLEST)
    assert hard.CLAIM.basis(trained, replace(SMALLEST, generators=1.0)) == before
    assert hard.CLAIM.basis(trained, replace(SMALLEST, tokens=1.0)) != before
    assert hard.CLAIM.basis(trained, replace(SMALLEST, main=(1, 2, 3)))["pool"] != before["pool"]


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"base.*no such weights"):
        CLAIM.basis(tmp_path, SMALLEST)


def test_a_line_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    results.add(tmp_path, "trial", Result("with", 1, {}, BASIS))
    with (tmp_path / "trial.jsonl").open("a") as file:
        file.write('{"variant": "wi')
    with pytest.raises(InputError, match=r"trial\.jsonl, line 2"):
        results.read(tmp_path, "trial")


class Threads(ThreadPoolExecutor):
    """Threads instead of processes; keeps what was submitted."""

    def __init__(self) -> None:
        super().__init__(2)
        self.futures: list[Future[Any]] = []

    def submit(self, call: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        self.futures.append(super().submit(call, *args, **named))
        return self.futures[-1]


def test_after_a_failure_the_other_case_is_kept_and_no_further_one_begins(tmp_path: Path) -> None:
    cases = [Case("trial", "with", seed, tmp_path, SMALLEST, BASIS) for seed in (1, 2, 3, 4)]
    for one in cases:
        (tmp_path / one.training).mkdir(parents=True)
    with Threads() as threads:

        def measure(one: Case) -> Values:
            if one.seed == 1:
                raise ValueError("no such problem")
            threads.futures[0].exception()  # ends when the first case has failed
            return {"accuracy": 0.5}

        with pytest.raises(ValueError, match="no such problem"):
            run(replace(CLAIM, measure=measure), cases, threads)
    assert len(threads.futures) == 2
    assert results.read(tmp_path / "claims", "trial") == [Result("with", 2, {"accuracy": 0.5}, BASIS)]
    assert [(tmp_path / one.training).exists() for one in cases] == [True, False, True, True]
