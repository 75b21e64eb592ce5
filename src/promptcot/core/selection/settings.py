"""The settings of a selection: the band of pass rates, shares of difficulties and levels, size, balance and order.

Decides their notation and which of them conflict. `choosing` applies them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, Self, cast, get_args

from promptcot.errors import UsageError

Balance = Literal["level", "concepts"]
Order = Literal["easy-first", "mixed", "as-is"]
BALANCES: tuple[Balance, ...] = get_args(Balance)
ORDERS: tuple[Order, ...] = get_args(Order)


@dataclass(frozen=True, slots=True)
class Band:
    """Pass rates from `low` to `high`, both inclusive."""

    low: float = 0.0
    high: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Self:
        """A band as LOW:HIGH. Raises UsageError."""
        low, colon, high = str(text).partition(":")
        if not colon:
            raise UsageError(f"pass-rate: {text!r} is not a band; write LOW:HIGH, such as 0.2:0.8")
        found = cls(_share(low, "pass-rate"), _share(high, "pass-rate"))
        if found.low > found.high:
            raise UsageError(f"pass-rate: {text!r} starts above its end, so no problem could be kept")
        return found

    def __str__(self) -> str:
        return f"{self.low:g}:{self.high:g}"


@dataclass(frozen=True, slots=True)
class Bin:
    """Pass rates from `low` (inclusive) to `high` (inclusive only if `closed`), with the requested `share`.

    A bin that adjoins the next one is open, so that each pass rate is in one bin.
    """

    low: float
    high: float
    closed: bool
    share: float

    def __str__(self) -> str:
        return f"{self.low:g}-{self.high:g}"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a set. `bins` and `levels` are empty if not requested; their shares add up to 1.

    `model` is the model whose pass rates count; None: those over all traces. Traces agree if the label's agreement is
    at least `min_agreement`; None: if it is more than a half. If only one of several traces has an answer, they do
    not agree. `size` is the largest number of problems.
    """

    band: Band = Band()
    model: str | None = None
    bins: tuple[Bin, ...] = ()
    levels: Mapping[str, float] | None = None
    size: int | None = None
    balance: tuple[Balance, ...] = ()
    order: Order = "as-is"
    seed: int = 8000
    min_agreement: float | None = None
    min_n: int = 1

    @classmethod
    def of(
        cls,
        *,
        pass_rate: str = "0:1",
        difficulty: str | Mapping[str, float] | None = None,
        levels: str | Mapping[str, float] | None = None,
        balance: Sequence[str] = (),
        order: str = "as-is",
        **others: Any,
    ) -> Self:
        """Settings from their notation on a command line or in a recipe. Raises UsageError."""
        named = (balance,) if isinstance(balance, str) else tuple(dict.fromkeys(balance))
        for one in named:
            _one_of(one, BALANCES, "balance")
        _one_of(order, ORDERS, "order")
        if levels and "level" in named:
            raise UsageError(
                "levels and balance level both set the number of problems of each level; give only one of them"
            )
        return cls(
            band=Band.parse(pass_rate),
            bins=_bins(_shares(difficulty, "difficulty")),
            levels=_shares(levels, "levels") or None,
            balance=cast("tuple[Balance, ...]", named),
            order=cast(Order, order),
            **others,
        )


def _shares(given: str | Mapping[str, float] | None, option: str) -> dict[str, float]:
    """Shares by name, normalised to a sum of 1. Raises UsageError."""
    table = _table(given, option) if isinstance(given, str) else dict(given or {})
    for name, share in table.items():
        if not isinstance(share, (int, float)) or not math.isfinite(share) or share < 0:
            raise UsageError(f"{option}: the share of {name!r} is {share!r}; a share is a number of at least 0")
    total = sum(table.values())
    if table and not total:
        raise UsageError(f"{option}: all shares are 0, so no problem could be kept")
    return {name: share / total for name, share in table.items()}


def _table(text: str, option: str) -> dict[str, float]:
    example = "0-0.5=0.7,0.5-1=0.3" if option == "difficulty" else "AIME=0.5,AMC12=0.5"
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, equals, share = (piece.strip() for piece in part.rpartition("="))
        if not (name and equals):
            raise UsageError(f"{option}: {part.strip()!r} is not NAME=SHARE, such as {example}")
        if name in shares:
            raise UsageError(f"{option}: {name} is named twice")
        shares[name] = _number(share, option)
    return shares


def _bins(shares: Mapping[str, float]) -> tuple[Bin, ...]:
    """Raises UsageError for invalid bins and for bins that overlap."""
    edges = sorted((*_edges(name), share) for name, share in shares.items())
    for (low, high, _), (after, end, _) in pairwise(edges):
        if after < high:
            raise UsageError(f"difficulty: {low:g}-{high:g} and {after:g}-{end:g} overlap")
    lows = {low for low, _, _ in edges}
    return tuple(Bin(low, high, high not in lows, share) for low, high, share in edges)


def _edges(name: str) -> tuple[float, float]:
    low, dash, high = name.partition("-")
    if not dash:
        raise UsageError(f"difficulty: {name!r} is not a range of pass rates; write LOW-HIGH, such as 0.25-0.5")
    edges = _share(low, "difficulty"), _share(high, "difficulty")
    if edges[0] >= edges[1]:
        raise UsageError(f"difficulty: {name!r} does not start below its end")
    return edges


def _share(text: str, option: str) -> float:
    share = _number(text, option)
    if not 0 <= share <= 1:
        raise UsageError(f"{option}: {text.strip()} is not between 0 and 1, as a pass rate must be")
    return share


def _number(text: str, option: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise UsageError(f"{option}: {text.strip()!r} is not a number") from None
    if not math.isfinite(number):
        raise UsageError(f"{option}: {text.strip()} is not a finite number")
    return number


def _one_of(value: str, known: Sequence[str], option: str) -> None:
    if value not in known:
        raise UsageError(f"{option}: {value!r} is not one of {', '.join(known)}")
