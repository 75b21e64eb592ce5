"""The diversity of a set of problems, by their concepts and by vectors of their texts.

Pure functions of counts and arrays. The caller provides the vectors.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import exp, log

import numpy as np
from numpy.typing import NDArray

_AT_A_TIME = 1024


@dataclass(frozen=True, slots=True)
class ConceptSpread:
    """`covered` of `known` concepts are in the set; `uses` is the sum of the problems' numbers of concepts.

    `coverage` is their share. `entropy` is Shannon's, in nats, and `effective` its exponential, the number of equally
    frequent concepts with the same entropy; `evenness` is the entropy over its maximum for `covered` concepts.
    """

    covered: int
    known: int
    uses: int
    coverage: float | None
    entropy: float | None
    effective: float | None
    evenness: float | None


def concept_spread(counts: Iterable[int], known: int | None = None) -> ConceptSpread:
    """The spread of concepts with these numbers of uses; `known` is how many concepts there are, by default those used.

    The evenness of a single concept is None. C. E. Shannon (1948); the exponential is Hill's number of
    order 1 (M. O. Hill, Ecology 54 (1973) 427-432). Raises ValueError if more are used than known.
    """
    used = [count for count in counts if count > 0]
    total, covered = sum(used), len(used)
    known = covered if known is None else known
    if covered > known:
        raise ValueError(f"{covered} concepts are used, and only {known} are known")
    if not total:
        return ConceptSpread(0, known, 0, 0.0 if known else None, None, None, None)
    entropy = max(0.0, -sum(count / total * log(count / total) for count in used))
    evenness = entropy / log(covered) if covered > 1 else None
    return ConceptSpread(covered, known, total, covered / known, entropy, exp(entropy), evenness)


def vendi_score(vectors: NDArray[np.floating]) -> float | None:
    """The effective number of different problems, from 1 (all equal) to n (all orthogonal); `vectors` is (n, width).

    The exponential of the entropy of the eigenvalues of K / n, where K holds the cosine similarities. D. Friedman and
    A. B. Dieng, The Vendi Score, TMLR (2023), arXiv 2210.02410. Computed from the smaller of the two Gram
    matrices, in O(n w min(n, w)). The score grows with n: compare samples of equal size. None for n = 0.
    """
    rows = _normed(vectors)
    if not len(rows):
        return None
    products = rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows
    values = np.linalg.eigvalsh(products / len(rows))
    values = values[values > 1e-12]
    return float(np.exp(-np.sum(values * np.log(values))))


def nearest_distances(vectors: NDArray[np.floating], others: NDArray[np.floating] | None = None) -> NDArray[np.float64]:
    """The cosine distance, from 0 to 2, of each vector to the nearest of `others`, or of its own set; shape (n,).

    Vectors are compared in blocks, so memory stays at a thousand rows of distances. A vector without any other to
    compare with gets NaN.
    """
    rows = _normed(vectors)
    against = rows if others is None else _normed(others)
    distances = np.full(len(rows), np.nan)
    if len(against) <= (others is None):
        return distances
    for start in range(0, len(rows), _AT_A_TIME):
        alike = rows[start : start + _AT_A_TIME] @ against.T
        if others is None:
            here = np.arange(len(alike))
            alike[here, start + here] = -np.inf
        distances[start : start + _AT_A_TIME] = 1 - alike.max(axis=1)
    return np.clip(distances, 0, 2)


def _normed(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Vectors scaled to length 1. Raises ValueError for a vector without a direction."""
    rows = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if len(rows) and not (np.isfinite(lengths).all() and lengths.all()):
        raise ValueError("a vector of zeros, or with values that are not finite, has no direction")
    return np.asarray(rows / lengths)
