"""Material in which many numbers and names are wrong at once, for the judges to learn to compare.

Where nearly everything is right, a judge learns to write `ok` long before it learns to look: a defect is one token in a
hundred. Here every second comparison fails. No generator writes such texts; `planting` has those like its own.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from nano import spoiling
from nano.judging import judge_text
from nano.planting import Draft, miscalculated
from nano.problems import DesignError, completion, design
from nano.rationales import label, rationale
from nano.spoiling import Sentences, literals, with_operand

SHARE = 0.4
"""Of all numbers of a problem and sums of its rationale, those that are changed."""


def dense(concepts: Sequence[str], level: str, judge: str, rng: random.Random) -> Draft:
    """Material for `judge` with many changed operands, results and names. Raises DesignError like `design`."""
    made = design(concepts, level, rng)
    parts = [step.explained("design-first") for step in made.steps]
    places = [(i, j) for i, line in enumerate(parts) for j in range(1, len(line))]
    for i, j in places:
        if rng.random() < SHARE:
            parts[i][j] = miscalculated(parts[i][j], rng)
    sentences: Sentences = tuple(step.sentence for step in made.steps)
    for place, slot in literals(sentences):
        if rng.random() < SHARE:
            number = spoiling.another_number(int(sentences[place].shown[slot]), rng)
            sentences = with_operand(sentences, place, slot, str(number))
    if rng.random() < SHARE:
        sentences = spoiling.renamed(sentences, rng) or sentences
    if not spoiling.allowed(sentences):
        raise DesignError("a changed phrase is held out")
    lines = [(label(step.family, made.concepts), part) for step, part in zip(made.steps, parts, strict=True)]
    text = completion(rationale(level, len(made.steps), lines), " ".join(one.text for one in sentences))
    judgement = judge_text(made.concepts, level, text, judge)
    if judgement is None:
        raise DesignError("too long to judge")
    return Draft(made.concepts, level, text, ("sum", "changed", "renamed"), judgement)
