"""Students: the base model, trained on answered problems and tested on the held-out benchmark.

A student sees its problems again and again, each time with one of their traces, in an order drawn for each round.
Sets that are compared have equally many problems of each level. Which problems they hold is left to the claims.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from nano.asking import SAMPLING, all_replies, graded
from nano.catalogue import LEVELS
from nano.claims.claim import Case, Values
from nano.claims.pools import Answers, Row
from nano.claims.sizes import Sizes
from nano.fit import fit
from nano.packing import Source
from nano.schedule import Training
from nano.texts import Example, template
from promptcot import nano
from promptcot.nano.findings import finding
from promptcot.records import Row as Fields
from promptcot.storage.rows import read_rows

ACCURACY = {"accuracy": "accuracy", **{level: level for level in LEVELS}}
TRUTH = {
    "well_posed": "well-posed",
    "labels": "labels right",
    "problems": "problems",
    **{f"problems_{level}": f"of {level}" for level in LEVELS},
}
TESTS = ("rate", "benchmark", "samples")
"""The sizes that every student depends on."""


def drawn(sets: Mapping[str, Sequence[Row]], case: Case, most: int, least: int, part: float = 1.0) -> list[Row]:
    """Problems of the set of a case's variant, drawn for its seed: the same number of each level for every set.

    They are at most `most` in all, as equally many of each level as there are, and at most two thirds of what the
    smallest set has of a level, so that other seeds draw other problems. `part` of each level is taken. Raises
    SystemExit where the whole would be fewer than `least`.
    """
    there = [min(sum(row.level == level for row in rows) for rows in sets.values()) * 2 // 3 for level in LEVELS]
    if sum(counts := shared(there, most)) < least:
        raise SystemExit(
            f"{case.claim}, {case.variant}: two thirds of the pool are {sum(there)} problems ({_by_level(there)}); "
            f"{least} are needed. Ask for more of them in nano/claims/sizes.py (early or main) and start again"
        )
    rng = random.Random(f"nano claim {case.seed}")
    by_level = [[row for row in sets[case.variant] if row.level == level] for level in LEVELS]
    return [row for rows, count in zip(by_level, counts, strict=True) for row in rng.sample(rows, round(part * count))]


def _by_level(counts: Sequence[int]) -> str:
    return ", ".join(f"{level} {count}" for level, count in zip(LEVELS, counts, strict=True))


def shared(there: Sequence[int], most: int) -> list[int]:
    """`most` divided as equally as possible into parts that are at most those of `there`."""
    parts, left = [0] * len(there), most
    for place, size in enumerate(sorted(range(len(there)), key=there.__getitem__)):
        parts[size] = min(there[size], left // (len(there) - place))
        left -= parts[size]
    return parts


def student(case: Case, rows: Sequence[Row], tokens: float, teacher: str = "teacher") -> Values:
    """Train a student on the answers of `teacher` ("base": its own) and test it; with the truth about its problems.

    Problems without a trace to learn are left out. Raises SystemExit where none is left.
    """
    taught = [(row, found) for row in rows if (found := row.base if teacher == "base" else row.teacher).traces]
    if not taught:
        raise SystemExit(f"{case.claim}, {case.variant}: the pool has no answered problem for it")
    training = Training(case.training, "solver", tokens, start="base", rate=case.sizes.rate, seed=case.seed, checks=0)
    fit(training, case.out, source([(row.problem, found.traces) for row, found in taught], case.seed))
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
    """The accuracy on the benchmark, in all and by level; every problem has equally many answers."""
    problems = spread(benchmark(), case.sizes.benchmark)
    asked = [{name: row[name] for name in ("id", "source", "problem")} for row in problems]
    right = graded(all_replies(folder, asked, SAMPLING, case.sizes.samples, case.seed), benchmark="nano")
    hits: dict[str, list[bool]] = {}
    for row in problems:
        hits.setdefault(row["level"], []).extend(right[row["id"]])
    return {
        "accuracy": share([hit for found in hits.values() for hit in found]),
        **{level: share(found) for level, found in hits.items()},
    }


def spread(rows: Sequence[Fields], count: int) -> list[Fields]:
    """So many rows from all over a list, or all where it has fewer."""
    count = min(count, len(rows))
    return [rows[place * len(rows) // count] for place in range(count)]


@cache
def benchmark() -> list[Fields]:
    """The held-out problems."""
    return list(read_rows(nano.benchmark_path()))


def truth(taught: Sequence[tuple[Row, Answers]]) -> Values:
    """What a student's problems are: how many of each level, which share is well-posed, and how many labels are right.

    `single` is how often one answer of the base model is the solver's label, where it was asked.
    """
    found = [finding({"problem": row.problem, "answer": answers.label}) for row, answers in taught]
    rates = [row.base.rate for row, _ in taught if row.base.rate is not None]
    levels = Counter(row.level for row, _ in taught)
    return {
        "problems": len(taught),
        **{f"problems_{level}": levels[level] for level in LEVELS},
        "well_posed": share([one.well_posed for one in found]),
        "labels": share([one.right_answer is True for one in found]),
        **({"single": sum(rates) / len(rates)} if rates else {}),
    }


def share(hits: Sequence[bool]) -> float:
    """The share of hits; 0 where there are none."""
    return sum(hits) / max(len(hits), 1)


def about(sizes: Sizes, tokens: float) -> str:
    """The sizes of a claim about students, for a reader."""
    return (
        f"Each student learns {tokens / 1e6:g} M tokens at a learning rate of {sizes.rate:g}, and gives "
        f"{sizes.samples} answers to each of the {sizes.benchmark} problems of the benchmark."
    )
