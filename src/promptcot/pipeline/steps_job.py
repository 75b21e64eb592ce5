"""A job that takes rows through several steps, with and without a model, into one output.

Decides which file each row ends up in. The output holds the rows that passed all steps; rows dropped by any step are
written to the file of dropped rows, in input order. The summary has the counts of each step. `execute` runs the job.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from promptcot.core.shards import EVERYTHING, Part
from promptcot.engines.protocol import Engine
from promptcot.pipeline.flow import forget_states
from promptcot.pipeline.job import count_items
from promptcot.pipeline.plan import PlannedStep, asking, groups_of
from promptcot.records import Item, Row
from promptcot.storage.atomic import write_json
from promptcot.storage.budget import Paid
from promptcot.storage.counts import StageCounts
from promptcot.storage.manifest import FORMAT, manifest
from promptcot.storage.outputs import Output
from promptcot.storage.paths import beside
from promptcot.storage.rows import read_lines


@dataclass(frozen=True)
class StepsJob:
    """Rows through `steps` into one output. `settings` and `prompts` are for its manifest.

    `items` reads the rows anew, those of a `part`. If the caller passes `engines`, by step name, they replace the
    models and stay open. With `keep_going` all rows are processed even if no reply is usable.
    """

    name: str
    steps: Sequence[PlannedStep]
    items: Callable[[], Iterator[Item]]
    output: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    prompts: Mapping[str, str] = field(default_factory=dict)
    concurrency: int = 256
    max_retries: int = 0
    max_cost: float | None = None
    part: Part = EVERYTHING
    keep_going: bool = False
    engines: Mapping[str, Engine] = field(default_factory=dict)

    @property
    def directory(self) -> Path:
        """The directory of the stages' journals, and of the steps' temporary state."""
        return beside(self.output, "journal")

    def count_items(self) -> int | None:
        """The number of input rows; None if no model is called, so that a large file is read once.

        Checks the file and the prompt before a model is loaded: raises InputError.
        """
        first = next(groups_of(self.steps))[0]
        if first.stage is not None:
            return count_items(first.stage, self.items())
        return sum(1 for _ in self.items()) if asking(self.steps) else None

    def manifest(self, engines: Mapping[str, Engine]) -> dict[str, Any]:
        """What is written beside the output."""
        models = {name: engine.model for name, engine in engines.items()}
        return {**manifest(self.settings, self.prompts, models), **self.part.told()}


class _StepOutput(Output):
    """Counts the outcomes of one step, and keeps dropped rows with their positions.

    For parallel steps nothing is `kept`: a row that one of them loses continues with the results of the others.
    """

    def __init__(self, path: Path, name: str, *, placed: bool, kept: bool) -> None:
        super().__init__(path, name, placed=placed)
        self._kept = kept

    def _put(self, kind: str, index: int, row: Row) -> None:
        if kind and self._kept:
            self._writer("").write({"index": index, "kind": kind, "row": row})

    def left_out(self) -> Iterator[tuple[int, str, Row]]:
        """Position, kind and text of the dropped rows, after the step is finished."""
        for line in read_lines(self.path.with_name(f"{self.path.name}.partial")):
            yield line["index"], line["kind"], line["row"]


class StepsOutput:
    """The output of a job, which takes rows that passed all steps, and the `sinks` of each step, by its name.

    A context manager; then `commit`.
    """

    def __init__(self, job: StepsJob) -> None:
        placed = job.part.shard is not None
        self._job = job
        self._output = Output(job.output, job.name, placed=placed)
        self.sinks = {
            step.name: _StepOutput(
                job.directory / f"{step.name}.left.jsonl",
                step.name,
                placed=placed,
                kept=step.join is None,
            )
            for step in job.steps
        }

    def __enter__(self) -> Self:
        with ExitStack() as held:
            held.enter_context(self._output)  # first: it is locked, and nobody else may write it
            held.callback(self._remove_folder)
            for sink in self.sinks.values():
                held.enter_context(sink)
            self._held = held.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def _remove_folder(self) -> None:
        forget_states(self._job.steps, self._job.directory)
        with suppress(OSError):  # where a model was asked, there is a journal to keep
            self._job.directory.rmdir()

    @property
    def counts(self) -> dict[str, StageCounts]:
        """The counts of each step, in order."""
        return {name: sink.counts for name, sink in self.sinks.items()}

    def take(self, item: Item) -> None:
        """Write a row that passed all steps. Raises StorageError."""
        self._output.add(item.index, item.row, item.row)

    def commit(self, recipe: Mapping[str, Any], added: Mapping[str, Any]) -> None:
        """Make the files appear. `added` is what steps add to the summary. Raises StorageError."""
        for sink in self.sinks.values():
            sink.finish()
        for _, kind, row in heapq.merge(*(sink.left_out() for sink in self.sinks.values()), key=lambda left: left[0]):
            self._output.copy(kind, row)
        self._output.finish()
        [*self.sinks.values()][-1].counts.replaced += self._output.counts.replaced
        self._output.publish()
        stages = {name: counts.summary() for name, counts in self.counts.items()}
        write_json(beside(self._job.output, "recipe.json"), dict(recipe))
        write_json(beside(self._job.output, "summary.json"), {"format": FORMAT, "stages": stages, **added})


def whole(name: str, steps: Sequence[PlannedStep], counts: Mapping[str, StageCounts]) -> StageCounts:
    """The counts of all steps combined: rows in, rows out, and rows lost in any of them."""
    found = StageCounts(name)
    for step in steps:
        one = counts[step.name]
        found.add_asked(one)
        found.replaced += one.replaced
        for model, paid in one.paid.items():
            found.paid.setdefault(model, Paid()).include(paid)
        if step.join is None:
            found.dropped += one.dropped
            found.failed += one.failed
    first, last = counts[steps[0].name], counts[steps[-1].name]
    found.rows_in, found.rows_written = first.rows_in, last.rows_written
    found.rows_out = found.rows_in - found.dropped.total() - found.failed.total()
    return found
