"""Problems that both judges call perfect teach a student more than equally many unfiltered ones.

The generator is an earlier checkpoint, so that there is something to filter. Both sets are labelled by the solver in
the same way, which leaves out problems that most of its traces refuse.
"""

from __future__ import annotations

from pathlib import Path

from nano.claims import pools
from nano.claims.claim import Case, Claim, Comparison, Values
from nano.claims.pools import EARLY
from nano.claims.running import main
from nano.claims.sizes import Sizes
from nano.claims.students import drawn_equal, student


def prepare(out: Path, sizes: Sizes) -> None:
    pools.ensure(out, EARLY, sizes.early)


def measure(case: Case) -> Values:
    """A student of accepted problems, or of any."""
    rows = pools.labelled(case.out, EARLY)
    sets = {"filtered": [row for row in rows if row.accepted], "unfiltered": rows}
    return student(case, drawn_equal(sets, case), case.sizes.tokens)


CLAIM = Claim(
    "filtered",
    ("filtered", "unfiltered"),
    (Comparison("filtered", "unfiltered"),),
    {"accuracy": "accuracy", "well_posed": "well-posed", "labels": "labels right", "problems": "problems"},
    measure,
    prepare,
)

if __name__ == "__main__":
    main(CLAIM)
