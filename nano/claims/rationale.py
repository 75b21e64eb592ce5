"""A rationale that designs the problem first makes more problems well-posed, at equal training tokens.

All generators start from the solver's weights and write for the same held-out combinations.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from nano.asking import replies
from nano.claims.claim import Case, Claim, Comparison, Values
from nano.claims.running import main
from nano.claims.sizes import Sizes
from nano.fit import fit
from nano.schedule import GENERATOR, Training
from nano.texts import example, request
from promptcot.nano.findings import Finding, finding

ROLES = {
    "design-first": "generator",
    "after the fact": "generator-after",
    "labels only": "generator-labels",
    "none": "generator-none",
}
TOKENS = ("0.9 M", "2 M")
SAMPLING = {"temperature": 0.7, "max_tokens": 400}
_PROBLEM = re.compile(r"<!-- BEGIN PROBLEM -->\n(.+)\n<!-- END PROBLEM -->", re.S)
_Request = tuple[tuple[str, ...], str, str]


def measure(case: Case) -> Values:
    """Train a generator and read what it writes; all shares are of all texts."""
    kind, _, tokens = case.variant.partition(", ")
    training = Training(
        case.training,
        ROLES[kind],
        case.sizes.generators[TOKENS.index(tokens)],
        start="solver",
        rate=GENERATOR.rate,
        seed=case.seed,
        checks=0,
    )
    fit(training, case.out, lambda index: example(training.texts, training.seed, index))
    found = [one for one in written(case) if one is not None]
    counts = {
        "well_posed": sum(one.well_posed for one in found),
        "parsed": len(found),
        "wholly_right": sum(one.wholly_right for one in found),
        "distinct": len({one.problem for one in found}),
    }
    return {name: count / case.sizes.combinations for name, count in counts.items()}


def written(case: Case) -> Iterator[Finding | None]:
    """What the checker finds in the problem for each held-out combination; None for a text without one."""
    asked = held_out(case.sizes)
    rows = [{"id": str(place), "prompt": prompt} for place, (_, _, prompt) in enumerate(asked)]
    for row in replies(case.out / case.training, rows, SAMPLING, 1, case.seed):
        concepts, level, _ = asked[int(row["id"])]
        problem = problem_in(row["completion"])
        made = {"problem": problem, "foundational_concepts": [*concepts], "level": level}
        yield None if problem is None else finding(made)


def problem_in(text: str) -> str | None:
    """The problem that a generator wrote, with whatever rationale; None where its block is broken."""
    match = _PROBLEM.search(text)
    return match[1] if match else None


def held_out(sizes: Sizes) -> list[_Request]:
    """Different combinations that no training text has, with a level and the generator's prompt; always the same."""
    rng = random.Random("nano claims held-out combinations")
    found: dict[tuple[str, ...], _Request] = {}
    while len(found) < sizes.combinations:
        one = request(rng, held_out=True)
        found.setdefault(tuple(sorted(one[0])), one)
    return list(found.values())


def _comparisons(tokens: str) -> tuple[Comparison, ...]:
    names = [f"{kind}, {tokens}" for kind in ROLES]
    return (
        Comparison(names[0], names[3], target=0.25),
        Comparison(names[0], names[2]),
        Comparison(names[0], names[1]),
        Comparison(names[2], names[3], claimed=False),
        Comparison(names[1], names[3], claimed=False),
    )


CLAIM = Claim(
    "rationale",
    tuple(f"{kind}, {tokens}" for tokens in TOKENS for kind in ROLES),
    tuple(comparison for tokens in TOKENS for comparison in _comparisons(tokens)),
    {"well_posed": "well-posed", "parsed": "parsed", "wholly_right": "wholly right", "distinct": "distinct"},
    measure,
)

if __name__ == "__main__":
    main(CLAIM)
