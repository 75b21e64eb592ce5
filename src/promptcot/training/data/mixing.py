"""Decides how many rows of each source an epoch has, and which. Works on numbers alone.

An epoch of a mix has as many rows as its sources together; a weight is the share of a source in them. A source smaller
than its share is repeated, with at most one repetition of difference between its rows; a larger source is sampled
without replacement. The sample depends on the seed, and is the same in each epoch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def shares(rows: int, weights: Sequence[float]) -> list[int]:
    """`rows` divided in proportion to the weights, by largest remainders; the results sum to `rows`."""
    exact = np.array(weights) / sum(weights) * rows
    found = np.floor(exact).astype(np.int64)
    found[np.argsort(found - exact, kind="stable")[: rows - int(found.sum())]] += 1
    return [int(count) for count in found]


def drawn(size: int, wanted: int, seed: Sequence[int]) -> NDArray[np.int64]:
    """`wanted` numbers below `size`, ascending; the counts of any two numbers differ by at most one."""
    whole, rest = divmod(wanted, size)
    once_more = np.random.default_rng(list(seed)).permutation(size)[:rest]
    return np.sort(np.concatenate([np.repeat(np.arange(size), whole), once_more]))


def seen(share: int, size: int) -> str:
    """How often an epoch sees each row of a source, as text."""
    if share < size:
        return f"{share / size:.1%} of its {size:,} rows, the same in each epoch"
    return f"each of its {size:,} rows {share / size:.2f} times"
