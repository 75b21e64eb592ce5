"""What a claim consists of: variants that are measured for several seeds, and the comparisons that it stands on.

Data only. `running` measures, `statistics` compares, `writing` puts it into words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nano.claims.sizes import Sizes

Values = dict[str, float]
"""What was measured in one case: shares from 0 to 1, and counts."""


@dataclass(frozen=True)
class Case:
    """One variant of a claim for one seed; `out` is the folder of the trained models."""

    claim: str
    variant: str
    seed: int
    out: Path
    sizes: Sizes

    @property
    def training(self) -> str:
        """The name of the case's training, and of its folder in `out`."""
        return f"claims/{self.claim}-{self.variant}-{self.seed}".replace(", ", "-").replace(" ", "-")


@dataclass(frozen=True)
class Result:
    """What was measured for a variant and a seed."""

    variant: str
    seed: int
    values: Values


@dataclass(frozen=True)
class Comparison:
    """The claim that `better` reaches more than `worse`, by `target` at least; some are only reported."""

    better: str
    worse: str
    target: float = 0.0
    claimed: bool = True


def nothing(out: Path, sizes: Sizes) -> None:
    """The preparation of a claim whose cases share nothing."""


@dataclass(frozen=True)
class Claim:
    """A claim. `columns` maps the values of the table to their headings; the first one is compared and drawn.

    `measure` trains and measures one case,; `prepare` makes what all cases share.
    """

    name: str
    variants: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    columns: Mapping[str, str]
    measure: Callable[[Case], Values]
    prepare: Callable[[Path, Sizes], object] = nothing

    @property
    def value(self) -> str:
        """The value that is compared."""
        return next(iter(self.columns))
