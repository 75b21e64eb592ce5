"""What `--smallest` runs on: the trained models, random ones for those that are missing, and pools by the writer.

Everything is in `OUT/smallest`, so that its results are never taken for those of a claim. `making` is not rehearsed,
since random models write no problems; its unit tests use replies that were written for them.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import torch

from nano.catalogue import LEVELS
from nano.claims.pools import EARLY, MAIN, Answers, Pool, Row, pool_path, write
from nano.claims.sizes import SMALLEST
from nano.models import build, save, vocabulary
from nano.problems import design


def rehearse(out: Path) -> Path:
    """Make the folder; returns it."""
    folder = out / "smallest"
    for model in sorted({*EARLY.models, *MAIN.models}):
        _model(out / model, folder / model)
    for pool in (EARLY, MAIN):
        counts = zip(LEVELS, pool.prompts(SMALLEST), strict=True)
        rows = [_row(pool, level, number) for level, count in counts for number in range(count)]
        write(pool_path(folder, pool, SMALLEST), rows)
    return folder


def _model(trained: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if (trained / "model.safetensors").exists():
        shutil.copytree(trained, folder, ignore=shutil.ignore_patterns("state.*"))
        return
    folder.mkdir(parents=True)
    tokenizer = vocabulary()
    with torch.random.fork_rng():
        torch.manual_seed(0)  # noqa: TID251 — transformers draws initial weights from the global generator
        save(build(tokenizer), tokenizer, folder)


def _row(pool: Pool, level: str, number: int) -> Row:
    """A sound problem, accepted, verified and answered; the base model solves half of them in half of its answers."""
    made = design((), level, random.Random(f"nano rehearsal {pool.name} {level} {number}"))
    label, traces = str(made.answer), (made.solution,)
    base = Answers(label, traces, 0.5 if number % 2 else 1.0)
    return Row(f"{level}-{number}", made.problem, level, True, True, Answers(label, traces, 1.0), base)
