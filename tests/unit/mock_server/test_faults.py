"""Faults of calls: deterministic, with the requested rates, and drawn again at each arrival."""

import math
import statistics

import pytest

from promptcot.errors import InputError
from promptcot.mock_server import FAULTS, MockOptions
from promptcot.mock_server.faults import fault_of, latency_of, retry_after

CALLS = [b"call %d" % number for number in range(20_000)]
MIXED = MockOptions(rate_429=0.05, rate_500=0.02, rate_reset=0.01, rate_stall=0.005, retry_after=1, seed=3)


@pytest.mark.parametrize("met", [0, 1])
def test_each_fault_has_its_share_within_five_standard_errors(met: int) -> None:
    drawn = [fault_of(MIXED, key, met) for key in CALLS]
    for fault, rate in zip(FAULTS, MIXED.rates, strict=True):
        error = math.sqrt(rate * (1 - rate) / len(CALLS))
        assert abs(drawn.count(fault) / len(CALLS) - rate) <= 5 * error


def test_a_call_that_met_a_fault_gets_an_independent_draw() -> None:
    unlucky = [key for key in CALLS if fault_of(MIXED, key, 0)]
    again = sum(fault_of(MIXED, key, 1) is not None for key in unlucky) / len(unlucky)
    assert len(unlucky) > 1000
    assert abs(again - 0.085) <= 5 * math.sqrt(0.085 * 0.915 / len(unlucky))


def test_the_draws_depend_on_the_server_seed_and_on_nothing_else() -> None:
    other = MockOptions(rate_429=0.5, seed=4)
    first = [fault_of(MockOptions(rate_429=0.5, seed=3), key, 0) for key in CALLS[:100]]
    assert first == [fault_of(MockOptions(rate_429=0.5, seed=3), key, 0) for key in CALLS[:100]]
    assert first != [fault_of(other, key, 0) for key in CALLS[:100]]


def test_rates_of_nothing_and_of_everything() -> None:
    assert {fault_of(MockOptions(), key, 0) for key in CALLS[:1000]} == {None}
    assert {fault_of(MockOptions(rate_html=1), key, 0) for key in CALLS[:1000]} == {"html"}


def test_a_share_of_the_429_has_no_retry_after() -> None:
    options = MockOptions(retry_after=1.5, retry_after_share=0.25)
    drawn = [retry_after(options, key, 0) for key in CALLS]
    assert set(drawn) == {1.5, None}
    assert abs(drawn.count(1.5) / len(CALLS) - 0.25) <= 5 * math.sqrt(0.25 * 0.75 / len(CALLS))


def test_latency_has_the_mean_and_the_spread_that_were_asked_for() -> None:
    options = MockOptions(latency=2.0, latency_spread=0.5)
    drawn = [latency_of(options, key, 0) for key in CALLS]
    deviation = 2.0 * math.sqrt(math.exp(0.25) - 1)  # of a log-normal with this mean
    assert abs(statistics.fmean(drawn) - 2.0) <= 5 * deviation / math.sqrt(len(CALLS))
    assert statistics.stdev(map(math.log, drawn)) == pytest.approx(0.5, rel=0.05)
    assert latency_of(MockOptions(latency=2.0), CALLS[0], 0) == 2.0


def test_all_mistakes_of_the_options_are_told_together() -> None:
    with pytest.raises(InputError) as raised:
        MockOptions(rate_429=0.7, rate_500=0.6, rate_stall=-0.1, latency=-1, models=())
    text = str(raised.value)
    assert all(word in text for word in ("rate_stall is -0.1", "add up to 1.2", "latency", "at least one model"))
