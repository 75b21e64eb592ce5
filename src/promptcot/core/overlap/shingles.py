"""Hashes of all runs of a few characters or tokens in a text, and of the few of them by which a text is found again.

The hash of a run is a polynomial in its parts, modulo 2**64, taken from sums over the whole text: a handful of vector
operations a text. Nothing depends on the process or the machine.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

CHARACTERS = 5
"""In a short shingle."""

TOKENS = 8
"""In a long shingle."""

WINDOW = 10
"""Of so many long shingles in a row, one at least is an anchor."""

_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 1 << 64)
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_HALF = np.uint64(32)
_NONE: Hashes = np.empty(0, np.uint64)


class _Powers:
    """The powers of a number modulo 2**64, as many as the longest text so far has needed."""

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


class _Codes(dict[str, int]):
    """A number for each token, looked up once while it is common."""

    def __missing__(self, token: str) -> int:
        if len(self) >= 1 << 18:
            self.clear()
        code = self[token] = zlib.crc32(token.encode(errors="surrogatepass")) + 1
        return code


_POWERS, _INVERSES, _CODES = _Powers(_BASE), _Powers(_INVERSE), _Codes()


def short(text: str) -> Hashes:
    """The hashes of the different runs of 5 characters; of a shorter text, its own."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    return _different(_runs(codes, min(CHARACTERS, len(codes)))) if len(codes) else _NONE


def long(tokens: Sequence[str]) -> Hashes:
    """The hash of each run of 8 tokens, in order; none for a shorter text."""
    if len(tokens) < TOKENS:
        return _NONE
    return _runs(np.fromiter(map(_CODES.__getitem__, tokens), np.uint64, len(tokens)), TOKENS)


def anchors(hashes: Hashes) -> Hashes:
    """The smallest hash of every `WINDOW` in a row, each once (Schleimer, Wilkerson, Aiken 2003).

    Two texts that share a run of `WINDOW` + `TOKENS` - 1 tokens share one.
    """
    if len(hashes) <= WINDOW:
        return hashes.min(keepdims=True) if len(hashes) else hashes
    windows = np.lib.stride_tricks.sliding_window_view(hashes, WINDOW)
    return _different(windows.min(axis=1))


def share(part: Hashes, whole: Hashes) -> float:
    """How many of the different hashes of one text another one has, from 0 to 1."""
    wanted = _different(part)
    return len(np.intersect1d(wanted, _different(whole), assume_unique=True)) / len(wanted) if len(wanted) else 0.0


def jaccard(one: Hashes, other: Hashes) -> float:
    """Of the hashes that either text has, how many both have; those of each must be different."""
    both = len(np.intersect1d(one, other, assume_unique=True))
    either = len(one) + len(other) - both
    return both / either if either else 1.0


def _different(hashes: Hashes) -> Hashes:
    """Each once, in ascending order; quicker for short arrays than numpy's own."""
    ordered = np.sort(hashes)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if len(ordered) else ordered


def _runs(codes: Hashes, size: int) -> Hashes:
    """The hash of each run of `size` codes."""
    count = len(codes)
    sums = np.zeros(count + 1, np.uint64)
    np.cumsum(codes * _POWERS.first(count), out=sums[1:])
    found = (sums[size:] - sums[:-size]) * _INVERSES.first(count - size + 1)
    found ^= found >> _HALF
    found *= _MIX
    found ^= found >> _HALF
    return found
