"""The function `dedup`: removes copies of problems from rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

from promptcot.api.arguments import checking
from promptcot.api.inputs import Rows
from promptcot.api.jobs import Job
from promptcot.api.results import StageResult
from promptcot.api.working import ModelLike, Working, columns_of, model_of
from promptcot.core.overlap.near import NEAR
from promptcot.pipeline.plan import dedup_steps
from promptcot.recipe.set_sections import Dedup
from promptcot.stages.annotators import rows_of_problems


@checking
def dedup(
    rows: Rows,
    *,
    near: float = NEAR,
    mask_numbers: bool = False,
    semantic: ModelLike | None = None,
    semantic_near: float = 0.95,
    columns: Mapping[str, str] | None = None,
    **working: Unpack[Working],
) -> StageResult:
    """Remove copies of problems; each dropped row records the original, the rule and the similarity.

    Of several copies, the one with the most perfect verdicts and ratings is kept, and among equals the one with the
    smallest id. With `mask_numbers`, problems that differ only in numbers are copies, too. With a model for `semantic`,
    so are problems whose vectors have a cosine similarity of at least `semantic_near`. `columns` as in `solve`.
    """
    read, (model, engine) = columns_of(columns), (None, None) if semantic is None else model_of(semantic)
    section = Dedup(near=near, mask_numbers=mask_numbers, semantic=model, semantic_near=semantic_near)
    return Job(rows, working, None, read.given).apply(
        "dedup",
        [*dedup_steps(section, best=True)],
        {"embed-dedup": engine} if engine is not None else {},
        lambda source: rows_of_problems(source, read),
        section.model_dump(mode="json"),
    )
