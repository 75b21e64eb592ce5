"""The truth report: counts of what the checker finds in many rows, and of how well judges and verifiers find it.

Keeps counts, and hashes of texts for counting distinct ones, but no rows. `findings` decides what is wrong with a row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from promptcot.core import fields as values
from promptcot.core.statistics.wilson import wilson_interval
from promptcot.nano.checker import IllPosed
from promptcot.nano.findings import Finding, finding, rating_of
from promptcot.nano.reading import mask_numbers
from promptcot.records import Row
from promptcot.storage.rows import hash_id

AGREED = 0.6
"""The least share of a solver's answers that makes a label trustworthy."""
SHARES = {
    "well_posed": "well-posed",
    "level": "level, of the well-posed",
    "concepts": "concepts, of the well-posed",
    "wholly_right": "wholly right",
    "label": "label right",
    "label_agreed": f"label right where ≥ {100 * AGREED:.0f} % agree",
}
"""The shares of `Truth`, and what they are called wherever they are shown."""


@dataclass
class Truth:
    """The truth about the added rows. Levels, concepts, rationales and answers are compared if a row has them.

    Attributes:
        levels, right_level: well-posed problems with a level, and those of that level.
        with_concepts, all_concepts_used: well-posed problems with sampled concepts, and those that use all of them.
        comparable, wholly_right: problems with level and sampled concepts, and those that are well-posed, of that
            level, and use all the concepts.
        answers, right_answers: rows with an answer; that of an ill-posed problem is wrong.
        agreed, right_agreed: the same of rows with an `agreement` of at least `AGREED`.
    """

    problems: int = 0
    well_posed: int = 0
    right_level: int = 0
    levels: int = 0
    with_concepts: int = 0
    all_concepts_used: int = 0
    comparable: int = 0
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
        self.comparable += found.comparable
        self.wholly_right += found.wholly_right
        self.answers += found.right_answer is not None
        self.right_answers += bool(found.right_answer)
        if found.right_answer is not None and (values.number(row.get("agreement")) or 0) >= AGREED:
            self.agreed += 1
            self.right_agreed += found.right_answer
        if found.kind is not None:
            self.kinds[found.kind] += 1
        self._add_solution(found)

    def _add_solution(self, found: Finding) -> None:
        if isinstance(found.outcome, IllPosed):
            self.reasons[found.outcome.reason] += 1
            return
        self.well_posed += 1
        self.with_concepts += bool(found.concepts)
        self.all_concepts_used += bool(found.concepts) and not found.unused
        self.levels += found.right_level is not None
        self.right_level += bool(found.right_level)

    def __add__(self, other: Truth) -> Truth:
        """The truth about the rows of both; a text that both have counts once among the distinct ones."""
        added = Truth(texts=self.texts | other.texts, masked=self.masked | other.masked)
        for one in fields(self):
            if one.name not in ("texts", "masked"):
                setattr(added, one.name, getattr(self, one.name) + getattr(other, one.name))
        return added

    def shares(self) -> dict[str, Share]:
        """The shares that matter most, by the keys of `SHARES`."""
        return {
            "well_posed": Share(self.well_posed, self.problems),
            "level": Share(self.right_level, self.levels),
            "concepts": Share(self.all_concepts_used, self.with_concepts),
            "wholly_right": Share(self.wholly_right, self.comparable),
            "label": Share(self.right_answers, self.answers),
            "label_agreed": Share(self.right_agreed, self.agreed),
        }

    def as_json(self, rows: int | None = None) -> dict[str, Any]:
        """The shares of which there are cases, as plain values, with the number of all `rows` if only some of them
        were checked.
        """
        shares = {name: share.as_json() for name, share in self.shares().items() if share.whole}
        return {"rows": self.problems if rows is None else rows, "checked": self.problems, **shares}

    def counts(self) -> dict[str, Any]:
        """Counts of distinct texts, of ill-posed problems by reason, and of rationales by kind, as plain values."""
        distinct = {"distinct": len(self.texts), "distinct_without_numbers": len(self.masked)}
        return {**distinct, "ill_posed": dict(self.reasons), "rationales": dict(self.kinds)}


@dataclass
class Share:
    """How many of `whole` cases are a `part`."""

    part: int = 0
    whole: int = 0

    def add(self, *, is_part: bool) -> None:
        """Count one more case."""
        self.part += is_part
        self.whole += 1

    def __add__(self, other: Share) -> Share:
        """The share in the cases of both."""
        return Share(self.part + other.part, self.whole + other.whole)

    def as_json(self) -> dict[str, Any]:
        """The share with its 95 % interval; both are None where there is no case."""
        share = self.part / self.whole if self.whole else None
        return {"part": self.part, "n": self.whole, "share": share, "interval": wilson_interval(self.part, self.whole)}


@dataclass
class Detection:
    """How well a judge or a verifier finds the rows with defects.

    A row without a verdict counts as not found if it has a defect, and as a false alarm if it has none, because it is
    lost in either case.

    Attributes:
        unread: of all replies, those without a verdict that can be read; the one who adds rows counts them.
        recall: of the rows with a defect, those that were marked.
        precision: of the marked rows, those with a defect.
        false_alarms: of the rows without a defect, those that were marked or have no verdict.
        by_defect: recall for the rows with each defect.
        by_rating: of the rows with each defect and a rating of it, those where that is not perfect.
        ratings: for each rating, of the rows where it is not perfect, those with a defect of its kind.
    """

    unread: Share = field(default_factory=Share)
    recall: Share = field(default_factory=Share)
    precision: Share = field(default_factory=Share)
    false_alarms: Share = field(default_factory=Share)
    by_defect: dict[str, Share] = field(default_factory=dict)
    by_rating: dict[str, Share] = field(default_factory=dict)
    ratings: dict[str, Share] = field(default_factory=dict)

    def add(self, defects: Sequence[str], *, marked: bool | None, ratings: Mapping[str, Any] | None = None) -> None:
        """Count one row with these defects, which was marked or not (None: it has no verdict), with a judge's ratings
        of it if the verdict could be read.
        """
        if defects:
            self.recall.add(is_part=marked is True)
        else:
            self.false_alarms.add(is_part=marked is not False)
        if marked:
            self.precision.add(is_part=bool(defects))
        for defect in defects:
            self.by_defect.setdefault(defect, Share()).add(is_part=marked is True)
        self._add_ratings(defects, ratings or {})

    def _add_ratings(self, defects: Sequence[str], ratings: Mapping[str, Any]) -> None:
        for defect in defects:
            if rating_of(defect) in ratings:
                bad = ratings[rating_of(defect)] != "perfect"
                self.by_rating.setdefault(defect, Share()).add(is_part=bad)
        for rating, value in ratings.items():
            if value != "perfect":
                self.ratings.setdefault(rating, Share()).add(is_part=rating in map(rating_of, defects))

    def __add__(self, other: Detection) -> Detection:
        """How well they are found in the rows of both."""
        added = Detection()
        for name in _TOTALS:
            setattr(added, name, getattr(self, name) + getattr(other, name))
        for name in _PARTS:
            setattr(added, name, _merged(getattr(self, name), getattr(other, name)))
        return added

    def as_json(self) -> dict[str, Any]:
        """All shares, as plain values."""
        totals = {name: getattr(self, name).as_json() for name in _TOTALS}
        return {**totals, **{name: {key: one.as_json() for key, one in getattr(self, name).items()} for name in _PARTS}}


_TOTALS = ("unread", "recall", "precision", "false_alarms")
_PARTS = ("by_defect", "by_rating", "ratings")


def _merged(one: Mapping[str, Share], other: Mapping[str, Share]) -> dict[str, Share]:
    return {name: one.get(name, Share()) + other.get(name, Share()) for name in {**one, **other}}
