"""The truth report: counts of what the checker finds in many rows, and of how well judges and verifiers find it.

Keeps counts, and hashes of texts for counting distinct ones, but no rows. `findings` decides what is wrong with a row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from promptcot.core.statistics.wilson import wilson_interval
from promptcot.nano.checker import IllFormed
from promptcot.nano.findings import Finding, finding, rating_of
from promptcot.nano.reading import mask_numbers
from promptcot.records import Row
from promptcot.storage.rows import hash_id

AGREED = 0.6
"""The least share of a solver's answers that makes a label trustworthy."""


@dataclass
class Truth:
    """The truth about the added rows. Levels, concepts, rationales and answers are compared if a row has them.

    Attributes:
        right_level, levels: well-posed problems with a level, and those of that level.
        concepts, concepts_used: sampled concepts; an ill-posed problem uses none.
        wholly_right: problems that are well-posed, of their level, and use all sampled concepts.
        answers, right_answers: rows with an answer; that of an ill-posed problem is wrong.
        agreed, right_agreed: the same of rows with an `agreement` of at least `AGREED`.
    """

    problems: int = 0
    well_posed: int = 0
    right_level: int = 0
    levels: int = 0
    concepts: int = 0
    concepts_used: int = 0
    all_concepts_used: int = 0
    wholly_right: int = 0
    answers: int = 0
    right_answers: int = 0
    agreed: int = 0
    right_agreed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    texts: set[int] = field(default_factory=set)
    masked: set[int] = field(default_factory=set)

    def add(self, row: Row) -> None:
        """Check one row. Raises InputError if it has no `problem`."""
        found = finding(row)
        self.problems += 1
        self.texts.add(hash_id(found.problem))
        self.masked.add(hash_id(mask_numbers(found.problem)))
        self.concepts += len(found.concepts)
        self.concepts_used += len(found.concepts) - len(found.unused)
        self.wholly_right += found.wholly_right
        self.answers += found.right_answer is not None
        self.right_answers += bool(found.right_answer)
        if found.right_answer is not None and (row.get("agreement") or 0) >= AGREED:
            self.agreed += 1
            self.right_agreed += found.right_answer
        if found.kind is not None:
            self.kinds[found.kind] += 1
        self._add_solution(found)

    def _add_solution(self, found: Finding) -> None:
        if isinstance(found.outcome, IllFormed):
            self.reasons[found.outcome.reason] += 1
            return
        self.well_posed += 1
        self.all_concepts_used += not found.unused
        self.levels += found.right_level is not None
        self.right_level += bool(found.right_level)

    def shares(self) -> dict[str, Share]:
        """The shares that matter most. Level and concepts are those of the well-posed problems."""
        return {
            "well_posed": Share(self.well_posed, self.problems),
            "level": Share(self.right_level, self.levels),
            "concepts": Share(self.all_concepts_used, self.well_posed),
            "wholly_right": Share(self.wholly_right, self.problems),
            "label": Share(self.right_answers, self.answers),
            "label_agreed": Share(self.right_agreed, self.agreed),
        }

    def as_json(self) -> dict[str, Any]:
        """The counts that the report is made of, as plain values."""
        counts = {field.name: getattr(self, field.name) for field in fields(self) if field.type == "int"}
        distinct = {"distinct": len(self.texts), "distinct_without_numbers": len(self.masked)}
        return {**counts, **distinct, "ill_formed": dict(self.reasons), "rationales": dict(self.kinds)}


@dataclass
class Share:
    """How many of `whole` cases are a `part`."""

    part: int = 0
    whole: int = 0

    def add(self, *, is_part: bool) -> None:
        """Count one more case."""
        self.part += is_part
        self.whole += 1

    def as_json(self) -> dict[str, Any]:
        """The share with its 95 % interval; both are None where there is no case."""
        share = self.part / self.whole if self.whole else None
        return {"part": self.part, "n": self.whole, "share": share, "interval": wilson_interval(self.part, self.whole)}


@dataclass
class Detection:
    """How well a judge or a verifier finds the rows with defects.

    Attributes:
        recall: of the rows with a defect, those that were marked.
        precision: of the marked rows, those with a defect.
        false_alarms: of the rows without a defect, those that were marked.
        by_defect: recall for the rows with each defect.
        by_rating: of the rows with each defect, those whose rating of it is not perfect.
        ratings: for each rating, of the rows where it is not perfect, those with a defect of its kind.
    """

    recall: Share = field(default_factory=Share)
    precision: Share = field(default_factory=Share)
    false_alarms: Share = field(default_factory=Share)
    by_defect: dict[str, Share] = field(default_factory=dict)
    by_rating: dict[str, Share] = field(default_factory=dict)
    ratings: dict[str, Share] = field(default_factory=dict)

    def add(self, defects: Sequence[str], *, marked: bool, ratings: Mapping[str, Any] | None = None) -> None:
        """Count one row with these defects, which was marked or not, and rated if it is a judge that did it."""
        (self.recall if defects else self.false_alarms).add(is_part=marked)
        if marked:
            self.precision.add(is_part=bool(defects))
        for defect in defects:
            self.by_defect.setdefault(defect, Share()).add(is_part=marked)
            if ratings and rating_of(defect) in ratings:
                bad = ratings[rating_of(defect)] != "perfect"
                self.by_rating.setdefault(defect, Share()).add(is_part=bad)
        for rating, value in (ratings or {}).items():
            if value != "perfect":
                right = rating in map(rating_of, defects)
                self.ratings.setdefault(rating, Share()).add(is_part=right)

    def as_json(self) -> dict[str, Any]:
        """All shares, as plain values."""
        totals = {name: getattr(self, name).as_json() for name in ("recall", "precision", "false_alarms")}
        parts = ("by_defect", "by_rating", "ratings")
        return {**totals, **{name: {key: one.as_json() for key, one in getattr(self, name).items()} for name in parts}}
