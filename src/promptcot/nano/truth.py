"""The truth report: the checker's findings on problems of the nano world, compared with what was requested.

Keeps counts, and hashes of texts for counting distinct ones, but no rows.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any

from promptcot.errors import InputError
from promptcot.nano.checker import IllFormed, check, concepts_used
from promptcot.nano.reading import mask_numbers
from promptcot.records import Row
from promptcot.storage.rows import hash_id


@dataclass
class Truth:
    """The truth about the added rows. Levels, concepts and answers are compared if a row has them."""

    problems: int = 0
    well_posed: int = 0
    right_level: int = 0
    levels: int = 0
    concepts: int = 0
    concepts_used: int = 0
    answers: int = 0
    right_answers: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    texts: set[int] = field(default_factory=set)
    masked: set[int] = field(default_factory=set)

    def add(self, row: Row) -> None:
        """Check one row. Raises InputError if it has no `problem`."""
        problem = row.get("problem")
        if not isinstance(problem, str):
            raise InputError(f"row {row.get('id')}: it has no text in `problem`")
        self.problems += 1
        self.texts.add(hash_id(problem))
        self.masked.add(hash_id(mask_numbers(problem)))
        solution = check(problem)
        given = row.get("foundational_concepts")
        sampled = [one for one in given if isinstance(one, str)] if isinstance(given, list) else []
        self.concepts += len(sampled)
        if isinstance(solution, IllFormed):
            self.reasons[solution.reason] += 1
            return
        self.well_posed += 1
        used = concepts_used(solution)
        self.concepts_used += sum(concept in used for concept in sampled)
        if isinstance(row.get("answer"), str):
            self.answers += 1
            self.right_answers += solution.answer == row["answer"].strip()
        if "level" in row:
            self.levels += 1
            self.right_level += solution.level == row["level"]

    def as_json(self) -> dict[str, Any]:
        """The counts that the report is made of, as plain values."""
        counts = {field.name: getattr(self, field.name) for field in fields(self) if field.type == "int"}
        distinct = {"distinct": len(self.texts), "distinct_without_numbers": len(self.masked)}
        return {**counts, **distinct, "ill_formed": dict(self.reasons)}
