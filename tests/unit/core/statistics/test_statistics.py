"""Statistics of an evaluation against values computed by hand, one test each, and against scipy."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from scipy import stats

from promptcot.core.statistics import (
    Joined,
    Sample,
    SourceTally,
    Tallies,
    compare,
    default_ks,
    estimate,
    majority_at_k,
    majority_at_k_sampled,
    pass_at_k,
    run_accuracies,
    student_t_quantile,
    summarize,
)
from promptcot.errors import InputError

R, W, T = True, False, None


def tally(problems: list[list[bool | None]], source: str = "aime2024") -> SourceTally:
    """One list of verdicts per problem; every right answer is class 0, every other one a class of its own."""
    made = SourceTally(source)
    for number, verdicts in enumerate(problems):
        for run, correct in enumerate(verdicts):
            made.add(f"p{number}", Sample(correct, 0 if correct else run + 1), run)
    return made


def test_mean_and_sd_over_runs_are_those_that_the_paper_prints() -> None:
    """PromptCoT, arXiv 2503.02324: mean ± SD over runs. Runs of 3/4, 2/4 and 1/4: mean 1/2, SD 1/4 with ddof = 1."""
    runs = summarize(tally([[R, R, R], [R, R, W], [R, W, W], [W, W, W]])).runs
    assert runs.runs == (0, 1, 2)
    assert runs.accuracies == (0.75, 0.5, 0.25)
    assert runs.graded == (4, 4, 4)
    assert runs.mean == pytest.approx(0.5)
    assert runs.sd == pytest.approx(0.25)


def test_one_run_has_a_mean_and_no_sd() -> None:
    runs = summarize(tally([[R], [W]])).runs
    assert (runs.mean, runs.sd) == (0.5, None)


def test_a_run_of_timeouts_only_has_no_accuracy_instead_of_zero() -> None:
    runs = run_accuracies(np.array([0, 1], np.int32), np.array([1, -1], np.int8))
    assert runs.accuracies == (1.0, None)
    assert (runs.mean, runs.sd) == (1.0, None)


def test_standard_error_is_clustered_by_problem() -> None:
    """Miller, arXiv 2411.00640. Means 1, 1/2, 1/2, 0: variance 1/6, standard error sqrt(1/24); t(3) = 3.1824."""
    found = summarize(tally([[R, R], [R, W], [W, R], [W, W]])).accuracy
    assert found.n == 4
    assert found.mean == pytest.approx(0.5)
    assert found.standard_error == pytest.approx(sqrt(1 / 24))
    assert found.interval == (0.0, 1.0)  # 0.5 ± 0.65, cut to what an accuracy can be
    unbounded = estimate([1, 0.5, 0.5, 0]).interval
    assert unbounded == pytest.approx((0.5 - 3.182446 * sqrt(1 / 24), 0.5 + 3.182446 * sqrt(1 / 24)))


def test_drawing_more_samples_of_the_same_problems_does_not_shrink_the_standard_error() -> None:
    """Eight copies of each verdict carry no more information about other problems than one."""
    once, often = ([[R] * n, [W] * n, [R] * n, [W] * n] for n in (1, 8))
    assert summarize(tally(once)).accuracy == summarize(tally(often)).accuracy


def test_all_problems_right_still_leaves_room_for_doubt() -> None:
    """Wilson 1927: 30 of 30 has the interval (30 / (30 + 1.96^2), 1) = (0.8865, 1)."""
    found = summarize(tally([[R, R]] * 30)).accuracy
    assert found.interval == pytest.approx((30 / (30 + 1.959964**2), 1.0))


def test_one_problem_has_a_mean_and_no_interval() -> None:
    found = summarize(tally([[R, W]])).accuracy
    assert (found.mean, found.standard_error, found.interval) == (0.5, None, None)


@pytest.mark.parametrize("df", [1, 2, 3, 4, 7, 14, 29, 99, 100, 101, 499, 124_999])
@pytest.mark.parametrize("p", [0.5, 0.9, 0.975, 0.995])
def test_quantiles_of_student_t_are_those_of_scipy(p: float, df: int) -> None:
    """Abramowitz and Stegun 26.7."""
    assert student_t_quantile(p, df) == pytest.approx(stats.t.ppf(p, df), rel=1e-7, abs=1e-9)


@pytest.mark.parametrize(("p", "df"), [(0.4, 5), (1.0, 5), (0.9, 0)])
def test_a_quantile_that_does_not_exist_is_refused(p: float, df: int) -> None:
    with pytest.raises(ValueError, match="no quantile"):
        student_t_quantile(p, df)


def test_pass_at_k_is_the_unbiased_estimate() -> None:
    """Chen et al., arXiv 2107.03374, equation 1: n = 8, c = 2, k = 4 gives 1 - C(6, 4) / C(8, 4) = 1 - 15/70."""
    assert pass_at_k(8, 2, 4) == pytest.approx(1 - 15 / 70, abs=1e-15)
    assert pass_at_k(8, 2, 4) != pytest.approx(1 - (1 - 2 / 8) ** 4)  # the biased one


def test_pass_at_1_is_the_accuracy() -> None:
    found = summarize(tally([[R, R, W, W], [R, W, W, W]]))
    assert found.pass_at[0].k == 1
    assert found.pass_at[0].estimate.mean == pytest.approx(found.accuracy.mean)


def test_pass_at_k_beyond_n_is_unknown_with_the_reason() -> None:
    [at] = summarize(tally([[R, W], [W, W]]), ks=[4]).pass_at
    assert at.estimate.mean is None
    assert at.reason == "k = 4, but no problem has more than 2 graded samples"
    assert pass_at_k(2, 1, 4) is None
    assert majority_at_k([1], [1], 0, 4) is None


def test_problems_with_too_few_samples_are_left_out_and_named() -> None:
    [at] = summarize(tally([[R, R], [W]]), ks=[2]).pass_at
    assert at.estimate.mean == 1.0
    assert at.left_out == 1
    assert at.reason == "1 of 2 problems have fewer than 2 graded samples, and are left out"


def test_majority_of_three_of_five() -> None:
    """Classes: right 3, wrong 2; k = 3. Of the 10 subsets, right leads in 1 (3-0) + 6 (2-1) = 7. Wang et al. 2022."""
    assert majority_at_k([3], [2], 0, 3) == pytest.approx(7 / 10)


def test_a_tie_is_shared_evenly() -> None:
    """One right and one wrong answer: half. One right and three different wrong ones: a quarter."""
    assert majority_at_k([1], [1], 0, 2) == pytest.approx(1 / 2)
    assert majority_at_k([1], [1, 1, 1], 0, 4) == pytest.approx(1 / 4)


def test_samples_without_an_answer_have_no_vote() -> None:
    """Right 1, blank 3, k = 2: the right answer wins whenever it is drawn, in 3 of 6 subsets, and blanks never win."""
    assert majority_at_k([1], [], 3, 2) == pytest.approx(3 / 6)
    assert majority_at_k([], [], 4, 2) == 0.0


def test_wrong_answers_that_differ_do_not_form_a_majority() -> None:
    """2 right of 5 with three different wrong answers: all five samples elect the right one, a 40 % accuracy."""
    found = summarize(tally([[R, R, W, W, W]]), ks=[5])
    assert found.majority_at[0].estimate.mean == 1.0
    assert found.accuracy.mean == pytest.approx(0.4)


def test_a_timeout_is_neither_right_nor_wrong_and_is_counted() -> None:
    found = summarize(tally([[R, T, T], [W, W, R]]))
    assert found.accuracy.mean == pytest.approx((1 + 1 / 3) / 2)
    assert (found.timeouts.count, found.timeouts.n) == (2, 6)
    assert found.runs.accuracies == (0.5, 0.0, 1.0)
    assert found.runs.graded == (2, 1, 1)
    assert "2 of 6 samples timed out in grading: neither right nor wrong" in found.notes


def test_a_problem_that_only_timed_out_is_in_no_accuracy() -> None:
    found = summarize(tally([[T, T], [R, R]]))
    assert (found.accuracy.mean, found.accuracy.n, found.problems) == (1.0, 1, 2)
    assert any("1 of 2 problems have no graded sample" in note for note in found.notes)


def test_shares_and_tokens() -> None:
    made = SourceTally("gsm8k")
    made.add("a", Sample(True, 0, tokens=10, truncated=False))
    made.add("a", Sample(False, None, tokens=40, truncated=True))
    made.add("b", Sample(False, 3, tokens=None, truncated=None))
    made.add("b", Sample(False, None, tokens=10, truncated=False))
    found = summarize(made)
    assert (found.no_answer.count, found.no_answer.n, found.no_answer.value) == (2, 4, 0.5)
    assert (found.truncated.count, found.truncated.n) == (1, 3)
    assert (found.mean_tokens, found.median_tokens, found.tokens_known) == (20.0, 10.0, 3)


def test_no_samples_give_no_numbers_and_never_zero() -> None:
    found = summarize(SourceTally("empty"))
    assert (found.problems, found.samples, found.pass_at, found.majority_at) == (0, 0, (), ())
    numbers = [
        found.accuracy.mean,
        found.accuracy.interval,
        found.runs.mean,
        found.runs.sd,
        found.no_answer.value,
        found.truncated.value,
        found.timeouts.value,
        found.mean_tokens,
        found.median_tokens,
    ]
    assert numbers == [None] * 9
    assert summarize(SourceTally("empty"), ks=[1]).pass_at[0].estimate.mean is None


def test_unequal_numbers_of_samples_are_reported() -> None:
    found = summarize(tally([[R, W, W], [R], [W]]))
    assert found.samples_per_problem == {1: 2, 3: 1}
    assert "unequal numbers of samples: problems 2 with 1, 1 with 3" in found.notes


def test_equal_numbers_of_samples_need_no_note() -> None:
    assert summarize(tally([[R, W], [W, W]])).notes == ()


def test_samples_without_an_index_are_numbered_as_they_come() -> None:
    made = SourceTally("math")
    for problem, correct in [("a", R), ("b", W), ("a", W), ("b", R), ("a", R)]:
        made.add(problem, Sample(correct, 0))
    assert made.table().run.tolist() in ([0, 1, 2, 0, 1], [0, 1, 0, 1, 2])
    assert summarize(made).runs.accuracies == (0.5, 0.5, 1.0)


def test_the_same_sample_twice_is_refused() -> None:
    made = tally([[R, W]])
    made.add("p0", Sample(True, 0), 1)
    with pytest.raises(InputError, match="1 of 3 samples have the problem and the sample index of another"):
        summarize(made)


@pytest.mark.parametrize("sample", [Sample(True, -2), Sample(True, 0, tokens=-5), Sample(True, 2**31)])
def test_numbers_that_cannot_be_are_refused(sample: Sample) -> None:
    with pytest.raises(InputError, match="problem p7"):
        SourceTally("aime2024").add("p7", sample)


def test_the_paired_difference_is_taken_problem_by_problem() -> None:
    """Miller, arXiv 2411.00640. Differences 0, 1/2, 1/2, 1: mean 1/2, standard error sqrt(1/24)."""
    a, b = tally([[R, R], [R, W], [W, W], [W, W]]), tally([[R, R], [R, R], [R, W], [R, R]])
    found = compare(a, b)
    assert found.difference.mean == pytest.approx(0.5)
    assert found.difference.standard_error == pytest.approx(sqrt(1 / 24))
    assert found.difference.interval == pytest.approx((0.5 - 3.182446 * sqrt(1 / 24), 0.5 + 3.182446 * sqrt(1 / 24)))
    assert (found.mean_a, found.mean_b) == pytest.approx((0.375, 0.875))
    assert (found.better, found.worse, found.equal) == (3, 0, 1)


def test_the_paired_difference_is_that_of_a_paired_t_test() -> None:
    rng = np.random.default_rng(5)
    verdicts = rng.random((2, 30, 8)) < 0.6
    found = compare(tally(verdicts[0].tolist()), tally(verdicts[1].tolist()))
    expected = stats.ttest_rel(verdicts[1].mean(axis=1), verdicts[0].mean(axis=1)).confidence_interval(0.95)
    assert found.difference.interval == pytest.approx((expected.low, expected.high))


def test_problems_of_one_set_only_are_left_out_of_the_difference_and_counted() -> None:
    found = compare(tally([[R], [R], [T]]), tally([[W]]))
    assert (found.only_a, found.only_b, found.difference.n) == (1, 0, 1)
    assert (found.difference.mean, found.difference.interval) == (-1.0, None)


def test_two_sets_without_a_common_problem_have_no_difference() -> None:
    other = SourceTally("aime2024")
    other.add("elsewhere", Sample(True, 0))
    found = compare(tally([[R]]), other)
    assert (found.difference.mean, found.mean_a, found.mean_b) == (None, None, None)


def test_sources_are_kept_apart_in_the_order_of_their_appearance() -> None:
    tallies = Tallies()
    for source in ("math", "gsm8k", "math"):
        tallies.add(source, f"p{len(tallies)}", Sample(True, 0))
    assert [(one.source, len(one)) for one in tallies] == [("math", 2), ("gsm8k", 1)]
    assert "gsm8k" in tallies
    assert "aime2024" not in tallies


def test_default_ks_are_powers_of_two_and_n() -> None:
    assert default_ks(0) == []
    assert default_ks(8) == [1, 2, 4, 8]
    assert default_ks(6) == [1, 2, 4, 6]


def test_a_summary_is_plain_values() -> None:
    import json

    read = json.loads(json.dumps(summarize(tally([[R, W], [W]])).as_json()))
    assert read["accuracy"]["mean"] == 0.25
    assert read["truncated"] == {"count": 0, "n": 0, "value": None}
    assert read["samples_per_problem"] == {"1": 1, "2": 1}


def test_a_majority_of_very_many_samples_is_drawn_with_an_explicit_generator() -> None:
    with pytest.raises(ValueError, match="pass `rng`"):
        majority_at_k([400], [300], 0, 5)
    drawn = majority_at_k([400], [300], 0, 5, np.random.default_rng(3))
    exact = stats.hypergeom(700, 400, 5).sf(2)
    assert drawn == pytest.approx(exact, abs=0.025)  # five standard errors
    assert drawn == majority_at_k_sampled([400], [300], 0, 5, np.random.default_rng(3))


@pytest.mark.parametrize("wrong", [lambda: pass_at_k(3, 4, 1), lambda: pass_at_k(3, 1, 0)])
def test_an_impossible_count_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="undefined"):
        wrong()  # type: ignore[operator]
    with pytest.raises(ValueError, match="is undefined for the classes"):
        majority_at_k([1], [-1], 0, 1)


def test_a_sample_that_timed_out_has_no_vote() -> None:
    """Right 1, wrong 1 and three timeouts of the right answer's class: k = 2 is a tie, k = 3 has too few samples."""
    made = SourceTally("math")
    for run, (correct, answer) in enumerate([(R, 0), (W, 1), (T, 0), (T, 0), (T, 0)]):
        made.add("a", Sample(correct, answer), run)
    two, three = summarize(made, ks=[2, 3]).majority_at
    assert two.estimate.mean == pytest.approx(1 / 2)
    assert three.estimate.mean is None


def test_classes_of_answers_that_are_joined_are_one_class() -> None:
    """Right 2 + 1 in two wordings and wrong 2, k = 5: the joined class wins; those of other problems are untouched."""
    made = SourceTally("math")
    for problem in ("a", "b"):
        for answer in (0, 0, 1, 1, 2, None):
            made.add(problem, Sample(answer in (0, 2), answer))
    made.join("a", Joined([0, 1, 0], [1, 1, 1]))
    made.join("elsewhere", Joined([0, 0], [1, 1]))
    assert made.table().answer.reshape(2, 6).tolist() in (
        [[0, 0, 1, 1, 0, -1], [0, 0, 1, 1, 2, -1]],
        [[0, 0, 1, 1, 2, -1], [0, 0, 1, 1, 0, -1]],
    )
    [majority] = summarize(made, ks=[6]).majority_at
    assert majority.estimate.mean == pytest.approx((1 + 1 / 2) / 2)


@pytest.mark.parametrize("right", [True, False])
def test_of_a_class_those_that_state_most_decide_whether_it_is_right(right: bool) -> None:
    """12 three times and (C) 12 once: by the gold C only the second may be right, by another gold neither."""
    made = SourceTally("amc")
    for correct, answer in [(False, 0)] * 3 + [(right, 1)]:
        made.add("a", Sample(correct, answer))
    made.join("a", Joined([0, 0], [1, 2]))
    found = summarize(made, ks=[4])
    assert found.majority_at[0].estimate.mean == float(right)
    assert found.pass_at[0].estimate.mean == float(right)
    assert found.accuracy.mean == right / 4


def test_many_samples_without_an_index_keep_their_order() -> None:
    made = SourceTally("math")
    for number in range(3000):
        made.add(f"p{number % 3}", Sample(True, 0, tokens=number))
    table = made.table()
    assert all(np.all(np.diff(table.tokens[table.problem == problem]) == 3) for problem in range(3))
