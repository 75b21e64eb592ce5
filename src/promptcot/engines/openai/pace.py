"""Estimates a server's rate limit from the calls it rejects with 429, and decides when to send calls again.

Servers limit either the rate (calls per minute, by windows or a token bucket) or the number of concurrent calls, and
most do not say which. When calls are rejected and none is answered in between, the gate closes. Two kinds of calls
still pass: one for each earlier call that is answered, which a server with a concurrency limit accepts; and single
probes, at intervals that double, which find the moment when a rate limit is over. The first accepted call opens the
gate.

A rate limit is proven when calls are rejected although the server has none of our calls in flight, or fewer than
before. Calls are then sent slightly below the rate that it accepted. The rate grows while calls are accepted, slowly at
first and then ever faster, so a limit that no longer applies is forgotten after some minutes. If calls are rejected
repeatedly even at that rate, either other clients use up the capacity or rejections are random; going slower does not
help, and the estimate is dropped.

Pure apart from its state; the caller provides the times.
"""

from __future__ import annotations

from dataclasses import dataclass

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 60.0
_NOT_TURNED_AWAY = 2.0
"""Seconds after which a call in flight counts as accepted: three times the duration of a rejection."""
_LEAST_IN_A_ROW, _TOO_MANY = 2, 4
"""The gate closes after this many consecutive rejections, if they are also a quarter of the calls in flight."""
_KEPT = 0.97
_FIRST_GROWTH = 0.02
_LEAST_CALLS, _LEAST_SECONDS = 20, 5.0
_FAULTS = 0.08
"""A share of rejections up to this value does not show that the rate is too high."""
_FEW = 8
_IN_VAIN, _SOON = 5, 12
"""The limit is dropped after more than `_IN_VAIN` rejections of calls that kept to it, each before `_SOON` answers."""
_SLOWER = 0.8
"""The factor by which the rate is reduced each time."""
_DOUBTED, _PAUSE_IN_DOUBT = 300.0, 4.0
"""Seconds without a new rate estimate after the limit was dropped, and the maximum interval between two probes."""
_SLOWEST = 1 / 120
_HORIZON = 60.0
_NO_BOUND = 4.0
_LAG = 0.1


@dataclass
class Call:
    """One admitted call, in which its caller records the outcome.

    `tokens` is the number generated, `unused` the number of admitted tokens that were not needed. `turned_away`: the
    server had no capacity; `limited`: it rejected the call for its rate limit (429), perhaps with a `wait` in seconds.
    `is_try`: it passed a closed gate as a probe.
    """

    began: float
    tokens: int | None = None
    unused: int = 0
    turned_away: bool = False
    limited: bool = False
    wait: float | None = None
    is_try: bool = False


class Pace:
    """Decides when calls may be sent to a server. `rate` is the estimated limit in calls per second; None: no limit is
    known.

    `in_flight` always excludes the call in question.
    """

    def __init__(self, now: float) -> None:
        self.rate: float | None = None
        self.closed = False
        self._next = now
        self._closed_at = self._last_away = self._opens = now
        self._pause = _FIRST_PAUSE
        self._freed = self._sent = self._proofs = self._tries_away = 0
        self._carried = 0
        self.was_limit_in_time = False
        self._trial: float | None = None
        self._in_a_row = 0
        self._slowest_away = 0.0
        self._growth = _FIRST_GROWTH
        self._in_vain = self._answered_at_rate = 0
        self._doubted_until = now
        self._before = (0, 0.0)
        self._since, self._answered, self._turned_away, self._in_flight_then = now, 0, 0, 0

    @property
    def is_free(self) -> bool:
        """Whether calls may be sent without delay."""
        return self.rate is None and not self.closed

    def wait(self, now: float, in_flight: int) -> float:
        """Seconds until a call may be sent; 0: now."""
        if self.closed and self._trial is not None and now >= (taken := self._trial + self._patience):
            self._open(taken, in_flight)
        if not self.closed:
            return max(0.0, self._next - now) if self.rate is not None else 0.0
        if self._freed:
            return 0.0
        until = self._opens if self._trial is None else self._trial + self._patience
        return max(0.0, until - now)

    def send(self, now: float) -> bool:
        """Record that a call is sent now; returns whether it is a probe."""
        if self.rate is not None:
            self._next = max(self._next, now - _LAG) + 1 / self.rate
        if not self.closed:
            return False
        self._sent += 1
        self._trial = now if self._trial is None else self._trial
        if self._freed:
            self._freed -= 1
            return False
        return True

    def saw(self, call: Call, now: float, in_flight: int, *, answered: bool) -> None:
        """A call ended: answered, rejected, or with an error that says nothing about limits."""
        if call.limited:
            self._turn_away(call, now, in_flight)
        elif not answered:
            self._trial = None
        else:
            self._answered += 1
            self._answered_at_rate += 1
            self._in_a_row = 0
            if self.closed and call.began >= self._closed_at:
                self._open(now, in_flight)
            if self.closed:
                self._freed += 1
            else:
                self._judge(now, in_flight)

    @property
    def bound(self) -> int | None:
        """The number of concurrent calls that the server accepted when the gate last opened; None: that is no limit."""
        return self._carried if self._tries_away > 1 and self._carried and not self.was_limit_in_time else None

    @property
    def _patience(self) -> float:
        return max(_NOT_TURNED_AWAY, 3 * self._slowest_away)

    def _turn_away(self, call: Call, now: float, in_flight: int) -> None:
        self._turned_away += 1
        self._slowest_away = max(0.9 * self._slowest_away, now - call.began)
        self._in_a_row += 1
        if not self.closed:
            is_many = self._in_a_row >= _LEAST_IN_A_ROW and _TOO_MANY * self._in_a_row >= in_flight
            if self.rate is not None:
                self._turned_away_at_rate(now, in_flight)
            if is_many or self.rate is not None:
                self._close(now, in_flight)
        elif call.began >= self._closed_at:
            self._trial = None
            self._proofs += not in_flight or in_flight < self._carried
            if call.is_try:
                self._tries_away += 1
                self._carried = self._carried or in_flight
            if call.began >= self._last_away:  # otherwise one of several that were sent together
                longest = _LONGEST_PAUSE if now >= self._doubted_until else _PAUSE_IN_DOUBT
                self._pause = min(longest, 2 * self._pause)
                self._opens = now + max(self._pause, min(call.wait or 0.0, _LONGEST_PAUSE))
            self._last_away = now

    def _close(self, now: float, in_flight: int) -> None:
        if now - self._since > 2 * _HORIZON:  # perhaps no call was sent for long, so this measures nothing
            self._measure(now, in_flight)
            self._before = (0, 0.0)
        self.closed = True
        self._closed_at = self._last_away = now
        self._pause = max(_FIRST_PAUSE, 0.5 / self.rate if self.rate is not None else 0.0)
        self._opens = now + self._pause
        self._freed = self._sent = self._proofs = self._tries_away = self._carried = 0
        self._trial = None

    def _turned_away_at_rate(self, now: float, in_flight: int) -> None:
        """A call within the rate was rejected: reduce the rate, or drop it if that does not help."""
        assert self.rate is not None
        self._in_vain = self._in_vain + 1 if self._answered_at_rate < _SOON else 0
        self._answered_at_rate = 0
        if self._in_vain:
            self.rate = max(_SLOWEST, _SLOWER * self.rate)
        if self._in_vain > _IN_VAIN:
            self.rate, self._in_vain, self._doubted_until = None, 0, now + _DOUBTED
            self._measure(now, in_flight)

    def _open(self, now: float, in_flight: int) -> None:
        """The server accepts calls again; if a rate limit is proven, use the rate that it has accepted since then."""
        self.closed, self._trial, self._freed = False, None, 0
        is_proven = self._proofs > 0 and 2 * self._proofs >= self._sent
        self.was_limit_in_time = (is_proven or 0 < self._carried < in_flight) and now >= self._doubted_until
        if not self.was_limit_in_time:
            return
        if (took := self._took(now, in_flight)) is not None:
            self.rate = _KEPT * took
            self._growth = _FIRST_GROWTH
            self._next = now + 1 / self.rate
        self._measure(now, in_flight)

    def _judge(self, now: float, in_flight: int) -> None:
        """Increase or reduce the rate after some calls, and drop it if it limits nothing."""
        seconds = now - self._since
        if self.rate is None:
            if seconds > _HORIZON:
                self._measure(now, in_flight)
            return
        calls = self._answered + self._turned_away
        if seconds < (_LEAST_SECONDS if calls >= _LEAST_CALLS else _HORIZON):
            return
        if calls >= _LEAST_CALLS and self._turned_away > _FAULTS * calls:
            took = self._took(now, in_flight) or self.rate
            self.rate, self._growth = _KEPT * min(self.rate, took), _FIRST_GROWTH
        elif not self._turned_away or calls >= _LEAST_CALLS:
            self.rate, self._growth = self.rate * (1 + self._growth), min(1.0, 2 * self._growth)
        if self.rate * seconds > _NO_BOUND * calls:
            self.rate = None
        self._measure(now, in_flight)

    def _took(self, now: float, in_flight: int) -> float | None:
        """Calls per second that the server accepted in this measurement, combined with the previous one if there were
        few.

        None if it accepted only the call that opened the gate, which is no measurement.
        """
        taken, seconds = self._taken(in_flight), now - self._since
        if taken < _FEW:
            taken, seconds = taken + self._before[0], seconds + self._before[1]
        return max(_SLOWEST, taken / max(seconds, _FIRST_PAUSE)) if taken > 1 else None

    def _taken(self, in_flight: int) -> int:
        """Calls that the server has accepted in this measurement, answered or not yet."""
        return self._answered + in_flight - self._in_flight_then

    def _measure(self, now: float, in_flight: int) -> None:
        """Begin a measurement."""
        self._before = (self._taken(in_flight), now - self._since)
        self._since, self._answered, self._turned_away, self._in_flight_then = now, 0, 0, in_flight
