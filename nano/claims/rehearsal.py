"""What `--smallest` runs on: the trained models, random ones for those that are missing, and pools by the writer.

Everything is in `OUT/smallest`, so that its results are never taken for those of a claim.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import torch

from nano.claims.pools import EARLY, MAIN, Labelled, Pool, Row, pool_path, write
from nano.claims.sizes import SMALLEST
from nano.models import build, save, vocabulary
from nano.problems import design

ROLES = ("solver", "base")


def rehearse(out: Path) -> Path:
    """Make the folder; returns it."""
    folder = out / "smallest"
    for role in ROLES:
        _model(out / role, folder / role)
    for pool, size in ((EARLY, SMALLEST.early), (MAIN, SMALLEST.main)):
        path = pool_path(folder, pool)
        path.parent.mkdir(exist_ok=True)
        write(path, [_row(pool, index) for index in range(size)])
    return folder


def _model(trained: Path, folder: Path) -> None:
    if folder.exists():
        return
    folder.mkdir(parents=True)
    if (trained / "model.safetensors").exists():
        shutil.copytree(trained, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("state.*"))
        return
    tokenizer = vocabulary()
    with torch.random.fork_rng():
        torch.manual_seed(0)  # noqa: TID251 — transformers draws initial weights from the global generator
        save(build(tokenizer), tokenizer, folder)


def _row(pool: Pool, index: int) -> Row:
    """A problem that everyone likes and solves; every second one is too hard for the base model now and then."""
    made = design((), "AMC12", random.Random(f"nano rehearsal {pool.name} {index}"))
    label, traces = str(made.answer), (made.solution,)
    base = Labelled(label, traces, 0.5 if index % 2 else 1.0)
    return Row(str(index), made.problem, True, True, Labelled(label, traces, 1.0), base)
