r"""The components that an answer states: the letter of a choice, a value, a name, a unit, a modulus.

Grading accepts it if one side leaves one of these out, so that 5 matches both 5 cm and 5 m. `evaluation.classes`
decides which answers are one class nevertheless.
"""

from __future__ import annotations

from promptcot.core.answers.expressions import letter_of, relates
from promptcot.core.answers.parts import parse
from promptcot.core.answers.quantities import mixed
from promptcot.core.answers.shapes import Choice, Group, Leaf, Matrix, Named, Part
from promptcot.core.answers.units import measured

Stated = frozenset[str]
"""Some of "letter", "value", "name", "unit", "modulus"."""

NOTHING: Stated = frozenset()

_LETTER, _VALUE, _NAME, _UNIT, _MODULUS = (frozenset({one}) for one in ("letter", "value", "name", "unit", "modulus"))
CHOICE: Stated = _LETTER | _VALUE
"""The components of a choice with its value."""

_LONGEST = 4000


def stated(text: str) -> Stated:
    r"""The components that an answer states, as it was written.

    >>> sorted(stated(r"\textbf{(C)}\ 12\text{ cm}"))
    ['letter', 'unit', 'value']
    """
    return _of(parse(text))


def _of(part: Part) -> Stated:
    if isinstance(part, Choice):
        return _of(part.value) | CHOICE
    if isinstance(part, Named):
        return _of(part.value) | _NAME
    if isinstance(part, Matrix):
        return _VALUE.union(*(_of(entry) for row in part.rows for entry in row))
    if isinstance(part, Group) and part.kind == "residue":
        return _VALUE | _MODULUS
    if isinstance(part, Group):
        return NOTHING.union(*map(_of, part.items), _NAME if part.names else NOTHING)
    return _of_expression(part)


def _of_expression(leaf: Leaf) -> Stated:
    """The components of an expression; the left side of an equation such as m + n = 7 counts as a name."""
    if not leaf.text or len(leaf.text) > _LONGEST:
        return _VALUE
    if letter_of(leaf.text):
        return _LETTER
    unit = measured(leaf.text).unit or mixed(leaf.text)
    return _VALUE | (_NAME if relates(leaf.text) else NOTHING) | (_UNIT if unit else NOTHING)
