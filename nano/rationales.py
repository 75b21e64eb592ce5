"""How a rationale reads: its level line, the label of a step, and the parts of its line, by kind.

The kinds are those of `LANGUAGE.md`.
"""

from __future__ import annotations

from collections.abc import Sequence

from nano.designing import Drawn
from nano.families import Family
from nano.sentences import Sentence
from nano.solutions import sums_of

KINDS = ("design-first", "after the fact", "labels only", "none")


def level_line(level: str, steps: int) -> str:
    """The first line; it may state a level that does not fit the number of steps."""
    return f"The level {level} asks for {'1 step' if steps == 1 else f'{steps} steps'}."


def label(family: Family, concepts: Sequence[str]) -> str:
    """What the rationale says of a step: the sampled concepts it uses, or the one that it adds."""
    used = [concept for concept in concepts if concept in family.concepts]
    return f"uses {' and '.join(used)}" if used else f"adds {family.concepts[0]}"


def rationale(level: str, steps: int, lines: Sequence[tuple[str, Sequence[str]]]) -> str:
    """A rationale from the label and the parts of each step; "none" has no lines."""
    explained = [
        f"Step {number} {words}{': ' if parts else ''}{'; '.join(parts)}."
        for number, (words, parts) in enumerate(lines, 1)
    ]
    return "\n".join([level_line(level, steps), *explained])


def parts_of(family: Family, drawn: Drawn, sentence: Sentence, before: str, kind: str) -> list[str]:
    """The parts after the label in a rationale of the kind; `before` is the name of the step before."""
    if kind in ("labels only", "none"):
        return []
    if kind == "design-first":
        parts = [family.idea(drawn, before), *drawn.sums, *(drawn.last if sentence.name else ())]
    else:
        parts = [f"take {sentence.phrase}", *sums_of(family.key, drawn.operands)]
    return [*parts, f"{sentence.name}={drawn.value}"] if sentence.name else parts
