"""Hashes of all runs of a few characters or tokens in texts, and the few of them that serve as index keys (anchors).

The hash of a run is a polynomial in its parts, modulo 2**64, computed from prefix sums over all texts: a few vector
operations for many texts at once. It does not depend on the process, the machine, or the other texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]

CHARACTERS = 5
"""The number of characters in a short shingle."""

TOKENS = 8
"""The number of tokens in a long shingle."""

WINDOW = 10
"""At least one of this many consecutive long shingles is an anchor."""

_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 1 << 64)
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_HALF = np.uint64(32)
_ANY_NUMBER = np.uint64(0xD6E8FEB86659FD93)


class _Powers:
    """The powers of a number modulo 2**64, as many as the longest text so far needed."""

    def __init__(self, base: int) -> None:
        self._base = np.uint64(base)
        self._found: Hashes = np.ones(1, np.uint64)

    def first(self, count: int) -> Hashes:
        """The powers from 0 to `count` - 1."""
        if len(self._found) < count:
            steps = np.full(max(count, 4096), self._base)
            steps[0] = 1
            self._found = np.multiply.accumulate(steps)
        return self._found[:count]


_POWERS, _INVERSES = _Powers(_BASE), _Powers(_INVERSE)


@dataclass(frozen=True, slots=True)
class Runs:
    """The hashes of runs in several texts: those of text i are `hashes[starts[i] : starts[i + 1]]`."""

    hashes: NDArray[Any]
    starts: Places

    @property
    def texts(self) -> Places:
        """The text of each hash."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    def only(self, texts: Sequence[int]) -> Runs:
        """The runs of some texts."""
        first = self.starts[:-1][texts]
        counts = self.starts[1:][texts] - first
        return Runs(self.hashes[_onward(first, counts)], _starts(counts))


class Hashed:
    """Texts whose runs are hashed; their tokens are separated by spaces."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._codes = np.frombuffer(" ".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
        self._sizes = np.fromiter(map(len, texts), np.int64, len(texts))
        self._ends = np.cumsum(self._sizes + 1) - 1
        self._begins = self._ends - self._sizes
        self._sums = _sums(self._codes.astype(np.uint64))

    def whole(self) -> Hashes:
        """The hash of each whole text."""
        return _hashes(self._sums, self._begins, self._ends)

    def masked(self) -> Hashes:
        """The hash of each text without its numbers: the same for texts that differ only in numbers."""
        begins, ends, tokens = self._tokens
        last = self._codes[np.maximum(ends - 1, 0)] if len(self._codes) else np.zeros(len(ends), np.uint32)
        numbers = (last >= ord("0")) & (last <= ord("9"))
        first = np.searchsorted(begins, self._begins)
        return _hashes(_sums(np.where(numbers, _ANY_NUMBER, tokens)), first, np.append(first[1:], len(tokens)))

    def short(self) -> Runs:
        """The runs of 5 characters, in order; a shorter text has one run, an empty one none."""
        counts = np.maximum(self._sizes - CHARACTERS + 1, np.minimum(self._sizes, 1))
        first = _onward(self._begins, counts)
        return Runs(
            _hashes(self._sums, first, np.minimum(first + CHARACTERS, np.repeat(self._ends, counts))), _starts(counts)
        )

    def long(self) -> Runs:
        """The runs of 8 tokens, in order; a shorter text has none."""
        begins, _, tokens = self._tokens
        first = np.searchsorted(begins, self._begins)
        counts = np.maximum(np.diff(first, append=len(tokens)) - TOKENS + 1, 0)
        places = _onward(first, counts)
        return Runs(_hashes(_sums(tokens), places, places + TOKENS), _starts(counts))

    @cached_property
    def _tokens(self) -> tuple[Places, Places, Hashes]:
        """The start, end and hash of each token of all texts; an empty text has one empty token."""
        spaces = np.flatnonzero(self._codes == ord(" "))
        begins, ends = np.append(0, spaces + 1), np.append(spaces, len(self._codes))
        return begins, ends, _hashes(self._sums, begins, ends)


def short(text: str) -> Hashes:
    """The hashes of the distinct runs of 5 characters; a shorter text is one run."""
    return _different(Hashed([text]).short().hashes)


def long(text: str) -> Hashes:
    """The hash of each run of 8 tokens, in order; none for a shorter text."""
    return Hashed([text]).long().hashes


def anchors(runs: Runs) -> Runs:
    """The smallest hash of every `WINDOW` consecutive ones in each text, each once (Schleimer, Wilkerson, Aiken 2003).

    Hashes have 32 bits. Two texts that share a run of `WINDOW` + `TOKENS` - 1 tokens share an anchor. A text with fewer
    than `WINDOW` hashes has its smallest.
    """
    counts = np.diff(runs.starts)
    few = np.flatnonzero((counts > 0) & (counts < WINDOW))
    windows = np.maximum(counts - WINDOW + 1, 0)
    smallest = _smallest(runs.hashes)[_onward(runs.starts[:-1], windows)]
    of_few = [runs.hashes[runs.starts[text] : runs.starts[text + 1]].min() for text in few.tolist()]
    texts = np.append(np.repeat(np.arange(len(counts)), windows), few).astype(np.uint64)
    chosen = _different((texts << _HALF) | np.append(smallest, np.array(of_few, np.uint32)))
    return Runs(
        chosen.astype(np.uint32), _starts(np.bincount((chosen >> _HALF).astype(np.int64), minlength=len(counts)))
    )


def _smallest(hashes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The smallest of each `WINDOW` consecutive hashes."""
    found, size = hashes, 1
    while size < WINDOW:
        step = min(size, WINDOW - size)
        found, size = np.minimum(found[:-step], found[step:]), size + step
    return found


def share(part: Hashes, whole: Hashes) -> float:
    """The share of one text's distinct hashes that another one has, from 0 to 1."""
    wanted = _different(part)
    return len(np.intersect1d(wanted, _different(whole), assume_unique=True)) / len(wanted) if len(wanted) else 0.0


def jaccard(one: Hashes, other: Hashes) -> float:
    """The Jaccard similarity of two sets of hashes; the hashes of each must be distinct."""
    both = len(np.intersect1d(one, other, assume_unique=True))
    either = len(one) + len(other) - both
    return both / either if either else 1.0


def _different(hashes: Hashes) -> Hashes:
    """The distinct hashes, in ascending order; for short arrays faster than `numpy.unique`."""
    ordered = np.sort(hashes)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if len(ordered) else ordered


def _sums(parts: Hashes) -> Hashes:
    """The prefix sums of the parts, each multiplied by the power of its position."""
    sums = np.zeros(len(parts) + 1, np.uint64)
    np.cumsum(parts * _POWERS.first(len(parts)), out=sums[1:])
    return sums


def _hashes(sums: Hashes, first: Places, end: Places) -> Hashes:
    """The hash of each run between two positions."""
    hashes: Hashes = (sums[end] - sums[first]) * _INVERSES.first(len(sums))[first]
    hashes ^= hashes >> _HALF
    hashes *= _MIX
    hashes ^= hashes >> _HALF
    return hashes


def _onward(first: Places, counts: Places) -> Places:
    """`counts` consecutive positions from each position of `first`."""
    return np.arange(counts.sum()) + np.repeat(first - _starts(counts)[:-1], counts)


def _starts(counts: Places) -> Places:
    return np.append(0, np.cumsum(counts))
