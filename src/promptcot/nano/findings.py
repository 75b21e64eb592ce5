"""What is wrong with one row of the nano world: its problem, level, concepts, rationale and answer.

It compares a row with what the checker finds in its problem and its rationale, and says whether a combination of
concepts has a problem of a level at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, product

from promptcot.errors import InputError
from promptcot.nano import reading
from promptcot.nano.checker import LEVELS, IllPosed, Solution, check, concepts_used
from promptcot.nano.families import CONCEPTS, FAMILIES
from promptcot.nano.rationales import Kind, false_sums, kind
from promptcot.records import Row

ILL_POSED = "ill-posed: "
"""How the defect of an ill-posed problem begins; the checker's reason follows."""
WRONG_LEVEL = "level wrong"
UNUSED = "concept unused"
FALSE_SUM = "false sum in the rationale"
UNFIT = "rationale does not fit the problem"

RATING_OF = {WRONG_LEVEL: "difficulty_alignment", UNUSED: "concept_coverage", FALSE_SUM: "factual_accuracy"}
"""The judges' rating for a defect; for all others it is their rating of solvability."""


LOOKED_AT = 20
"""The number of rows from which `of_world` decides."""
_CONCEPTS = frozenset(concept for concepts in CONCEPTS.values() for concept in concepts)


def rating_of(defect: str) -> str:
    """The rating by which a judge shows that it has seen a defect."""
    return RATING_OF.get(defect, "solvability")


@dataclass(frozen=True)
class Finding:
    """What the checker finds in a row. `level`, `rationale` and `answer` are None if the row has none."""

    outcome: Solution | IllPosed
    concepts: tuple[str, ...]
    level: str | None
    rationale: str | None
    answer: str | None
    problem: str

    @property
    def well_posed(self) -> bool:
        """Whether the problem has an answer."""
        return isinstance(self.outcome, Solution)

    @property
    def right_level(self) -> bool | None:
        """Whether the level is that of the problem; None if there is no level, or the problem has none."""
        return None if self.level is None or isinstance(self.outcome, IllPosed) else self.outcome.level == self.level

    @property
    def right_answer(self) -> bool | None:
        """Whether the answer is that of the problem, which an ill-posed one has not; None for a row without answer."""
        if self.answer is None:
            return None
        return isinstance(self.outcome, Solution) and self.outcome.answer == self.answer

    @cached_property
    def unused(self) -> tuple[str, ...]:
        """The sampled concepts that the problem does not use; all of them if it is ill-posed."""
        used = concepts_used(self.outcome) if isinstance(self.outcome, Solution) else ()
        return tuple(concept for concept in self.concepts if concept not in used)

    @property
    def comparable(self) -> bool:
        """Whether the row says which level and concepts were asked for."""
        return self.level is not None and bool(self.concepts)

    @property
    def wholly_right(self) -> bool:
        """Whether the problem is well-posed, of its level, and uses all sampled concepts: a row without level or
        concepts is not `comparable`, and never wholly right.
        """
        return self.comparable and self.right_level is True and not self.unused

    @cached_property
    def kind(self) -> Kind | None:
        """The kind of the rationale; None for a row without one."""
        return None if self.rationale is None else kind(self.rationale, self.problem)

    @cached_property
    def false_sums(self) -> tuple[str, ...]:
        """The false sums of the rationale."""
        return false_sums(self.rationale)

    @property
    def defects(self) -> tuple[str, ...]:
        """What a judge should see. Level and concepts of an ill-posed problem do not count, as it has no steps."""
        return tuple(self._defects())

    def _defects(self) -> Iterator[str]:
        if isinstance(self.outcome, IllPosed):
            yield ILL_POSED + self.outcome.reason
        else:
            yield from [WRONG_LEVEL] * (self.right_level is False) + [UNUSED] * bool(self.unused)
        if self.false_sums:
            yield FALSE_SUM
        elif self.kind == "noisy":
            yield UNFIT

    def wrong(self) -> Iterator[str]:
        """Everything that is wrong with the row, in words."""
        if isinstance(self.outcome, IllPosed):
            yield f"{ILL_POSED}{self.outcome.reason} ({self.outcome.detail})"
        elif self.right_level is False:
            yield f"{WRONG_LEVEL}: {self.outcome.level}, not {self.level}"
        if self.well_posed and self.unused:
            yield f"{UNUSED}: {', '.join(self.unused)}"
        if self.false_sums:
            yield f"{FALSE_SUM}: {', '.join(self.false_sums)}"
        elif self.kind == "noisy":
            yield UNFIT
        if self.right_answer is False:
            if isinstance(self.outcome, Solution):
                yield f"label wrong: {self.answer}, not {self.outcome.answer}"
            else:
                yield f"label of an ill-posed problem: {self.answer}"


def finding(row: Row) -> Finding:
    """What the checker finds in a row. Raises InputError if it has no `problem`."""
    problem = row.get("problem")
    if not isinstance(problem, str):
        raise InputError(f"row {row.get('id')}: it has no text in `problem`")
    level, rationale, answer = (_text(row.get(name)) for name in ("level", "rationale", "answer"))
    return Finding(check(problem), sampled_concepts(row), level, rationale, answer and answer.strip(), problem)


def of_world(rows: Iterable[Row]) -> bool | None:
    """Whether the first rows are of the nano world: the checker can read a sentence of a problem, or most combinations
    of concepts consist of concepts of the world. None if no row has a problem or concepts.
    """
    some = list(islice(rows, LOOKED_AT))
    problems = [text for row in some if (text := _text(row.get("problem"))) is not None]
    combinations = [concepts for row in some if (concepts := sampled_concepts(row))]
    if not problems and not combinations:
        return None
    known = sum(map(_CONCEPTS.issuperset, combinations))
    return 2 * known > len(combinations) or any(reading.read(one) for text in problems for one in reading.split(text))


def sampled_concepts(row: Row) -> tuple[str, ...]:
    """The concepts that a row was sampled with, each once."""
    given = row.get("foundational_concepts")
    return tuple(dict.fromkeys(one for one in given if isinstance(one, str))) if isinstance(given, list) else ()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def has_problem(concepts: Sequence[str], level: str) -> bool:
    """Whether some chain of the level uses all these concepts; of the families that only stand first it has one."""
    families = [[family for family in FAMILIES if concept in family.concepts] for concept in concepts]
    steps = LEVELS.index(level) + 1 if level in LEVELS else 0
    for chosen in product(*families):
        chain = {family.name: family for family in chosen}
        if len(chain) <= steps and sum(family.reference is None for family in chain.values()) <= 1:
            return True
    return False
