"""Greedy selection of problems that cover many concepts evenly.

A concept that the set has k times adds 1/(1+k) once more, so what a problem adds only shrinks while the set grows
(submodular). Taking the one that adds most is then within 1 - 1/e of the best, or 1/2 with limits by cell (Nemhauser,
Wolsey and Fisher 1978; Fisher, Nemhauser and Wolsey 1978); a heap of what each added when it was last looked at makes
it quick (Minoux 1978). In a large set, where each problem taken makes many others add a little less, one that adds
within a sixteenth of the most is taken as well (Badanidiyuru and Vondrák, SODA 2014): else the time grows with the
square of the problems.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_WHOLE = 1 << 24
_PLACES = 32
_MOST = 1 << 36
_EXACT = 1000
"""So many problems are each the one that adds most."""
_NEARLY = 4
"""What is at most this power of 1/2 below the most is near enough for the others."""


def covering(
    starts: NDArray[np.int64], concepts: NDArray[np.int32], cells: NDArray[np.int64], quotas: Sequence[int]
) -> NDArray[np.int64]:
    """The numbers of the problems that are taken, in the order in which they are: `quotas` of each cell.

    Problem i has the different concepts `concepts[starts[i]:starts[i + 1]]`, numbered from 0, and is in `cells[i]`. Of
    several that add the same, the one with the smallest number is taken. Takes about 50 bytes a problem while it runs.
    """
    vocabulary = int(concepts.max()) + 1 if len(concepts) else 0
    worth, times = [_WHOLE] * vocabulary, [0] * vocabulary
    sizes = np.minimum(np.diff(starts), _MOST // _WHOLE).tolist()
    heap = [(_MOST - size * _WHOLE << _PLACES) | place for place, size in enumerate(sizes)]
    heapq.heapify(heap)
    left = list(quotas)
    chosen: list[int] = []
    missing = min(sum(left), len(cells))
    while heap and missing:
        place = heap[0] & ((1 << _PLACES) - 1)
        if not left[cells[place]]:
            heapq.heappop(heap)
            continue
        its = concepts[starts[place] : starts[place + 1]].tolist()
        adds = min(sum([worth[concept] for concept in its]), _MOST)
        most = _MOST - (heap[0] >> _PLACES)
        if adds < (most if len(chosen) < _EXACT else most - (most >> _NEARLY)):
            heapq.heapreplace(heap, (_MOST - adds << _PLACES) | place)
            continue
        heapq.heappop(heap)
        chosen.append(place)
        left[cells[place]] -= 1
        missing -= 1
        for concept in its:
            times[concept] += 1
            worth[concept] = _WHOLE // (1 + times[concept])
    return np.array(chosen, dtype=np.int64)
