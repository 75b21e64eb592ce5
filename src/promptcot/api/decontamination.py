"""The function `decontaminate`: removes benchmark problems from rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Unpack

from promptcot.api.arguments import checking
from promptcot.api.inputs import Rows
from promptcot.api.jobs import SEED, Job
from promptcot.api.results import DecontaminateResult, StageResult
from promptcot.api.working import ModelLike, Working, columns_of, model_of, workplace
from promptcot.engines.protocol import Engine
from promptcot.errors import UsageError
from promptcot.evaluation.references import files_of, references
from promptcot.pipeline.decontamination import CONFIRM, EMBED, Meanings, decontamination, reference_vectors
from promptcot.pipeline.observer import Silent
from promptcot.pipeline.synchronous import wait_for
from promptcot.stages.annotators import problem_rows
from promptcot.stages.decontaminate import NEAR, Decontaminate
from promptcot.storage.overlap import Read, Written, check_paths


@checking
def decontaminate(
    rows: Rows,
    *,
    against: str | Path | Sequence[str | Path] | None = None,
    mask_numbers: bool = True,
    semantic: ModelLike | None = None,
    semantic_near: float = NEAR,
    confirm: ModelLike | None = None,
    columns: Mapping[str, str] | None = None,
    **working: Unpack[Working],
) -> DecontaminateResult:
    """Remove problems that are in a benchmark, or contain a large part of one of its problems.

    `against` lists names of benchmarks, which are downloaded if missing, or files of problems; None means all
    benchmarks in the local cache. With `mask_numbers`, a problem that differs from a benchmark's only in numbers counts
    as a match. With a model for `semantic`, so do problems whose vectors have a cosine similarity of at least
    `semantic_near`, unless the model for `confirm` calls the two different. `columns` as in `solve`.

    The benchmarks compared are in `contamination`; each dropped row has a field of that name with the benchmark's
    problem, the rule and the overlap.
    """
    read, names = columns_of(columns), None if against is None else _names(against)
    if confirm is not None and semantic is None:
        raise UsageError("confirm checks the matches that semantic finds, so give a model for semantic as well")
    if (journal := working.get("journal")) is not None:
        output = Path(journal) / f"{Decontaminate.name}.jsonl"
        check_paths(map(Read, files_of(names or ())), [Written.of(output, "file")])
    found = references(names)
    meanings, engines = _meanings(semantic, semantic_near, confirm)
    with workplace(journal) as folder:
        vectors = None
        if meanings is not None:
            beside = folder / f"{Decontaminate.name}.journal"
            vectors = wait_for(reference_vectors(found, meanings.model, beside, Silent(), engines.get(EMBED)))
        seed = working.get("seed", SEED)
        step, steps = decontamination(found, mask_numbers, meanings, vectors, seed)
        made = Job(rows, working, None, read.given).apply(
            step.name,
            steps,
            engines,
            lambda source: problem_rows(source, read),
            {"against": dict(found.found), "mask_numbers": mask_numbers},
        )
    told = {field.name: getattr(made, field.name) for field in fields(StageResult)}
    return DecontaminateResult(**told, contamination=step.summary()["contamination"])


def _meanings(
    semantic: ModelLike | None, near: float, confirm: ModelLike | None
) -> tuple[Meanings | None, dict[str, Engine]]:
    """The settings for comparing meanings, and the caller's engines by the step that uses them."""
    if semantic is None:
        return None, {}
    spec, engine = model_of(semantic)
    judge, other = (None, None) if confirm is None else model_of(confirm, temperature=0.0)
    engines = {name: one for name, one in ((EMBED, engine), (CONFIRM, other)) if one is not None}
    return Meanings(spec, near, judge), engines


def _names(against: str | Path | Sequence[str | Path]) -> list[str]:
    """Names and files, one or several. Raises UsageError if there are none."""
    names = [str(against)] if isinstance(against, (str, Path)) else [str(name) for name in against]
    if not names:
        raise UsageError("against: name a benchmark or a file; None stands for all available benchmarks")
    return names
