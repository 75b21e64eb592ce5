"""The benchmarks that a set is compared with: those that the user names, or all that are in the Hub's cache.

Only benchmarks named by the user are downloaded. Missing benchmarks are reported, with the command that downloads them.
The benchmark of the nano world ships with the package, but is relevant only for nano problems, whose recipe names it.
`core.overlap` compares problems.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptcot import nano
from promptcot.core.overlap.contamination import Reference, words_of
from promptcot.core.problems import problem_id, problem_of
from promptcot.errors import InputError, UnfitRow
from promptcot.evaluation.benchmarks import is_file, rows_of
from promptcot.evaluation.hub import download_command, is_cached
from promptcot.evaluation.registry import AIME2025_I, BENCHMARKS, Benchmark, benchmark_named

_HALF_OF_ANOTHER = AIME2025_I.name
"""Benchmarks that another one contains."""


@dataclass(frozen=True, slots=True)
class References:
    """Problems of benchmarks. `found` are the numbers of problems by benchmark, `missing` those not available, by name
    with the command that downloads each. `told` has messages on how files were read.

    `phrases` are shipped problems, from which common wordings of problems are learnt.
    """

    problems: tuple[Reference, ...]
    found: Mapping[str, int]
    missing: Mapping[str, str] = field(default_factory=dict)
    told: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()

    @property
    def decontaminates(self) -> bool:
        """Whether a set that was compared with these may be called decontaminated."""
        return bool(self.problems)

    def summary(self) -> dict[str, Any]:
        """The content for the summary."""
        status = "decontaminated" if self.decontaminates else "not decontaminated"
        return {"status": status, "against": dict(self.found), "not_at_hand": dict(self.missing)}


def reference_lines(found: References, named_by: str = "--against NAME") -> Iterator[str]:
    """Lines on what is compared, and how to get missing benchmarks; `named_by` is the option that names a benchmark."""
    yield from found.told
    names = ", ".join(f"{name} ({rows:,} problem{'s' * (rows != 1)})" for name, rows in found.found.items())
    if found.decontaminates:
        yield f"compared with {names}"
    else:
        yield "not decontaminated: no benchmark is available"
    if found.missing:
        yield f"not available: {', '.join(found.missing)}; {named_by} downloads one, as does"
        yield from (f"  {command}" for command in found.missing.values())


def references(against: Sequence[str] | None = None) -> References:
    """The problems of these benchmarks, by name or file; None means all of the registry that are in the cache.

    A named benchmark is downloaded from the Hub unless it is cached. Takes a fifth of a second for 2,000 problems.
    Raises InputError for an unknown name, for unreadable files and failed downloads, and for a benchmark in which no
    row has a problem.
    """
    if against is not None:
        for name in against:
            if Path(name).is_dir() and name not in BENCHMARKS:
                raise InputError(f"{name} is a folder; name the files of problems in it")
            if not is_file(name):
                benchmark_named(name)
        return _read(list(dict.fromkeys(map(str, against))), {})
    at_hand = [benchmark.name for benchmark in BENCHMARKS.values() if _is_at_hand(benchmark)]
    missing = {
        benchmark.name: download_command(benchmark.hub)
        for benchmark in BENCHMARKS.values()
        if benchmark.hub is not None and benchmark.name not in at_hand and benchmark.name != _HALF_OF_ANOTHER
    }
    return _read(at_hand, missing)


def files_of(against: Sequence[str]) -> list[Path]:
    """Those of these benchmarks that are files."""
    return [Path(name) for name in against if is_file(name)]


def _is_at_hand(benchmark: Benchmark) -> bool:
    return benchmark.hub is not None and is_cached(benchmark.hub)


def _read(names: Sequence[str], missing: Mapping[str, str]) -> References:
    problems: list[Reference] = []
    found: dict[str, int] = {}
    notes: list[str] = []
    for name in names:
        said: list[str] = []
        read = list(_problems(name, said))
        found[name] = len(read)
        problems += read
        notes += [f"{name}: {line}" for line in said]
    phrases = tuple(reference.problem for reference in _problems(nano.NAME, []))
    return References(tuple(problems), found, missing, tuple(notes), phrases)


def _problems(name: str, notes: list[str]) -> Iterator[Reference]:
    """The problems of one benchmark; rows without text are left out, and reported. Raises InputError."""
    where, numbered = rows_of(name, notes)
    rows, without, why = 0, 0, ""
    for number, row in numbered:
        rows += 1
        place = f"{where}, row {number}"
        try:
            problem = problem_of(row, place)
        except UnfitRow as error:
            without, why = without + 1, f"; {error}"
            continue
        if not words_of(problem):
            without += 1
            continue
        yield Reference(name, number, problem_id(row, place), problem)
    if without == rows:
        raise InputError(f"{where}: no row has a problem to compare with{why}")
    if without:
        notes.append(f"{without:,} of {rows:,} rows have no problem and are left out")
