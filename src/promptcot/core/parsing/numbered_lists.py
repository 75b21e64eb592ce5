"""Finds the numbered lists in a text: their places, items and style.

A style is the text between a number and its item (`close`, as in `1. item`) and between an item and the next number
(`between`, usually a line break). The caller chooses among the lists.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_FIRST_TWO = re.compile(
    r"""(?<!\d)1(?P<close>[^\w\s]{1,3}[ \t]*)(?P<first>\S[^\r\n]*)
        (?P<between>(?:\r?\n)+[^\r\n\d]{0,20})2(?P=close)(?P<second>\S[^\r\n]*)""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class NumberedList:
    """`text[start:end]` is `1`, `close`, an item; then `between`, `2`, `close`, the next item; and so on."""

    start: int
    end: int
    items: tuple[str, ...]
    between: str
    close: str


def find_lists(text: str) -> list[NumberedList]:
    """All lists of two or more items, one item a line, in order."""
    lists: list[NumberedList] = []
    for match in _FIRST_TWO.finditer(text):
        between, close = match["between"], match["close"]
        items, end = [match["first"], match["second"]], match.end()
        while following := _item(len(items) + 1, between, close).match(text, end):
            items.append(following[1])
            end = following.end()
        lists.append(NumberedList(match.start(), end, tuple(items), between, close))
    return lists


def find_items(text: str, items: Sequence[str]) -> NumberedList | None:
    """The list of exactly these items, two or more, in any style; the first one if there are several."""
    if len(items) < 2:
        return None
    pattern = rf"(?<!\d)1(?P<close>\D{{0,6}}?){re.escape(items[0])}"
    for number, item in enumerate(items[1:], 2):
        between = r"(?P<between>.{1,60}?)" if number == 2 else "(?P=between)"
        pattern += f"{between}{number}(?P=close){re.escape(item)}"
    match = re.search(pattern, text, re.DOTALL)
    if match is None:
        return None
    return NumberedList(match.start(), match.end(), tuple(items), match["between"], match["close"])


def _item(number: int, between: str, close: str) -> re.Pattern[str]:
    return re.compile(re.escape(f"{between}{number}{close}") + r"(\S[^\r\n]*)")
