"""Problems that the base model seldom solves teach a student more than equally many that it always solves.

`promptcot.select` chooses by the share of the base model's answers that agree with the solver's label.
"""

from __future__ import annotations

import promptcot
from nano.claims import pools
from nano.claims.claim import Case, Claim, Comparison, Values
from nano.claims.distilled import prepare
from nano.claims.pools import MAIN, Row
from nano.claims.running import main
from nano.claims.students import drawn_equal, student

BANDS = {"hard": "0.2:0.6", "easy": "0.8:1"}


def measure(case: Case) -> Values:
    """A student of problems within a band of pass rates; both bands give as many as the smaller one has."""
    rows = pools.labelled(case.out, MAIN)
    sets = {name: selected(rows, band) for name, band in BANDS.items()}
    return student(case, drawn_equal(sets, case), case.sizes.tokens)


def selected(rows: list[Row], band: str) -> list[Row]:
    """The problems whose pass rate is within a band, "LOW:HIGH"."""
    by_id = {row.id: row for row in rows}
    told = [
        {"id": row.id, "problem": row.problem, "answer": row.teacher.label, "pass_rate": row.base.rate} for row in rows
    ]
    return [by_id[row["id"]] for row in promptcot.select(told, pass_rate=band, prompts="nano")]


CLAIM = Claim(
    "hard",
    ("hard", "easy"),
    (Comparison("hard", "easy"),),
    {"accuracy": "accuracy", "well_posed": "well-posed", "labels": "labels right", "problems": "problems"},
    measure,
    prepare,
)

if __name__ == "__main__":
    main(CLAIM)
