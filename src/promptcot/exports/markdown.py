"""Escapes text for Markdown, so that no name or reason becomes a heading, a link, an image or HTML.

Special characters of Markdown, HTML and the Hub's mathematics become character references, which are never structure
(CommonMark 0.31, section 2.5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from promptcot.printable import presentable, quoted

_SPECIAL = re.compile(r"[&<>`*_\[\]|~$\\#@!]|:(?=//)|(?<=\b[wW]{3})\.")
_TICKS = re.compile(r"`+")


def escaped(text: object, most: int = 200) -> str:
    """Escaped text on one line, truncated to a number of characters."""
    return _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", presentable(quoted(str(text), most)))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of already escaped cells; empty without rows."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}", *lines]) if lines else ""


def fenced(text: str, language: str = "") -> str:
    """A block of code, whatever is in it."""
    shown = presentable(text)
    fence = "`" * max(3, 1 + max(map(len, _TICKS.findall(shown)), default=0))
    return f"{fence}{language}\n{shown}\n{fence}"
