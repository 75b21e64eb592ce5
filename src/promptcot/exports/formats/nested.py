"""Formats with the gold in one object, and all fields that the trainer does not know in another, `extra_info`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from promptcot.exports.examples import Example
from promptcot.exports.formats.flat import prompted, turns
from promptcot.exports.formats.format import MESSAGES, Format, Schema, Split, Type
from promptcot.exports.formats.sources import source_of
from promptcot.records import Row

_OWN: Mapping[str, Type] = {"split": "string", "index": "integer", "id": "string", "question": "string"}


class Nested(Format):
    """`data_source`, `prompt`, a constant column, the gold, `extra_info`.

    `fixed` is that column and its value, `reward` the object of the gold and the field that says how it is used.
    `taken` are names in `extra_info` with a meaning for the trainer. `question` is the problem.
    """

    fixed: ClassVar[tuple[str, str]]
    reward: ClassVar[tuple[str, str]]
    taken: ClassVar[frozenset[str]] = frozenset()

    def schema(self, extra: Schema) -> Schema:
        rule, how = self.reward
        return {
            "data_source": "string",
            "prompt": MESSAGES,
            self.fixed[0]: "string",
            rule: {how: "string", "ground_truth": "string"},
            "extra_info": {**_OWN, **self._free(extra)},
        }

    def row(self, example: Example, split: Split, index: int) -> Row:
        rule, how = self.reward
        own = {"split": split, "index": index, "id": example.id, "question": example.problem}
        return {
            "data_source": source_of(example),
            "prompt": turns(example.messages),
            self.fixed[0]: self.fixed[1],
            rule: {how: "rule", "ground_truth": example.answer},
            "extra_info": {**own, **self._free(example.extra)},
        }

    def example(self, row: Row) -> Example:
        known = row["extra_info"]
        asked = prompted(row["prompt"])
        rest = self._free(known)
        return Example(id=known["id"], **asked, problem=known["question"], answer=self.gold(row), extra=rest)

    def gold(self, row: Row) -> Any:
        return row[self.reward[0]]["ground_truth"]

    def _free(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in fields.items() if name not in _OWN and name not in self.taken}
