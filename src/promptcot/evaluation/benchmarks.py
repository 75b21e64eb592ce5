"""Reading benchmarks: from a file in the public format or ours, from the package, or by name from the Hub.

A benchmark that cannot be used stops at load, with the row named. One that can, but is not what the registry says it is
(other golds, fewer rows), is used, and `Loaded.warnings` says so. Whether a gold can be compared with answers is not
known here: `check_gold` is passed in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from promptcot import nano
from promptcot.core.columns import Columns
from promptcot.core.problems import gold_of, plain_integer, problem_id, problem_of, source_of
from promptcot.core.remedies import shown
from promptcot.errors import InputError
from promptcot.evaluation.golds import Contradictions
from promptcot.evaluation.hub import fetch
from promptcot.evaluation.registry import Benchmark, benchmark_named, with_source
from promptcot.records import Row
from promptcot.storage.paths import SUFFIXES
from promptcot.storage.rows import read_rows

CheckGold = Callable[[str], None]
"""Raises InputError for a gold that cannot be parsed or does not equal itself, as `Grader.check_gold` does."""

Same = Callable[[str, str], bool | None]
"""Whether an answer is what a gold asks for; None where that cannot be decided."""


@dataclass(frozen=True, slots=True)
class BenchmarkRow:
    """One problem of a benchmark, with its correct answer."""

    id: str
    source: str
    problem: str
    gold: str
    level: str | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """The rows of a benchmark file. `benchmarks` says for each source what it is, None where it is not registered."""

    rows: tuple[BenchmarkRow, ...]
    benchmarks: dict[str, Benchmark | None]
    warnings: tuple[str, ...]
    contradictions: tuple[str, ...] = ()
    """Those of the warnings that are about golds which contradict each other in one row."""


def load(name_or_path: str | Path, check_gold: CheckGold | None = None, same: Same | None = None) -> Loaded:
    """The rows of a benchmark, from a file or by its name in the registry.

    A file wins over a name (a folder does not), and whatever looks like a path is one. `nano` ships with the package;
    the others are fetched from the Hub at their pinned revision, or found in its local cache (with `HF_HUB_OFFLINE=1`
    only there). `same` says of two golds of a row, where that takes algebra, whether they are one.
    Raises InputError for an unknown name, a missing, empty or malformed file, a row without source, problem or gold,
    two rows with one problem, and a gold that `check_gold` refuses.
    """
    path, found = Path(name_or_path), Contradictions(same)
    if path.is_file() or _looks_like_path(str(name_or_path)):
        told: list[str] = []
        rows = Columns(tell=told.append).problems(read_rows(path), source=path.stem)
        loaded = _checked(list(_read_all(rows, str(path), found)), check_gold)
        warnings = (*(f"{path}: {line}" for line in told), *loaded.warnings, *found.lines)
        return replace(loaded, warnings=warnings, contradictions=tuple(found.lines))
    benchmark = benchmark_named(str(name_or_path))
    if benchmark.hub is None:
        rows = enumerate(read_rows(nano.benchmark_path()), 1)
        return _checked(list(_read_all(rows, benchmark.name, found)), check_gold)
    theirs = (row for file in fetch(benchmark.name, benchmark.hub) for row in read_rows(file))
    ours = (_as_ours(row, benchmark) for row in theirs)
    return _checked(list(_read_all(enumerate(ours, 1), benchmark.name, found)), check_gold)


def _looks_like_path(name: str) -> bool:
    return "/" in name or "\\" in name or name.endswith(SUFFIXES)


def _as_ours(row: Row, benchmark: Benchmark) -> Row:
    """A row of the Hub in our own names."""
    if benchmark.hub is None:
        return row
    kept = {"level": row["level"]} if "level" in row else {}
    ours = {"problem": row.get(benchmark.hub.problem), "answer": row.get(benchmark.hub.answer)}
    return {**ours, **kept, "source": benchmark.name}


def _read_all(numbered: Iterable[tuple[int, Row]], where: str, found: Contradictions) -> Iterator[BenchmarkRow]:
    """Each row, read. Raises InputError with the number of the row that cannot be."""
    seen: dict[tuple[str, str], tuple[int, BenchmarkRow]] = {}
    for number, row in numbered:
        place = f"{where}, row {number}"
        read = _read(row, place)
        found.look(row, place)
        first, other = seen.setdefault((read.source, read.id), (number, read))
        if first != number:
            raise InputError(f"{place}: {_repeated(read, first, other)}")
        yield read


def _repeated(read: BenchmarkRow, first: int, other: BenchmarkRow) -> str:
    """What is wrong with a row that has the id of an earlier one."""
    if read.problem.split() != other.problem.split():
        here, there = repr(shown(read.problem)), repr(shown(other.problem))
        return f"another problem has its id, {read.id}, in row {first}: {here} here, {there} there; give each its own"
    golds = "" if read.gold == other.gold else f", with the gold {read.gold!r} here and {other.gold!r} there"
    return (
        f"the same problem as row {first} (id {read.id}){golds}; a benchmark asks each problem once. If these are "
        "predictions, with one row per sample, give the benchmark that they answer instead"
    )


def _read(row: Row, where: str) -> BenchmarkRow:
    source = source_of(row, where)
    gold = gold_of(row, where)
    level = row.get("level")
    integers = any(benchmark.integers for benchmark in with_source(source))
    return BenchmarkRow(
        id=problem_id(row, where),
        source=source,
        problem=problem_of(row, where),
        gold=plain_integer(gold, where) if integers else gold,
        level=None if level is None else str(level),
    )


def hash_golds(golds: Iterable[str]) -> str:
    """16 hex digits of the golds, whatever the order of the rows and the spaces within a gold."""
    return hashlib.blake2b(
        "\x1f".join(sorted("".join(gold.split()) for gold in golds)).encode(errors="surrogatepass"), digest_size=8
    ).hexdigest()


def _checked(rows: list[BenchmarkRow], check_gold: CheckGold | None) -> Loaded:
    _check_golds(rows, check_gold)
    sources = list(dict.fromkeys(row.source for row in rows))
    found = {source: _identify(source, [row for row in rows if row.source == source]) for source in sources}
    warnings = tuple(warning for _, said in found.values() for warning in said)
    return Loaded(tuple(rows), {source: benchmark for source, (benchmark, _) in found.items()}, warnings)


def _check_golds(rows: Iterable[BenchmarkRow], check_gold: CheckGold | None) -> None:
    if check_gold is None:
        return
    for number, row in enumerate(rows, 1):
        try:
            check_gold(row.gold)
        except InputError as error:
            raise InputError(f"row {number} of {row.source} (id {row.id}): {error}; or leave the row out") from error


def _identify(source: str, rows: list[BenchmarkRow]) -> tuple[Benchmark | None, list[str]]:
    """Which benchmark these rows are, and how they differ from it."""
    candidates = with_source(source)
    if not candidates:
        return None, [f"{source}: not a registered benchmark, so rows and golds cannot be verified"]
    hashed = hash_golds(row.gold for row in rows)
    for benchmark in candidates:
        if benchmark.golds == hashed:
            other = benchmark.name != candidates[0].name
            return benchmark, [f"{source}: these rows are {benchmark.name} ({benchmark.note})"] if other else []
    same_size = [benchmark for benchmark in candidates if benchmark.rows == len(rows)]
    benchmark = (same_size or list(candidates))[0]
    return benchmark, list(_differences(benchmark, source, len(rows), hashed))


def _differences(benchmark: Benchmark, source: str, rows: int, hashed: str) -> Iterator[str]:
    if rows != benchmark.rows:
        yield f"{source}: {rows} rows, but {benchmark.name} has {benchmark.rows}"
    if benchmark.golds is None:
        yield f"{source}: the golds of {benchmark.name} are not on record; these have the hash {hashed}"
    elif hashed != benchmark.golds:
        yield f"{source}: the golds are not those of {benchmark.name} (hash {hashed} instead of {benchmark.golds})"


def renamed(loaded: Loaded) -> Loaded:
    """The same rows, each `source` being the name of the benchmark that its rows turned out to be."""
    names = {source: benchmark.name if benchmark else source for source, benchmark in loaded.benchmarks.items()}
    rows = tuple(replace(row, source=names[row.source]) for row in loaded.rows)
    return Loaded(rows, {names[source]: benchmark for source, benchmark in loaded.benchmarks.items()}, loaded.warnings)
