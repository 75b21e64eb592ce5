"""Measures a set, given its run directory or its file of rows. Decides which files are read.

Rows are streamed: twice for the set and once for each step of a run. In a large set not all pairs of problems are
compared: `PROBLEMS` problems, sampled independently of the order of the rows, are compared with at most `AMONG`.
`core.measures` computes the numbers.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptcot.core.columns import Columns
from promptcot.core.measures.facts import concepts_of, facts_of, level_of, text_of
from promptcot.core.measures.measured import Measured
from promptcot.core.measures.near_copies import NearCopies
from promptcot.core.measures.spending import spending
from promptcot.core.measures.tally import Tally
from promptcot.core.measures.yields import ConceptYield, Reached, Sampled, extremes, unlike, yield_json
from promptcot.core.overlap.near import Text
from promptcot.errors import InputError
from promptcot.pipeline.set_file import SET
from promptcot.pipeline.vectors import VectorsOf, vectors_by_id
from promptcot.records import Row
from promptcot.stages.sample import read_table
from promptcot.storage.file_rows import FileRows
from promptcot.storage.json import loads
from promptcot.storage.manifest import read_manifest
from promptcot.storage.rows import hash_id, read_rows

PROBLEMS = 1000
AMONG = 200_000
VECTORS = 4000
"""The maximum number of vectors that are compared with each other."""
_EXTREMES = 5

Rows = Callable[[], Iterator[Row]]
Chosen = tuple[int, Row]
"""A row with its place in the set."""


@dataclass(frozen=True)
class RunFiles:
    """The files of a run: rows of each step in order, of the `set`, and the counts of its steps as in a summary.

    `known` is the number of concepts in the run's catalogue, `validity` the table of verdicts by agreement over all
    labelled problems, if its summary has one.
    """

    steps: Mapping[str, Path]
    set: Path
    stages: Mapping[str, Any]
    known: int | None = None
    validity: Mapping[str, Any] | None = None


def measured(
    path: Path, columns: Columns | None = None, concepts: str | None = None, vectors: VectorsOf | None = None
) -> Measured:
    """The measures of the set of a run directory, or of a file.

    `concepts` is the catalogue against which coverage is computed, by default that of the run; `vectors` returns those
    of some problems, by default the run's own. Raises InputError.
    """
    known = None if concepts is None else len(read_table(concepts))
    if path.is_dir():
        return measured_run(str(path), _files_of(path, known), vectors)
    read = columns or Columns()

    def rows() -> Iterator[Row]:
        return _once(row for _, row in read.problems(read_rows(path, may_be_empty=True)))

    return _measured(str(path), rows, known, vectors)


def measured_run(name: str, files: RunFiles, vectors: VectorsOf | None = None) -> Measured:
    """The measures of a run's set, and the calls and rows that the run needed."""
    made = next((path for step, path in files.steps.items() if step.startswith("embed-")), None)
    if vectors is None and made is not None:
        vectors = partial(_vectors_made, made)
    found = _measured(name, lambda: _once(FileRows(files.set)), files.known, vectors)
    spent = spending(files.stages, found.tally.rows)
    figures = {"yield": _yield(files.steps), "spent": spent, "validity_by_agreement": files.validity}
    run = {name: value for name, value in figures.items() if value is not None}
    return Measured(found.name, found.tally, found.nearest, found.among, found.known, found.vectors, run)


def _vectors_made(path: Path, problems: Sequence[Row]) -> NDArray[np.float32]:
    """The vectors of a step that embeds; none if a later step changed the problems' ids and texts."""
    try:
        return vectors_by_id(path, problems)
    except InputError:
        return np.empty((0, 1), np.float32)


def _files_of(directory: Path, known: int | None) -> RunFiles:
    """The files of a finished run. Raises InputError for any other directory."""
    try:
        summary = loads((directory / "summary.json").read_bytes())
        stages = dict(summary["stages"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{directory}: it has no summary.json of a run; give the directory of a run that has ended, or a file"
        ) from error
    steps = {name: directory / f"{name}.jsonl" for name in stages if (directory / f"{name}.jsonl").is_file()}
    steps.pop("encode", None)
    if "sample" not in steps:
        raise InputError(
            f"{directory}: it has no sample.jsonl, so it is not the directory of a run; give its file of rows"
        )
    made = directory / SET
    last = made if made.is_file() else [*steps.values()][-1]
    known = _known(directory) if known is None else known
    return RunFiles(steps, last, stages, known, summary.get("validity_by_agreement"))


def _known(directory: Path) -> int | None:
    """The number of concepts in a run's catalogue, if it still exists."""
    try:
        return len(read_table((read_manifest(directory) or {})["recipe"]["concepts"]["path"]))
    except (InputError, KeyError, TypeError):
        return None


def _once(rows: Iterable[Row]) -> Iterator[Row]:
    """Each problem once: of consecutive traces with one id, the first."""
    last: object = None
    for row in rows:
        name = row.get("id")
        if name is None or name != last or "sample" not in row:
            yield row
        last = name


def _measured(name: str, rows: Rows, known: int | None, vectors: VectorsOf | None) -> Measured:
    tally, most = Tally(hash_id), max(PROBLEMS, VECTORS if vectors else 0)
    chosen = _counted(rows(), tally, most)
    looked = NearCopies([(place, Text.of(text_of(row))) for place, row in chosen[:PROBLEMS]])
    every = -(-tally.rows // AMONG)
    for place, row in enumerate(rows()):
        text = text_of(row)
        if text and hash_id(text) % every == 0:
            looked.look(place, Text.of(text))
    found = None if vectors is None else vectors([row for _, row in chosen[:VECTORS]])
    return Measured(name, tally, looked.nearest(), looked.among, known, found)


def _counted(rows: Iterable[Row], tally: Tally, most: int) -> list[Chosen]:
    """Count all rows; keep those with the smallest hashes of their texts, a sample independent of the order."""
    heap: list[tuple[int, int, Row]] = []
    for place, row in enumerate(rows):
        facts = facts_of(row)
        tally.add(facts)
        if facts.text:
            entry = (-hash_id(facts.text), -place, {"id": row.get("id"), "problem": facts.text})
            (heapq.heappush if len(heap) < most else heapq.heappushpop)(heap, entry)
    return [(-place, row) for _, place, row in sorted(heap, reverse=True)]


def _yield(steps: Mapping[str, Path]) -> dict[str, Any]:
    """The share of combinations that reaches each step; models that see the same rows are one step."""
    sampled = Sampled()
    for row in FileRows(steps["sample"]):
        sampled.add(hash_id(str(row.get("id"))), level_of(row), map(hash_id, concepts_of(row)))
    reached: dict[str, Reached] = {}
    for name, path in steps.items():
        verb = _verb(name)
        if verb is not None:
            came = sampled.reached(hash_id(str(row.get("id"))) for row in FileRows(path))
            reached[verb] = reached[verb] & came if verb in reached else came
    found = yield_json(sampled, reached)
    return {**found, "concepts": _concepts(sampled, reached, steps["sample"], found["share"])}


def _verb(name: str) -> str | None:
    """The name under which a step is counted; None for steps that only prepare another, or only vote."""
    verb, dash, _ = name.partition("-")
    if name == "sample" or (dash and verb in ("embed", "verify")):
        return None
    return verb if dash and verb == "judge" else name


def _concepts(sampled: Sampled, reached: Mapping[str, Reached], path: Path, share: float | None) -> dict[str, Any]:
    """The concepts with the highest and lowest accepted shares, among those used."""
    if share is None:
        return {"used": 0, "unlike": 0, "best": [], "worst": []}
    found = sampled.concepts([*reached.values()][-1])
    best, worst = extremes(found, _EXTREMES)
    names = _names({one.key for one in (*best, *worst)}, path)
    summary = {"used": len(found), "unlike": unlike(found, share)}
    return {
        **summary,
        "best": [_described(one, names) for one in best],
        "worst": [_described(one, names) for one in worst],
    }


def _described(one: ConceptYield, names: Mapping[int, str]) -> dict[str, Any]:
    return {"concept": names[one.key], "count": one.count, "n": one.n, "interval": one.interval}


def _names(keys: set[int], path: Path) -> dict[int, str]:
    """The names of concepts, found again in the rows."""
    named = ((hash_id(name), name) for row in FileRows(path) for name in concepts_of(row))
    fresh: dict[int, str] = {}
    wanted = ((key, name) for key, name in named if key in keys and key not in fresh)
    for key, name in islice(wanted, len(keys)):
        fresh[key] = name
    return fresh
