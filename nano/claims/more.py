"""More problems teach a student more, at equally many training tokens."""

from __future__ import annotations

from nano.claims import pools
from nano.claims.claim import Case, Claim, Comparison, Values
from nano.claims.distilled import prepare
from nano.claims.pools import MAIN
from nano.claims.running import main
from nano.claims.students import drawn, student

VARIANTS = ("250 problems", "1000 problems", "4000 problems")


def measure(case: Case) -> Values:
    """A student of so many problems, or of all that are labelled where the pool has fewer."""
    count = case.sizes.growing[VARIANTS.index(case.variant)]
    return student(case, drawn(pools.labelled(case.out, MAIN), count, case), case.sizes.long_tokens)


CLAIM = Claim(
    "more",
    VARIANTS,
    (
        Comparison(VARIANTS[1], VARIANTS[0]),
        Comparison(VARIANTS[2], VARIANTS[1]),
        Comparison(VARIANTS[2], VARIANTS[0]),
    ),
    {"accuracy": "accuracy", "AMC12": "AMC12", "AIME": "AIME", "HMMT-Feb": "HMMT-Feb", "problems": "problems"},
    measure,
    prepare,
)

if __name__ == "__main__":
    main(CLAIM)
