"""The interface of a format: which columns a trainer reads, in which files, and how it loads them.

A format converts examples into rows and back, and knows the trainer's own loader. Other modules select examples and
write files.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

from promptcot.exports.examples import Example
from promptcot.exports.formats.loading import Loaded, by_datasets
from promptcot.records import Row

Kind = Literal["sft", "pairs", "rl"]
Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

Type: TypeAlias = "str | tuple[Type] | Mapping[str, Type]"
"""`"string"`, `"integer"`, `"number"` or `"boolean"`; `(T,)` for a list of T; a mapping for an object with fields."""
Schema: TypeAlias = Mapping[str, Type]
"""The types of the columns, in their order. Every value may be None."""

_ONE_TEXT = ("text", "prompt-completion")
"""Layouts in which a prompt is one text: they cannot hold a second message."""
MESSAGES: Type = ({"role": "string", "content": "string"},)


@dataclass(frozen=True, slots=True)
class Source:
    """The source of the column definitions: the framework, its release or commit with the date, and the file."""

    framework: str
    version: str
    read: tuple[str, ...]


class Format(ABC):
    """One trainer's format, in one of its `layouts`, of which the first is the default.

    `also` are other names by which people may look for it, used for suggestions. `files` are the names of the splits'
    files in the trainer's own examples. `one_file`: the trainer takes a single file per split, so it may not be
    divided. `beside` are small files that the trainer needs in the folder, by name.
    """

    name: ClassVar[str]
    kind: ClassVar[Kind]
    source: ClassVar[Source]
    also: ClassVar[tuple[str, ...]] = ()
    suffix: ClassVar[Literal[".parquet", ".jsonl"]] = ".parquet"
    layouts: ClassVar[tuple[str, ...]] = ("messages",)
    files: ClassVar[Mapping[Split, str]] = {"train": "train", "validation": "validation", "test": "test"}
    one_file: ClassVar[bool] = False
    beside: ClassVar[Mapping[str, str]] = {}

    def __init__(self, layout: str | None = None) -> None:
        self.layout = layout or self.layouts[0]

    @abstractmethod
    def schema(self, extra: Schema) -> Schema:
        """The types of the columns for examples that all have these `extra` fields."""

    @abstractmethod
    def row(self, example: Example, split: Split, index: int) -> Row:
        """The row of an example, the `index`-th of its split. The same keys and types for all examples of an export."""

    @abstractmethod
    def example(self, row: Row) -> Example:
        """The inverse of `row`, except for what the format cannot hold."""

    @abstractmethod
    def gold(self, row: Row) -> Any:
        """The gold that the trainer passes to the reward; None if the row has none."""

    @property
    def one_text(self) -> bool:
        """Whether a prompt is one text, and not messages."""
        return self.layout in _ONE_TEXT

    def unfit(self, example: Example) -> str | None:
        """The reason why the trainer would misread this example, in a few words; None if it would not."""
        return "system message" if self.one_text and len(example.messages) > 1 else None

    def load(self, files: Sequence[Path]) -> Loaded:
        """The rows of these files, of one split, from the trainer's own loader.

        Raises ImportError if the trainer is not installed.
        """
        return by_datasets(files)

    def rows(self, examples: Iterable[Example], split: Split) -> Iterator[Row]:
        """The rows of the examples of one split."""
        return (self.row(example, split, index) for index, example in enumerate(examples))
