"""The layout of printed reports: paragraphs with a hanging indent, and left-aligned columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

WIDTH = 110


def hanging(head: str, text: str, width: int = WIDTH) -> str:
    """`head` and a text behind it, wrapped under where the text begins. Long words, such as paths, are not broken."""
    under = " " * len(head)
    wrapper = textwrap.TextWrapper(width, head, under, break_long_words=False, break_on_hyphens=False)
    return wrapper.fill(text)


def aligned(table: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows of cells as lines with columns."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        yield "  ".join(map(str.ljust, row, widths)).rstrip()
