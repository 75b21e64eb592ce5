"""The results of the API's functions: rows, dropped and failed rows, and counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from promptcot.api.frames import to_dataset, to_pandas
from promptcot.core.statistics import Summary
from promptcot.errors import InputError
from promptcot.evaluation.results import Evaluated
from promptcot.pipeline.set_file import SET
from promptcot.records import Row
from promptcot.storage.counts import StageCounts
from promptcot.storage.file_rows import FileRows
from promptcot.storage.json import loads


@dataclass(frozen=True, repr=False)
class StageResult:
    """The result of one step: its output rows, dropped rows (with `reason`), and failed rows (with `cause`).

    `counts` has the outcomes of the input rows and the calls; `directory` holds the files if a journal is kept. `shard`
    is the part of the rows, if not all were used. `problem` explains an empty result or mostly unusable replies: an
    example, the likely cause and the remedy.
    """

    rows: Sequence[Row]
    dropped: Sequence[Row]
    failed: Sequence[Row]
    counts: StageCounts
    directory: Path | None = None
    shard: str | None = None
    problem: str | None = None

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        lost = f"{len(self.dropped):,} dropped, {len(self.failed):,} failed"
        return f"{type(self).__name__}({self.counts.name}: {len(self.rows):,} rows, {lost})"

    def to_pandas(self) -> Any:
        """The output rows as a pandas DataFrame."""
        return to_pandas(self.rows)

    def to_dataset(self) -> Any:
        """The output rows as a Hugging Face `datasets.Dataset`."""
        return to_dataset(self.rows)


@dataclass(frozen=True, repr=False)
class LabelResult(StageResult):
    """Labelled problems, and training rows from their traces."""

    sft: Sequence[Row] = ()
    """The complete traces that agree with the label: `prompt`, `completion`, `messages`."""
    pairs: Sequence[Row] = ()
    """One correct and one incorrect trace of each problem that has both: `prompt`, `chosen`, `rejected`."""
    rl: Sequence[Row] = ()
    """Prompt and verifiable answer of each labelled problem."""


@dataclass(frozen=True, repr=False)
class FilterResult(StageResult):
    """The problems that the judges call perfect, and the agreement of the judges."""

    agreement: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, repr=False)
class SelectResult(StageResult):
    """The set, in order. `selection` has the available pass rates, and the requested and actual composition."""

    selection: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class DecontaminateResult(StageResult):
    """The problems that are in no benchmark, and what they were compared with.

    `contamination` is as in the summary of a run: `status`, the benchmarks in `against`, those `not_at_hand` with the
    command that downloads each, and the number `found`, by benchmark.
    """

    contamination: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class MeasureResult:
    """Measures of a set, as plain values with the names used in `summary.json`; for two sets, also those of the
    `other`.

    `differences` lists each comparison: `a`, `b`, `difference` with its `interval`, and whether it is `clear` of noise;
    `in_both` counts the problems that both sets have.
    """

    measure: Mapping[str, Any]
    other: Mapping[str, Any] | None = None
    in_both: int | None = None
    differences: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class GradeResult:
    """Statistics of graded predictions by source, as shares between 0 and 1; `rows` has one row for each prediction.

    `unfit` rows could not be graded and are excluded from both; `notes` has the reason of the first, and other
    warnings.
    """

    sources: Mapping[str, Summary]
    rows: Sequence[Row]
    unfit: int = 0
    notes: Sequence[str] = ()

    def accuracy(self, source: str | None = None) -> float | None:
        """The share of correct answers of a source, or of the only one; None without data. Raises InputError."""
        names = [*self.sources]
        if source not in (names if source else [None]) or (source is None and len(names) != 1):
            raise InputError(f"there are {len(names)} sources ({', '.join(names)}); name one of them")
        return self.sources[source or names[0]].accuracy.mean


@dataclass(frozen=True)
class EvaluationResult:
    """Benchmarks solved and graded: a result for each, and the directory with traces, grades and plots.

    `refused` problems were left out, because no answer can match their golds.
    """

    benchmarks: Mapping[str, Evaluated]
    directory: Path
    refused: int = 0


@dataclass(frozen=True, repr=False)
class RunResult:
    """A finished run. Rows are read from its `directory` on access."""

    directory: Path
    counts: Mapping[str, StageCounts]
    """The counts of each step, in order; `encode` is among the steps if vectors were computed."""
    last: str
    problem: str | None = None
    """What went wrong and how to fix it, if the run produced nothing or most replies of a step were unusable."""
    _files: dict[str, FileRows] = field(default_factory=dict, init=False)

    def __repr__(self) -> str:
        steps = ", ".join(f"{name} {counts.rows_out:,}" for name, counts in self.counts.items())
        return f"RunResult({self.directory}: {steps})"

    @property
    def accepted(self) -> Sequence[Row]:
        """The rows that passed the last step."""
        return self.rows(self.last)

    @property
    def set(self) -> Sequence[Row]:
        """The rows of `set.jsonl`, flat and complete. Raises InputError if the run ended before the set was made."""
        path = self.directory / SET
        if not path.exists():
            raise InputError(f"{path}: the run has no set; sets are made after `filter` (docs/recipes.md)")
        return self._files.setdefault(SET, FileRows(path))

    def rows(self, step: str) -> Sequence[Row]:
        """The output rows of a step. Raises InputError for a step that the run does not have."""
        return self._file(step, "")

    def dropped(self, step: str) -> Sequence[Row]:
        """The rows that a step dropped, with `reason`."""
        return self._file(step, ".dropped")

    def failed(self, step: str) -> Sequence[Row]:
        """The rows that failed in a step, with `cause` and `error`."""
        return self._file(step, ".failed")

    @cached_property
    def summary(self) -> Mapping[str, Any]:
        """The content of `summary.json`."""
        found: Mapping[str, Any] = loads((self.directory / "summary.json").read_bytes())
        return found

    @property
    def agreement(self) -> Sequence[Mapping[str, Any]]:
        """The agreement of each pair of judges: share, interval, Cohen's kappa, n. Empty if the run has no filter."""
        found: Sequence[Mapping[str, Any]] = self.summary.get("agreement", [])
        return found

    @property
    def cost(self) -> float | None:
        """The cost of all calls, including earlier runs into the directory; None if no model has a price."""
        costs = [counts.cost for counts in self.counts.values() if counts.cost is not None]
        return sum(costs) if costs else None

    def to_pandas(self, step: str | None = None) -> Any:
        """The rows of a step (the last one by default) as a pandas DataFrame."""
        return to_pandas(self.rows(step or self.last))

    def to_dataset(self, step: str | None = None) -> Any:
        """The rows of a step (the last one by default) as a Hugging Face `datasets.Dataset`."""
        return to_dataset(self.rows(step or self.last))

    def _file(self, step: str, kind: str) -> FileRows:
        if step not in self.counts:
            raise InputError(f"the run has no rows of {step!r}; its steps are {', '.join(self.counts)}")
        return self._files.setdefault(f"{step}{kind}", FileRows(self.directory / f"{step}{kind}.jsonl"))
