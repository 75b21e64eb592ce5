"""Asks a model in a folder through the package's engine, several times as fast as transformers' `generate`.

Which answers are right is left to the package's grader.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import promptcot

SAMPLING = {"temperature": 0.6, "max_tokens": 400}
"""Of solvers and students, as in the evaluation recipe `nano`."""
CONCURRENCY = 256


def replies(
    folder: Path,
    rows: Sequence[Mapping[str, Any]],
    sampling: Mapping[str, Any],
    n: int,
    seed: int,
    journal: Path | None = None,
) -> promptcot.StageResult:
    """`n` texts for each row with a `problem`, or with a `prompt` that is sent as it is; a row each, in `completion`.

    With a `journal` an interrupted call goes on where it was.
    """
    model = promptcot.Model(model=str(folder), **sampling)
    return promptcot.solve(
        rows, model=model, n=n, prompts="nano", seed=seed, journal=journal, concurrency=CONCURRENCY, keep_going=True
    )


def all_replies(
    folder: Path, rows: Sequence[Mapping[str, Any]], sampling: Mapping[str, Any], n: int, seed: int
) -> list[promptcot.Row]:
    """The same, for a measurement: raises SystemExit where a call failed, since shares are of all texts."""
    found = replies(folder, rows, sampling, n, seed)
    if found.failed or len(found) != n * len(rows):
        why = found.failed[0].get("error") if found.failed else found.problem
        raise SystemExit(f"{folder}: {n * len(rows) - len(found)} of {n * len(rows)} texts are missing ({why})")
    return list(found)


def graded(traces: Iterable[Mapping[str, Any]], benchmark: str | None = None) -> dict[str, list[bool]]:
    """Which answers to each problem are right, by id; golds are in `answer`, or those of a benchmark."""
    found = promptcot.grade(list(traces), benchmark=benchmark)
    if found.unfit:
        raise SystemExit(f"{found.unfit} answers cannot be graded: {'; '.join(found.notes)}")
    right: dict[str, list[bool]] = {}
    for row in found.rows:
        right.setdefault(str(row["id"]), []).append(row["correct"] is True)
    return right
