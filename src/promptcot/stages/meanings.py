"""Finds near vectors with usearch, which the extra `semantic` installs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptcot.errors import InputError, UsageError

_NEAREST = 4


class Meanings:
    """Numbered vectors; finds the nearest ones with at least a given cosine."""

    def __init__(self, least: float) -> None:
        """Raises UsageError if usearch is not installed."""
        try:
            from usearch.index import Index
        except ImportError as error:
            raise UsageError(
                "comparing meanings needs usearch: pip install 'promptcot[semantic]', or leave out --semantic"
            ) from error
        self._make, self._least = Index, least
        self._index: Any = None

    def add(self, number: int, vector: NDArray[np.float16]) -> None:
        """Add a vector. Raises InputError if it has another number of dimensions than those before."""
        if self._index is None:
            self._index = self._make(ndim=len(vector), metric="cos", dtype="f16")
        self._check(vector)
        self._index.add(number, vector)

    def nearest(self, vector: NDArray[np.float16]) -> Iterator[tuple[int, float]]:
        """Number and cosine of the vectors that are near enough, the nearest first."""
        if self._index is None:
            return
        self._check(vector)
        matches = self._index.search(vector, _NEAREST)
        for number, distance in zip(matches.keys.tolist(), matches.distances.tolist(), strict=True):
            if 1 - distance >= self._least:
                yield int(number), min(1.0, 1 - distance)

    def _check(self, vector: NDArray[np.float16]) -> None:
        if len(vector) != self._index.ndim:
            raise InputError(
                f"a vector has {len(vector)} dimensions, but those before have {self._index.ndim}: they come from "
                "different models"
            )
