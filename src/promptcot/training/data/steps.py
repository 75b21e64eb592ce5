"""Decides which rows belong to an optimizer step and how the processes share them, for steps counted in rows.

A step takes the next rows of the epoch, whatever their lengths, as a padded training does; the last step of an epoch
takes the rest. These rows are then put into micro-batches. With packing there are as few micro-batches as best-fit
decreasing finds, the same number for each process, filled evenly (longest row first, into the emptiest: Graham 1969) so
that no process waits long for another. Works on numbers alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from promptcot.training.data.packing import order, pack

Rows = NDArray[np.int64]


def steps(count: int, epochs: float, seed: int, per_step: int, wanted: int | None = None) -> list[Rows]:
    """The row numbers of each step, `per_step` of `count` rows at a time in the order of `packing.order`.

    As many steps as `wanted`, over as many epochs as necessary; otherwise those of all epochs.
    """
    if wanted is not None:
        epochs = -(-wanted // -(-count // per_step))
    chosen = order(count, epochs, seed)
    found: list[Rows] = []
    for start in range(0, len(chosen), count):
        epoch = chosen[start : start + count]
        found += np.split(epoch, range(per_step, len(epoch), per_step))
    return found[:wanted]


def share(lengths: NDArray[np.int32], window: int, processes: int) -> list[list[Rows]]:
    """The micro-batches of each process, at least one and the same number for all: indices in `lengths`, ascending.

    Each holds at most `window` tokens; some are empty if there are too few rows. Raises ValueError for a length below 1
    or above the window.
    """
    packs = pack(lengths, window)
    rounds = max(1, -(-len(packs) // processes))
    bins = _evenly(lengths, rounds * processes, window)
    if bins is None:
        bins = [places.astype(np.int64) for places in packs] + _empty(rounds * processes - len(packs))
    bins.sort(key=lambda places: -int(lengths[places].sum()))
    return _dealt(bins, processes)


def share_padded(lengths: NDArray[np.int32], together: int, processes: int) -> list[list[Rows]]:
    """Like `share`, with micro-batches of up to `together` rows in their order, however long these are."""
    rounds = max(1, -(-len(lengths) // (together * processes)))
    bins = [np.arange(start, min(start + together, len(lengths))) for start in range(0, len(lengths), together)]
    return _dealt([*bins, *_empty(rounds * processes - len(bins))], processes)


def _empty(count: int) -> list[Rows]:
    return [np.empty(0, np.int64)] * count


def _dealt(bins: Sequence[Rows], processes: int) -> list[list[Rows]]:
    """Rounds of micro-batches with similar sizes are computed at the same time; every second round is dealt in reverse
    order, so that no process gets the largest of all rounds.
    """
    rounds = [list(bins[start : start + processes]) for start in range(0, len(bins), processes)]
    turned = [dealt[::-1] if number % 2 else dealt for number, dealt in enumerate(rounds)]
    return [[dealt[process] for dealt in turned] for process in range(processes)]


def _evenly(lengths: NDArray[np.int32], count: int, window: int) -> list[Rows] | None:
    """All rows in bins of about the same size; None if a bin would be longer than the window."""
    sizes = np.zeros(count, np.int64)
    bins: list[list[int]] = [[] for _ in range(count)]
    for place in np.argsort(-lengths.astype(np.int64), kind="stable").tolist():
        emptiest = int(sizes.argmin())
        bins[emptiest].append(place)
        sizes[emptiest] += lengths[place]
    return None if sizes.max(initial=0) > window else [np.array(sorted(places), np.int64) for places in bins]
