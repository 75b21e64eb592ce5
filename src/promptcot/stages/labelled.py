"""The labels of a run: the traces of a problem arrive one after the other, and become one labelled row.

Holds only the traces of one problem. `answers` reads traces and `core.labelling` computes labels, so that a run gives
the same labels as the verb `label` for the same traces.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from promptcot.core import labelling
from promptcot.core.labelling import TRACE_COUNT, Band, Said, Tally, class_of, problem_row
from promptcot.core.parsing.end_tokens import without_end_tokens
from promptcot.core.parsing.traces import opened
from promptcot.core.problems import problem_id
from promptcot.core.statistics.validity import ValidityByAgreement
from promptcot.evaluation.classes import Classes
from promptcot.evaluation.compared import Key
from promptcot.evaluation.registry import grader_of
from promptcot.grading.graders import Graders
from promptcot.records import Drop, Dropped, Row
from promptcot.stages.answers import Answers, said


class Label:
    """Labels each problem with the answer on which most of its traces agree, and keeps problems in the `band`.

    A problem is complete when the number of traces that its rows state has arrived, or when another problem begins; it
    counts as one row. The row also has the label as its `answer`. Its `trace` is the first complete, well-formed one
    that gives the label: the order of samples is independent of their content, while the shortest trace would favour
    guesses and the longest one detours.

    Grading is slow: call `apply` and `finish` in a thread without an event loop. `close` closes `graders`.
    """

    name = "label"
    groups = True
    """See `protocol.Step`."""

    def __init__(self, graders: Graders, band: Band, answers: Answers) -> None:
        self._graders = graders
        self._band = band
        self._answers = answers
        self._group: list[Row] = []
        self.validity = ValidityByAgreement()
        """All problems so far, including dropped ones."""
        self._undecided = 0

    def apply(self, row: Row) -> Sequence[Row] | Dropped:
        """The labelled row, if this trace completes its problem. Raises InputError if the row is not a trace."""
        if self._group and _key(self._group[0]) != _key(row):
            group, self._group = self._group, [row]
            return self._labelled(group)
        self._group.append(row)
        if len(self._group) != row.get(TRACE_COUNT):
            return []
        group, self._group = self._group, []
        return self._labelled(group)

    def finish(self) -> Iterable[Row | Dropped]:
        """The last problem, if a custom step has removed some of its traces."""
        group, self._group = self._group, []
        if group:
            result = self._labelled(group)
            yield from [result] if isinstance(result, Dropped) else result

    def close(self) -> None:
        """End the grading processes."""
        self._graders.close()

    @property
    def notes(self) -> Sequence[str]:
        """Notes on the grading."""
        return self._graders.notes

    def summary(self) -> Mapping[str, Any]:
        """Problems by validity and agreement, and notes on the grading."""
        notes = self._graders.notes
        notes_and_pairs = {"undecided_pairs": self._undecided, "notes": notes}
        grading = {name: value for name, value in notes_and_pairs.items() if value}
        return {**self.validity.summary(), **({"label": grading} if grading else {})}

    def _labelled(self, group: Sequence[Row]) -> Sequence[Row] | Dropped:
        sayings, label = asyncio.run(self._read(group))
        row = problem_row(group[0])
        validity = row.get("validity")
        self.validity.add(validity, None if label.text is None else label.agreement)
        refused = self._band.refuses(label, validity)
        if refused is not None:
            return Dropped({**row, **label.fields()}, Drop(refused))
        return [{**row, **label.fields(), "answer": label.text, "trace": _trace(group, sayings, label)}]

    async def _read(self, group: Sequence[Row]) -> tuple[Sequence[Said], labelling.Label]:
        """The content of each trace, with its class, and the joint label."""
        key = _key(group[0])
        grader = grader_of(self._graders, key[0])
        classes, tally, sayings = Classes(grader), Tally(), []
        for row in group:
            answer = await self._answers.of(grader, row, _where(row))
            sayings.append(await said(row, answer, classes, key))
            tally.add(sayings[-1])
        self._undecided += classes.undecided
        found = classes.of(key)
        return [replace(one, number=class_of(one.number, found)) for one in sayings], tally.label(found)


def _key(row: Row) -> Key:
    return str(row.get("source") or ""), problem_id(row, _where(row))


def _where(row: Row) -> str:
    return f"row {row.get('id')}"


def _trace(group: Sequence[Row], sayings: Sequence[Said], label: labelling.Label) -> str | None:
    """The first complete, well-formed trace that gives the label; None if there is none."""
    agree = (row for row, one in zip(group, sayings, strict=True) if one.fit and one.number == label.number)
    row = next(agree, None)
    return None if row is None else opened(without_end_tokens(str(row["completion"])))
