r"""A gold as data sets write it, as the text that answers are compared with.

Several golds are all wanted, in any order, as OlympiadBench means them: they become one list, "1/2, 3". What is neither
text nor number nor such a list is refused by name: no gold is made of how Python would print it.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Callable

from promptcot.errors import InputError

_THOUSANDS = re.compile(r"\$?[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?\$?")
_LISTED: dict[str, Callable[[str], object]] = {'["': json.loads, "['": ast.literal_eval}
"""How a list of texts begins that was printed into a text, and what reads it; no answer begins so."""


def gold_text(gold: object, what: str) -> str:
    """The text of a gold. Raises InputError, with `what` it is the gold of, for one that is no answer."""
    if isinstance(gold, str):
        listed = _listed(gold.strip())
        return gold.strip() if listed is None else gold_text(listed, what)
    if isinstance(gold, bool):
        said = str(gold).lower()
        raise InputError(f'{what} is {said}, and not the words of an answer: write it as text, such as "Yes" or "No"')
    if isinstance(gold, int):
        return str(gold)
    if isinstance(gold, float) and math.isfinite(gold):
        return str(int(gold)) if gold.is_integer() else repr(gold)
    if isinstance(gold, list) and gold:
        return _several([gold_text(one, what) for one in gold])
    raise InputError(f"{what} is {_kind(gold)}, and no answer: write a text, a number or a list of them")


def _kind(gold: object) -> str:
    if isinstance(gold, dict):
        return f"an object with {', '.join(f'`{name}`' for name in gold)}" if gold else "an empty object"
    return {list: "an empty list", float: "not a number", type(None): "missing"}.get(type(gold), type(gold).__name__)


def _listed(text: str) -> list[object] | None:
    """The list that was printed into this text, if one was."""
    read = _LISTED.get(text[:2])
    if read is None:
        return None
    try:
        found = read(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    return found if isinstance(found, list) and all(isinstance(one, str) for one in found) else None


def _several(golds: list[str]) -> str:
    """One text for all of them; separators of thousands would read as commas of the list."""
    if len(golds) == 1:
        return golds[0]
    return ", ".join(gold.replace(",", "") if _THOUSANDS.fullmatch(gold) else gold for gold in golds)
