"""Students: the base model, trained on answered problems and tested on the held-out benchmark.

A student sees its problems again and again, each time with one of their traces, in an order drawn for each round.
Which problems it gets is left to the claims.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from nano.asking import SAMPLING, answer, replies
from nano.claims.claim import Case, Values
from nano.claims.pools import Labelled, Row
from nano.fit import fit
from nano.packing import Source
from nano.schedule import Training
from nano.texts import Example, template
from promptcot import nano

RATE = 2e-3


def drawn(rows: Sequence[Row], count: int, case: Case) -> list[Row]:
    """`count` of the problems, or all where there are fewer, drawn for the seed of a case."""
    return random.Random(f"nano claim {case.seed}").sample(rows, min(count, len(rows)))


def drawn_equal(sets: Mapping[str, Sequence[Row]], case: Case) -> list[Row]:
    """Problems of the set of a case's variant: as many as the smallest set has, at most `case.sizes.problems`."""
    return drawn(sets[case.variant], min(case.sizes.problems, *map(len, sets.values())), case)


def student(case: Case, rows: Sequence[Row], tokens: float, teacher: str = "teacher") -> Values:
    """Train a student on the answers of `teacher` ("base": its own) and test it; with the truth about its problems.

    Problems without a trace to learn are left out. Raises SystemExit where none is left.
    """
    taught = [(row, told) for row in rows if (told := row.base if teacher == "base" else row.teacher).traces]
    if not taught:
        raise SystemExit(f"{case.claim}, {case.variant}: the pool has no answered problem for it")
    training = Training(case.training, "solver", tokens, start="base", rate=RATE, seed=case.seed, checks=0)
    fit(training, case.out, source([(row.problem, told.traces) for row, told in taught], case.seed))
    return {**tested(case, case.out / case.training), **truth(taught)}


def source(taught: Sequence[tuple[str, Sequence[str]]], seed: int) -> Source:
    """The texts of problems with their traces, endless: each round has every problem once."""

    @cache
    def order(turn: int) -> list[int]:
        return random.Random(f"nano student {seed} {turn}").sample(range(len(taught)), len(taught))

    def text(index: int) -> Example:
        turn, place = divmod(index, len(taught))
        problem, traces = taught[order(turn)[place]]
        return Example(prompt(problem), random.Random(f"nano trace {seed} {index}").choice(traces))

    return text


def prompt(problem: str) -> str:
    """What a solver and a student are shown."""
    return template("solve").render(problem=problem)


def tested(case: Case, folder: Path) -> Values:
    """The accuracy on the benchmark, in all and by level: the mean over samples of each problem."""
    problems = benchmark()[:: max(1, len(benchmark()) // case.sizes.benchmark)]
    asked = [{"id": row["id"], "problem": row["problem"]} for row in problems]
    golds = {row["id"]: row["reference_solution"].rsplit("#### ", 1)[1] for row in problems}
    levels = {row["id"]: row["level"] for row in problems}
    right = {level: list[bool]() for level in levels.values()}
    for row in replies(folder, asked, SAMPLING, case.sizes.samples, case.seed):
        right[levels[row["id"]]].append(answer(row["completion"]) == golds[row["id"]])
    shares = {level: share(hits) for level, hits in right.items()}
    return {"accuracy": share([hit for hits in right.values() for hit in hits]), **shares}


@cache
def benchmark() -> list[dict[str, str]]:
    """The held-out problems."""
    return [json.loads(line) for line in nano.benchmark_path().read_text(encoding="utf-8").splitlines()]


def truth(taught: Sequence[tuple[Row, Labelled]]) -> Values:
    """How many problems a student has, how many of them are well-posed, and how many labels are true."""
    solved = [(told.label, nano.check(row.problem)) for row, told in taught]
    return {
        "problems": len(taught),
        "well_posed": share([isinstance(found, nano.Solution) for _, found in solved]),
        "labels": share([isinstance(found, nano.Solution) and found.answer == label for label, found in solved]),
    }


def share(hits: Sequence[bool]) -> float:
    return sum(hits) / max(len(hits), 1)
