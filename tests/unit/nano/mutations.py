"""Small damages to a problem, as a model makes them."""

import re
from collections.abc import Iterator
from itertools import combinations

NAMES = "AMRBNS"
_NAME = re.compile(r"(?<![A-Za-z])[AMRBNS](?![a-wyz])")


def sentences(problem: str) -> list[str]:
    return re.split(r"(?<=[.?]) ", problem)


def with_a_number_changed(problem: str) -> Iterator[str]:
    """Each number of the text, fixed ones such as the exponent in x^2 included, made a little larger and smaller."""
    for number in re.finditer("[0-9]+", problem):
        for shift in (-1, 1, 2, 7):
            changed = int(number[0]) + shift
            if changed >= 0:
                yield f"{problem[: number.start()]}{changed}{problem[number.end() :]}"


def with_a_sentence_dropped(problem: str) -> Iterator[str]:
    parts = sentences(problem)
    for dropped in range(len(parts)):
        yield " ".join(parts[:dropped] + parts[dropped + 1 :])


def with_a_sentence_doubled(problem: str) -> Iterator[str]:
    parts = sentences(problem)
    for place in range(len(parts)):
        yield " ".join(parts[: place + 1] + parts[place:])


def with_sentences_swapped(problem: str) -> Iterator[str]:
    parts = sentences(problem)
    for one, other in combinations(range(len(parts)), 2):
        swapped = [*parts]
        swapped[one], swapped[other] = parts[other], parts[one]
        yield " ".join(swapped)


def with_a_name_changed(problem: str) -> Iterator[str]:
    """One occurrence of a name at a time replaced by another name of the language, or by a number."""
    for name in _NAME.finditer(problem):
        for other in [*NAMES.replace(name[0], ""), "C", "6"]:
            yield f"{problem[: name.start()]}{other}{problem[name.end() :]}"


def with_names_exchanged(problem: str) -> Iterator[str]:
    """Two names exchanged wherever they stand; one of them may be new."""
    for one, other in combinations(NAMES, 2):
        exchange = {one: other, other: one}
        changed = _NAME.sub(lambda name, pairs=exchange: pairs.get(name[0], name[0]), problem)
        if changed != problem:
            yield changed


def with_a_number_named(problem: str) -> Iterator[str]:
    """One number at a time replaced by a name."""
    for number in re.finditer("[0-9]+", problem):
        for name in "AB":
            yield f"{problem[: number.start()]}{name}{problem[number.end() :]}"


ALL = (
    with_a_number_changed,
    with_a_sentence_dropped,
    with_a_sentence_doubled,
    with_sentences_swapped,
    with_a_name_changed,
    with_names_exchanged,
    with_a_number_named,
)
