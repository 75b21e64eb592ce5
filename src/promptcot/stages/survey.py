"""The first pass of `label` over a file of traces: reads each answer and sorts it into the classes of its problem.

Memory holds 9 bytes a trace, and the distinct answers of each problem. `label` writes the outputs.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from promptcot.core.columns import Columns
from promptcot.core.labelling import NO_ANSWER, REFUSED, Label, Said, Tally, class_of
from promptcot.core.problems import gold_if_any, problem_id
from promptcot.core.shards import EVERYTHING, Part
from promptcot.errors import InputError
from promptcot.evaluation.classes import Classes, in_order
from promptcot.evaluation.compared import Key
from promptcot.evaluation.golds import Contradictions, Problems
from promptcot.evaluation.predictions import completion_of, of_the_row
from promptcot.evaluation.registry import grader_of
from promptcot.grading.grader import Grader
from promptcot.grading.graders import Graders
from promptcot.records import Item, Row
from promptcot.stages.answers import Answers, said
from promptcot.storage.rows import read_rows

UNFIT = -1
"""The problem index of a row that is not a trace."""


@dataclass(frozen=True, slots=True)
class Survey:
    """The result of the first pass. `problem`, `number` and `fit` have one entry for each trace, in the file's order.

    `problem` is an index into `labels` and `keys`, or -1 for a row that is not a trace; `number` is the class of the
    answer, or the code of `core.labelling` for a trace without one; `fit` is 1 for a complete, well-formed trace.
    """

    labels: Sequence[Label]
    keys: Sequence[Key]
    problem: array[int]
    number: array[int]
    fit: bytearray
    undecided: int
    notes: Sequence[str] = ()
    """Notes for the user: rows with contradictory golds, and a verifier that failed."""

    def agrees(self, trace: int) -> bool:
        """Whether this trace gives the label of its problem."""
        return self._answers(trace) and self.number[trace] == self._label(trace).number

    def differs(self, trace: int) -> bool:
        """Whether this trace gives another answer than the label of its problem."""
        return self._answers(trace) and self.number[trace] != self._label(trace).number

    def refuses(self, trace: int) -> bool:
        """Whether this trace says that its problem is broken."""
        return self.number[trace] == REFUSED

    def _answers(self, trace: int) -> bool:
        return self._label(trace).text is not None and self.number[trace] >= 0

    def _label(self, trace: int) -> Label:
        return self.labels[self.problem[trace]]


def traces(path: Path, part: Part, columns: Columns) -> Iterator[tuple[str, Item]]:
    """The traces of a part, each with its name for error messages; those of one problem are in one part."""
    for place, (number, row) in enumerate(columns.traces(read_rows(path, may_be_empty=True))):
        where = f"{path}, row {number}"
        item = part.item(place, row, partial(_problem_or_place, where=f"row {number}"))
        if item is not None:
            yield where, item


def _problem_or_place(row: Row, where: str) -> str:
    """The id that the traces of a problem share; for a row without one, its place."""
    try:
        return problem_id(row, where)
    except InputError:
        return where


async def survey(
    path: Path, graders: Graders, answers: Answers, part: Part = EVERYTHING, columns: Columns | None = None
) -> Survey:
    """The first pass. Raises InputError if the first row is not a trace, because the file is then the wrong one, and
    for a row that has the id of another problem.
    """
    read = _Reader(graders, answers)
    indices: dict[Key, int] = {}
    problems: list[Tally] = []
    problem, number, fit = array("i"), array("i"), bytearray()
    rows = enumerate(traces(path, part, columns or Columns()))
    reading = (read.if_fit(item.row, where, first=not place) for place, (where, item) in rows)
    async with aclosing(in_order(reading)) as found:
        async for trace in found:
            if trace is None:
                problem.append(UNFIT)
                number.append(NO_ANSWER)
                fit.append(0)
                continue
            key, said = trace
            index = indices.setdefault(key, len(indices))
            if index == len(problems):
                problems.append(Tally())
            problems[index].add(said)
            problem.append(index)
            number.append(said.number)
            fit.append(said.fit)
    classes = [read.classes_of(key).of(key) for key in indices]
    number = array(
        "i", (class_of(one, classes[at]) if at != UNFIT else one for at, one in zip(problem, number, strict=True))
    )
    labels = [one.label(its) for one, its in zip(problems, classes, strict=True)]
    return Survey(labels, [*indices], problem, number, fit, read.undecided, read.notes)


def why_unfit(row: Row, where: str) -> str:
    """Why a row is not a readable trace."""
    try:
        problem_id(row, where)
        completion_of(row, where)
    except InputError as error:
        return str(error)
    except Exception as error:
        return f"{where}: {type(error).__name__}: {error}"
    return f"{where}: its answer cannot be compared"


class _Reader:
    """Reads traces and sorts their answers; keeps the problems so far, and rows with two golds."""

    def __init__(self, graders: Graders, answers: Answers) -> None:
        self._graders = graders
        self._answers = answers
        self._classes: dict[Grader, Classes] = {}
        self._contradictions = Contradictions(graders)
        self._problems = Problems(graders)

    @property
    def undecided(self) -> int:
        """Pairs of answers that took too long to compare."""
        return sum(classes.undecided for classes in self._classes.values())

    @property
    def notes(self) -> list[str]:
        """Notes for the user."""
        return [*self._contradictions.lines, *self._graders.notes]

    def classes_of(self, key: Key) -> Classes:
        """The classes into which the answers of a problem are sorted, by the verifier of its source."""
        grader = grader_of(self._graders, key[0])
        return self._classes.setdefault(grader, Classes(grader))

    async def if_fit(self, row: Row, where: str, *, first: bool) -> tuple[Key, Said] | None:
        """The trace in a row; None if it is missing or unreadable, which for the `first` row raises InputError."""
        try:
            return await self._trace(row, where)
        except Exception as error:
            unfit = of_the_row(error, where)
            if unfit is None:
                raise
            if first:
                raise unfit from error
            return None

    async def _trace(self, row: Row, where: str) -> tuple[Key, Said]:
        self._contradictions.look(row, where)
        key = (str(row.get("source") or ""), problem_id(row, where))
        grader, classes = grader_of(self._graders, key[0]), self.classes_of(key)
        async with classes.turn(key):
            answer = await self._answers.of(grader, row, where)
            await self._problems.check(key, row, where, gold_if_any(row, where))
            return key, await said(row, answer, classes, key)
