"""Limits how many calls a server gets at a time and in a minute.

The limit on calls in flight is adaptive: it grows while the server keeps up, and shrinks when a large share of the
calls is rejected, or when the server has both higher latency and lower throughput. Single errors do not change it.
`pace` estimates the server's rate limit. Retries are not decided here: a rejected call leaves, and its caller waits
elsewhere.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from promptcot.engines.openai.pace import Call, Pace

_FIRST = 16
_WORTH = 0.1
_HOLD = 8
_LEAST_LOOK, _LEAST_SECONDS, _WHILE_DOUBLING = 20, 0.25, 0.05
_TOO_MANY = 0.25
_SLOWER = 2.0
_LESS = 0.8
_FORGET = 0.98
_LOOK_AGAIN = 0.2


class Bound:
    """The adaptive limit of calls in flight, evaluated over windows of as many calls as are in flight at a time, and of
    at least a quarter of a second, so that a brief pause of this program does not look like a slow server. While the
    limit doubles, a twentieth of a second is enough, for a fast start.

    Starts at 16 (or `most`) and doubles after each good window until the first bad one, then grows by an eighth. Growth
    that does not increase tokens per second (or calls, if tokens are unknown) is reverted, and tried again some windows
    later: a server that only queues gains nothing from a longer queue. A window is bad when a quarter of its calls were
    rejected, or when calls took twice as long as in the best window while throughput was below four fifths of that
    window's: then the limit falls by 30 %. Windows in which the limit was not reached say nothing about a larger one,
    and calls that began before the limit grew say nothing about the new one.
    """

    def __init__(self, most: int, now: float, first: int = _FIRST) -> None:
        self.limit = min(first, most)
        self._most = most
        self._doubling = True
        self._before: tuple[int, float] | None = None
        self._hold = 0
        self._skip = 0
        self._best_rate = 0.0
        self._best_latency = float("inf")
        self._open_window(now)

    def keep_to(self, limit: int) -> None:
        """The server accepts no more than this; a larger limit is tried again some windows later."""
        if limit < self.limit:
            self.limit, self._doubling, self._hold, self._before = limit, False, _HOLD, None

    def saw(self, call: Call, now: float, *, full: bool) -> None:
        """A call ended; `full` says whether the limit was reached while it ran."""
        if self._skip:
            self._skip -= 1
            self._since = now
            return
        self._calls += 1
        self._away += call.turned_away
        self._full |= full
        if not call.turned_away:
            self._work += call.tokens or 1
            self._seconds += (now - call.began) / (call.tokens or 1)
        seconds = _WHILE_DOUBLING if self._doubling else _LEAST_SECONDS
        if self._calls >= max(_LEAST_LOOK, self.limit) and now - self._since >= seconds:
            self._judge(now)
            self._open_window(now)

    def _open_window(self, now: float) -> None:
        self._since, self._calls, self._away, self._full = now, 0, 0, False
        self._work, self._seconds = 0, 0.0

    def _judge(self, now: float) -> None:
        answered = self._calls - self._away
        rate = self._work / max(now - self._since, 1e-9)
        latency = self._seconds / answered if answered else float("inf")
        overloaded = latency > _SLOWER * self._best_latency and rate < _LESS * self._best_rate
        if self._away >= _TOO_MANY * self._calls or overloaded:
            self._doubling, self._before = False, None
            self.limit = max(1, int(self.limit * 0.7))
            self._best_rate *= _LESS  # the server may have been replaced: learn again, slowly
            self._best_latency /= _LESS
            return
        self._best_rate = max(rate, self._best_rate * _FORGET)
        self._best_latency = min(latency, self._best_latency / _FORGET)
        if not self._paid_off(rate):
            return
        if self._full and self._hold == 0:
            self._grow(rate)
        self._hold = max(0, self._hold - 1)

    def _paid_off(self, rate: float) -> bool:
        """Whether the last growth brought at least a tenth of the possible gain; it is reverted if not."""
        if self._before is None:
            return True
        (limit, earlier), self._before = self._before, None
        if rate >= earlier * (1 + _WORTH * (self.limit / limit - 1)):
            return True
        self.limit, self._doubling, self._hold = limit, False, _HOLD
        return False

    def _grow(self, rate: float) -> None:
        step = self.limit if self._doubling else max(1, self.limit // 8)
        if self.limit < self._most:
            self._before, self._skip = (self.limit, rate), self.limit
        self.limit = min(self._most, self.limit + step)


class Allowance:
    """A token bucket of units per minute: a burst of one second's worth is allowed, larger requests wait."""

    def __init__(self, per_minute: int, now: float) -> None:
        self._rate = per_minute / 60
        self._burst = max(1.0, self._rate)
        self._left = self._burst
        self._at = now

    def wait(self, units: float, now: float) -> float:
        """Seconds until this many units may be taken; for more than a second's worth, until no debt is left."""
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        return max(0.0, (min(units, self._burst) - self._left) / self._rate)

    def take(self, units: float) -> None:
        """Take units, into debt if they are more than a second's worth."""
        self._left -= units

    def give_back(self, units: float) -> None:
        """Return units that were taken and not used."""
        self._left = min(self._burst, self._left + units)


class Admission:
    """The gate of one server, for all stages that use it. First come, first served. See `Bound` for `first`, `most`."""

    def __init__(
        self,
        most: int = 1024,
        first: int = _FIRST,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        now = clock()
        self.bound = Bound(most, now, first)
        self.pace = Pace(now)
        self.in_flight = 0
        self._clock = clock
        self._requests = Allowance(requests_per_minute, now) if requests_per_minute else None
        self._tokens = Allowance(tokens_per_minute, now) if tokens_per_minute else None
        self._line = asyncio.Lock()
        self._waiting: deque[asyncio.Future[bool]] = deque()
        self._undecided: list[Call] = []
        self._alarm: asyncio.TimerHandle | None = None

    def call(self, tokens: int) -> _Place:
        """A slot for one call with an estimate of its `tokens`; the caller records the outcome in it."""
        return _Place(self, tokens)

    async def enter(self, tokens: int) -> Call:
        """Wait for a slot."""
        if self._requests or self._tokens:
            await self._wait_for_allowance(tokens)
        is_try = await self._enter()
        return Call(self._clock(), is_try=is_try)

    def leave(self, call: Call, *, finished: bool) -> None:
        """Release a slot; a call that was neither `finished` nor rejected says nothing about the server."""
        full = self.in_flight >= self.bound.limit
        self.in_flight -= 1
        if self._tokens:
            self._tokens.give_back(call.unused)
        now = self._clock()
        self.pace.saw(call, now, self.in_flight, answered=finished)
        if call.limited and self.pace.closed:
            self._undecided.append(call)
        elif finished or call.turned_away:
            self.bound.saw(call, now, full=full)
        if self._undecided and not self.pace.closed:
            self._decide(now)
        self._admit()

    def _decide(self, now: float) -> None:
        """The gate reopens: the limit learns of the rejected calls, if it was too high for them."""
        undecided, self._undecided = self._undecided, []
        if (bound := self.pace.bound) is not None:
            self.bound.keep_to(bound)
        elif not self.pace.was_limit_in_time:
            for call in undecided:
                self.bound.saw(call, now, full=True)

    async def _wait_for_allowance(self, tokens: int) -> None:
        """Wait in line until no debt is left; checks periodically, because unused tokens are returned meanwhile."""
        allowances = [(self._requests, 1), (self._tokens, tokens)]
        async with self._line:
            while (wait := max(part.wait(units, self._clock()) for part, units in allowances if part)) > 1e-9:
                await asyncio.sleep(min(wait, _LOOK_AGAIN))
            for allowance, units in allowances:
                if allowance is not None:
                    allowance.take(units)

    async def _enter(self) -> bool:
        """Wait for a slot; returns whether the call is a probe at a closed gate."""
        if self.pace.is_free and self.in_flight < self.bound.limit and not self._waiting:
            self.in_flight += 1
            return False
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._admit()
        try:
            is_try: bool = await turn
            return is_try
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # admitted and cancelled at the same moment
                self.in_flight -= 1
                if turn.result():  # another call is the probe now
                    self.pace.saw(Call(self._clock()), self._clock(), self.in_flight, answered=False)
            self._admit()
            raise

    def _admit(self) -> None:
        while self._waiting and self.in_flight < self.bound.limit:
            if self._waiting[0].done():  # cancelled
                self._waiting.popleft()
                continue
            is_try = False
            if not self.pace.is_free:
                now = self._clock()
                wait = self.pace.wait(now, self.in_flight)
                if self._undecided and not self.pace.closed:
                    self._decide(now)
                    continue
                if wait > 0:
                    self._look_again(wait)
                    return
                is_try = self.pace.send(now)
            self.in_flight += 1
            self._waiting.popleft().set_result(is_try)

    def _look_again(self, seconds: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_later(seconds, self._admit)


class _Place:
    """A slot at the gate, for one `async with`. A class, because it is entered for every call and must be cheap."""

    def __init__(self, gate: Admission, tokens: int) -> None:
        self._gate, self._tokens = gate, tokens

    async def __aenter__(self) -> Call:
        self._call = await self._gate.enter(self._tokens)
        return self._call

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._gate.leave(self._call, finished=error is None)
