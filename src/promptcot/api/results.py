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
    """What came of one step: its output rows, those it dropped (with `reason`), and those that failed (with `cause`).

    `counts` says where each input row went, and what was asked; `directory` holds the files where a journal is kept.
    `shard` is what of the rows it took, where these were not all. `problem` says what went wrong where nothing came
    out, or most replies were of no use: with an example, the likely cause and the remedy.
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
    """Labelled problems, and what can be learned from their traces."""

    sft: Sequence[Row] = ()
    """The whole traces that agree with the label: `prompt`, `completion`, `messages`."""
    pairs: Sequence[Row] = ()
    """One right and one wrong trace of each problem that has both: `prompt`, `chosen`, `rejected`."""
    rl: Sequence[Row] = ()
    """Prompt and verifiable answer of each labelled problem."""


@dataclass(frozen=True, repr=False)
class FilterResult(StageResult):
    """The problems that the judges call perfect, and how far the judges agree."""

    agreement: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, repr=False)
class SelectResult(StageResult):
    """The set, in its order. `selection` has the pass rates that were there, and what was asked and got."""

    selection: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class DecontaminateResult(StageResult):
    """The problems that are in no benchmark, and what they were compared with.

    `contamination` is as in the summary of a run: `status`, `against` which benchmarks, which were `not_at_hand` and
    the command that fetches each, and how many were `found`, by benchmark.
    """

    contamination: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class MeasureResult:
    """What a set is like, as plain values with the names that `summary.json` has; of two sets, the `other` as well.

    `differences` has what was compared: `a`, `b`, `difference` with its `interval`, and whether it is `clear` of noise;
    `in_both` counts the problems that both sets have.
    """

    measure: Mapping[str, Any]
    other: Mapping[str, Any] | None = None
    in_both: int | None = None
    differences: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class GradeResult:
    """Statistics of graded predictions by source, shares between 0 and 1; `rows` has one row for each prediction.

    `unfit` rows could not be graded and are in neither; `notes` has the reason of the first, and what else was noticed.
    """

    sources: Mapping[str, Summary]
    rows: Sequence[Row]
    unfit: int = 0
    notes: Sequence[str] = ()

    def accuracy(self, source: str | None = None) -> float | None:
        """The share of right answers of a source, or of the only one; None without data. Raises InputError."""
        names = [*self.sources]
        if source not in (names if source else [None]) or (source is None and len(names) != 1):
            raise InputError(f"there are {len(names)} sources ({', '.join(names)}); name one of them")
        return self.sources[source or names[0]].accuracy.mean


@dataclass(frozen=True)
class EvaluationResult:
    """Benchmarks solved and graded: a result for each, and the directory with traces, grades and plots.

    `refused` problems were left out, since no answer could be right by their golds.
    """

    benchmarks: Mapping[str, Evaluated]
    directory: Path
    refused: int = 0


@dataclass(frozen=True, repr=False)
class RunResult:
    """A finished run. Rows are read from its `directory` when they are looked at."""

    directory: Path
    counts: Mapping[str, StageCounts]
    """By step, in order; `encode` where vectors were made."""
    last: str
    problem: str | None = None
    """What went wrong where nothing came out, or most replies of a step were of no use, and the remedy."""
    _files: dict[str, FileRows] = field(default_factory=dict, init=False)

    def __repr__(self) -> str:
        steps = ", ".join(f"{name} {counts.rows_out:,}" for name, counts in self.counts.items())
        return f"RunResult({self.directory}: {steps})"

    @property
    def accepted(self) -> Sequence[Row]:
        """The rows that came through the last step."""
        return self.rows(self.last)

    @property
    def set(self) -> Sequence[Row]:
        """The rows of `set.jsonl`, flat and complete. Raises InputError where the run ended before it has a set."""
        path = self.directory / SET
        if not path.exists():
            raise InputError(f"{path}: the run has no set, which is made behind `filter` (docs/recipes.md)")
        return self._files.setdefault(SET, FileRows(path))

    def rows(self, step: str) -> Sequence[Row]:
        """The output rows of a step. Raises InputError for one that the run does not have."""
        return self._file(step, "")

    def dropped(self, step: str) -> Sequence[Row]:
        """The rows that a step left out, with `reason`."""
        return self._file(step, ".dropped")

    def failed(self, step: str) -> Sequence[Row]:
        """The rows that a step could not ask about, with `cause` and `error`."""
        return self._file(step, ".failed")

    @cached_property
    def summary(self) -> Mapping[str, Any]:
        """What `summary.json` holds."""
        found: Mapping[str, Any] = loads((self.directory / "summary.json").read_bytes())
        return found

    @property
    def agreement(self) -> Sequence[Mapping[str, Any]]:
        """How far each two judges agree: share, interval, Cohen's kappa, n. Empty where the run has no filter."""
        found: Sequence[Mapping[str, Any]] = self.summary.get("agreement", [])
        return found

    @property
    def cost(self) -> float | None:
        """What all calls cost, earlier runs into the directory included; None where no model has a price."""
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
