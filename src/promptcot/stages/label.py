"""From traces to labelled problems, training rows, preference pairs and verifiable answers, in two passes over a file.

The first pass sorts answers into classes and keeps 9 bytes a trace; the second reads the traces again and writes. What
a label is worth is decided in `core.labelling`, which answers are one class in `classes`.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from promptcot.core.columns import Columns
from promptcot.core.labelling import Band, Label, Wording, decide, problem_row, unfit
from promptcot.core.parsing.end_tokens import without_end_tokens
from promptcot.core.problems import gold_if_any, problem_id
from promptcot.core.prompts import PromptSet
from promptcot.core.shards import EVERYTHING, Part
from promptcot.errors import InputError
from promptcot.evaluation.classes import Classes, in_order
from promptcot.evaluation.compared import Key
from promptcot.evaluation.golds import Contradictions, Problems
from promptcot.evaluation.predictions import answer_of, completion_of, of_the_row
from promptcot.evaluation.registry import grader_of
from promptcot.grading.grader import Grader
from promptcot.grading.graders import Graders
from promptcot.records import Failed, Item, Row, count_of, derive_seed
from promptcot.stages.questions import Asked, asks
from promptcot.storage.counts import StageCounts
from promptcot.storage.outputs import Output
from promptcot.storage.rows import read_rows

_NO_ANSWER = _UNFIT = -1


@dataclass(slots=True)
class _Problem:
    n: int = 0
    wordings: dict[str, Wording] = field(default_factory=dict)
    tokens: int = 0
    counted: int = 0

    def label(self, classes: Sequence[int]) -> Label:
        wordings = [replace(one, number=classes[one.number]) for one in self.wordings.values()]
        return decide(self.n, wordings, self.tokens / self.counted if self.counted else None)


@dataclass(frozen=True, slots=True)
class Survey:
    """What the first pass found. `problem`, `number` and `fit` have one entry for each trace, in the file's order.

    `problem` is an index into `labels` and `keys`, or -1 for a row that is no trace, `number` the class of the answer
    or -1, `fit` 1 for a whole and sound trace.
    """

    labels: Sequence[Label]
    keys: Sequence[Key]
    problem: array[int]
    number: array[int]
    fit: bytearray
    undecided: int
    notes: Sequence[str] = ()
    """What is to be told: rows whose golds contradict each other, and a verifier that failed."""

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


def traces(path: Path, part: Part, columns: Columns) -> Iterator[tuple[str, Item]]:
    """The traces of a part, each with what it is called in errors; those of one problem are in one part."""
    for place, (number, row) in enumerate(columns.traces(read_rows(path, may_be_empty=True))):
        where = f"{path}, row {number}"
        item = part.item(place, row, partial(_problem_or_place, where=f"row {number}"))
        if item is not None:
            yield where, item


def _problem_or_place(row: Row, where: str) -> str:
    """What the traces of a problem have in common; a row that names none goes by its place."""
    try:
        return problem_id(row, where)
    except InputError:
        return where


async def survey(
    path: Path, graders: Graders, part: Part = EVERYTHING, columns: Columns | None = None, unboxed: bool = False
) -> Survey:
    """The first pass. Raises InputError for a first row that is no trace, naming it: then none will be one; and for a
    row that has the id of another problem.
    """
    read = _Reader(graders, unboxed)
    indices: dict[Key, int] = {}
    problems: list[_Problem] = []
    problem, number, fit = array("i"), array("i"), bytearray()
    rows = enumerate(traces(path, part, columns or Columns()))
    reading = (read.if_fit(item.row, where, first=not place) for place, (where, item) in rows)
    async with aclosing(in_order(reading)) as found:
        async for trace in found:
            if trace is None:
                problem.append(_UNFIT)
                number.append(_NO_ANSWER)
                fit.append(0)
                continue
            index = indices.setdefault(trace.key, len(indices))
            if index == len(problems):
                problems.append(_Problem())
            _count(problems[index], trace)
            problem.append(index)
            number.append(trace.number)
            fit.append(trace.fit)
    classes = [read.classes_of(key).of(key) for key in indices]
    number = array(
        "i", (classes[at][one] if one != _NO_ANSWER else one for at, one in zip(problem, number, strict=True))
    )
    labels = [one.label(its) for one, its in zip(problems, classes, strict=True)]
    return Survey(labels, [*indices], problem, number, fit, read.undecided, read.notes)


@dataclass(frozen=True, slots=True)
class _Trace:
    key: Key
    text: str | None
    number: int
    fit: bool
    tokens: int | None


def _why_unfit(row: Row, where: str) -> str:
    """Why a row is no trace that can be read."""
    try:
        problem_id(row, where)
        completion_of(row, where)
    except InputError as error:
        return str(error)
    except Exception as error:
        return f"{where}: {type(error).__name__}: {error}"
    return f"{where}: its answer cannot be compared"


class _Reader:
    """Reads traces and sorts their answers; knows the problems that it has met, and rows with two golds."""

    def __init__(self, graders: Graders, unboxed: bool) -> None:
        self._graders = graders
        self._unboxed = unboxed
        self._classes: dict[Grader, Classes] = {}
        self._contradictions = Contradictions(graders)
        self._problems = Problems(graders)

    @property
    def undecided(self) -> int:
        """Pairs of answers that took too long to compare."""
        return sum(classes.undecided for classes in self._classes.values())

    @property
    def notes(self) -> list[str]:
        """What is to be told in the end."""
        return [*self._contradictions.lines, *self._graders.notes]

    def classes_of(self, key: Key) -> Classes:
        """The classes into which the answers of a problem are sorted, by the verifier of its source."""
        grader = grader_of(self._graders, key[0])
        return self._classes.setdefault(grader, Classes(grader))

    async def if_fit(self, row: Row, where: str, *, first: bool) -> _Trace | None:
        """The trace in a row; None where there is none, or it cannot be read. Raises InputError for a `first` one."""
        try:
            return await self._trace(row, where)
        except Exception as error:
            unfit = of_the_row(error, where)
            if unfit is None:
                raise
            if first:
                raise unfit from error
            return None

    async def _trace(self, row: Row, where: str) -> _Trace:
        self._contradictions.look(row, where)
        key = (str(row.get("source") or ""), problem_id(row, where))
        grader, classes = grader_of(self._graders, key[0]), self.classes_of(key)
        number = _NO_ANSWER
        async with classes.turn(key):
            text = (await answer_of(grader, row, where, unboxed=self._unboxed)).answer
            await self._problems.check(key, row, where, gold_if_any(row, where))
            if text is not None:
                number = await classes.place(key, text)
        return _Trace(key, text, number, unfit(row) is None, count_of(row.get("completion_tokens")))


def _count(problem: _Problem, trace: _Trace) -> None:
    problem.n += 1
    if trace.text is not None:
        known = problem.wordings.get(trace.text)
        problem.wordings[trace.text] = Wording(trace.text, trace.number, known.count + 1 if known else 1)
    if trace.tokens is not None:
        problem.tokens += trace.tokens
        problem.counted += 1


async def label_file(
    source: Path, targets: Mapping[str, Path], graders: Graders, settings: Settings, observe: Callable[[str], None]
) -> list[StageCounts]:
    """Label the problems of a file of traces. `targets` has `label` and, where they are wanted, `sft`, `pairs`, `rl`.

    Returns the counts of each output, the labels' last. A row that is no trace is a failed row of the labels, and of
    the training rows; the first one raises InputError.
    """
    found = await survey(source, graders, settings.part, settings.columns, settings.unboxed)
    observe(f"label: {len(found.problem):,} traces of {len(found.labels):,} problems")
    for line in found.notes:
        observe(f"label: {line}")
    if found.undecided:
        observe(f"label: {found.undecided:,} pairs of answers took too long to compare, and count as different")

    def verifies(source: str, label: str) -> bool:
        return grader_of(graders, source).takes_gold(label)

    writer = Writer(found, settings.band, asks(settings.prompts, settings.style), verifies, settings.seed)
    with ExitStack() as held:
        placed = settings.part.shard is not None
        outputs = {name: held.enter_context(Output(path, name, placed=placed)) for name, path in targets.items()}
        others = [output for name, output in outputs.items() if name != "label"]
        writer.write(traces(source, settings.part, settings.columns), outputs)
        for output in others:
            output.commit(settings.manifest if placed else None)  # without it a shard could not be told from a whole
        outputs["label"].commit(settings.manifest)
    return [output.counts for output in (*others, outputs["label"])]


@dataclass(frozen=True)
class Settings:
    """How problems are labelled: which of them are kept, how they are put to a student, the seed of drawn pairs.

    A `part` takes some of the problems; `columns` says how the traces are read; with `unboxed`, a final line without a
    box is an answer.
    """

    band: Band
    prompts: PromptSet
    style: str | None = None
    seed: int = 8000
    manifest: dict[str, Any] = field(default_factory=dict)
    part: Part = EVERYTHING
    columns: Columns = field(default_factory=Columns)
    unboxed: bool = False


Outputs = Mapping[str, Output]
"""Where the second pass writes: `label`, and those of `sft`, `pairs` and `rl` that are wanted."""


class Writer:
    """The second pass. `asked` tells how a problem is put to a student; it is needed for all but the labels.

    `verifiable` says of a source and a label whether answers can be compared with it at all.
    """

    def __init__(
        self,
        found: Survey,
        band: Band,
        asked: Callable[[Row], Asked],
        verifiable: Callable[[str, str], bool],
        seed: int,
    ) -> None:
        self._found = found
        self._refused = [band.refuses(label) for label in found.labels]
        self._asked = asked
        self._verifiable = verifiable
        self._chosen = choose_pairs(found, seed)
        self._half: dict[int, Row] = {}

    def write(self, items: Iterable[tuple[str, Item]], outputs: Outputs) -> None:
        """Read the traces again, in the same order, and write everything. The caller commits the outputs."""
        seen = bytearray(len(self._found.labels))
        for trace, (where, item) in enumerate(items):
            index = self._found.problem[trace]
            if index == _UNFIT:
                for name in ("label", "sft"):
                    if name in outputs:
                        outputs[name].add(item.index, item.row, Failed("unfit", _why_unfit(item.row, where)))
                continue
            if not seen[index]:
                seen[index] = 1
                self._problem(index, Item(item.index, problem_row(item.row)), outputs)
            if "sft" in outputs:
                outputs["sft"].add(item.index, item.row, _or_unfit(self._training, trace, index, item.row))
            if "pairs" in outputs:
                self._pair(trace, index, item, outputs["pairs"])

    def _problem(self, index: int, item: Item, outputs: Outputs) -> None:
        place, row = item.index, item.row
        label, refused = self._found.labels[index], self._refused[index]
        labelled = {**row, **label.fields()}
        outputs["label"].add(place, labelled, refused or labelled)
        if refused is None and "rl" in outputs:
            outputs["rl"].add(place, labelled, _or_unfit(self._to_verify, label, row))
        if refused is None and "pairs" in outputs and index not in self._chosen:
            outputs["pairs"].add(place, labelled, "no right and wrong trace")

    def _to_verify(self, label: Label, row: Row) -> Row | str:
        text = str(label.text)
        if not self._verifiable(str(row.get("source") or ""), text):
            return "answer not verifiable"
        asked = self._asked(row)
        answer = {"answer": text, "pass_rate": label.pass_rate}
        return {**_origin(row), "prompt": asked.prompt, "messages": asked.user_turn(), **answer}

    def _training(self, trace: int, index: int, row: Row) -> Row | str:
        label, refused = self._found.labels[index], self._refused[index]
        if refused is not None:
            return refused
        if (why := unfit(row)) is not None:
            return why
        if not self._found.agrees(trace):
            return "another answer" if self._found.differs(trace) else "no answer"
        asked, completion = self._asked(row), without_end_tokens(str(row["completion"]))
        learned = {"prompt": asked.prompt, "completion": completion, "messages": asked.messages(completion)}
        return {**_origin(row), **learned, "label": label.text}

    def _pair(self, trace: int, index: int, item: Item, output: Output) -> None:
        """One trace of a pair waits until the other comes; in files that `solve` writes, both are close together."""
        if self._refused[index] is not None or trace not in self._chosen.get(index, ()):
            return
        row, other = item.row, self._half.pop(index, None)
        if other is None:
            self._half[index] = row
            return
        chosen, rejected = (row, other) if self._found.agrees(trace) else (other, row)
        texts = {"chosen": chosen["completion"], "rejected": rejected["completion"]}
        texts = {side: without_end_tokens(text) for side, text in texts.items()}
        label = self._found.labels[index].text

        def pair() -> Row:
            return {**_origin(problem_row(row)), "prompt": self._asked(row).prompt, **texts, "label": label}

        output.add(item.index, row, _or_unfit(pair))


def _or_unfit(make: Callable[..., Row | str], *of: Any) -> Row | str | Failed:
    """What is made of a row; a failure where it lacks what that takes."""
    try:
        return make(*of)
    except InputError as error:
        return Failed("unfit", str(error))


def choose_pairs(found: Survey, seed: int) -> Mapping[int, tuple[int, int]]:
    """For each problem that has both, one right and one wrong trace, drawn among those that are whole and sound.

    A draw depends on the seed, on the problem's source and id, and on nothing else.
    """
    right: dict[int, list[int]] = {}
    wrong: dict[int, list[int]] = {}
    for trace, (index, fit) in enumerate(zip(found.problem, found.fit, strict=True)):
        if fit and found.agrees(trace):
            right.setdefault(index, []).append(trace)
        elif fit and found.differs(trace):
            wrong.setdefault(index, []).append(trace)
    chosen = {}
    for index in sorted(right.keys() & wrong.keys()):
        draw = random.Random(derive_seed(seed, "pair", *found.keys[index]))
        chosen[index] = draw.choice(right[index]), draw.choice(wrong[index])
    return chosen


def _origin(row: Row) -> Row:
    """What says where a training row is from."""
    return {name: row[name] for name in ("id", "source", "sample") if name in row}
