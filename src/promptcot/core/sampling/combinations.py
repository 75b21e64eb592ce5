"""Streams of combinations without repetition, each with a level, and when such a stream ends.

Decides what counts as the same combination (the same set of concepts, at any level) and when to stop searching for a
new one. `sampler` draws the combinations.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from promptcot.core.sampling.levels import LevelDistribution
from promptcot.core.sampling.sampler import Sampler
from promptcot.errors import InputError

PATIENCE = 20_000
"""A stream ends after this many consecutive draws without a new combination: the rest is too rare."""


@dataclass(frozen=True, slots=True)
class Combination:
    """Concepts in the order of the draw, and the level of the problem to generate from them."""

    concepts: tuple[str, ...]
    level: str


class Exhausted(Exception):
    """A stream ended after `came` of the `possible` combinations, because there are no more or the rest is too rare."""

    def __init__(self, came: int, possible: int) -> None:
        self.came, self.possible = came, possible
        if came == possible:
            why = "these are all the possible ones"
        else:
            why = f"the last {PATIENCE:,} draws gave nothing new; a higher temperature reaches more of {possible:,}"
        super().__init__(f"no more than {came:,} combinations: {why}")


def combinations(
    sampler: Sampler, levels: Sequence[str], seed: int, fitting: LevelDistribution | None = None
) -> Iterator[Combination]:
    """Distinct combinations; a longer stream begins with the same combinations.

    Levels are drawn uniformly, or by `fitting`, which was made for the same table and levels. Stores 64 bits
    for each. Raises Exhausted when no new one is found, InputError without levels.
    """
    if not levels:
        raise InputError("levels: give at least one")
    possible = sum(math.comb(len(sampler.table), size) for size in set(sampler.sizes))
    seen: set[int] = set()
    since = 0
    for drawn, level in _draws(sampler, len(levels), seed, fitting):
        short = _short(drawn)
        if short not in seen:
            seen.add(short)
            since = 0
            yield Combination(tuple(sampler.table.names[concept] for concept in drawn), levels[level])
        since += 1
        if len(seen) == possible or since > PATIENCE:
            raise Exhausted(len(seen), possible)


def _draws(
    sampler: Sampler, levels: int, seed: int, fitting: LevelDistribution | None
) -> Iterator[tuple[list[int], int]]:
    """Concepts and the number of a level, block by block; uniform levels have a generator of their own."""
    block = 0
    while True:
        chosen = sampler.block(seed, block)
        if fitting is None:
            level = np.random.default_rng([seed, block, 1]).integers(levels, size=len(chosen))
        else:
            level = fitting.draw(chosen, seed)
        for row, number in zip(chosen.tolist(), level.tolist(), strict=True):
            yield [concept for concept in row if concept >= 0], number
        block += 1


def _short(drawn: list[int]) -> int:
    return int.from_bytes(hashlib.blake2b(repr(sorted(drawn)).encode(), digest_size=8).digest(), "big")
