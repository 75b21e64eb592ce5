"""Reads a trace: its answer, or its statement that the problem is broken. Used by `label` and within a run.

A trace that refuses the problem gives no answer. The verifier decides what an answer is and which answers are the same,
the domain has the phrases of a refusal, and `core.labelling` combines the traces of a problem.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from promptcot.core.labelling import NO_ANSWER, REFUSED, Said, unfit
from promptcot.core.parsing.refusals import refusal
from promptcot.core.problems import problem_of
from promptcot.core.refusing import Refusal
from promptcot.errors import UnfitRow
from promptcot.evaluation.classes import Classes
from promptcot.evaluation.compared import Key
from promptcot.evaluation.predictions import answer_of, reply_of
from promptcot.grading.grader import Grader
from promptcot.records import Row, count_of


class Answer(NamedTuple):
    """The answer of a trace, or why it refuses its problem; both are None if it does neither."""

    text: str | None
    refusal: str | None


@dataclass(frozen=True, slots=True)
class Answers:
    """Reads the answers of traces. A domain's `refusals` recognize a refusal; with `unboxed`, a final line without a
    box is an answer.
    """

    refusals: Sequence[Refusal] = ()
    unboxed: bool = False

    async def of(self, grader: Grader, row: Row, where: str) -> Answer:
        """The answer of a trace. Raises InputError if the row is not a trace."""
        reply = reply_of(row, where)
        answer = (await answer_of(grader, row, where, unboxed=self.unboxed)).answer
        why = None if reply is None else refusal(reply, answer, _problem(row, where), self.refusals)
        return Answer(answer if why is None else None, why)


async def said(row: Row, answer: Answer, classes: Classes, key: Key) -> Said:
    """The content of a trace, with its answer sorted into the problem's classes. Call it within the classes' `turn`."""
    number = NO_ANSWER if answer.refusal is None else REFUSED
    if answer.text is not None:
        number = await classes.place(key, answer.text)
    model, tokens = row.get("model"), count_of(row.get("completion_tokens"))
    named = model if isinstance(model, str) and model else None
    return Said(answer.text, number, answer.refusal, unfit(row) is None, tokens, named)


def _problem(row: Row, where: str) -> str:
    try:
        return problem_of(row, where)
    except UnfitRow:  # traces of other programs may have only the problem's id
        return ""
