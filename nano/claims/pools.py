"""The problems that students learn from, in one file per generator: which pools there are, and how they are stored.

`making` makes them. The name of a file has a hash of the models and sizes that it was made with, so that a pool of
other models is never taken for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from nano.claims.sizes import Levels, Sizes
from nano.claims.weights import hash_of, weights_hash
from promptcot import Row as Fields
from promptcot.storage.atomic import write_whole
from promptcot.storage.json import dumps
from promptcot.storage.rows import read_rows


@dataclass(frozen=True)
class Pool:
    """Problems of `generator`, a training, with `teacher` answers of the solver to each and `base` of the base model.

    `agreement` is the least share of the solver's answers that give the label. A `judged` pool is also filtered and
    verified.
    """

    name: str
    generator: str
    judged: bool
    teacher: int
    base: int
    agreement: float = 0.0

    @property
    def models(self) -> tuple[str, ...]:
        """The trainings whose models make the pool."""
        judges = ("judge-a", "judge-b", "verifier") if self.judged else ()
        return (self.generator, *judges, "solver", *(("base",) if self.base else ()))

    def prompts(self, sizes: Sizes) -> Levels:
        """How many problems of each level the generator writes."""
        return sizes.early if self.name == "early" else sizes.main


EARLY = Pool("early", "generator-early", judged=True, teacher=4, base=0)
MAIN = Pool("main", "generator", judged=False, teacher=2, base=4, agreement=1.0)


@dataclass(frozen=True)
class Answers:
    """A model's answers to a problem: the label, if `label` keeps it, with the traces that say so.

    `rate` is the share of the base model's answers that are the solver's label; the solver has none.
    """

    label: str | None = None
    traces: tuple[str, ...] = ()
    rate: float | None = None


@dataclass(frozen=True)
class Row:
    """A problem of a pool: accepted by both judges, called valid by the verifier's votes, answered by two models."""

    id: str
    problem: str
    level: str
    accepted: bool = False
    verified: bool = False
    teacher: Answers = field(default_factory=Answers)
    base: Answers = field(default_factory=Answers)


def pool_hash(out: Path, pool: Pool, sizes: Sizes) -> str:
    """What a pool is known by: how it is made, its size and the weights of all its models."""
    return hash_of(pool, pool.prompts(sizes), *(weights_hash(out / name) for name in pool.models))


def pool_path(out: Path, pool: Pool, sizes: Sizes) -> Path:
    """The file of a pool. Its name has the hash, so other weights or sizes never read an old pool."""
    return out / "claims" / f"pool-{pool.name}-{pool_hash(out, pool, sizes)}.jsonl"


def read(path: Path) -> list[Row]:
    """The rows of a pool."""
    return [_row(found) for found in read_rows(path, may_be_empty=True)]


def labelled(out: Path, pool: Pool, sizes: Sizes) -> list[Row]:
    """The problems of a pool that the solver's answers give a label."""
    return [row for row in read(pool_path(out, pool, sizes)) if row.teacher.traces]


def _row(found: Fields) -> Row:
    answers = {name: Answers(**{**found[name], "traces": tuple(found[name]["traces"])}) for name in ("teacher", "base")}
    return Row(**{**found, **answers})


def write(path: Path, rows: Iterable[Row]) -> None:
    """Write a pool; a reader sees all of it or nothing."""
    write_whole(path, b"".join(dumps(asdict(row)) for row in rows))
