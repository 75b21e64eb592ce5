"""Writes `set.jsonl` of a run: the rows that passed the last step, with the judges' replies about each.

Decides when a run has a set, and joins its rows with the judges' files by id. `core.set_rows` decides what a row holds.
Uses 16 bytes of memory for each judged row; the texts stay on disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from promptcot.core.set_rows import Shape, set_row
from promptcot.pipeline.plan import PlannedStep
from promptcot.recipe.recipe import SET_STEPS
from promptcot.records import Row
from promptcot.stages.generate import Generate
from promptcot.stages.judge import Judge
from promptcot.storage.file_rows import FileRows
from promptcot.storage.rows import hash_id

SET = "set.jsonl"


def has_set(steps: Sequence[PlannedStep]) -> bool:
    """Whether a run of these steps makes a set: it goes beyond `filter`, and ends with one row per problem."""
    return any(step.name in SET_STEPS for step in steps) and steps[-1].name != "solve"


def set_rows(steps: Sequence[PlannedStep], files: Mapping[str, Path]) -> Iterator[Row]:
    """The rows of the set, in the order of the last step. `files` has the rows of each step, by its name."""
    judges = {step.stage.judge: step for step in steps if isinstance(step.stage, Judge)}
    judged = {name: ById(FileRows(files[step.name])) for name, step in judges.items()}
    shape = _shape(steps)
    for row in FileRows(files[steps[-1].name]):
        found = {name: rows.of(str(row.get("id"))) for name, rows in judged.items()}
        yield set_row(row, {name: one for name, one in found.items() if one is not None}, shape)


def _shape(steps: Sequence[PlannedStep]) -> Shape:
    judges = [step.stage for step in steps if isinstance(step.stage, Judge)]
    written = [step.stage.blocks for step in steps if isinstance(step.stage, Generate)]
    blocks = [name for one in written for name in one.fields(dict.fromkeys(one.names, ""))]
    criteria = [criterion.key for criterion in judges[0].prompts.criteria.ratings] if judges else []
    return Shape(tuple(judge.judge for judge in judges), tuple(criteria), tuple(blocks))


class ById:
    """The rows of a file by their ids. Uses 16 bytes per row."""

    def __init__(self, rows: FileRows) -> None:
        self._rows = rows
        keys = np.fromiter((hash_id(str(row.get("id"))) for row in self._rows), np.int64)
        self._places = np.argsort(keys, kind="stable")
        self._keys = keys[self._places]

    def of(self, name: str) -> Row | None:
        """The first row of this id; None where there is none."""
        first, last = (np.searchsorted(self._keys, hash_id(name), side) for side in ("left", "right"))
        rows = (self._rows[int(place)] for place in self._places[first:last])
        return next((row for row in rows if str(row.get("id")) == name), None)
