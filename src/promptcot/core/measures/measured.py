"""The measurements of one set, as in `summary.json`. The other modules of this package compute them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptcot.core.measures.near_copies import Nearest, by_threshold
from promptcot.core.measures.tally import Tally
from promptcot.core.statistics.diversity import nearest_distances, vendi_score

_QUANTILES = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class Measured:
    """`known` is the number of all concepts. `nearest` is for a sample of problems, compared with `among` of the set.

    `vectors` are of a sample of problems in random order: array (n, dimensions). `run` has what is known only
    with a run: `yield`, `spent`.
    """

    name: str
    tally: Tally
    nearest: Sequence[Nearest | None] = ()
    among: int = 0
    known: int | None = None
    vectors: NDArray[np.float32] | None = None
    run: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """All measurements as plain values, with six digits."""
        near = {"n": len(self.nearest), "among": self.among, "thresholds": by_threshold(self.nearest)}
        table = {**self.tally.as_json(self.known), **({"near_copies": near} if self.nearest and self.among > 1 else {})}
        if self.vectors is not None and len(self.vectors):
            table["vectors"] = _vectors(self.vectors)
        rounded = _rounded({**table, **self.run})
        assert isinstance(rounded, dict)
        return rounded


def _vectors(vectors: NDArray[np.float32]) -> dict[str, Any]:
    distances = nearest_distances(vectors)
    known = distances[~np.isnan(distances)]
    quantiles = np.quantile(known, _QUANTILES).tolist() if len(known) else [None] * len(_QUANTILES)
    return {
        "n": len(vectors),
        "vendi": vendi_score(vectors),
        "nearest": {f"{100 * q:.0f} %": value for q, value in zip(_QUANTILES, quantiles, strict=True)},
    }


def _rounded(value: Any) -> Any:
    """The value rounded to six digits after the point: more would differ between machines."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, Mapping):
        return {name: _rounded(one) for name, one in value.items()}
    return [*map(_rounded, value)] if isinstance(value, (list, tuple)) else value
