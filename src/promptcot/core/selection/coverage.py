"""Greedy selection of problems that cover many concepts evenly.

A concept that is already k times in the set has a gain of 1/(1+k), so the gain of a problem only shrinks while the set
grows (submodular). Always taking the largest gain then reaches 1 - 1/e of the optimum, or 1/2 with limits by cell
(Nemhauser, Wolsey and Fisher 1978; Fisher, Nemhauser and Wolsey 1978). A heap of possibly outdated gains makes this
fast (lazy greedy, Minoux 1978). In a large set each choice lowers the gain of many others a little, so a problem with a
gain within a sixteenth of the largest is taken as well (Badanidiyuru and Vondrák, SODA 2014); otherwise the time would
grow with the square of the number of problems.
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
"""The number of problems that are selected by the exact largest gain."""
_NEARLY = 4
"""For the others, a gain is accepted if it is below the largest by at most a share of 1/2 to this power."""


def covering(
    starts: NDArray[np.int64], concepts: NDArray[np.int32], cells: NDArray[np.int64], quotas: Sequence[int]
) -> NDArray[np.int64]:
    """The indices of the selected problems, in the order of selection: `quotas` of each cell.

    Problem i has the distinct concepts `concepts[starts[i]:starts[i + 1]]`, numbered from 0, and is in `cells[i]`. Of
    equal gains, the smallest index wins. Takes about 50 bytes a problem while it runs.
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
