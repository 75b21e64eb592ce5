"""Differences of two sets: published values, and cases without a value."""

from __future__ import annotations

import numpy as np
import pytest

from promptcot.core.statistics.differences import bootstrapped, of_means, of_shares


def test_newcombes_published_example() -> None:
    """56/70 against 48/80: 0.0524 to 0.3339 (Newcombe 1998, table II, method 10)."""
    found = of_shares(48, 80, 56, 70)
    assert found.difference == pytest.approx(0.2)
    assert found.interval == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert found.is_clear


def test_shares_at_the_bounds_keep_a_width_within_the_bounds() -> None:
    """10/10 against 0/20: 0.6791 to 1.0000 (the same table)."""
    assert of_shares(0, 20, 10, 10).interval == pytest.approx((0.6791, 1.0), abs=5e-5)
    found = of_shares(0, 10, 0, 10)
    assert found.difference == 0
    assert not found.is_clear


def test_a_share_of_nothing_is_none() -> None:
    found = of_shares(0, 0, 3, 4)
    assert (found.a, found.b, found.difference, found.interval) == (None, 0.75, None, None)
    with pytest.raises(ValueError, match="no proportion"):
        of_shares(5, 4, 1, 2)


def test_welchs_interval_by_hand() -> None:
    """Variances 1 and 4 over 3 values each: standard error sqrt(5/3), 50/17 degrees, taken as 2: t = 4.3027."""
    found = of_means([1, 2, 3], [2, 4, 6])
    assert (found.a, found.b, found.difference) == (2, 4, 2)
    assert found.interval == pytest.approx((2 - 4.30265 * (5 / 3) ** 0.5, 2 + 4.30265 * (5 / 3) ** 0.5), abs=1e-4)


@pytest.mark.parametrize(("a", "b"), [([], [1, 2]), ([1], [1, 2]), ([3, 3], [4, 4]), ([np.nan], [1.0])])
def test_too_few_values_have_no_interval(a: list[float], b: list[float]) -> None:
    assert of_means(a, b).interval is None


def test_a_bootstrap_agrees_with_the_formula_and_with_itself() -> None:
    draws = np.random.default_rng(0)
    a, b = draws.normal(0, 1, 400), draws.normal(0.5, 1, 300)
    found = bootstrapped(a, b, lambda sample: float(sample.mean()), np.random.default_rng(1))
    assert found.interval == pytest.approx(of_means(a, b).interval, abs=0.02)
    assert found == bootstrapped(a, b, lambda sample: float(sample.mean()), np.random.default_rng(1))
    assert bootstrapped(a[:1], b, np.median, np.random.default_rng(1)).interval is None
    assert bootstrapped(a[:0], b, np.median, np.random.default_rng(1)).difference is None
