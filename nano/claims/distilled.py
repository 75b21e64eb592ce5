"""A student of the solver's answers gets better than the base model, and than a control that teaches itself.

The control trains as many tokens on the base model's own answers to the same problems: those on which most of its
traces agree, which are right more often than a single trace, so that it can win.
"""

from __future__ import annotations

from pathlib import Path

from nano.claims import pools
from nano.claims.claim import Case, Claim, Comparison, Values
from nano.claims.pools import MAIN
from nano.claims.running import main
from nano.claims.sizes import Sizes
from nano.claims.students import drawn, student, tested


def prepare(out: Path, sizes: Sizes) -> None:
    pools.ensure(out, MAIN, sizes.main)


def measure(case: Case) -> Values:
    """The base model, or a student of its own or the solver's answers."""
    if case.variant == "base":
        return tested(case, case.out / "base")
    rows = drawn(pools.labelled(case.out, MAIN), case.sizes.growing[-1], case)
    return student(case, rows, case.sizes.long_tokens, "base" if case.variant == "control" else "teacher")


CLAIM = Claim(
    "distilled",
    ("student", "control", "base"),
    (Comparison("student", "base", target=0.15), Comparison("student", "control", target=0.15)),
    {"accuracy": "accuracy", "AMC12": "AMC12", "AIME": "AIME", "HMMT-Feb": "HMMT-Feb", "labels": "labels right"},
    measure,
    prepare,
)

if __name__ == "__main__":
    main(CLAIM)
