"""From traces to labelled problems, training rows, preference pairs and verifiable answers, in two passes over a file.

The first pass sorts answers into classes and keeps 9 bytes a trace; the second reads the traces again and writes. What
a label is worth is decided in `core.labelling`, which answers are one class in `classes`.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

from promptcot.core.labelling import Band, Label, Wording, decide, problem_row, unfit
from promptcot.core.problems import problem_id
from promptcot.evaluation.classes import Classes, Key, in_order
from promptcot.evaluation.predictions import answer_of
from promptcot.grading.grader import Grader
from promptcot.records import Drop, Item, Outcome, Row, derive_seed
from promptcot.storage.outputs import Output
from promptcot.storage.rows import read_rows

_NO_ANSWER = -1


@dataclass(frozen=True, slots=True)
class Asked:
    """How a problem is put to a student: the raw `prompt`, and the user's turn of a chat."""

    prompt: str
    question: str

    def messages(self, completion: str) -> list[dict[str, str]]:
        """The chat of a trace; thinking that the raw prompt opened is opened in the reply."""
        opened = self.prompt.rstrip().endswith("<think>") and not completion.lstrip().startswith("<think>")
        reply = f"<think>\n{completion.lstrip()}" if opened else completion
        return [*self.user_turn(), {"role": "assistant", "content": reply}]

    def user_turn(self) -> list[dict[str, str]]:
        """The chat without the reply."""
        return [{"role": "user", "content": self.question}]


@dataclass(slots=True)
class _Problem:
    n: int = 0
    wordings: dict[str, Wording] = field(default_factory=dict)
    tokens: int = 0
    counted: int = 0

    def label(self) -> Label:
        return decide(self.n, list(self.wordings.values()), self.tokens / self.counted if self.counted else None)


@dataclass(frozen=True, slots=True)
class Survey:
    """What the first pass found. `problem`, `number` and `fit` have one entry for each trace, in the file's order.

    `problem` is an index into `labels`, `number` the class of the answer or -1, `fit` 1 for a whole and sound trace.
    """

    labels: Sequence[Label]
    problem: array[int]
    number: array[int]
    fit: bytearray
    undecided: int

    def agrees(self, trace: int) -> bool:
        """Whether this trace gives the label of its problem."""
        return self._answers(trace) and self.number[trace] == self._label(trace).number

    def differs(self, trace: int) -> bool:
        """Whether this trace gives another answer than the label of its problem."""
        return self._answers(trace) and self.number[trace] != self._label(trace).number

    def _answers(self, trace: int) -> bool:
        return self._label(trace).text is not None and self.number[trace] != _NO_ANSWER

    def _label(self, trace: int) -> Label:
        return self.labels[self.problem[trace]]


async def survey(path: Path, grader: Grader) -> Survey:
    """The first pass. Raises InputError for a row that is no trace, naming it."""
    classes = Classes(grader)
    indices: dict[Key, int] = {}
    problems: list[_Problem] = []
    problem, number, fit = array("i"), array("i"), bytearray()
    numbered = enumerate(read_rows(path), 1)
    async with aclosing(in_order(_read(row, f"{path}, row {place}", classes) for place, row in numbered)) as traces:
        async for trace in traces:
            index = indices.setdefault(trace.key, len(indices))
            if index == len(problems):
                problems.append(_Problem())
            _count(problems[index], trace)
            problem.append(index)
            number.append(trace.number)
            fit.append(trace.fit)
    return Survey([one.label() for one in problems], problem, number, fit, classes.undecided)


@dataclass(frozen=True, slots=True)
class _Trace:
    key: Key
    text: str | None
    number: int
    fit: bool
    tokens: int | None


async def _read(row: Row, where: str, classes: Classes) -> _Trace:
    key = (str(row.get("source") or ""), problem_id(row, where))
    text = answer_of(row, where).answer
    number = _NO_ANSWER
    async with classes.turn(key):
        if text is not None:
            number = await classes.place(key, text)
    tokens = row.get("completion_tokens")
    return _Trace(key, text, number, unfit(row) is None, tokens if isinstance(tokens, int) else None)


def _count(problem: _Problem, trace: _Trace) -> None:
    problem.n += 1
    if trace.text is not None:
        known = problem.wordings.get(trace.text)
        problem.wordings[trace.text] = Wording(trace.text, trace.number, known.count + 1 if known else 1)
    if trace.tokens is not None:
        problem.tokens += trace.tokens
        problem.counted += 1


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where the second pass writes; those that are None are not wanted."""

    labels: Output
    sft: Output | None = None
    pairs: Output | None = None
    rl: Output | None = None


class Writer:
    """The second pass. `asked` tells how a problem is put to a student; it is needed for all but the labels.

    `verifiable` says whether the grader can compare answers with a label at all.
    """

    def __init__(
        self, found: Survey, band: Band, asked: Callable[[Row], Asked], verifiable: Callable[[str], bool], seed: int
    ) -> None:
        self._found = found
        self._refused = [band.refuses(label) for label in found.labels]
        self._asked = asked
        self._verifiable = verifiable
        self._chosen = choose_pairs(found, seed)
        self._half: dict[int, Row] = {}

    def write(self, path: Path, outputs: Outputs) -> None:
        """Read the traces again, in the same order, and write everything. The caller commits the outputs."""
        seen = bytearray(len(self._found.labels))
        for trace, row in enumerate(read_rows(path)):
            index = self._found.problem[trace]
            if not seen[index]:
                seen[index] = 1
                self._problem(index, problem_row(row), outputs)
            if outputs.sft is not None:
                _take(outputs.sft, trace, row, self._training(trace, index, row))
            if outputs.pairs is not None:
                self._pair(trace, index, row, outputs.pairs)

    def _problem(self, index: int, row: Row, outputs: Outputs) -> None:
        label, refused = self._found.labels[index], self._refused[index]
        labelled = {**row, **label.fields()}
        _take(outputs.labels, index, labelled, refused or labelled)
        if refused is None and outputs.rl is not None:
            _take(outputs.rl, index, labelled, self._to_verify(label, row))
        if refused is None and outputs.pairs is not None and index not in self._chosen:
            _take(outputs.pairs, index, labelled, "no right and wrong trace")

    def _to_verify(self, label: Label, row: Row) -> Row | str:
        text = str(label.text)
        if not self._verifiable(text):
            return "answer not verifiable"
        asked = self._asked(row)
        return {**_origin(row), "prompt": asked.prompt, "messages": asked.user_turn(), "answer": text} | {
            "pass_rate": label.pass_rate
        }

    def _training(self, trace: int, index: int, row: Row) -> Row | str:
        label, refused = self._found.labels[index], self._refused[index]
        if refused is not None:
            return refused
        if (why := unfit(row)) is not None:
            return why
        if not self._found.agrees(trace):
            return "another answer" if self._found.differs(trace) else "no answer"
        asked, completion = self._asked(row), str(row["completion"])
        learned = {"prompt": asked.prompt, "completion": completion, "messages": asked.messages(completion)}
        return {**_origin(row), **learned, "label": label.text}

    def _pair(self, trace: int, index: int, row: Row, output: Output) -> None:
        """One trace of a pair waits until the other comes; in files that `solve` writes, both are close together."""
        if self._refused[index] is not None or trace not in self._chosen.get(index, ()):
            return
        other = self._half.pop(index, None)
        if other is None:
            self._half[index] = row
            return
        chosen, rejected = (row, other) if self._found.agrees(trace) else (other, row)
        texts = {"chosen": chosen["completion"], "rejected": rejected["completion"]}
        label = self._found.labels[index].text
        _take(
            output,
            index,
            row,
            {**_origin(problem_row(row)), "prompt": self._asked(row).prompt, **texts, "label": label},
        )


def choose_pairs(found: Survey, seed: int) -> Mapping[int, tuple[int, int]]:
    """For each problem that has both, one right and one wrong trace, drawn among those that are whole and sound.

    A draw depends on the seed, on the place of the problem in the file and on nothing else.
    """
    right: dict[int, list[int]] = {}
    wrong: dict[int, list[int]] = {}
    for trace, (index, fit) in enumerate(zip(found.problem, found.fit, strict=True)):
        if fit and found.agrees(trace):
            right.setdefault(index, []).append(trace)
        elif fit and found.differs(trace):
            wrong.setdefault(index, []).append(trace)
    return dict(_draws(right, wrong, seed))


def _draws(
    right: Mapping[int, Sequence[int]], wrong: Mapping[int, Sequence[int]], seed: int
) -> Iterator[tuple[int, tuple[int, int]]]:
    for index in sorted(right.keys() & wrong.keys()):
        draw = random.Random(derive_seed(seed, "pair", index))
        yield index, (draw.choice(right[index]), draw.choice(wrong[index]))


def _origin(row: Row) -> Row:
    """What says where a training row is from."""
    return {name: row[name] for name in ("id", "source", "sample") if name in row}


def _take(output: Output, index: int, row: Row, result: Row | str) -> None:
    """Count a row and write what becomes of it: the result, or the reason why there is none."""
    output.counts.rows_in += 1
    output.take(Outcome(Item(index, row), Drop(result) if isinstance(result, str) else [result]))
