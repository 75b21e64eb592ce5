"""What a trace says of its problem: an answer, or that the problem is broken. `label` and a run's labels share it.

Decides that a trace which refuses the problem gives no answer. What an answer is and which are the same is decided by
the verifier, the words of a refusal by the domain, and what the traces of a problem come to by `core.labelling`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from promptcot.core.labelling import NO_ANSWER, REFUSED, Said, unfit
from promptcot.core.problems import problem_of
from promptcot.core.prompts import PromptSet
from promptcot.errors import UnfitRow
from promptcot.evaluation.classes import Classes
from promptcot.evaluation.compared import Key
from promptcot.evaluation.predictions import answer_of, reply_of
from promptcot.grading.grader import Grader
from promptcot.records import Row, count_of

Refusal = Callable[[str, str | None, str], str | None]
"""Why a reply says that its problem is broken, of the reply, its answer and the problem; None where it does not."""


class Answer(NamedTuple):
    """The answer of a trace, or why it refuses its problem; both are None where it gives no answer."""

    text: str | None
    refusal: str | None


def refusals_of(prompts: PromptSet) -> Refusal:
    """What a domain takes for the refusal of a problem."""
    return lambda reply, answer, problem: None


@dataclass(frozen=True, slots=True)
class Answers:
    """Reads the answers of traces. With `unboxed`, a final line without a box is one."""

    refusal: Refusal
    unboxed: bool = False

    async def of(self, grader: Grader, row: Row, where: str) -> Answer:
        """The answer of a trace. Raises InputError where the row is none."""
        reply = reply_of(row, where)
        found = (await answer_of(grader, row, where, unboxed=self.unboxed)).answer
        refusal = None if reply is None else self.refusal(reply, found, _problem(row, where))
        return Answer(found if refusal is None else None, refusal)


async def said(row: Row, answer: Answer, classes: Classes, key: Key) -> Said:
    """What a trace says, its answer sorted into the classes of its problem. Call it within their `turn`."""
    number = NO_ANSWER if answer.refusal is None else REFUSED
    if answer.text is not None:
        number = await classes.place(key, answer.text)
    model, tokens = row.get("model"), count_of(row.get("completion_tokens"))
    named = model if isinstance(model, str) and model else None
    return Said(answer.text, number, answer.refusal, unfit(row) is None, tokens, named)


def _problem(row: Row, where: str) -> str:
    try:
        return problem_of(row, where)
    except UnfitRow:  # traces of other programs may name their problem by its id alone
        return ""
