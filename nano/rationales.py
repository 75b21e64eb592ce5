"""How a rationale reads: its level line, the label of a step, and the parts of its line, by kind.

The kinds are those of `LANGUAGE.md`; "noisy" is made of the others by `noisy`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nano.families import Family
from nano.solutions import sums_of

if TYPE_CHECKING:
    from nano.problems import Step

KINDS = ("design-first", "after the fact", "labels only", "none")


def level_line(level: str, steps: int) -> str:
    return f"The level {level} asks for {'1 step' if steps == 1 else f'{steps} steps'}."


def label(family: Family, concepts: Sequence[str]) -> str:
    """What the rationale says of a step: the sampled concepts it uses, or the one that it adds."""
    used = [concept for concept in concepts if concept in family.concepts]
    return f"uses {' and '.join(used)}" if used else f"adds {family.concepts[0]}"


def parts_of(step: Step, kind: str) -> list[str]:
    """The parts after the label in a rationale of the kind."""
    if kind == "labels only":
        return []
    drawn = step.drawn
    if kind == "design-first":
        parts = [step.family.idea(drawn, step.before), *drawn.sums]
        if step.name:
            parts += drawn.last
    else:
        parts = [f"take {step.sentence.phrase}", *sums_of(step.family.key, step.drawn.operands)]
    if step.name:
        parts.append(f"{step.name}={drawn.value}")
    return parts
