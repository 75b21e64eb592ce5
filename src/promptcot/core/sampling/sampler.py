"""Exact, fast draws of concept combinations.

The first concept of a combination is drawn by frequency, each further concept j with probability proportional to

    exp((Σ_c g(n(c, j)) + cos(j, mean)) / T)        over the j that are not yet chosen,

where the sum runs over the concepts c chosen so far, n(c, j) is the number of seed rows that contain both, g(n) is n
("raw") or log(1 + n) ("log1p"), and `mean` is the mean of the chosen embeddings, so longer vectors weigh more.
A zero vector, or a zero mean, has cosine 0.

Decides the distribution and the randomness. `race` draws a step without a pass over all concepts, and `combinations`
makes streams without repetition.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from promptcot.core.sampling.concepts import ConceptTable
from promptcot.core.sampling.cooccurrence import Cooccurrence, Damping
from promptcot.core.sampling.race import Law, Race
from promptcot.core.sampling.similarity import Similarity
from promptcot.errors import InputError

Int = NDArray[np.integer[Any]]

BLOCK = 512
"""The combinations in a block, drawn together. Each block has random numbers of its own, derived from the seed, so a
longer sequence begins with the shorter sequence of the same seed."""

_LOWEST_TEMPERATURE = 1e-6


class Sampler:
    """Draws combinations of concepts.

    Args:
        table: N concepts with frequencies and co-occurrence.
        embeddings: (rows, dim) float matrix, `np.memmap` included, which is not copied; None makes every cosine 0.
        row_of: (N,) the matrix row of each concept, as from `align_embeddings`; None if row i belongs to concept i.
        size: concepts in a combination; with several sizes, each combination has a random one of them.
        temperature: T; lower values concentrate on the most likely concepts.
        damping: "raw" counts, or their "log1p".

    Attributes:
        table, sizes: as given; `sizes` is always a tuple.

    Raises:
        InputError: fewer concepts than a combination needs, or a setting out of range.
    """

    def __init__(
        self,
        table: ConceptTable,
        embeddings: NDArray[Any] | None = None,
        row_of: Int | None = None,
        *,
        size: int | Sequence[int] = 5,
        temperature: float = 0.2,
        damping: Damping = "raw",
    ) -> None:
        if not _LOWEST_TEMPERATURE <= temperature < np.inf:
            raise InputError(f"temperature: must be at least {_LOWEST_TEMPERATURE:g} and finite, not {temperature}")
        if damping not in get_args(Damping):
            raise InputError(f"damping: must be one of {', '.join(get_args(Damping))}, not {damping!r}")
        row_of = np.arange(len(table)) if row_of is None else row_of
        if len(row_of) != len(table):
            raise InputError(f"embeddings: {len(row_of)} rows for {len(table)} concepts")
        self.table, self.sizes = table, _sizes(size, len(table))
        self._cumulative = np.cumsum(table.frequency, dtype=np.int64)
        # As many rejected rings as there are concepts cost about as much as a pass over all.
        patience = max(len(table), 1024)
        similarity = Similarity(embeddings, row_of)
        self._law = Law(Cooccurrence(table, damping), similarity, len(table), temperature, patience)

    def block(self, seed: int, index: int) -> Int:
        """Return (BLOCK, max(sizes)) concepts, one combination a row in the order of the draw, -1 beyond its size.

        Depends only on the sampler, the seed (not negative) and the index of the block.
        """
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index, 0)))
        sizes = rng.choice(self.sizes, BLOCK)
        chosen = np.full((BLOCK, max(self.sizes)), -1, np.int64)
        ticket = rng.integers(self._cumulative[-1], size=BLOCK)
        chosen[:, 0] = np.searchsorted(self._cumulative, ticket, side="right")
        total = self._law.similarity.rows(chosen[:, 0])
        for k in range(1, chosen.shape[1]):
            active = np.flatnonzero(sizes > k)
            chosen[active, k] = Race(self._law, chosen[active, :k], total[active], rng).run()
            total[active] += self._law.similarity.rows(chosen[active, k])
        return chosen

    def draw(self, count: int, seed: int) -> list[tuple[str, ...]]:
        """Return `count` combinations; the first ones of a larger count with the same seed are the same."""
        blocks = (self.block(seed, index) for index in range(-(-count // BLOCK)))
        return [self.names(row) for block in blocks for row in block][:count]

    def names(self, row: Int) -> tuple[str, ...]:
        """Return the names of a row of a block."""
        return tuple(self.table.names[concept] for concept in row if concept >= 0)


def _sizes(size: int | Sequence[int], concepts: int) -> tuple[int, ...]:
    sizes = (size,) if isinstance(size, int) else tuple(size)
    if not sizes or min(sizes) < 1:
        raise InputError(f"size: a combination needs at least one concept, not {size}")
    if max(sizes) > concepts:
        raise InputError(
            f"size: combinations of {max(sizes)} concepts, but the seed rows have only {concepts} distinct ones"
        )
    return sizes
