"""Asks a solver for one trace of a problem: reasoning, and an answer in a box.

Rows are (problem, sample) pairs, see `samples`: n traces of a problem are n rows, and none takes another with it. The
same stage serves evaluation, distillation and labelling. A trace that was cut off or is malformed is an output like any
other, and marked; whether its answer is right is decided in `grading`.
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
    """The rows of a file, each n times, by the problem's own words, in whatever style it is asked."""
    columns = columns or Columns()
    found = _looked_at(columns.problems(read_rows(source, may_be_empty=True)), source, columns)
    return samples(with_ids(with_problem_ids(found, str(source))), n)


def _looked_at(rows: Iterable[tuple[int, Row]], source: Path, columns: Columns) -> Iterator[tuple[int, Row]]:
    """The same rows; in the end it is told where golds contradict each other."""
    found = Contradictions()
    for number, row in rows:
        found.look(row, f"{source}, row {number}")
        yield number, row
    for line in found.lines:
        columns.tell_once(line)


@dataclass(frozen=True, slots=True)
class Solve:
    """One request for each (problem, sample), with a seed of its own.

    A row's `problem` is put into the domain's wording, `solve` or, with a `style`, `solve.STYLE`; a row without one is
    asked with its `prompt` as it is, and so are all with the style `row`: raw, or as the user's turn of a chat. With
    `resample`, a malformed trace that was not cut off is asked for again, as often as the runner allows; that flatters
    a model, so evaluation leaves it off. Traces name the `model`, where it is given.
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
        """The trace; with `resample`, the wish to ask again where it is malformed."""
        [reply] = replies
        traced = self.trace(row, reply)
        fault = traced.get("malformed")
        return Retry(fault, [traced]) if fault and self.resample and not reply.truncated else [traced]

    def trace(self, row: Row, reply: Completion) -> Row:
        """The row with the trace, whether it was `truncated`, and what is `malformed` about it, if anything."""
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
        """Why nothing can be learnt or graded from a trace: it is `empty` or `cut off`; None for a whole one."""
        if not row["completion"].strip():
            return "empty"
        return "cut off" if row["truncated"] else None

    def _turns(self, row: Row) -> tuple[Message, ...]:
        if self._worded(row):
            return self.prompts.messages(self._conversation, problem=row["problem"])
        return (Message("user", self._prompt(row)),)

    def _worded(self, row: Row) -> bool:
        """Whether the domain puts the row into words; else its `prompt` is asked."""
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
