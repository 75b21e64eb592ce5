"""Runs a recipe in its directory: which file each step writes, when a target ends the run, and the summary.

`flow` decides how rows move between steps; `plan` decides which steps there are.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from promptcot.core.shards import EVERYTHING, Part
from promptcot.core.statistics.forecast import Standing
from promptcot.core.statistics.target import rows_worth_starting
from promptcot.engines.protocol import Engine, servers_of
from promptcot.nano.worth import worth
from promptcot.pipeline.flow import Flow, Frontier, forget_states
from promptcot.pipeline.measure import RunFiles, measured_run
from promptcot.pipeline.paid import paid_in
from promptcot.pipeline.plan import PlannedStep, asking, groups_of
from promptcot.pipeline.readme import write_readme
from promptcot.pipeline.set_file import SET, has_set, set_rows
from promptcot.pipeline.standing import costs_of_a_row
from promptcot.recipe.schema import Limits
from promptcot.records import Item, Row
from promptcot.runners.local import LocalRunner
from promptcot.runners.protocol import Runner
from promptcot.runners.slots import Slots
from promptcot.runners.streams import closing, next_before
from promptcot.stages import called
from promptcot.stages.protocol import Step
from promptcot.stages.review import REVIEW
from promptcot.storage.atomic import locked, write_json
from promptcot.storage.budget import Budget, Price
from promptcot.storage.counts import StageCounts
from promptcot.storage.journal import Journal
from promptcot.storage.manifest import FORMAT
from promptcot.storage.outputs import Cut, Output
from promptcot.storage.provenance import SET_FORMAT, provenance
from promptcot.storage.writer import RowWriter

_SAMPLED_AT_ONCE = 64
_LEAST_UNDER_WAY = 32
_ROWS_PER_CALL = 3.5
"""Rows in flight that keep all calls of a generator and of the judges after it busy, while some rows wait."""


def load_spent(journal: Journal, counts: StageCounts, price: Price | None, budget: Budget) -> None:
    """Initialize the counts of a stage and the run's budget with the costs of earlier processes."""
    counts.price = price
    counts.paid, counts.damaged = journal.paid, journal.damaged
    for paid in journal.paid.values():
        budget.spend(paid.cost)
        if price is not None:  # calls that were made without a price count at today's price
            budget.spend(price.of(paid.unpriced_prompt, paid.unpriced_completion))


@dataclass
class Run:
    """A run of `steps` into `directory`. `engines` has one for each stage, by its name; `rows` may be endless.

    `before` has the counts of steps that ended before the first row, `asked` the calls of earlier passes of the same
    command, by stage. A `part` takes some of the rows. With a target, about as many rows are in flight as it still
    needs, and at least `least_ahead`. `known_concepts` is the number of concepts to draw from. `counts` may be read at
    any time; at the end `measure`, the measures of the set, and `truth`, for the nano world what its checker finds.
    """

    steps: Sequence[PlannedStep]
    limits: Limits
    directory: Path
    engines: Mapping[str, Engine]
    rows: Iterator[Row]
    runner: Runner = field(default_factory=LocalRunner)
    before: Sequence[StageCounts] = ()
    asked: Mapping[str, StageCounts] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    part: Part = EVERYTHING
    least_ahead: int = 0
    known_concepts: int | None = None

    def __post_init__(self) -> None:
        cut = Cut() if self.limits.target else None
        names = [step.name for step in self.steps if step.kind != "vectors"]
        placed = self.part.shard is not None
        self.outputs = {name: Output(self.directory / f"{name}.jsonl", name, cut, placed=placed) for name in names}
        self._cut = cut
        self._room = Slots(self._rows_wanted)
        self._complete = asyncio.Event()
        self._frontier = Frontier(cut, self._decided)
        self._flow: Flow | None = None
        self.measure: Mapping[str, Any] = {}
        self.truth: Mapping[str, Any] = {}
        self.came = 0
        """Rows that count towards the target."""

    @property
    def counts(self) -> dict[str, StageCounts]:
        """The counts of each step, in order."""
        return {name: output.counts for name, output in self.outputs.items()}

    @property
    def made(self) -> Mapping[str, Step]:
        """The steps without a model, as the run created them, by name."""
        return self._flow.steps if self._flow else {}

    @property
    def last(self) -> Output:
        """The output of the last step."""
        return [*self.outputs.values()][-1]

    def standing(self) -> Standing:
        """The progress of the run, for a forecast of its end."""
        counts = self.counts
        asked = [counts[step.name] for step in asking(self.steps)]
        paid = [stage.cost for stage in asked if stage.cost is not None]
        row_calls, row_cost = costs_of_a_row(groups_of(self.steps), counts)
        return Standing(
            self.part.share(self.limits.candidates),
            self.limits.target,
            self._frontier.started,
            self._frontier.decided,
            self.came,
            sum(stage.calls + stage.reused for stage in asked),
            row_calls,
            sum(paid) if paid else None,
            row_cost,
        )

    async def run(self, manifest: dict[str, Any]) -> None:
        """Run to the end, or raise. Files appear at the end; finished calls are kept in any case."""
        with ExitStack() as held:
            held.enter_context(locked(self.directory / "lock"))
            held.callback(forget_states, self.steps, self.directory)
            for output in self.outputs.values():
                held.enter_context(output)
            journals = {step.name: self._open_journal(step, held) for step in asking(self.steps)}
            self._flow = Flow(self.engines, journals, self.outputs, self.runner, self.directory, self._frontier)
            if self.outputs:
                await self._stream(self._flow)
            for name, counts in self.asked.items():
                self.outputs[name].counts.absorb(counts)
            for output in self.outputs.values():
                output.finish()
            made = self._write_set(held)
            summary = self.summary()  # before any file appears, because a step may fail to compute its additions
            if self.outputs:
                last = self.last.finished if made is None else made.finished
                summary["made"] = await asyncio.to_thread(self._made, manifest, last, is_set=made is not None)
            if len(self.outputs) > 1:
                self.measure = await asyncio.to_thread(self._measured, last, summary)
                summary["measure"] = self.measure
                if truth := await asyncio.to_thread(self._true, manifest, last, is_set=made is not None):
                    self.truth = summary["truth"] = truth
            for output in self.outputs.values():
                output.publish()
            if made is not None:
                made.publish()
            else:
                (self.directory / SET).unlink(missing_ok=True)
            self._forget_review()
            if self.outputs:
                name = self.last.path.name if made is None else SET
                write_readme(self.directory, name, self.last.counts.rows_written)
            write_json(self.directory / "recipe.json", manifest)
            write_json(self.directory / "summary.json", summary)

    def summary(self) -> dict[str, Any]:
        """The content of `summary.json`; steps without a model may add to it."""
        stages = {counts.name: counts.summary() for counts in (*self.before, *self.counts.values())}
        added = [called.summary(self.made[name]) for name in self.outputs if name in self.made]
        more = {key: value for table in added for key, value in table.items() if key not in ("format", "stages")}
        return {"format": FORMAT, "stages": stages, **more}

    def _measured(self, last: Path, summary: Mapping[str, Any]) -> dict[str, Any]:
        """The measures of the set in this file; verdicts by agreement (all labelled problems) are in the summary."""
        steps = {name: output.finished for name, output in self.outputs.items()}
        found = measured_run(SET, RunFiles(steps, last, summary["stages"], self.known_concepts)).as_json()
        if "validity_by_agreement" in summary:
            found.pop("validity_by_agreement", None)
        return found

    def _true(self, manifest: Mapping[str, Any], last: Path, *, is_set: bool) -> dict[str, Any] | None:
        """What is true of the problems, where that can be known."""
        files = {name: output.finished for name, output in self.outputs.items()}
        files |= {"set": last} if is_set else {}
        return worth(manifest.get("recipe", {}).get("prompts"), files, last)

    def _made(self, manifest: Mapping[str, Any], rows: Path, *, is_set: bool) -> dict[str, Any]:
        """The provenance of the set, or of the rows of the last step."""
        name, form = (SET, SET_FORMAT) if is_set else (self.last.path.name, None)
        return provenance(manifest, {name: rows}, form)

    def _write_set(self, held: ExitStack) -> RowWriter | None:
        """Write the complete set, if the run makes one."""
        if not has_set(self.steps):
            return None
        writer = RowWriter(self.directory / SET)
        held.callback(writer.discard)
        for row in set_rows(self.steps, {name: output.finished for name, output in self.outputs.items()}):
            writer.write(row)
        writer.finish()
        return writer

    def _forget_review(self) -> None:
        """Remove the files of rejected problems of an earlier run if none is rejected any more; never files of
        others."""
        if REVIEW not in self.outputs and REVIEW in paid_in(self.directory / "summary.json"):
            for kind in ("", ".dropped"):
                (self.directory / f"{REVIEW}{kind}.jsonl").unlink(missing_ok=True)

    def _open_journal(self, step: PlannedStep, held: ExitStack) -> Journal:
        journal = held.enter_context(Journal(self.directory / f"{step.name}.journal"))
        load_spent(journal, self.outputs[step.name].counts, step.asked.priced, self.budget)
        return journal

    async def _stream(self, flow: Flow) -> None:
        """Rows through all steps; a target is counted before the first step that returns its rows at the end."""
        rows = [step for step in self.steps if step.kind in ("stage", "step")]
        ends = next((place for place, step in enumerate(rows) if step.at_end), len(rows))
        last = rows[-1] if rows else None
        counted = self._until_target(flow, flow.through(rows[:ends], self._sampled(flow.frontier), last))
        after = replace(flow, frontier=Frontier())  # the target does not wait for outcomes of these steps
        async with closing(after.through(rows[ends:], counted, last)) as items:
            async for _ in items:
                pass

    async def _sampled(self, frontier: Frontier) -> AsyncIterator[Item]:
        output = self.outputs["sample"]
        items = self.part.items(islice(self.rows, self.limits.candidates))
        while some := await asyncio.to_thread(list, islice(items, _SAMPLED_AT_ONCE)):  # sampling may take long
            for item in some:
                if self._cut is not None:
                    await self._room.acquire()
                frontier.enter(item.index)
                output.add(item.index, item.row, item.row)
                yield item

    def _decided(self) -> None:
        """Called when a position is decided; ends the run if it reached the target."""
        if self._cut is not None:
            self._room.release()
            if self._cut.last is not None and not self._frontier.is_open(self._cut.last):
                self._complete.set()

    def _rows_wanted(self) -> int:
        """How many rows to keep in flight: what the target still needs, limited to what the engines can work on unless
        all of them are needed anyway.
        """
        missing = (self.limits.target or 0) - self.came
        if missing <= 0:
            return 0
        at_a_time = self.limits.concurrency * max(map(servers_of, self.engines.values()), default=1)
        wanted = rows_worth_starting(missing, self.came, self._frontier.decided)
        bounded = min(wanted, max(missing, int(at_a_time * _ROWS_PER_CALL)))
        return max(bounded, self.least_ahead, min(_LEAST_UNDER_WAY, at_a_time))

    async def _until_target(self, flow: Flow, items: AsyncIterator[Item]) -> AsyncIterator[Item]:
        """The rows up to the last one that is needed; the files then end at its position, with all of its rows."""
        self.came = 0
        async with closing(items) as stream:
            while (item := await self._next(stream)) is not None:
                self.came += 1
                if self._cut is not None and self.came == self.limits.target:
                    self._cut.settled = self._cut.last = item.index
                yield item
                flow.frontier.change(item.index, -1)
                if self._complete.is_set():
                    return

    async def _next(self, stream: AsyncIterator[Item]) -> Item | None:
        """The next row; None at the end, and once all rows of the position that reached the target have come."""
        if self._cut is None or self._cut.last is None:
            return await anext(stream, None)
        item = await next_before(stream, self._complete)
        return item if item is not None and item.index <= self._cut.last else None
