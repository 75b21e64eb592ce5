"""Problems that both judges call perfect teach a student more than equally many unfiltered ones.

The generator is an earlier checkpoint, so that there is something to filter. Both sets are labelled by the solver in
the same way, which leaves out problems that most of its traces refuse.
"""

from __future__ import annotations

from nano.claims import students
from nano.claims.claim import Case, Claim, Comparison, Values
from nano.claims.pools import EARLY, labelled
from nano.claims.running import main
from nano.claims.students import ACCURACY, TESTS, TRUTH, drawn, student


def measure(case: Case) -> Values:
    """A student of accepted problems, or of any."""
    rows = labelled(case.out, EARLY, case.sizes)
    sets = {"filtered": [row for row in rows if row.accepted], "unfiltered": rows}
    return student(case, drawn(sets, case, case.sizes.problems, case.sizes.least), case.sizes.tokens)


CLAIM = Claim(
    "filtered",
    ("filtered", "unfiltered"),
    (Comparison("filtered", "unfiltered"),),
    {**ACCURACY, **TRUTH},
    measure,
    ("problems", "least", "tokens", *TESTS),
    lambda sizes: students.about(sizes, sizes.tokens),
    pool=EARLY,
)

if __name__ == "__main__":
    main(CLAIM)
