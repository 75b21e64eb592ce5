"""Small errors in a problem, as a model makes them, and whether the checker detected them."""

import re
from collections.abc import Iterator

from promptcot.nano import IllFormed, Solution, Step

NAMES = "AMRBNS"

# Slots in which a larger operand always gives a larger value, given the operands that these tests use.
STRICT = {
    "subsets": "n",
    "diagonals": "n",
    "handshakes": "n",
    "triangular": "n",
    "choose": "n",
    "arith_sum": "akd",
    "geo_sum": "akr",
    "poly_value": "cx",
    "roots_sum": "b",
    "roots_squares": "bc",
    "grid_points": "ab",
    "triangle_area": "ab",
    "distance_squared": "ab",
}


def sentences(problem: str) -> list[str]:
    return re.split(r"(?<=[.?]) ", problem)


def with_a_number_changed(problem: str) -> Iterator[str]:
    """Each number of the text, fixed ones such as the exponent in x^2 included, made a little larger and smaller."""
    for number in re.finditer("[0-9]+", problem):
        for shift in (-1, 1, 7):
            changed = int(number[0]) + shift
            if changed >= 0:
                yield f"{problem[: number.start()]}{changed}{problem[number.end() :]}"


def with_a_sentence_dropped(problem: str) -> Iterator[str]:
    parts = sentences(problem)
    for dropped in range(len(parts)):
        yield " ".join(parts[:dropped] + parts[dropped + 1 :])


def with_a_name_swapped(problem: str) -> Iterator[str]:
    """One occurrence of a name at a time replaced by another name of the language."""
    for name in re.finditer(r"(?<![A-Za-z])[AMRBNS](?![A-Za-wyz]| bag)", problem):
        for other in NAMES.replace(name[0], ""):
            yield f"{problem[: name.start()]}{other}{problem[name.end() :]}"


def assert_number_noticed(original: Solution, outcome: Solution | IllFormed, mutant: str) -> bool:
    """A changed number is reported, or changes the answer, or is at least read as what it is.

    Where mathematics says that the value of its step must change, it has to. Returns whether the answer changed or the
    mutant was reported, so that a caller can ask how often that was so.
    """
    if isinstance(outcome, IllFormed):
        return True
    assert [step.operation for step in outcome.steps] == [step.operation for step in original.steps], mutant
    changed = [pair for pair in zip(original.steps, outcome.steps, strict=True) if _texts(pair[0]) != _texts(pair[1])]
    assert len(changed) == 1, mutant
    old, new = changed[0]
    slots = [a.slot for a, b in zip(old.operands, new.operands, strict=True) if a != b]
    assert len(slots) == 1, mutant
    if slots[0] in STRICT.get(old.operation, ""):
        assert old.value != new.value, mutant
    if old is original.steps[-1]:
        assert (old.value != new.value) == (original.answer != outcome.answer), mutant
    return original.answer != outcome.answer


def _texts(step: Step) -> list[str]:
    return [operand.text for operand in step.operands]
