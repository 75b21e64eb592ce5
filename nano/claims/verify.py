"""Problems that the verifier's votes call valid, too, teach a student more than equally many that only the judges saw.

The same pool and labels as in `filtered`.
"""

from __future__ import annotations

from nano.claims import pools
from nano.claims.claim import Case, Claim, Comparison, Values
from nano.claims.filtered import prepare
from nano.claims.pools import EARLY
from nano.claims.running import main
from nano.claims.students import drawn_equal, student


def measure(case: Case) -> Values:
    """A student of accepted problems, or of those among them that three votes call valid."""
    accepted = [row for row in pools.labelled(case.out, EARLY) if row.accepted]
    sets = {"with": [row for row in accepted if row.verified], "without": accepted}
    return student(case, drawn_equal(sets, case), case.sizes.tokens)


CLAIM = Claim(
    "verify",
    ("with", "without"),
    (Comparison("with", "without"),),
    {"accuracy": "accuracy", "well_posed": "well-posed", "labels": "labels right", "problems": "problems"},
    measure,
    prepare,
)

if __name__ == "__main__":
    main(CLAIM)
