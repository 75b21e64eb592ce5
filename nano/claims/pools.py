"""The problems that students learn from: what the pipeline makes of a generator's problems, in one file per generator.

The pipeline writes, judges and verifies through its Python API. The solver then answers every problem, those that the
pipeline drops too, since the claims compare what is kept with what is not; the base model answers those with a label.
Problems of the benchmark and copies are left out. Combinations are sampled as always: nothing is measured on them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import promptcot
from nano.asking import CONCURRENCY, SAMPLING, answer, replies

SEED = 8000
"""Of all runs and answers of a pool."""


@dataclass(frozen=True)
class Pool:
    """Problems of `generator`, a training. Judged and verified until the step `until`; answered so many times."""

    name: str
    generator: str
    until: str
    teacher: int
    base: int


EARLY = Pool("early", "generator-early", until="verify", teacher=4, base=0)
MAIN = Pool("main", "generator", until="generate", teacher=2, base=4)


@dataclass(frozen=True)
class Labelled:
    """A model's answers to a problem: what most traces say, if `label` keeps it, with the traces that say so.

    `rate` is the share of all traces that give the teacher's label.
    """

    label: str | None = None
    traces: tuple[str, ...] = ()
    rate: float | None = None


@dataclass(frozen=True)
class Row:
    """A problem of a pool: accepted by both judges, called valid by the verifier's votes, answered by two models."""

    id: str
    problem: str
    accepted: bool
    verified: bool
    teacher: Labelled
    base: Labelled


def pool_path(out: Path, pool: Pool) -> Path:
    return out / "claims" / f"pool-{pool.name}.jsonl"


def read(out: Path, pool: Pool) -> list[Row]:
    """The rows of a pool, in the order in which they were sampled."""
    lines = pool_path(out, pool).read_text(encoding="utf-8").splitlines()
    return [_row(json.loads(line)) for line in lines]


def labelled(out: Path, pool: Pool) -> list[Row]:
    """The problems of a pool that the teacher's traces give a label."""
    return [row for row in read(out, pool) if row.teacher.traces]


def _row(found: Mapping[str, Any]) -> Row:
    told = {name: Labelled(**{**found[name], "traces": tuple(found[name]["traces"])}) for name in ("teacher", "base")}
    return Row(**{**found, **told})


def write(path: Path, rows: Iterable[Row]) -> None:
    """Write a pool; a reader sees all of it or nothing."""
    part = path.with_suffix(".part")
    part.write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows), encoding="utf-8")
    part.rename(path)


def ensure(out: Path, pool: Pool, candidates: int) -> None:
    """Make a pool, once; after a stop it goes on where it was."""
    if not pool_path(out, pool).exists():
        write(pool_path(out, pool), made(out, pool, candidates))


def made(out: Path, pool: Pool, candidates: int) -> list[Row]:
    """The rows of a pool from so many combinations."""
    folder = out / "claims" / f"run-{pool.name}"
    changes = _changes(out, pool)
    run = promptcot.run("nano", output_dir=folder, seed=SEED, max_candidates=candidates, until=pool.until, set=changes)
    written = [{"id": row["id"], "problem": row["problem"]} for row in run.rows("generate")]
    problems = list(promptcot.dedup(promptcot.decontaminate(written, against="nano", mask_numbers=False)))
    accepted, verified = _passed(run, "filter"), _passed(run, "verify")
    teacher = answered(problems, out, pool, "solver", pool.teacher)
    labels = {key: one.label for key, one in teacher.items() if one.traces}
    base = answered([row for row in problems if row["id"] in labels], out, pool, "base", pool.base, labels)
    return [
        Row(key, row["problem"], key in accepted, key in verified, teacher[key], base.get(key, Labelled()))
        for row in problems
        for key in (row["id"],)
    ]


def _passed(run: promptcot.RunResult, step: str) -> set[str]:
    return {row["id"] for row in run.rows(step)} if step in run.counts else set()


def _changes(out: Path, pool: Pool) -> dict[str, Any]:
    """The recipe's models are those of `out`."""
    generator = str(out / pool.generator)
    judges = {f"judge.{name}.model": str(out / f"judge-{name}") for name in "ab"}
    return {
        "run.concurrency": CONCURRENCY,
        "encode.model": generator,
        "generate.model": generator,
        **judges,
        "verify.model": str(out / "verifier"),
        "solve.model": str(out / "solver"),
    }


def answered(
    problems: Sequence[Mapping[str, Any]],
    out: Path,
    pool: Pool,
    role: str,
    n: int,
    golds: Mapping[str, str | None] | None = None,
) -> dict[str, Labelled]:
    """The answers of a model to each problem, by id; its rates refer to the labels `golds`, by default its own."""
    if not n:
        return {row["id"]: Labelled() for row in problems}
    journal = out / "claims" / f"calls-{pool.name}-{role}"
    traces = replies(out / role, problems, SAMPLING, n, SEED, journal)
    found = promptcot.label(traces, prompts="nano")
    labels = {row["id"]: str(row["label"]) for row in found.rows}
    agreeing: dict[str, list[str]] = {}
    for row in found.sft:
        agreeing.setdefault(row["id"], []).append(row["completion"])
    truths = labels if golds is None else golds
    said = [(row["id"], answer(row["completion"])) for row in traces]
    right = Counter(key for key, one in said if one is not None and one == truths.get(key))
    return {
        key: Labelled(labels.get(key), tuple(agreeing.get(key, ())), right[key] / n)
        for key in (str(row["id"]) for row in problems)
    }
