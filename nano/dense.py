"""Material in which much is wrong at once, for the judges to learn to compare.

Where nearly everything is right, a judge learns to write `ok` long before it learns to look: a defect is one token in a
hundred. Here about every third comparison fails, in numbers and names, concepts and level, ideas and markup. No
generator writes such texts; `planting` has those like its own.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from nano import spoiling, wrong
from nano.catalogue import CONCEPTS, LEVELS
from nano.designing import Drawn
from nano.families import Family
from nano.holdout import held_out_combination
from nano.judging import judge_text
from nano.planting import Draft, broken_markup, miscalculated, mislabelled
from nano.problems import TRAINING, Design, DesignError, completion, design
from nano.rationales import label, rationale
from nano.spoiling import Sentences, literals, with_operand

SHARE = 0.4
"""Of all numbers of a problem and sums of its rationale, those that are changed; and how likely other defects are."""


def dense(concepts: Sequence[str], level: str, judge: str, rng: random.Random) -> Draft:
    """Material for `judge` with much that is wrong. Raises DesignError like `design`."""
    length = rng.choice(LEVELS) if rng.random() < SHARE else level
    made = design(concepts, length, rng, TRAINING, _badly if rng.random() < SHARE else Family.draw)
    asked = _other_concepts(tuple(concepts), rng)
    text = completion(_rationale(made, asked, level, rng), " ".join(one.text for one in _sentences(made, rng)))
    if rng.random() < SHARE:
        text = broken_markup(text, rng)
    judgement = judge_text(asked, level, text, judge)
    if judgement is None:
        raise DesignError("too long to judge")
    return Draft(asked, level, text, judgement)


def _badly(family: Family, rng: random.Random, reference: int) -> Drawn | None:
    """The numbers of a step: half of all ideas cannot be."""
    return wrong.wrong_idea(family, rng, reference) if rng.random() < 0.5 else family.draw(rng, reference)


def _other_concepts(concepts: tuple[str, ...], rng: random.Random) -> tuple[str, ...]:
    """The concepts, some of them replaced by any others."""
    while True:
        asked = tuple(rng.choice(CONCEPTS) if rng.random() < SHARE else concept for concept in concepts)
        if len(set(asked)) == len(asked) and not held_out_combination(asked):
            return asked


def _rationale(made: Design, asked: Sequence[str], level: str, rng: random.Random) -> str:
    """Results are changed, and a step may be said to use what it does not."""
    labels = [label(step.family, asked) for step in made.steps]
    if rng.random() < SHARE:
        labels = mislabelled(labels, made, asked, rng)
    parts = [step.explained("design-first") for step in made.steps]
    changed = [
        [idea, *(miscalculated(part, rng) if rng.random() < SHARE else part for part in sums)] for idea, *sums in parts
    ]
    return rationale(level, len(made.steps), list(zip(labels, changed, strict=True)))


def _sentences(made: Design, rng: random.Random) -> Sentences:
    """Operands are changed; names may be changed, and operands or sentences left out.

    Raises DesignError for a held-out phrase.
    """
    sentences: Sentences = tuple(step.sentence for step in made.steps)
    for place, slot in literals(sentences):
        if rng.random() < SHARE:
            number = spoiling.another_number(int(sentences[place].shown[slot]), rng)
            sentences = with_operand(sentences, place, slot, str(number))
    for defect in (spoiling.renamed, spoiling.dropped):
        if rng.random() < SHARE / 2:
            sentences = defect(sentences, rng) or sentences
    if not spoiling.allowed(sentences):
        raise DesignError("a changed phrase is held out")
    return sentences
