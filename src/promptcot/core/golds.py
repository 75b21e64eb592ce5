r"""Converts a data set's gold to the text that answers are compared with.

Several golds are all required, in any order, as in OlympiadBench: they become one list, "1/2, 3". A value that is
neither a text nor a number nor such a list is refused by name, and never converted to Python's printed form.
"""

from __future__ import annotations

import math
import re

from promptcot.core.parsing import literals
from promptcot.errors import InputError

_THOUSANDS = re.compile(r"\$?[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?\$?")
_PRINTED = ('["', "['", '{"', "{'")
"""The beginning of a list or an object that was printed to text. No answer begins like this."""


def gold_text(gold: object, what: str) -> str:
    """The text of a gold. Raises InputError, which names `what`, for a value that is not an answer."""
    if isinstance(gold, str):
        text = gold.strip()
        return _several(_printed(text, what), what) if text.startswith(_PRINTED) else text
    if isinstance(gold, bool):
        said = str(gold).lower()
        raise InputError(f'{what} is {said}, which is not an answer: write it as text, such as "Yes" or "No"')
    if isinstance(gold, int):
        return str(gold)
    if isinstance(gold, float) and math.isfinite(gold):
        return str(int(gold)) if gold.is_integer() else repr(gold)
    if isinstance(gold, list) and gold:
        return _several([gold_text(one, what) for one in gold], what)
    raise InputError(f"{what} is {_kind(gold)}, which is not an answer: write a text, a number or a list of them")


def _kind(gold: object) -> str:
    if isinstance(gold, dict):
        return f"an object with {', '.join(f'`{name}`' for name in gold)}" if gold else "an empty object"
    return {list: "an empty list", float: "not a number", type(None): "missing"}.get(type(gold), type(gold).__name__)


def _printed(text: str, what: str) -> list[str]:
    """The texts of a list that was printed to this text. Raises InputError."""
    literal = literals.read(text, 0, ())
    if literal.strings is None or literals.after_space(text, literal.end) != len(text):
        raise InputError(f"{what} is {text[:80]!r}, which looks like data that was printed: write a text, or a list")
    return literal.strings


def _several(golds: list[str], what: str) -> str:
    """One text for all golds, without thousands separators, which would look like commas of the list.

    Raises InputError.
    """
    if len(golds) == 1:
        return golds[0].strip()
    if not all(gold.strip() for gold in golds):
        raise InputError(f"{what} is a list with an empty text")
    return ", ".join(gold.replace(",", "") if _THOUSANDS.fullmatch(gold) else gold for gold in golds)
