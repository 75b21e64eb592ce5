"""The step `train-rows` over files: training rows for a generator, and the concepts to sample from afterwards.

Decides which rows are duplicates; `core.training_rows` makes the training row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from promptcot.core.parsing.blocks import PLAIN, Blocks
from promptcot.core.training_rows import concept_row
from promptcot.errors import InputError
from promptcot.records import Row, content_id
from promptcot.storage.counts import StageCounts
from promptcot.storage.outputs import Output
from promptcot.storage.rows import hash_id, read_rows, with_ids

Learn = Callable[[Row], Row | str]
"""Turns a row into a training row, or returns the reason why it cannot."""


def write_training_rows(
    sources: Sequence[Path],
    learn: Learn,
    targets: Sequence[Path],
    manifest: Mapping[str, Any],
    blocks: Blocks = PLAIN,
) -> list[StageCounts]:
    """Write the training rows and, if there is a second target, the concepts. Returns their counts, in that order.

    `blocks` are those of the training rows.
    """
    with ExitStack() as held:
        names = zip(targets, ("train-rows", "concepts"), strict=False)
        outputs = [held.enter_context(Output(path, name)) for path, name in names]
        _take_all(with_ids(row for source in sources for row in _unjudged(source)), learn, outputs, blocks)
        for output in outputs[1:]:
            output.commit()
        outputs[0].commit(dict(manifest))
    return [output.counts for output in outputs]


def _unjudged(source: Path) -> Iterator[Row]:
    for number, row in enumerate(read_rows(source, may_be_empty=True), 1):
        if "judgement" in row:
            raise InputError(
                f"{source}, row {number}: this is a judged row; run `filter` on the judged files, and use its output"
            )
        yield row


def _take_all(rows: Iterator[Row], learn: Learn, outputs: Sequence[Output], blocks: Blocks) -> None:
    learned: set[int] = set()
    known: set[int] = set()
    for index, row in enumerate(rows):
        result = learn(row)
        if not isinstance(result, str):
            result = _new(result, learned, "prompt", "completion")
        outputs[0].add(index, row, result)
        if isinstance(result, str):
            continue
        for output in outputs[1:]:
            concepts = concept_row(result, blocks)
            output.add(index, concepts, _new(concepts, known, "concepts", "problem"))


def _new(row: Row, seen: set[int], *fields: str) -> Row | str:
    """The row, or `duplicate` if a row with the same fields came before."""
    short = hash_id(content_id(*(row[field] for field in fields)))
    if short in seen:
        return "duplicate"
    seen.add(short)
    return row
