"""Reads the rows of an export: those of a run's set, or of a file of rows, with columns renamed to our names.

The pairs of a run are chosen from its teacher's traces, by the same code as the verb `label`. Traces without graded
answers are refused, since it is unknown which of them are correct.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any

from promptcot.core.columns import Columns
from promptcot.core.labelling import Band
from promptcot.core.prompts import PromptSet
from promptcot.errors import InputError
from promptcot.grading.graders import Graders
from promptcot.pipeline.set_file import SET, ById
from promptcot.pipeline.synchronous import wait_for
from promptcot.records import Row
from promptcot.stages.label import Settings, label_file
from promptcot.stages.review import REJECTED, is_rejected
from promptcot.storage.atomic import make_parent
from promptcot.storage.file_rows import FileRows
from promptcot.storage.manifest import read_manifest
from promptcot.storage.reviews import rejected_beside
from promptcot.storage.rows import read_rows, with_ids

if TYPE_CHECKING:
    from promptcot.exports.formats.format import Kind

Rows = Callable[[], Iterator[Row]]
"""Returns the same rows on each call, each with a unique id."""

_TOLD_BY = {"sft": "--sft_path", "pairs": "--pairs_path", "rl": "--rl_path"}


def file_of(path: Path) -> Path:
    """The file of the rows: for a run directory, its set. Raises InputError if it has none."""
    if not path.is_dir():
        return path
    if (path / SET).is_file():
        return path / SET
    if (path / "recipe.json").is_file():
        raise InputError(
            f"{path}: the run has no {SET}: it has not ended, or it stops at `filter`; let it end, or give one of its "
            "files"
        )
    raise InputError(
        f"{path}: this is not a run directory, because it has no {SET}; give a run directory or a file of rows"
    )


def rows_of(path: Path, kind: Kind, columns: Columns | None = None) -> Rows:
    """The rows of a run's set or of a file. Rows that a review in the same folder rejects have it as their `reason`.

    Raises InputError for ungraded traces.
    """
    source, read = file_of(path), columns or Columns()
    rejected = rejected_beside([source])  # once, so that each pass gives the same rows

    def rows() -> Iterator[Row]:
        found = read_rows(source, may_be_empty=True)
        first = list(islice(found, 1))
        for row in first:
            _refuse_traces(row, source, kind)
        found = chain(first, found)
        found = read.chats(found) if kind == "sft" else (row for _, row in read.problems(found))
        return with_ids(_marked(row, rejected) for row in found)

    return rows


def _marked(row: Row, rejected: Collection[str]) -> Row:
    return {**row, "reason": REJECTED} if is_rejected(row, rejected) else row


def with_pairs(
    run: Path, prompts: PromptSet, graders: Graders, scratch: Path, tell: Callable[[str], None], seed: int = 8000
) -> Rows:
    """The rows of a run's set, each with `chosen` and `rejected` if its traces have both.

    They are the pairs that `label` chooses with this seed, collected in the temporary folder `scratch`, which belongs
    to the holder of the lock on the output. Raises InputError for a run without traces.
    """
    traces, rows = run / "solve.jsonl", rows_of(run, "pairs")
    if not traces.is_file():
        raise InputError(
            f"{run}: it has no solve.jsonl, from whose traces pairs are made; run a recipe with [solve] and [label]"
        )
    targets = {"label": scratch / "label.jsonl", "pairs": scratch / "pairs.jsonl"}
    settings = Settings(Band(), prompts, None, seed, unboxed=bool(label_of(run).get("unboxed")))

    def joined() -> Iterator[Row]:
        rmtree(scratch, ignore_errors=True)
        make_parent(targets["label"])
        try:
            wait_for(label_file(traces, targets, graders, settings, tell))
            pairs = ById(FileRows(targets["pairs"]))
            for row in rows():
                pair = pairs.of(str(row["id"])) or {}
                yield {**row, "chosen": pair.get("chosen"), "rejected": pair.get("rejected")}
        finally:
            rmtree(scratch, ignore_errors=True)

    return joined


def label_of(run: Path) -> Mapping[str, Any]:
    """The section `[label]` of a run's recipe; empty where it has none."""
    recipe = (read_manifest(run) or {}).get("recipe")
    found = recipe.get("label") if isinstance(recipe, dict) else None
    return found if isinstance(found, dict) else {}


def _refuse_traces(row: Row, source: Path, kind: Kind) -> None:
    written_by_solve = "sample" in row and isinstance(row.get("completion"), str)
    if written_by_solve and "label" in row and kind != "sft":
        raise InputError(
            f"{source}: these are traces for supervised fine-tuning; export the rows that `promptcot label` writes "
            f"with {_TOLD_BY[kind]}"
        )
    if written_by_solve and "label" not in row:
        raise InputError(
            f"{source}: these are traces, and it is unknown which are correct; first `promptcot label --data_path "
            f"{source} --output_path labels.jsonl {_TOLD_BY[kind]} ROWS.jsonl`, then export ROWS.jsonl"
        )
