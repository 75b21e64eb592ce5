"""Turns traces into labelled problems, training rows, preference pairs and verifiable answers, in two passes.

The first pass (`survey`) sorts answers into classes; the second reads the traces again and writes the outputs.
`core.labelling` computes labels, `answers` reads traces, and `evaluation.classes` sorts answers into classes.
`labelled` makes the labels within a run.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptcot.core.columns import Columns
from promptcot.core.labelling import Band, Label, problem_row, unfit
from promptcot.core.parsing.end_tokens import without_end_tokens
from promptcot.core.prompts import PromptSet
from promptcot.core.shards import EVERYTHING, Part
from promptcot.core.statistics.validity import ValidityByAgreement
from promptcot.core.units import counted
from promptcot.errors import InputError
from promptcot.evaluation.registry import grader_of
from promptcot.grading.graders import Graders
from promptcot.records import Failed, Item, Row, derive_seed
from promptcot.stages.answers import Answers
from promptcot.stages.questions import Asked, asks
from promptcot.stages.survey import UNFIT, Survey, survey, traces, why_unfit
from promptcot.storage.counts import StageCounts
from promptcot.storage.outputs import Output


async def label_file(
    source: Path, targets: Mapping[str, Path], graders: Graders, settings: Settings, observe: Callable[[str], None]
) -> list[StageCounts]:
    """Label the problems of a file of traces. `targets` has `label` and, if requested, `sft`, `pairs`, `rl`.

    Returns the counts of each output, those of the labels last. A row that is not a trace is a failed row of the labels
    and of the training rows; if it is the first row, InputError is raised.
    """
    answers = Answers(settings.prompts.settings.refusals, settings.unboxed)
    result = await survey(source, graders, answers, settings.part, settings.columns)
    observe(f"label: {counted(len(result.problem), 'trace')} of {counted(len(result.labels), 'problem')}")
    for line in result.notes:
        observe(f"label: {line}")
    if result.undecided:
        observe(f"label: {result.undecided:,} pairs of answers took too long to compare and count as different")

    def verifies(source: str, label: str) -> bool:
        return grader_of(graders, source).takes_gold(label)

    writer = Writer(result, settings.band, asks(settings.prompts, settings.style), verifies, settings.seed)
    with ExitStack() as held:
        placed = settings.part.shard is not None
        outputs = {name: held.enter_context(Output(path, name, placed=placed)) for name, path in targets.items()}
        outputs_besides_labels = [output for name, output in outputs.items() if name != "label"]
        writer.write(traces(source, settings.part, settings.columns), outputs)
        for output in outputs_besides_labels:
            output.commit(settings.manifest if placed else None)  # the manifest tells a shard from a complete output
        outputs["label"].commit(settings.manifest, writer.validity.summary())
    return [output.counts for output in (*outputs_besides_labels, outputs["label"])]


@dataclass(frozen=True)
class Settings:
    """How problems are labelled: which are kept, how they are presented to a student, the seed of drawn pairs.

    `part` selects some of the problems; `columns` says how the traces are read; with `unboxed`, a final line without a
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
"""The outputs of the second pass: `label`, and the requested ones of `sft`, `pairs` and `rl`."""


class Writer:
    """The second pass. `asked` makes the prompt for a student; all outputs except the labels need it.

    `verifiable` decides for a source and a label whether answers can be compared with the label at all.
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
        self._band = band
        self._refused: list[str | None] = [None] * len(found.labels)
        self.validity = ValidityByAgreement()
        self._asked = asked
        self._verifiable = verifiable
        self._chosen = choose_pairs(found, seed)
        self._half: dict[int, Row] = {}

    def write(self, items: Iterable[tuple[str, Item]], outputs: Outputs) -> None:
        """Read the traces again, in the same order, and write all outputs. The caller commits them."""
        seen = bytearray(len(self._found.labels))
        for trace, (where, item) in enumerate(items):
            index = self._found.problem[trace]
            if index == UNFIT:
                for name in ("label", "sft"):
                    if name in outputs:
                        outputs[name].add(item.index, item.row, Failed("unfit", why_unfit(item.row, where)))
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
        label, validity = self._found.labels[index], row.get("validity")
        refused = self._refused[index] = self._band.refuses(label, validity)
        if validity is not None:
            self.validity.add(validity, label.agreement if label.text is not None else None)
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
            return self._why_not_learned(trace)
        asked, completion = self._asked(row), without_end_tokens(str(row["completion"]))
        learned = {"prompt": asked.prompt, "completion": completion, "messages": asked.messages(completion)}
        return {**_origin(row), **learned, "label": label.text}

    def _why_not_learned(self, trace: int) -> str:
        if self._found.refuses(trace):
            return "refuses the problem"
        return "another answer" if self._found.differs(trace) else "no answer"

    def _pair(self, trace: int, index: int, item: Item, output: Output) -> None:
        """Hold a trace of a pair until the other one is read; in files from `solve` both are close together."""
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
            asked = self._asked(row)
            chats = {f"{side}_messages": asked.messages(text) for side, text in texts.items()}
            return {**_origin(problem_row(row)), "prompt": asked.prompt, **texts, **chats, "label": label}

        output.add(item.index, row, _or_unfit(pair))


def _or_unfit(make: Callable[..., Row | str], *of: Any) -> Row | str | Failed:
    """The result for a row; a failure if a required field is missing."""
    try:
        return make(*of)
    except InputError as error:
        return Failed("unfit", str(error))


def choose_pairs(result: Survey, seed: int) -> Mapping[int, tuple[int, int]]:
    """One right and one wrong trace for each problem that has both, drawn from the complete, well-formed ones.

    A draw depends only on the seed and on the problem's source and id.
    """
    right: dict[int, list[int]] = {}
    wrong: dict[int, list[int]] = {}
    for trace, (index, fit) in enumerate(zip(result.problem, result.fit, strict=True)):
        if fit and result.agrees(trace):
            right.setdefault(index, []).append(trace)
        elif fit and result.differs(trace):
            wrong.setdefault(index, []).append(trace)
    chosen = {}
    for index in sorted(right.keys() & wrong.keys()):
        draw = random.Random(derive_seed(seed, "pair", *result.keys[index]))
        chosen[index] = draw.choice(right[index]), draw.choice(wrong[index])
    return chosen


def _origin(row: Row) -> Row:
    """The fields that say where a training row comes from."""
    return {name: row[name] for name in ("id", "source", "sample") if name in row}
