"""Asks a model in a folder through the package's engine, several times as fast as transformers' `generate`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import promptcot

SAMPLING = {"temperature": 0.6, "max_tokens": 400}
"""Of solvers and students, as in the recipe `nano`."""
CONCURRENCY = 256
_BOXED = re.compile(r"\\boxed\{(\d+)\}")


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


def answer(completion: str) -> str | None:
    """The boxed number of an answer, if it has one."""
    boxed = _BOXED.findall(completion)
    return boxed[-1] if boxed else None
