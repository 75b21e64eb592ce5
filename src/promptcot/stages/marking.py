"""Computes the marks of many texts (`marks`) ahead of time, in a child process if that pays off."""

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
    """Chunks with the marks of their problems, in order; with `beside` in a child process, if a core is free."""
    return ahead(chunks, Work(_marker, (mask_numbers,)), int(beside))


def _marker(mask_numbers: bool) -> Callable[[Sequence[str]], Marks]:
    return partial(marks_of, mask_numbers=mask_numbers)
