"""Asks a solver for one trace of a problem: reasoning, and an answer in a box.

Rows are (problem, sample) pairs, see `samples`: n traces of a problem are n rows, and none takes another with it. The
same stage serves evaluation, distillation and labelling. A trace that was cut off or is malformed is an output like any
other, and marked; whether its answer is right is decided in `grading`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from promptcot.core.parsing.traces import malformed
from promptcot.core.problems import problem_id
from promptcot.core.prompts import PromptSet
from promptcot.errors import InputError
from promptcot.records import Completion, Request, Retry, Row, Sampling, derive_seed
from promptcot.storage.rows import read_rows, with_ids

AS_IT_IS = "row"


def samples(rows: Iterable[Row], n: int) -> Iterator[Row]:
    """Each row n times, numbered by `sample` from 0."""
    for row in rows:
        for sample in range(n):
            yield {**row, "sample": sample}


def problem_samples(source: Path, n: int) -> Iterator[Row]:
    """The rows of a file, each n times, by the problem's own words, in whatever style it is asked."""
    numbered = enumerate(read_rows(source, may_be_empty=True), 1)
    named = ({**row, "id": problem_id(row, f"{source}, row {number}")} for number, row in numbered)
    return samples(with_ids(named), n)


@dataclass(frozen=True, slots=True)
class Solve:
    """One request for each (problem, sample), with a seed of its own.

    A row's `problem` is put into the domain's wording, `solve` or, with a `style`, `solve.STYLE`; a row without one is
    asked with its `prompt` as it is, and so are all with the style `row`. With `resample`, a malformed trace that was
    not cut off is asked for again, as often as the runner allows; that flatters a model, so evaluation leaves it off.
    """

    prompts: PromptSet
    sampling: Sampling
    seed: int
    chat: bool = False
    style: str | None = None
    resample: bool = False
    name: str = "solve"

    def ask(self, row: Row) -> Sequence[Request]:
        """One request. Raises InputError when the row has neither `problem` nor `prompt`."""
        seed = derive_seed(self.seed, row["id"], row["sample"])
        problem = row.get("problem")
        if self.chat and isinstance(problem, str) and problem:
            turns = self.prompts.messages(self._conversation, problem=problem)
            return [Request(messages=turns, sampling=self.sampling, seed=seed, sample=row["sample"])]
        return [Request(prompt=self._prompt(row), sampling=self.sampling, seed=seed, sample=row["sample"])]

    def read(self, row: Row, replies: Sequence[Completion]) -> Sequence[Row] | Retry:
        """The row with the trace, whether it was `truncated`, and what is `malformed` about it, if anything."""
        [reply] = replies
        fault = malformed("" if self.chat else self._prompt(row), reply.text)
        traced = {
            **row,
            "completion": reply.text,
            "finish_reason": reply.finish_reason,
            "truncated": reply.truncated,
            "prompt_tokens": reply.prompt_tokens,
            "completion_tokens": reply.completion_tokens,
        }
        if fault is None:
            return [traced]
        traced["malformed"] = fault
        return Retry(fault, [traced]) if self.resample and not reply.truncated else [traced]

    def unusable(self, row: Row) -> str | None:
        """Why nothing can be learnt or graded from a trace: it is `empty` or `cut off`; None for a whole one."""
        if not row["completion"].strip():
            return "empty"
        return "cut off" if row["truncated"] else None

    @property
    def _conversation(self) -> str:
        return "solve" if self.style in (None, AS_IT_IS) else f"solve.{self.style}"

    def _prompt(self, row: Row) -> str:
        problem, prompt = row.get("problem"), row.get("prompt")
        if isinstance(problem, str) and problem and self.style != AS_IT_IS:
            return self.prompts.render(self._conversation, problem=problem)
        if isinstance(prompt, str) and prompt:
            return prompt
        raise InputError(f"{self.name}: row {row.get('id')} has no text in `problem` or `prompt`")
