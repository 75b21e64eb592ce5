"""The function `verify`: keeps the problems that a majority of a model's votes call well-posed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

from promptcot import domains
from promptcot.api.arguments import checking
from promptcot.api.inputs import Rows
from promptcot.api.jobs import SEED, Job
from promptcot.api.results import StageResult
from promptcot.api.working import ModelLike, Working, columns_of, model_of, whole_number
from promptcot.errors import UsageError
from promptcot.stages.annotators import problem_rows
from promptcot.stages.defaults import domain_of, verifier_name
from promptcot.stages.verify import MIN_SHARE, VOTES, Verify


@checking
def verify(
    rows: Rows,
    *,
    model: ModelLike = "nano",
    votes: int = VOTES,
    min_share: float = MIN_SHARE,
    prompts: str | None = None,
    columns: Mapping[str, str] | None = None,
    **working: Unpack[Working],
) -> StageResult:
    """Keep the rows whose `problem` is well-posed, by `votes` of one model that sees only the problem.

    At least `min_share` of the decided votes (valid or invalid) must be valid, and more than half of all votes must be
    decided. Each row gets `validity`, including those in `dropped`. `columns` as in `solve`.
    """
    whole_number("votes", votes, 1)
    if isinstance(min_share, bool) or not (isinstance(min_share, (int, float)) and 0 <= min_share <= 1):
        raise UsageError(f"min_share: {min_share!r} is not between 0 and 1")
    spec, engine = model_of(model)
    domain, found, seed = domains.load(prompts or domain_of(spec)), columns_of(columns), working.get("seed", SEED)
    stage = Verify(verifier_name(spec), domain, spec.sampling, seed, spec.chat, range(votes), min_share)
    job = Job(rows, working, domain, found.given)
    return job.ask(stage, (spec, engine), "verifier", lambda source: problem_rows(source, found))
