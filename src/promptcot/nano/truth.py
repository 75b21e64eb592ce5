"""The truth report: the checker's findings on problems of the nano world, compared with what was requested.

Keeps counts, and hashes of texts for counting distinct ones, but no rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from promptcot.core.statistics.wilson import wilson_interval
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

    def lines(self, name: str) -> Iterator[str]:
        """The report, a line each; shares with their n and a 95 % interval."""
        yield f"{name}: {self.problems:,} problems"
        yield f"  well-posed              {_share(self.well_posed, self.problems)}"
        for reason, count in self.reasons.most_common():
            yield f"    ill-formed, {reason}: {count:,}"
        yield f"  level as asked          {_share(self.right_level, self.levels)} of the well-posed"
        yield f"  sampled concepts used   {_share(self.concepts_used, self.concepts)}"
        if self.answers:
            yield f"  answer right            {_share(self.right_answers, self.answers)} of the well-posed"
        yield f"  distinct texts          {_share(len(self.texts), self.problems)}"
        yield f"  distinct without numbers {_share(len(self.masked), self.problems)}"


def _share(part: int, whole: int) -> str:
    interval = wilson_interval(part, whole)
    if interval is None:
        return "n/a"
    low, high = interval
    return f"{part / whole:6.1%} ({low:.1%} to {high:.1%}, n = {whole:,})"
