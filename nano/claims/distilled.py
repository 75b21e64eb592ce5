"""A student of the solver's answers gets better than the base model, and than a control that teaches itself.

The control trains as many tokens on the base model's own answers to the same problems: those on which most of its
traces agree. Whether these labels are right more often than a single answer, so that the control can win, is measured.
"""

from __future__ import annotations

from nano.claims import students
from nano.claims.claim import Case, Claim, Comparison, Values
from nano.claims.pools import MAIN, labelled
from nano.claims.running import main
from nano.claims.students import ACCURACY, TESTS, TRUTH, drawn, student, tested

VARIANTS = ("student", "control", "base")


def measure(case: Case) -> Values:
    """The base model, or a student of its own or the solver's answers."""
    if case.variant == "base":
        return tested(case, case.out / "base")
    most = case.sizes.growing[-1]
    rows = drawn({case.variant: labelled(case.out, MAIN, case.sizes)}, case, most, most)
    return student(case, rows, case.sizes.distilled_tokens, "base" if case.variant == "control" else "teacher")


CLAIM = Claim(
    "distilled",
    VARIANTS,
    (Comparison("student", "base", target=0.15), Comparison("student", "control", target=0.15)),
    {**ACCURACY, **TRUTH, "single": "one base answer right"},
    measure,
    ("growing", "distilled_tokens", *TESTS),
    lambda sizes: students.about(sizes, sizes.distilled_tokens),
    pool=MAIN,
)

if __name__ == "__main__":
    main(CLAIM)
