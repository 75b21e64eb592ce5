"""Splits text into lines, which end with `\\n` or `\\r\\n` only.

`str.splitlines` also splits at ten other characters, among them U+2028 and form feeds, which other programs allow
within a line: text that they quote on a single line would leave the quotation here.
"""

from __future__ import annotations

import re

_FOREIGN = re.compile(r"\r(?!\Z)|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")


def lines_of(text: str) -> list[str]:
    """The lines of a text, without line breaks; none for an empty text."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines if lines[-1] else lines[:-1]


def foreign_lines(line: str) -> list[str]:
    """The lines into which other programs would split a line; empty if none of them would."""
    parts = _FOREIGN.split(line)
    return parts if len(parts) > 1 else []
