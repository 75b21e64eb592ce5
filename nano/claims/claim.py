"""What a claim consists of: variants that are measured for several seeds, and the comparisons that it stands on.

Data only. `running` measures, `statistics` compares, `writing` puts it into words.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nano.claims.pools import Pool, pool_hash
from nano.claims.sizes import Sizes
from nano.claims.weights import hash_of, weights_hash

Values = dict[str, float]
"""What was measured in one case: shares from 0 to 1, and numbers of problems, whose names begin with "problems"."""
Basis = dict[str, Any]
"""What a result was measured with: the sizes that its claim uses, and hashes of the start weights and of the pool."""


@dataclass(frozen=True)
class Case:
    """One variant of a claim for one seed; `out` is the folder of the trained models, `basis` what it starts from."""

    claim: str
    variant: str
    seed: int
    out: Path
    sizes: Sizes
    basis: Basis

    @property
    def training(self) -> str:
        """The name of the case's training, and of its folder in `out`; one with another basis is not gone on with."""
        return f"claims/{self.claim}-{self.variant}-{self.seed}-{hash_of(self.basis)}".replace(" ", "-")


@dataclass(frozen=True)
class Result:
    """What was measured for a variant and a seed."""

    variant: str
    seed: int
    values: Values
    basis: Basis


@dataclass(frozen=True)
class Comparison:
    """Two variants, of which `better` should reach more than `worse`; `target` is how much more we aim at.

    The claim needs every comparison that is `claimed`; the others are only shown. `value` is what is compared, by
    default the first of the claim's values.
    """

    better: str
    worse: str
    target: float = 0.0
    claimed: bool = True
    value: str = ""


@dataclass(frozen=True)
class Claim:
    """A claim. `columns` maps the values of the table to their headings; the first one is drawn.

    `measure` trains and measures one case. All trainings begin with the weights of the training `start`, and students
    learn from `pool`. `uses` names the fields of `Sizes` on which results depend; `about` tells them to a reader.
    """

    name: str
    variants: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    columns: Mapping[str, str]
    measure: Callable[[Case], Values]
    uses: tuple[str, ...]
    about: Callable[[Sizes], str]
    start: str = "base"
    pool: Pool | None = None

    @property
    def value(self) -> str:
        """The value that is drawn, and compared where a comparison does not say otherwise."""
        return next(iter(self.columns))

    def sizes(self, sizes: Sizes) -> Basis:
        """The sizes on which results depend, as they are read from a file."""
        found: Basis = json.loads(json.dumps({name: getattr(sizes, name) for name in self.uses}))
        return found

    def basis(self, out: Path, sizes: Sizes) -> Basis:
        """What results are measured with today. Raises SystemExit where weights are missing."""
        pool = {} if self.pool is None else {"pool": pool_hash(out, self.pool, sizes)}
        return {"sizes": self.sizes(sizes), "start": weights_hash(out / self.start), **pool}
