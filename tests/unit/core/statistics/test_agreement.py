"""Agreement of judges against values computed by hand, and cases without a value."""

from __future__ import annotations

from fractions import Fraction
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptcot.core.statistics.agreement import Agreement, Agreements
from promptcot.core.statistics.wilson import wilson_interval

P, A, B = "perfect", "acceptable", "bad"


def counted(*cells: tuple[str, str, int]) -> Agreement:
    agreement = Agreement()
    for one, other, count in cells:
        for _ in range(count):
            agreement.add(one, other)
    return agreement


def test_kappa_of_two_classes_as_computed_by_hand() -> None:
    """35 of 50 agree; by chance (25 · 30 + 25 · 20) / 50² = 1/2; so (0.7 - 0.5) / (1 - 0.5) = 0.4."""
    agreement = counted((P, P, 20), (P, A, 5), (A, P, 10), (A, A, 15))
    assert (agreement.n, agreement.agreed, agreement.share) == (50, 35, 0.7)
    assert agreement.kappa == 0.4


def test_kappa_of_three_classes_as_computed_by_hand() -> None:
    """p_o = 68/100; rows 40, 35, 25 and columns 45, 30, 25 give p_e = (1800 + 1050 + 625) / 10000 = 0.3475."""
    agreement = counted((P, P, 32), (P, A, 5), (P, B, 3), (A, P, 9), (A, A, 20), (A, B, 6))
    agreement.counts.update({(B, P): 4, (B, A): 5, (B, B): 16})
    assert agreement.n == 100
    assert agreement.kappa == pytest.approx(float((Fraction(68, 100) - Fraction(3475, 10000)) / Fraction(6525, 10000)))


def test_judges_who_always_disagree_have_the_lowest_kappa() -> None:
    assert counted((P, B, 5), (B, P, 5)).kappa == -1


def test_judges_who_agree_no_more_than_by_chance_have_kappa_zero() -> None:
    assert counted((P, P, 4), (P, A, 4), (A, P, 4), (A, A, 4)).kappa == 0


def test_kappa_is_undefined_where_both_judges_only_ever_say_one_thing() -> None:
    agreement = counted((P, P, 7))
    assert (agreement.share, agreement.kappa) == (1.0, None)


def test_one_constant_judge_leaves_kappa_defined() -> None:
    assert counted((P, P, 7), (P, A, 1)).kappa == 0


def test_without_rows_nothing_is_known() -> None:
    agreement = Agreement()
    assert (agreement.n, agreement.share, agreement.interval, agreement.kappa) == (0, None, None, None)


def test_invalid_and_missing_verdicts_are_counted_apart() -> None:
    agreement = counted((P, P, 1), ("invalid", "invalid", 2), (P, "invalid", 1))
    agreement.add(None, P)
    assert (agreement.n, agreement.left_out, agreement.share) == (1, 4, 1.0)


def test_every_two_judges_are_compared_in_the_order_of_their_names() -> None:
    agreements = Agreements(("x", "a", "m"))
    agreements.add({"m": P, "a": A, "x": P})
    agreements.add({"a": A, "x": A})
    assert [pair for pair, _ in agreements] == [("x", "a"), ("x", "m"), ("a", "m")]
    assert [(pair.n, pair.agreed, pair.left_out) for _, pair in agreements] == [(2, 1, 0), (1, 1, 1), (1, 0, 1)]


@given(st.lists(st.tuples(st.sampled_from([P, A, B]), st.sampled_from([P, A, B])), min_size=1))
def test_kappa_is_symmetric_bounded_and_one_only_for_judges_who_always_agree(pairs: list[tuple[str, str]]) -> None:
    agreement = counted(*((one, other, 1) for one, other in pairs))
    kappa = agreement.kappa
    assert counted(*((other, one, 1) for one, other in pairs)).kappa == kappa
    if kappa is None:
        assert len(set(pairs)) == 1
    else:
        assert -1 <= kappa <= 1
        assert (kappa == 1) == (agreement.agreed == agreement.n)


def test_the_wilson_interval_of_eight_in_ten() -> None:
    """The value that R gives for prop.test(8, 10, correct = FALSE)."""
    assert wilson_interval(8, 10) == pytest.approx((0.4901625, 0.9433178), abs=1e-7)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_the_ends_of_the_wilson_interval_are_just_at_the_edge_of_the_score_test(
    counts: tuple[int, int], confidence: float
) -> None:
    """They are the proportions p with (share - p)^2 = z^2 p (1 - p) / n, by which Wilson defines them."""
    share, n, z = counts[0] / counts[1], counts[1], NormalDist().inv_cdf((1 + confidence) / 2)
    low, high = wilson_interval(*counts, confidence) or (-1, -1)
    assert 0 <= low <= share <= high <= 1
    assert low < high
    for end in (low, high):
        assert (share - end) ** 2 == pytest.approx(z * z * end * (1 - end) / n, abs=1e-9)


def test_no_trials_have_no_interval() -> None:
    assert wilson_interval(0, 0) is None


@pytest.mark.parametrize("counts", [(3, 2), (-1, 2), (0, -1)])
def test_what_is_no_proportion_is_refused(counts: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="no proportion"):
        wilson_interval(*counts)
