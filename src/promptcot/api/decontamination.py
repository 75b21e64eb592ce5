"""`decontaminate`, as a function: rows without the problems of benchmarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Unpack

from promptcot.api.arguments import checking
from promptcot.api.inputs import Rows
from promptcot.api.jobs import Job
from promptcot.api.results import DecontaminateResult, StageResult
from promptcot.api.working import Working, columns_of
from promptcot.errors import UsageError
from promptcot.evaluation.references import files_of, references
from promptcot.pipeline.plan import PlannedStep
from promptcot.stages.annotators import problem_rows
from promptcot.stages.decontaminate import Decontaminate
from promptcot.storage.overlap import Read, Written, check_paths


@checking
def decontaminate(
    rows: Rows,
    *,
    against: str | Path | Sequence[str | Path] | None = None,
    mask_numbers: bool = True,
    columns: Mapping[str, str] | None = None,
    **working: Unpack[Working],
) -> DecontaminateResult:
    """Leave out problems that are one of a benchmark, or have a large part of one in them.

    `against` are names of benchmarks, which are fetched where they are not at hand, or files of problems; None stands
    for the benchmarks that are at hand. With `mask_numbers`, a problem that differs from a benchmark's in numbers only
    is one of it. `columns` as in `solve`. What was compared is in `contamination`; each dropped row has a field of
    that name with the benchmark's problem, the rule and the overlap.
    """
    read, names = columns_of(columns), None if against is None else _names(against)
    if (journal := working.get("journal")) is not None:
        output = Path(journal) / f"{Decontaminate.name}.jsonl"
        check_paths(map(Read, files_of(names or ())), [Written.of(output, "file")])
    found = references(names)
    step = Decontaminate(found, mask_numbers)
    options = {"against": dict(found.found), "mask_numbers": mask_numbers}
    made = Job(rows, working, None, read.given).apply(
        step.name,
        [PlannedStep(step.name, "step", make=lambda _: step)],
        read=lambda source: problem_rows(source, read),
        options=options,
    )
    told = {field.name: getattr(made, field.name) for field in fields(StageResult)}
    return DecontaminateResult(**told, contamination=step.summary()["contamination"])


def _names(against: str | Path | Sequence[str | Path]) -> list[str]:
    """Names and files, one or several. Raises UsageError where there are none."""
    names = [str(against)] if isinstance(against, (str, Path)) else [str(name) for name in against]
    if not names:
        raise UsageError("against: name a benchmark or a file; None stands for the benchmarks that are at hand")
    return names
