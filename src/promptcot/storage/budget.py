"""The cost of calls: tokens and money for each model, and the budget of a run.

Prices come from the recipe and are never guessed. The budget is a hard limit: a call is made only if its highest
possible cost still fits. Interrupted calls are not counted: the provider reports no usage for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from promptcot.errors import PromptCoTError
from promptcot.records import Completion, Request

_TEMPLATE_TOKENS = 256


class Price(Protocol):
    """The price of tokens."""

    @property
    def longest(self) -> int:
        """The most tokens of a reply by server settings other than `max_tokens`; 0 without such settings."""
        ...

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """The cost of these tokens."""
        ...


class BudgetReached(PromptCoTError):
    """The next call could exceed the budget."""


@dataclass
class Paid:
    """The usage of one model. `cost` sums the calls with a price; `unpriced` counts the others.

    `unpriced_prompt` and `unpriced_completion` are the tokens of the latter.
    """

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    unpriced: int = 0
    unpriced_prompt: int = 0
    unpriced_completion: int = 0

    def add(self, prompt_tokens: int | None, completion_tokens: int | None, cost: float | None) -> None:
        """Add a call."""
        self.calls += 1
        self.prompt_tokens += prompt_tokens or 0
        self.completion_tokens += completion_tokens or 0
        self.cost += cost or 0.0
        if cost is None:
            self.unpriced += 1
            self.unpriced_prompt += prompt_tokens or 0
            self.unpriced_completion += completion_tokens or 0

    def include(self, other: Paid) -> None:
        """Add the calls of another."""
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)

    def summary(self) -> dict[str, Any]:
        """The entry in `summary.json`; the cost is None if no call had a price."""
        counts = {name: value for name, value in asdict(self).items() if not name.startswith("unpriced_")}
        return {**counts, "cost": round(self.cost, 6) if self.unpriced < self.calls else None}


def most(price: Price, request: Request) -> float:
    """The highest possible cost of a call: a token has at least one byte, and a reply at most `max_tokens`."""
    text = request.prompt + "".join(turn.content for turn in request.messages)
    longest = max(request.sampling.max_tokens, price.longest)
    return price.of(len(text.encode(errors="replace")) + _TEMPLATE_TOKENS, longest)


def cost(price: Price, request: Request, reply: Completion) -> float:
    """The cost of a call; if the server does not count tokens, its highest possible cost."""
    if reply.prompt_tokens is None or reply.completion_tokens is None:
        return most(price, request)
    return price.of(reply.prompt_tokens, reply.completion_tokens)


class Budget:
    """The budget of a run, shared by its stages. `spent` starts with the cost of earlier runs."""

    def __init__(self, max_cost: float | None = None) -> None:
        self.max_cost = max_cost
        self.spent = 0.0
        self._held = 0.0
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def hold(self, amount: float) -> AsyncIterator[None]:
        """Reserve an amount for a call. Waits while calls in flight may still free enough; raises BudgetReached."""
        if self.max_cost is None or not amount:
            yield
            return
        while self.spent + self._held + amount > self.max_cost:
            if not self._held:
                raise BudgetReached(self._words(amount))
            self._freed.clear()
            await self._freed.wait()
        self._held += amount
        try:
            yield
        finally:
            self._held -= amount
            if self._held < 1e-12:
                self._held = 0.0
            self._freed.set()

    def spend(self, amount: float | None) -> None:
        """Record the cost of a call."""
        self.spent += amount or 0.0

    def _words(self, amount: float) -> str:
        return (
            f"the budget is used up: {self.spent:.4f} of {self.max_cost} is spent, and the next call may cost "
            f"{amount:.4f} if it uses all of its max_tokens. Finished calls are kept: run the same command with a "
            "higher --max-cost to continue, or run it on fewer rows to write the finished ones"
        )
