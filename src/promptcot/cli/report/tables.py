"""Lays out every printed table as lines of text, with rich.

Decides the widths of columns: a table fits the given width, or that of the stream. Cells wrap between words; numbers do
not wrap and are aligned right. A table that is still too wide continues below, with its first column repeated; a word
is broken only if its column beside the first one is still too wide. Cells contain neither markup nor control
characters. A terminal shows the header in bold; there are no lines and no colours.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from promptcot.cli.report.streams import STREAMS
from promptcot.printable import presentable

if TYPE_CHECKING:
    from rich.console import RenderableType

_GAP = 2
_NARROWEST = 8
_ONE = r"[+\-–]?\d[\d.,]*(e[+\-]\d+)?( ?%)?"
_UNIT = r"( ([kMGTP]?B|[KMGT]iB|(thousand|(m|b|tr|quadr)illion)))?"
_NUMBER = re.compile(rf"{_ONE}{_UNIT}( (±|to) {_ONE})?|n/a|hosted|[-–]|")
"""The cells of a column of numbers: counts, sizes, shares, means with their spread, intervals, unknown values."""


class Heading(str):
    """A line of a table's header."""


def table(rows: Sequence[Sequence[str]], *, indent: int = 0, width: int | None = None) -> Iterator[str]:
    """The lines of a table whose first row is its header, without trailing blanks."""
    cells = [[presentable(" ".join(cell.splitlines())) for cell in row] for row in rows]
    room = max((width or STREAMS.width) - indent, 2 * _NARROWEST)
    columns = [_Column(column, first=not place) for place, column in enumerate(zip(*cells, strict=True))]
    for number, block in enumerate(_blocks(columns, room)):
        if number:
            yield ""
        yield from _drawn(block, _widths(block, room), indent)


class _Column:
    """The cells of a column, header first, with its natural width and the least width without a broken word."""

    def __init__(self, cells: Sequence[str], *, first: bool) -> None:
        from rich.cells import cell_len  # `--help` prints no table

        header, *body = self.cells = cells
        self.is_number = not first and all(map(_NUMBER.fullmatch, body))
        self.natural = max(map(cell_len, cells))
        texts = [header] if self.is_number else cells
        words = [len(text) - len(text.lstrip(" ")) + cell_len(word) for text in texts for word in text.split()]
        self.least = max([*words, *(map(cell_len, body) if self.is_number else ())], default=0)


def _blocks(columns: Sequence[_Column], room: int) -> Iterator[list[_Column]]:
    """The columns of each part of a table: the first one, and as many others as fit without a broken word."""
    first, *others = columns
    first.least = max(first.least, min(first.natural, room // 3))
    block = [first]
    for column in others:
        if len(block) > 1 and sum(one.least + _GAP for one in block) + column.least > room:
            yield block
            block = [first]
        block.append(column)
    yield block


def _widths(columns: Sequence[_Column], room: int) -> list[int]:
    """The width of each column: its natural width, or less for the widest ones until all fit."""
    widths, least = [one.natural for one in columns], [one.least for one in columns]
    room -= _GAP * (len(columns) - 1)
    for bounds in (least, [_NARROWEST] * len(columns)):
        while sum(widths) > room:
            wide = [place for place, bound in enumerate(bounds) if widths[place] > bound]
            if not wide:
                break
            widest = max(wide, key=lambda place: widths[place])
            widths[widest] -= 1
    return widths


def _drawn(columns: Sequence[_Column], widths: Sequence[int], indent: int) -> Iterator[str]:
    from rich.align import Align
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    for column, width in zip(columns, widths, strict=True):
        side: Literal["left", "right"] = "right" if column.is_number else "left"
        header = Align(Text(column.cells[0]), side, vertical="bottom")
        drawn.add_column(header, width=width, justify=side, overflow="fold")
    height = _height(columns, widths)
    for row in zip(*(column.cells[1:] for column in columns), strict=True):
        drawn.add_row(*map(_cell, row))
    drawing = io.StringIO()
    Console(file=drawing, width=sum(widths) + _GAP * len(widths), color_system=None).print(drawn)
    for number, line in enumerate(drawing.getvalue().splitlines()):
        text = f"{'':{indent}}{line}".rstrip()
        yield Heading(text) if number < height else text


def _cell(text: str) -> RenderableType:
    """The text of a cell; leading blanks are repeated in each of its lines."""
    from rich.padding import Padding
    from rich.text import Text

    bare = text.lstrip(" ")
    return Padding(Text(bare), (0, 0, 0, len(text) - len(bare))) if bare != text else Text(text)


def _height(columns: Sequence[_Column], widths: Sequence[int]) -> int:
    """The number of lines of the header."""
    from rich.console import Console
    from rich.text import Text

    console = Console(file=io.StringIO(), width=max(widths), color_system=None)
    wraps = (
        Text(one.cells[0]).wrap(console, width, overflow="fold") for one, width in zip(columns, widths, strict=True)
    )
    return max(map(len, wraps))
