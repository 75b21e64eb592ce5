"""Designs problems: which families, in which order, with which numbers, in which words.

Every draw takes an explicit generator. What must not be drawn is decided by the `Rule` that the caller passes. How the
rationale reads is left to `rationales`, how a solver works it out to `solutions`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import combinations, product

from nano.catalogue import families_with, steps_of
from nano.designing import Drawn
from nano.families import BY_KEY, FAMILIES, Family
from nano.holdout import allowed_chain, held_out_phrase
from nano.rationales import label, parts_of, rationale
from nano.sentences import ASKING, NAMES, NAMING, Sentence
from nano.solving import walk

GREATEST_ANSWER = 999
"""Of the value of a step that is drawn."""


class DesignError(ValueError):
    """No problem could be drawn under the rule."""


@dataclass(frozen=True)
class Step:
    """One family with its numbers and words; `name` is "" for the last step, `before` the name of the step before."""

    family: Family
    wording: int
    drawn: Drawn
    framing: int
    name: str = ""
    before: str = ""

    @property
    def operands(self) -> dict[str, int]:
        """The numbers of the step; the slot of a reference has the value that it stands for."""
        return self.drawn.operands

    @property
    def value(self) -> int:
        """The number that the step asks for."""
        return self.drawn.value

    @cached_property
    def sentence(self) -> Sentence:
        """The sentence that names the step's value or asks for it."""
        shown = {slot: str(number) for slot, number in self.drawn.operands.items()}
        if self.before:
            shown[self.family.slot] = self.before
        return Sentence(self.family, self.name, shown, self.wording, self.framing)

    @property
    def valued(self) -> str:
        """The phrase with the value in place of the reference."""
        return self.family.phrases(self.operands)[self.wording]

    def explained(self, kind: str) -> list[str]:
        """The parts of its line in a rationale of the kind."""
        return parts_of(self.family, self.drawn, self.sentence, self.before, kind)


@dataclass(frozen=True)
class Design:
    """A whole problem: the sampled concepts, the level and the steps."""

    concepts: tuple[str, ...]
    level: str
    steps: tuple[Step, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """The chain of families, by which problems are held out."""
        return tuple(step.family.key for step in self.steps)

    @cached_property
    def problem(self) -> str:
        """The text of the problem."""
        return " ".join(step.sentence.text for step in self.steps)

    @cached_property
    def rationale(self) -> str:
        """The design-first rationale; `explained` gives the other kinds."""
        return self.explained("design-first")

    def explained(self, kind: str) -> str:
        """The rationale of a kind: "design-first", "after the fact", "labels only" or "none"."""
        steps = self.steps if kind != "none" else ()
        lines = [(label(step.family, self.concepts), step.explained(kind)) for step in steps]
        return rationale(self.level, len(self.steps), lines)

    @property
    def answer(self) -> int:
        """The value of the last step."""
        return self.steps[-1].value

    @cached_property
    def solution(self) -> str:
        """What a solver should write."""
        return walk([step.sentence for step in self.steps]).solution


@dataclass(frozen=True)
class Rule:
    """What may be drawn: which chains of family keys, then which finished designs."""

    chain: Callable[[tuple[str, ...]], bool]
    design: Callable[[Design], bool]


def _no_phrase_held_out(design: Design) -> bool:
    return not any(held_out_phrase(step.valued) for step in design.steps)


Draw = Callable[[Family, random.Random, int], Drawn | None]
TRAINING = Rule(allowed_chain, _no_phrase_held_out)


def design(
    concepts: Sequence[str], level: str, rng: random.Random, rule: Rule = TRAINING, draw: Draw = Family.draw
) -> Design:
    """A problem of the level's length that uses as many of `concepts` as it can.

    `draw` draws the numbers of a step; those who plant defects have their own. Raises DesignError where nothing suits
    the rule after many tries.
    """
    concepts, size = tuple(concepts), steps_of(level)
    for _ in range(400):
        chain = _ordered(_chosen(concepts, size, rng), rng)
        if chain is None or not rule.chain(tuple(family.key for family in chain)):
            continue
        steps = _drawn(chain, rng, draw)
        if steps is None:
            continue
        made = Design(concepts, level, steps)
        if rule.design(made):
            return made
    raise DesignError(f"no problem for {', '.join(concepts)} at {level}")


def completion(rationale: str, problem: str) -> str:
    """What the generator writes."""
    return (
        f"<!-- BEGIN RATIONALE -->\n{rationale}\n<!-- END RATIONALE -->\n"
        f"<!-- BEGIN PROBLEM -->\n{problem}\n<!-- END PROBLEM -->"
    )


@cache
def _covers(concepts: tuple[str, ...], size: int) -> tuple[tuple[str, ...], ...]:
    """The sets of at most `size` families that use as many of the concepts as can be."""
    for wanted in range(len(concepts), 0, -1):
        found: dict[tuple[str, ...], None] = {}
        for subset in combinations(concepts, wanted):
            for choice in product(*(families_with(concept) for concept in subset)):
                keys = tuple(sorted({family.key for family in choice}))
                if len(keys) <= size:
                    found[keys] = None
        if found:
            return tuple(found)
    return ((),)


def _chosen(concepts: tuple[str, ...], size: int, rng: random.Random) -> list[Family]:
    keys = rng.choice(_covers(concepts, size))
    chosen = [BY_KEY[key] for key in keys]
    if len(keys) < size:
        chosen += rng.sample([family for family in FAMILIES if family.key not in keys], size - len(keys))
    return chosen


def _ordered(families: list[Family], rng: random.Random) -> list[Family] | None:
    """Any order, or None where two families can only stand first."""
    rng.shuffle(families)
    families.sort(key=lambda family: family.slot != "")
    return families if all(family.slot for family in families[1:]) else None


def _drawn(chain: Sequence[Family], rng: random.Random, draw: Draw, tries: int = 8) -> tuple[Step, ...] | None:
    """Numbers and words for the whole chain, or None where none were found that fit one another."""
    for _ in range(tries):
        numbers: list[Drawn] = []
        for family in chain:
            drawn = draw(family, rng, numbers[-1].value if numbers else 0)
            if drawn is None or drawn.value > GREATEST_ANSWER:
                break
            numbers.append(drawn)
        if len(numbers) == len(chain):
            return _worded(chain, numbers, rng)
    return None


def _worded(chain: Sequence[Family], numbers: Sequence[Drawn], rng: random.Random) -> tuple[Step, ...]:
    steps: list[Step] = []
    for place, (family, drawn) in enumerate(zip(chain, numbers, strict=True)):
        name = rng.choice(NAMES[place]) if place < len(chain) - 1 else ""
        framing = rng.randrange(len(NAMING) if name else len(ASKING))
        before = steps[-1].name if drawn.linked else ""
        steps.append(Step(family, rng.randrange(2), drawn, framing, name, before))
    return tuple(steps)
