"""Formats with flat rows: the trainer's columns first, then all other facts about the example.

Trainers ignore the other columns or pass them to the reward. Names that have a meaning for the trainer are left out.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from promptcot.exports.examples import Example
from promptcot.exports.formats.format import MESSAGES, Format, Schema, Split, Type
from promptcot.records import Message, Row

KNOWN: Mapping[str, Type] = {"id": "string", "problem": "string", "answer": "string"}
"""The fields of each example beside its texts and its `extra` fields."""


def turns(messages: Iterable[Message]) -> list[dict[str, str]]:
    """Messages as all trainers take them: `role` and `content`, and nothing else."""
    return [{"role": message.role, "content": message.content} for message in messages]


def chat(found: Sequence[Mapping[str, Any]]) -> tuple[Message, ...]:
    """The inverse of `turns`."""
    return tuple(Message(turn["role"], turn["content"]) for turn in found)


def prompted(prompt: Any) -> dict[str, Any]:
    """`prompt` and `messages` of an example, from a text or from turns."""
    messages = (Message("user", prompt),) if isinstance(prompt, str) else chat(prompt)
    return {"prompt": messages[-1].content, "messages": messages}


class Flat(Format):
    """`taken` are names with a meaning for the trainer: no other field may have one of them."""

    taken: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def columns(self) -> Schema:
        """The trainer's own columns."""

    @abstractmethod
    def values(self, example: Example) -> Row:
        """The values of an example in these columns."""

    @abstractmethod
    def parts(self, row: Row) -> dict[str, Any]:
        """The fields of an example, read from these columns."""

    def schema(self, extra: Schema) -> Schema:
        return {**self.columns(), **self._free({**KNOWN, **extra})}

    def row(self, example: Example, split: Split, index: int) -> Row:
        known = {"id": example.id, "problem": example.problem, "answer": example.answer, **example.extra}
        return {**self.values(example), **self._free(known)}

    def example(self, row: Row) -> Example:
        rest = self._free(row)
        known = {name: rest.pop(name) for name in KNOWN if name in rest}
        return Example(**{**known, **self.parts(row)}, extra=rest)

    def gold(self, row: Row) -> Any:
        return row["answer"]

    def _free(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        own = self.columns()
        return {name: value for name, value in fields.items() if name not in own and name not in self.taken}


class Asked(Flat):
    """`prompt`, as messages or a text, and `answer`."""

    kind = "rl"
    layouts = ("messages", "text")

    def columns(self) -> Schema:
        return {"prompt": MESSAGES if self.layout == "messages" else "string", "answer": "string"}

    def values(self, example: Example) -> Row:
        prompt = turns(example.messages) if self.layout == "messages" else example.prompt
        return {"prompt": prompt, "answer": example.answer}

    def parts(self, row: Row) -> dict[str, Any]:
        return {**prompted(row["prompt"]), "answer": row["answer"]}
