"""The summary of a selection: available pass rates, requested and reached shares, and what is missing.

Plain values, for `summary.json` and for printing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptcot.core.selection.choosing import Choice
from promptcot.core.selection.settings import Band, Settings
from promptcot.core.statistics.pass_rates import histogram, uncertainty

_FINENESS = 10_000


def summary_of(
    settings: Settings, choice: Choice, rates: NDArray[np.float64], n: NDArray[np.uint32], models: Mapping[str, int]
) -> dict[str, Any]:
    """The summary. `rates` and `n` belong to all problems with an agreed answer, also to those outside the band."""
    in_set, there = choice.concepts
    return {
        "model": settings.model,
        "models": dict(sorted(models.items())),
        "pass_rates": [span.as_json() for span in histogram(rates)],
        "traces": _traces(n, settings.band),
        "band": str(settings.band),
        "nearest_band": _nearest(rates, settings.band),
        "size": {"asked": settings.size, "got": len(choice.chosen)},
        "difficulty": [asdict(one) for one in choice.difficulty],
        "levels": [asdict(one) for one in choice.levels],
        "concepts": {"in_set": in_set, "there": there},
        "balance": list(settings.balance),
    }


def _traces(n: NDArray[np.uint32], band: Band) -> dict[str, Any] | None:
    """The numbers of traces behind the pass rates, and the uncertainty of a pass rate in the middle of the band."""
    known = n[n > 0]
    if not len(known):
        return None
    middle = int(np.sort(known)[len(known) // 2])
    typical = round((band.low + band.high) / 2 * middle) / middle
    return {
        "least": int(known.min()),
        "median": middle,
        "most": int(known.max()),
        "typical": typical,
        "interval": uncertainty(typical, middle),
    }


def _nearest(rates: NDArray[np.float64], band: Band) -> dict[str, Any] | None:
    """The smallest wider band that keeps a problem, and how many it keeps; None if the band keeps some."""
    if not len(rates) or ((rates >= band.low) & (rates <= band.high)).any():
        return None
    gaps = np.where(rates < band.low, band.low - rates, rates - band.high)
    rate = float(rates[np.argmin(gaps)])
    low = min(band.low, floor(rate * _FINENESS) / _FINENESS)
    high = max(band.high, ceil(rate * _FINENESS) / _FINENESS)
    kept = int(((rates >= low) & (rates <= high)).sum())
    return {"band": str(Band(low, high)), "problems": kept}
