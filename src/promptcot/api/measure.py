"""The function `measure`: statistics of a set of problems, and how two sets differ."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from promptcot.api.arguments import checking
from promptcot.api.inputs import Rows, as_file
from promptcot.api.results import MeasureResult, RunResult
from promptcot.api.working import ModelLike, columns_of, model_of, workplace
from promptcot.core.columns import Columns
from promptcot.core.measures.comparing import compared, in_both
from promptcot.core.measures.measured import Measured
from promptcot.pipeline import measure as measuring
from promptcot.pipeline.embedding import vectors_by
from promptcot.pipeline.observer import Silent
from promptcot.pipeline.vectors import VectorsOf, vectors_by_id


@checking
def measure(
    rows: Rows | RunResult,
    other: Rows | RunResult | None = None,
    *,
    concepts: str | Path | None = None,
    vectors: str | Path | None = None,
    other_vectors: str | Path | None = None,
    semantic: ModelLike | None = None,
    columns: Mapping[str, str] | None = None,
) -> MeasureResult:
    """Measure a set of problems, and how it differs from an `other` one.

    A set is a run or its directory, or rows from any source. `concepts` is the catalogue for the coverage of concepts,
    by default that of the run; `vectors` is a file with vectors of the problems, as rows with `id` and `problem_vector`
    or embeddings named by id or by text; alternatively a model for `semantic` embeds at most 4,000 problems. `columns`
    as in `solve`.
    """
    named, read = None if concepts is None else str(concepts), columns_of(columns)
    asked = None if semantic is None else _by_model(semantic)
    found = _measured(rows, read, named, asked or _by_file(vectors))
    if other is None:
        return MeasureResult(found.as_json())
    second = _measured(other, read, named, asked or _by_file(other_vectors))
    differences = [one.as_json() for one in compared(found, second)]
    return MeasureResult(found.as_json(), second.as_json(), in_both(found, second), differences)


def _by_model(semantic: ModelLike) -> VectorsOf:
    model, engine = model_of(semantic)
    return vectors_by(model, Silent(), engine)


def _by_file(path: str | Path | None) -> VectorsOf | None:
    return None if path is None else partial(vectors_by_id, Path(path))


def _measured(rows: Rows | RunResult, columns: Columns, concepts: str | None, vectors: VectorsOf | None) -> Measured:
    with workplace(None) as folder:
        path = rows.directory if isinstance(rows, RunResult) else as_file(rows, folder, may_be_empty=True)
        return measuring.measured(path, columns, concepts, vectors)
