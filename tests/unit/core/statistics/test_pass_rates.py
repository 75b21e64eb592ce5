"""Pass rates in ranges, and their resolution."""

from __future__ import annotations

import numpy as np
import pytest

from promptcot.core.statistics.pass_rates import histogram, uncertainty
from promptcot.core.statistics.wilson import wilson_interval


def test_a_rate_at_an_edge_is_in_the_upper_span_and_1_in_the_last() -> None:
    rates = [0, 0.1, 0.2, 0.3, 0.6, 0.7, 0.9, 1, np.nan]
    assert [span.count for span in histogram(rates)] == [1, 1, 1, 1, 0, 0, 1, 1, 0, 2]
    assert [span.count for span in histogram([0.25, 0.5, 0.75, 1.0], spans=4)] == [0, 1, 1, 2]


def test_shares_come_with_their_intervals() -> None:
    span = histogram([0.1, 0.1, 0.9, 0.9], spans=2)[0]
    assert (span.low, span.high, span.count, span.share) == (0.0, 0.5, 2, 0.5)
    assert span.interval == wilson_interval(2, 4)


def test_no_pass_rate_has_no_spans_and_a_wrong_one_is_refused() -> None:
    assert histogram([]) == histogram([np.nan]) == []
    with pytest.raises(ValueError, match="between 0 and 1"):
        histogram([62.5])


def test_a_pass_rate_of_four_traces_says_little() -> None:
    assert uncertainty(0.5, 4) == pytest.approx((0.150, 0.850), abs=5e-4)
    assert uncertainty(0.5, 64) == pytest.approx((0.381, 0.619), abs=5e-4)
    assert uncertainty(0.5, 0) is None
