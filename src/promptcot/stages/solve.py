"""Asks a solver for one trace of a problem: reasoning, and an answer in a box.

Rows are (problem, sample) pairs, see `samples`: n traces of a problem are n rows that fail independently. The same
stage serves evaluation, distillation and labelling. A trace that was cut off or is malformed is an output row too, and
is marked; `grading` decides whether its answer is right.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from promptcot.core.columns import Columns, fields_of
from promptcot.core.parsing.traces import malformed
from promptcot.core.problems import with_problem_ids
from promptcot.core.prompts import PromptSet
from promptcot.errors import UnfitRow
from promptcot.evaluation.golds import Contradictions
from promptcot.records import Completion, Message, Request, Retry, Row, Sampling, derive_seed
from promptcot.storage.rows import read_rows, with_ids

AS_IT_IS = "row"


def samples(rows: Iterable[Row], n: int) -> Iterator[Row]:
    """Each row n times, numbered by `sample` from 0."""
    for row in rows:
        for sample in range(n):
            yield {**row, "sample": sample}


def problem_samples(source: Path, n: int, columns: Columns | None = None) -> Iterator[Row]:
    """The rows of a file, each n times; ids depend on the problem's text, not on the prompt style."""
    columns = columns or Columns()
    rows = _looked_at(columns.problems(read_rows(source, may_be_empty=True)), source, columns)
    return samples(with_ids(with_problem_ids(rows, str(source))), n)


def _looked_at(rows: Iterable[tuple[int, Row]], source: Path, columns: Columns) -> Iterator[tuple[int, Row]]:
    """The same rows; at the end, contradictory golds are reported."""
    contradictions = Contradictions()
    for number, row in rows:
        contradictions.look(row, f"{source}, row {number}")
        yield number, row
    for line in contradictions.lines:
        columns.tell_once(line)


@dataclass(frozen=True, slots=True)
class Solve:
    """One request for each (problem, sample), with its own seed.

    The domain's template `solve`, or with a `style` `solve.STYLE`, makes the prompt from a row's `problem`. The
    `prompt` of a row without a problem is used unchanged, and with the style `row` that of every row: raw, or as the
    user's turn of a chat. With `resample`, a malformed trace that was not cut off is retried as often as the runner
    allows; this flatters a model, so evaluation does not use it. Traces name the `model`, if it is given.
    """

    prompts: PromptSet
    sampling: Sampling
    seed: int
    chat: bool = False
    style: str | None = None
    resample: bool = False
    model: str | None = None
    name: str = "solve"

    def ask(self, row: Row) -> Sequence[Request]:
        """One request. Raises UnfitRow when the row has neither `problem` nor `prompt`."""
        seed, sample = derive_seed(self.seed, row["id"], row["sample"]), row["sample"]
        if self.chat:
            return [Request(messages=self._turns(row), sampling=self.sampling, seed=seed, sample=sample)]
        return [Request(prompt=self._prompt(row), sampling=self.sampling, seed=seed, sample=sample)]

    def read(self, row: Row, replies: Sequence[Completion]) -> Sequence[Row] | Retry:
        """The trace; with `resample`, a retry if it is malformed."""
        [reply] = replies
        traced = self.trace(row, reply)
        fault = traced.get("malformed")
        return Retry(fault, [traced]) if fault and self.resample and not reply.truncated else [traced]

    def trace(self, row: Row, reply: Completion) -> Row:
        """The row with the trace, whether it was `truncated`, and why it is `malformed`, if it is."""
        fault = malformed("" if self.chat else self._prompt(row), reply.text)
        traced = {
            **row,
            "completion": reply.text,
            "finish_reason": reply.finish_reason,
            "truncated": reply.truncated,
            "prompt_tokens": reply.prompt_tokens,
            "completion_tokens": reply.completion_tokens,
            **({} if self.model is None else {"model": self.model}),
        }
        return traced if fault is None else {**traced, "malformed": fault}

    def unusable(self, row: Row) -> str | None:
        """Why a trace is useless for training and grading: it is `empty` or `cut off`; None for a complete one."""
        if not row["completion"].strip():
            return "empty"
        return "cut off" if row["truncated"] else None

    def _turns(self, row: Row) -> tuple[Message, ...]:
        if self._worded(row):
            return self.prompts.messages(self._conversation, problem=row["problem"])
        return (Message("user", self._prompt(row)),)

    def _worded(self, row: Row) -> bool:
        """Whether the domain's template makes the prompt; else the row's `prompt` is used."""
        problem = row.get("problem")
        return isinstance(problem, str) and bool(problem) and self.style != AS_IT_IS

    @property
    def _conversation(self) -> str:
        return "solve" if self.style is None else f"solve.{self.style}"

    def _prompt(self, row: Row) -> str:
        if self._worded(row):
            return self.prompts.render(self._conversation, problem=row["problem"])
        prompt = row.get("prompt")
        if isinstance(prompt, str) and prompt:
            return prompt
        raise UnfitRow(f"{self.name}: row {row.get('id')} has no text in `problem` or `prompt`; {fields_of(row)}")
