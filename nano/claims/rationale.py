"""A rationale that designs the problem first makes more problems well-posed, at equal training tokens.

All generators start from the solver's weights and write for the same held-out combinations, at two temperatures: the
lower one suits a generator that has to guess numbers, at the cost of variety.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache

from nano.asking import all_replies
from nano.claims.claim import Case, Claim, Comparison, Values
from nano.claims.running import main
from nano.claims.sizes import Sizes
from nano.fit import fit
from nano.schedule import GENERATOR, Training
from nano.texts import example, request
from promptcot.core.parsing.blocks import Blocks, Unreadable, parse
from promptcot.nano.findings import Finding, finding

ROLES = {
    "design-first": "generator",
    "after the fact": "generator-after",
    "labels only": "generator-labels",
    "none": "generator-none",
}
TEMPERATURES = {0.7: "", 0.3: "_at_0.3"}
"""What the names of the values end with."""
_PROBLEM = Blocks(("problem",))
_Request = tuple[tuple[str, ...], str, str]


def measure(case: Case) -> Values:
    """Train a generator and read what it writes; all shares are of all texts."""
    training = Training(
        case.training,
        ROLES[case.variant],
        case.sizes.generators,
        start="solver",
        rate=GENERATOR.rate,
        seed=case.seed,
        checks=0,
    )
    fit(training, case.out, lambda index: example(training.texts, training.seed, index))
    return {
        f"{name}{end}": value
        for temperature, end in TEMPERATURES.items()
        for name, value in shares(list(written(case, temperature))).items()
    }


def shares(texts: list[Finding | None]) -> Values:
    """What the checker finds in texts; None is a text without a problem."""
    found = [one for one in texts if one is not None]
    counts = {
        "well_posed": sum(one.well_posed for one in found),
        "well_posed_distinct": len({one.problem for one in found if one.well_posed}),
        "parsed": len(found),
        "wholly_right": sum(one.wholly_right for one in found),
        "distinct": len({one.problem for one in found}),
    }
    return {name: count / len(texts) for name, count in counts.items()}


def written(case: Case, temperature: float) -> Iterator[Finding | None]:
    """What the checker finds in the problem for each held-out combination; None for a text without one."""
    asked = held_out(case.sizes)
    rows = [{"id": str(place), "prompt": prompt} for place, (_, _, prompt) in enumerate(asked)]
    sampling = {"temperature": temperature, "max_tokens": 400}
    for row in all_replies(case.out / case.training, rows, sampling, 1, case.seed):
        concepts, level, _ = asked[int(row["id"])]
        problem = problem_in(row["completion"])
        made = {"problem": problem, "foundational_concepts": [*concepts], "level": level}
        yield None if problem is None else finding(made)


def problem_in(text: str) -> str | None:
    """The problem that a generator wrote, with whatever rationale before it; None where its block is broken."""
    found = parse(text, blocks=_PROBLEM)
    return None if isinstance(found, Unreadable) else found["problem"]


@cache
def held_out(sizes: Sizes) -> list[_Request]:
    """Different combinations that no training text has, with a level and the generator's prompt; always the same."""
    rng = random.Random("nano claims held-out combinations")
    found: dict[tuple[str, ...], _Request] = {}
    while len(found) < sizes.combinations:
        one = request(rng, held_out=True)
        found.setdefault(tuple(sorted(one[0])), one)
    return list(found.values())


CLAIM = Claim(
    "rationale",
    tuple(ROLES),
    (
        Comparison("design-first", "none", target=0.25),
        Comparison("design-first", "labels only"),
        Comparison("design-first", "after the fact"),
        Comparison("design-first", "none", value="well_posed_at_0.3"),
        Comparison("labels only", "none", claimed=False),
        Comparison("after the fact", "none", claimed=False),
    ),
    {
        "well_posed": "well-posed",
        "well_posed_distinct": "well-posed and distinct",
        "well_posed_at_0.3": "well-posed at 0.3",
        "well_posed_distinct_at_0.3": "well-posed and distinct at 0.3",
        "wholly_right": "wholly right",
        "parsed": "with a problem",
    },
    measure,
    ("generators", "combinations"),
    lambda sizes: (
        f"Each generator learns {sizes.generators / 1e6:g} M tokens and writes for {sizes.combinations:,} "
        "combinations at each temperature."
    ),
    start="solver",
)

if __name__ == "__main__":
    main(CLAIM)
