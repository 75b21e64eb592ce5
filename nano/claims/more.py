"""More problems teach a student more, at equally many training tokens and the same shares of levels."""

from __future__ import annotations

from nano.claims import students
from nano.claims.claim import Case, Claim, Comparison, Values
from nano.claims.pools import MAIN, labelled
from nano.claims.running import main
from nano.claims.students import ACCURACY, TESTS, TRUTH, drawn, student

VARIANTS = ("few", "some", "many")
"""How many they are is in `Sizes.growing`, and in the table."""


def measure(case: Case) -> Values:
    """A student of so many problems."""
    most = case.sizes.growing[-1]
    part = case.sizes.growing[VARIANTS.index(case.variant)] / most
    rows = drawn({case.variant: labelled(case.out, MAIN, case.sizes)}, case, most, most, part)
    return student(case, rows, case.sizes.growing_tokens)


CLAIM = Claim(
    "more",
    VARIANTS,
    (Comparison("some", "few"), Comparison("many", "some"), Comparison("many", "few")),
    {**ACCURACY, **TRUTH},
    measure,
    ("growing", "growing_tokens", *TESTS),
    lambda sizes: students.about(sizes, sizes.growing_tokens),
    pool=MAIN,
)

if __name__ == "__main__":
    main(CLAIM)
