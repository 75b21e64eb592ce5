"""Reads benchmarks: from a file in the public format or ours, from the package, or by name from the Hub.

An unusable benchmark stops at loading with an error that names the row. A row whose gold no answer could match is left
out and counted, since the other rows are not affected. A benchmark that is usable but differs from its registry entry
(other golds, fewer rows) is used, with a message in `Loaded.warnings`. If `graders` are given, the verifier of its
source decides whether a gold can be compared with answers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from promptcot import nano
from promptcot.core.columns import Columns
from promptcot.core.problems import gold_of, plain_integer, problem_id, problem_of, source_of
from promptcot.core.remedies import shown
from promptcot.core.units import counted
from promptcot.errors import InputError, RefusedGold
from promptcot.evaluation.golds import Contradictions
from promptcot.evaluation.hub import fetch
from promptcot.evaluation.registry import Benchmark, benchmark_named, grader_of, verifier_of, with_source
from promptcot.grading.graders import Graders
from promptcot.grading.verifiers import INTEGERS
from promptcot.records import Row
from promptcot.storage.paths import SUFFIXES
from promptcot.storage.rows import read_rows


@dataclass(frozen=True, slots=True)
class BenchmarkRow:
    """One problem of a benchmark, with its correct answer. `worded`: it has its own field, not only a prompt."""

    id: str
    source: str
    problem: str
    gold: str
    level: str | None = None
    worded: bool = True


@dataclass(frozen=True, slots=True)
class Loaded:
    """The rows of a benchmark file. `benchmarks` has the benchmark of each source, None if it is not registered."""

    rows: tuple[BenchmarkRow, ...]
    benchmarks: dict[str, Benchmark | None]
    warnings: tuple[str, ...]
    contradictions: tuple[str, ...] = ()
    """Warnings about golds that contradict each other in one row."""
    refused: tuple[BenchmarkRow, ...] = ()
    """Rows left out because the verifier rejects their gold; one of the warnings says so."""


def load(name_or_path: str | Path, graders: Graders | None = None, *, strict: bool = False) -> Loaded:
    """The rows of a benchmark, from a file or by its name in the registry.

    A file takes precedence over a name (a folder does not), and anything that looks like a path is a path. `nano` ships
    with the package; the others are downloaded from the Hub at their pinned revision, or read from its local cache
    (with `HF_HUB_OFFLINE=1` only there). With `graders`, a row whose gold the verifier rejects is left out; with
    `strict`, or if nothing is left, that raises RefusedGold. Raises InputError for an unknown name, a missing, empty or
    malformed file, a row without source, problem or gold, and two rows with one problem.
    """
    notes: list[str] = []
    where, numbered = rows_of(name_or_path, notes)
    found = Contradictions(graders)
    rows, refusals = _sifted(list(_read_all(numbered, where, found)), graders, strict=strict)
    loaded = _identified(rows)
    warnings = (*(f"{where}: {line}" for line in notes), *refusals.lines, *loaded.warnings, *found.lines)
    return replace(loaded, warnings=warnings, contradictions=tuple(found.lines), refused=tuple(refusals.rows))


def is_file(name_or_path: str | Path) -> bool:
    """Whether that is a file of rows, and not the name of a benchmark."""
    return Path(name_or_path).is_file() or _looks_like_path(str(name_or_path))


def rows_of(name_or_path: str | Path, notes: list[str]) -> tuple[str, Iterable[tuple[int, Row]]]:
    """The benchmark's name for errors, and its rows with their numbers; `notes` receives how a file was read.

    Raises InputError for an unknown name, or a benchmark that cannot be downloaded.
    """
    path = Path(name_or_path)
    if is_file(name_or_path):
        return str(path), Columns(tell=notes.append).problems(read_rows(path), source=path.stem)
    benchmark = benchmark_named(str(name_or_path))
    if benchmark.hub is None:
        return benchmark.name, enumerate(read_rows(nano.benchmark_path()), 1)
    theirs = (row for file in fetch(benchmark.name, benchmark.hub) for row in read_rows(file))
    return benchmark.name, enumerate((_as_ours(row, benchmark) for row in theirs), 1)


def _looks_like_path(name: str) -> bool:
    return "/" in name or "\\" in name or name.endswith(SUFFIXES)


def _as_ours(row: Row, benchmark: Benchmark) -> Row:
    """A row of the Hub in our own names."""
    if benchmark.hub is None:
        return row
    kept = {"level": row["level"]} if "level" in row else {}
    ours = {"problem": row.get(benchmark.hub.problem), "answer": row.get(benchmark.hub.answer)}
    return {**ours, **kept, "source": benchmark.name}


def _read_all(
    numbered: Iterable[tuple[int, Row]], where: str, found: Contradictions
) -> Iterator[tuple[str, BenchmarkRow]]:
    """Each row, read, and where it is. Raises InputError with the number of the row that cannot be."""
    seen: dict[tuple[str, str], tuple[int, BenchmarkRow]] = {}
    for number, row in numbered:
        place = f"{where}, row {number}"
        read = _read(row, place)
        found.look(row, place)
        first, other = seen.setdefault((read.source, read.id), (number, read))
        if first != number:
            raise InputError(f"{place}: {_repeated(read, first, other)}")
        yield place, read


def _repeated(read: BenchmarkRow, first: int, other: BenchmarkRow) -> str:
    """The error for a row with the id of an earlier one."""
    if read.problem.split() != other.problem.split():
        here, there = repr(shown(read.problem)), repr(shown(other.problem))
        return (
            f"another problem has the same id, {read.id}, in row {first}: {here} here, {there} there; give each its "
            "own id"
        )
    golds = "" if read.gold == other.gold else f", with the gold {read.gold!r} here and {other.gold!r} there"
    return (
        f"the same problem as row {first} (id {read.id}){golds}; a benchmark contains each problem once. If these are "
        "predictions, with one row per sample, give the benchmark that they answer instead"
    )


def _read(row: Row, where: str) -> BenchmarkRow:
    source = source_of(row, where)
    gold = gold_of(row, where)
    level = row.get("level")
    return BenchmarkRow(
        id=problem_id(row, where),
        source=source,
        problem=problem_of(row, where),
        gold=_integer(gold) if verifier_of(source) == INTEGERS else gold,
        level=None if level is None else str(level),
        worded=bool(row.get("problem")),
    )


def _integer(gold: str) -> str:
    """A gold as a whole number; any other gold is left to its verifier."""
    try:
        return plain_integer(gold)
    except InputError:
        return gold


def hash_golds(golds: Iterable[str]) -> str:
    """16 hex digits of the golds, independent of the order of the rows and of spaces within a gold."""
    return hashlib.blake2b(
        "\x1f".join(sorted("".join(gold.split()) for gold in golds)).encode(errors="surrogatepass"), digest_size=8
    ).hexdigest()


def _identified(rows: list[BenchmarkRow]) -> Loaded:
    sources = list(dict.fromkeys(row.source for row in rows))
    found = {source: _identify(source, [row for row in rows if row.source == source]) for source in sources}
    warnings = tuple(warning for _, said in found.values() for warning in said)
    return Loaded(tuple(rows), {source: benchmark for source, (benchmark, _) in found.items()}, warnings)


class _Refusals:
    """Rows of a benchmark that are left out because no answer can match their gold, and the reason of the first.

    With `strict`, the first of them raises RefusedGold.
    """

    def __init__(self, strict: bool) -> None:
        self._strict = strict
        self.rows: list[BenchmarkRow] = []
        self._example = ""

    def add(self, row: BenchmarkRow, why: str) -> None:
        """Leave out a row; `why` names it."""
        if self._strict:
            raise RefusedGold(f"{why}; or leave the row out")
        self.rows.append(row)
        self._example = self._example or why

    @property
    def lines(self) -> list[str]:
        """The messages about them; empty if there are none."""
        if not self.rows:
            return []
        if len(self.rows) == 1:
            return [f"1 row is left out, because no answer can match its gold: {self._example}"]
        count = f"{len(self.rows):,} rows are left out, because no answer can match their golds"
        return [f"{count}; for example {self._example}"]


def _sifted(
    rows: Iterable[tuple[str, BenchmarkRow]], graders: Graders | None, *, strict: bool
) -> tuple[list[BenchmarkRow], _Refusals]:
    """The rows that their verifiers accept, and those that they reject. Raises RefusedGold if none is accepted."""
    taken, refusals = [], _Refusals(strict)
    for place, row in rows:
        try:
            if graders is not None:
                grader_of(graders, row.source).check_gold(row.gold)
            taken.append(row)
        except RefusedGold as error:
            refusals.add(row, f"{place} (id {row.id}): {error}")
    if refusals.rows and not taken:
        raise RefusedGold(f"no row can be used: {refusals.lines[0]}")
    return taken, refusals


def _identify(source: str, rows: list[BenchmarkRow]) -> tuple[Benchmark | None, list[str]]:
    """The benchmark of these rows, and how they differ from it."""
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
        yield f"{source}: {counted(rows, 'row')}, but {benchmark.name} has {benchmark.rows}"
    if benchmark.golds is None:
        yield f"{source}: the golds of {benchmark.name} are not on record; these have the hash {hashed}"
    elif hashed != benchmark.golds:
        yield f"{source}: the golds are not those of {benchmark.name} (hash {hashed} instead of {benchmark.golds})"


def renamed(loaded: Loaded) -> Loaded:
    """The same rows, with the names of the recognized benchmarks as `source`."""
    names = {source: benchmark.name if benchmark else source for source, benchmark in loaded.benchmarks.items()}
    rows = tuple(replace(row, source=names[row.source]) for row in loaded.rows)
    benchmarks = {names[source]: benchmark for source, benchmark in loaded.benchmarks.items()}
    return replace(loaded, rows=rows, benchmarks=benchmarks)
