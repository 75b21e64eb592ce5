"""What a trainer's format is: which columns it reads, in which files, and how they are loaded.

A format turns examples into rows and back, and knows the trainer's own way of loading files. It decides nothing about
which examples go out, and writes no file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from promptcot.export.examples import Example
from promptcot.records import Row

Kind = Literal["sft", "pairs", "rl"]
Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

Type: TypeAlias = "str | tuple[Type] | Mapping[str, Type]"
"""`"string"`, `"integer"`, `"number"` or `"boolean"`; `(T,)` for a list of T; a mapping for an object with fields."""
Schema = Mapping[str, Type]
"""The types of the columns, in their order. Every value may be None."""

MESSAGES: Type = ({"role": "string", "content": "string"},)


@dataclass(frozen=True, slots=True)
class Source:
    """Where the columns are written down: the framework, its release or commit and date, and the files read."""

    framework: str
    version: str
    files: tuple[str, ...]


class Format(Protocol):
    """One trainer's format. `suffix` is `.parquet` or `.jsonl`.

    `files` says how the trainer's own examples call the file of a split. `row` gives the same keys and types for all
    examples of an export. `example` is its inverse, but for what the format cannot hold. `load` reads files as the
    trainer does and says with what; it raises ImportError where that is not installed.
    """

    name: str
    kind: Kind
    suffix: str
    files: Mapping[Split, str]
    source: Source

    def schema(self, extra: Schema) -> Schema:
        """The types of the columns, where examples have these `extra` fields."""
        ...

    def row(self, example: Example, split: Split, index: int) -> Row: ...

    def example(self, row: Row) -> Example: ...

    def load(self, files: Sequence[Path]) -> Iterable[Row]: ...
