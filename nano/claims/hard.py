"""Problems that the base model solves at most half of the time teach a student more than those it mostly solves.

`promptcot.select` chooses by the share of the base model's answers that agree with the solver's label. Those that it
never solves are in neither set, since many of them have a wrong label.
"""

from __future__ import annotations

from collections.abc import Sequence

import promptcot
from nano.claims import students
from nano.claims.claim import Case, Claim, Comparison, Values
from nano.claims.pools import MAIN, Row, labelled
from nano.claims.running import main
from nano.claims.students import ACCURACY, TESTS, TRUTH, drawn, student

BANDS = {"hard": "0.25:0.5", "easy": "0.75:1"}


def measure(case: Case) -> Values:
    """A student of problems within a band of pass rates."""
    rows = labelled(case.out, MAIN, case.sizes)
    sets = {name: selected(rows, band) for name, band in BANDS.items()}
    return student(case, drawn(sets, case, case.sizes.problems, case.sizes.least), case.sizes.tokens)


def selected(rows: Sequence[Row], band: str) -> list[Row]:
    """The problems whose pass rate is within a band, "LOW:HIGH"."""
    by_id = {row.id: row for row in rows}
    asked = [
        {"id": row.id, "problem": row.problem, "answer": row.teacher.label, "pass_rate": row.base.rate}
        for row in rows
        if row.base.rate is not None
    ]
    return [by_id[row["id"]] for row in promptcot.select(asked, pass_rate=band, prompts="nano")]


CLAIM = Claim(
    "hard",
    ("hard", "easy"),
    (Comparison("hard", "easy"),),
    {**ACCURACY, **TRUTH},
    measure,
    ("problems", "least", "tokens", *TESTS),
    lambda sizes: students.about(sizes, sizes.tokens),
    pool=MAIN,
)

if __name__ == "__main__":
    main(CLAIM)
