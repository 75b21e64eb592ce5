"""When a stage is stopped because its calls keep failing, and when it is not."""

from pathlib import Path

import pytest

from promptcot.errors import SystematicFailure, TransientError
from promptcot.runners.health import Health


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def make() -> tuple[Health, Clock]:
    clock = Clock()
    return Health("judge", Path("out/judge.journal"), clock), clock


RESET = TransientError("reset by peer", "connection")


def fail(health: Health, clock: Clock, count: int, seconds: float, error: TransientError = RESET) -> None:
    for _ in range(count):
        clock.now += seconds
        health.attempt_failed(error)


def test_three_minutes_in_which_all_attempts_fail_stop_with_the_last_words() -> None:
    health, clock = make()
    with pytest.raises(SystematicFailure, match=r"judge: \d+ of the last \d+ .*was stopped") as caught:
        fail(health, clock, 400, 0.5)
    assert "reset by peer" in str(caught.value)
    assert "out/judge.journal" in str(caught.value)


def test_an_outage_that_ends_is_waited_for() -> None:
    health, clock = make()
    fail(health, clock, 1000, 0.15)
    health.attempt_succeeded()
    fail(health, clock, 1000, 0.15)
    assert clock.now > 180


def test_a_few_slow_faults_are_not_nearly_all() -> None:
    health, clock = make()
    fail(health, clock, 100, 5.0)


@pytest.mark.parametrize("cause", ["http 429", "server ended"])
def test_a_server_that_asks_for_patience_gets_it(cause: str) -> None:
    health, clock = make()
    fail(health, clock, 1000, 1.0, TransientError("wait", cause))


def test_a_server_that_turns_every_call_away_for_twenty_minutes_stops() -> None:
    health, clock = make()
    health.attempt_succeeded()
    with pytest.raises(SystematicFailure, match=r"(?s)rejected every call for 2\d min.*later.*--requests-per-minute"):
        fail(health, clock, 100, 60.0, TransientError("too many", "http 429"))


def test_one_answer_each_quarter_of_an_hour_is_patience_enough() -> None:
    health, clock = make()
    for _ in range(10):
        fail(health, clock, 15, 60.0, TransientError("too many", "http 429"))
        health.attempt_succeeded()


def test_one_success_a_minute_keeps_a_run_going() -> None:
    health, clock = make()
    for _ in range(10):
        fail(health, clock, 110, 0.5)
        health.attempt_succeeded()


def test_the_first_twenty_all_useless() -> None:
    health, _ = make()
    for _ in range(19):
        health.saw(good=False)
    with pytest.raises(SystematicFailure, match="20 of the last 20"):
        health.saw(good=False, counts=False, words="refused")


def test_one_good_reply_among_the_first_is_enough_to_go_on() -> None:
    health, _ = make()
    health.saw(good=True)
    for _ in range(100):
        health.saw(good=False)


def test_more_than_half_of_the_last_two_hundred() -> None:
    health, _ = make()
    for _ in range(100):
        health.saw(good=True)
    for _ in range(100):
        health.saw(good=False)
    with pytest.raises(SystematicFailure, match="101 of the last 200"):
        health.saw(good=False)


def test_refused_rows_are_their_own_fault_however_many() -> None:
    health, _ = make()
    health.saw(good=True)
    for _ in range(1000):
        health.saw(good=False, counts=False)
