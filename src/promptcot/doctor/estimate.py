"""Estimates time and cost of the whole recipe from the calls of a trial. Pure.

A stage needs `rows × completion tokens per call / tokens per second`; its cost is `rows × price of an average call`.
Every stage is computed for all rows, as if none were dropped. The upper bound of the time adds up the stages at the
trial's rate. The lower bound assumes that the rate grows with the number of concurrent calls, which every machine
limits at some point; the true time lies in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from promptcot.core.units import counted, duration
from promptcot.doctor.findings import Finding, note
from promptcot.doctor.watching import Watch
from promptcot.pipeline.plan import PlannedStep
from promptcot.recipe.schema import Limits


@dataclass(frozen=True)
class Estimate:
    """Based on a trial of `tried` rows through these stages; stages without any call are left out.

    A stage makes one call per row, or as many as `often` says.
    """

    limits: Limits
    stages: Sequence[PlannedStep]
    watches: Mapping[str, Watch]
    tried: int
    often: Mapping[str, int] = field(default_factory=dict)

    def at_a_time(self, rows: int) -> int:
        """The number of concurrent calls in a run of this many rows."""
        return max(1, min(self.limits.concurrency, rows))

    def seconds(self, rows: int) -> tuple[float, float]:
        """The shortest and the longest time for so many rows."""
        longest = sum(
            rows * self._often(name) * watch.seconds / watch.calls
            for name, watch in self.watches.items()
            if watch.calls
        )
        return longest * min(1.0, self.tried / self.at_a_time(rows)), longest

    def cost(self, rows: int) -> float | None:
        """The cost of the stages with a price; None if none has one."""
        costs = [
            rows
            * self._often(step.name)
            / watch.calls
            * step.asked.price.of(watch.prompt_tokens, watch.completion_tokens)
            for step in self.stages
            if step.asked.price and (watch := self.watches.get(step.name, Watch())).calls
        ]
        return sum(costs) if costs else None

    def _often(self, stage: str) -> int:
        return self.often.get(stage, 1)

    def findings(self, accepted: int) -> Iterator[Finding]:
        """For the target, using the trial's yield, and for the maximum of the recipe."""
        target, most, tried = self.limits.target, self.limits.candidates, self.tried
        if target and accepted:
            rows = min(most, -(-target * tried // accepted))
            share = f"{accepted} of {tried}"
            yield note(f"estimate for {target:,} problems, if {share} are accepted: {self._described(rows)}")
        elif target:
            yield note(
                f"none of {tried} was accepted, so it is unknown how many combinations {target:,} accepted ones take"
            )
        yield note(f"estimate for {'at most ' if target else ''}{self._described(most)}")
        yield note(
            "computed as the sum of rows × seconds per row over the stages: the shorter time assumes that the rate "
            f"grows with the number of concurrent calls, from {tried} to {self.at_a_time(most):,}; the longer time "
            f"assumes that it does not. {tried} rows are too few for an interval"
        )
        if unseen := ", ".join(name for name, watch in self.watches.items() if not watch.calls):
            yield note(f"not in the estimate, because no row reached it: {unseen}")
        hosted = (step.name for step in self.stages if step.asked.base_url and step.asked.price is None)
        if unpriced := ", ".join(hosted):
            yield note(
                f"no cost is known for {unpriced}: the recipe has no price there (price.prompt, price.completion)"
            )

    def _described(self, rows: int) -> str:
        (shortest, longest), cost = self.seconds(rows), self.cost(rows)
        time = "under a second" if longest < 1 else f"{duration(shortest)} to {duration(longest)}"
        return f"{counted(rows, 'combination')}: {time}{'' if cost is None else f', cost about {cost:,.2f}'}"
