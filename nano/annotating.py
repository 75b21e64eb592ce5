"""What the annotator should have written: the concepts of a problem, and the rationale that leads to it.

Decides which concepts count as those of a problem: each of a family that it uses, in the order of its steps. How a
rationale reads is decided in `rationales`.
"""

from __future__ import annotations

import json
import random
from dataclasses import replace

from nano.catalogue import LEVELS
from nano.holdout import held_out_combination
from nano.problems import Design, DesignError, design
from nano.solving import walk

SIZES = (2, 3)


def annotated(rng: random.Random) -> Design:
    """A problem with concepts that were found in it, two or three. Raises DesignError where it has too few."""
    made = design((), rng.choice(LEVELS), rng)
    return replace(made, concepts=concepts_of(made, rng.choice(SIZES), rng))


def concepts_of(made: Design, count: int, rng: random.Random) -> tuple[str, ...]:
    """So many concepts of the problem, of as many of its steps as can be, in the order of the steps.

    Raises DesignError where the problem has fewer, or where they are a combination that is held out.
    """
    chosen: list[tuple[int, str]] = []
    places = list(range(len(made.steps)))
    for place in [*rng.sample(places, len(places)), *rng.choices(places, k=4 * count)]:
        known = [concept for _, concept in chosen]
        free = [concept for concept in made.steps[place].family.concepts if concept not in known]
        if free and len(chosen) < count:
            chosen.append((place, rng.choice(free)))
    concepts = tuple(concept for _, concept in sorted(chosen, key=lambda one: one[0]))
    if len(concepts) < count or held_out_combination(concepts):
        raise DesignError(f"no {count} concepts for this problem")
    return concepts


def fenced(concepts: tuple[str, ...]) -> str:
    """The reply to `extract`."""
    return f"```python\n{json.dumps(list(concepts))}\n```"


def explained(made: Design) -> str:
    """The reply to `explain`: the way through the problem, as a solver goes it, and then the rationale.

    Without the way it would have to guess the numbers from which the problem was designed.
    """
    way = walk([step.sentence for step in made.steps]).lines
    return "\n".join([*way, f"<!-- BEGIN RATIONALE -->\n{made.rationale}\n<!-- END RATIONALE -->"])
