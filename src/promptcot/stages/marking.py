"""Marks of many texts (`marks`), made ahead in a process beside this one where it pays, which meanwhile compares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from promptcot.stages.beside import Work, ahead
from promptcot.stages.marks import Marks, marks_of

_Chunk = TypeVar("_Chunk")


def marked(
    chunks: Iterable[tuple[_Chunk, Sequence[str]]], mask_numbers: bool, beside: bool
) -> Iterator[tuple[_Chunk, Marks]]:
    """Chunks with the marks of their problems, in order; `beside` this process where there is a core for it."""
    return ahead(chunks, Work(_marker, (mask_numbers,)), int(beside))


def _marker(mask_numbers: bool) -> Callable[[Sequence[str]], Marks]:
    return partial(marks_of, mask_numbers=mask_numbers)
