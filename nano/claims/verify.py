"""Problems that the verifier's votes call valid, too, teach a student more than equally many that only the judges saw.

The same pool and labels as in `filtered`.
"""

from __future__ import annotations

from nano.claims import students
from nano.claims.claim import Case, Claim, Comparison, Values
from nano.claims.pools import EARLY, labelled
from nano.claims.running import main
from nano.claims.students import ACCURACY, TESTS, TRUTH, drawn, student


def measure(case: Case) -> Values:
    """A student of accepted problems, or of those among them that three votes call valid."""
    accepted = [row for row in labelled(case.out, EARLY, case.sizes) if row.accepted]
    sets = {"with": [row for row in accepted if row.verified], "without": accepted}
    return student(case, drawn(sets, case, case.sizes.problems, case.sizes.least), case.sizes.tokens)


CLAIM = Claim(
    "verify",
    ("with", "without"),
    (Comparison("with", "without"),),
    {**ACCURACY, **TRUTH},
    measure,
    ("problems", "least", "tokens", *TESTS),
    lambda sizes: students.about(sizes, sizes.tokens),
    pool=EARLY,
)

if __name__ == "__main__":
    main(CLAIM)
