"""The stages in the order of the paper, wired together: the only module that knows stages, engines and runners at once.

`run_stage` takes one stage from file to file, `run_stages` several that share one output. `run` streams rows through
all of them: a problem is judged while others are still being written. Decides what is written where; asks nobody what a
terminal looks like.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from promptcot.core.filtering import decide
from promptcot.core.prompts import PromptSet
from promptcot.core.statistics.agreement import Agreements
from promptcot.engines.protocol import Engine
from promptcot.recipe.schema import Model, Recipe
from promptcot.records import Drop, Failed, Item, Outcome, Row
from promptcot.runners.local import LocalRunner
from promptcot.runners.protocol import Runner
from promptcot.runners.streams import Tee, closing, items_of, merged, side_by_side
from promptcot.stages.generate import Generate
from promptcot.stages.judge import Judge
from promptcot.stages.protocol import Stage
from promptcot.storage.atomic import locked, write_json
from promptcot.storage.budget import Budget, Price
from promptcot.storage.counts import StageCounts
from promptcot.storage.journal import Journal
from promptcot.storage.outputs import Cut, Output


async def run_stage(
    stage: Stage, rows: Iterable[Row], engine: Engine, runner: Runner, output: Output, journal: Journal
) -> None:
    """Push rows through one stage into an output. The caller commits the output."""
    await run_stages([Asked(stage, in_order(rows), engine)], runner, output, journal)


@dataclass(frozen=True)
class Asked:
    """A stage, the items that it is asked about, by ascending position, and who answers."""

    stage: Stage
    items: Iterable[Item]
    engine: Engine


async def run_stages(asked: Sequence[Asked], runner: Runner, output: Output, journal: Journal) -> None:
    """Push different items through several stages at the same time, into one output. The caller commits the output."""
    passes = [runner.run(one.stage, stream_of(one.items), one.engine, journal, output.counts) for one in asked]
    async with closing(merged(passes)) as outcomes:
        async for outcome in outcomes:
            output.take(outcome)


def in_order(rows: Iterable[Row]) -> Iterator[Item]:
    """Rows as items."""
    return (Item(index, row) for index, row in enumerate(rows))


def numbered(rows: Iterable[Row]) -> AsyncIterator[Item]:
    """Rows as the items of a first stage."""
    return stream_of(in_order(rows))


async def stream_of(items: Iterable[Item]) -> AsyncIterator[Item]:
    """Items as a stream."""
    for item in items:
        yield item


async def _through(
    stage: Stage, items: AsyncIterator[Item], engine: Engine, runner: Runner, output: Output, journal: Journal
) -> AsyncIterator[Outcome]:
    async with closing(runner.run(stage, items, engine, journal, output.counts)) as outcomes:
        async for outcome in outcomes:
            output.take(outcome)
            yield outcome


_SAMPLED_AT_ONCE = 64


def asking_stages(recipe: Recipe, prompts: PromptSet) -> list[Stage]:
    """The stages of a run that ask a model: the generator's, then one for each judge."""
    generate = Generate(recipe.generate.sampling, recipe.seed, recipe.generate.chat)
    judges = [Judge(judge.name, prompts, judge.sampling, recipe.seed, judge.chat) for judge in recipe.judge]
    return [generate, *judges]


def model_of(recipe: Recipe, name: str) -> Model:
    """The model that the stage of this name asks."""
    return next((judge for judge in recipe.judge if name == f"judge-{judge.name}"), recipe.generate)


def open_books(journal: Journal, counts: StageCounts, price: Price | None, budget: Budget) -> None:
    """Let a stage's books and the run's budget begin with what earlier processes paid."""
    counts.price = price
    counts.paid = journal.paid
    for paid in journal.paid.values():
        budget.spend(paid.cost)
        if price is not None:  # what was paid when no price was known is taken to have cost what it costs now
            budget.spend(price.of(paid.unpriced_prompt, paid.unpriced_completion))


@dataclass
class Run:
    """A run of the whole pipeline into `directory`. `engines` has one for each stage that asks a model, by its name.

    `combinations` is the (possibly endless) stream of sampled rows. `asked` has what was asked in turns before, by
    stage. Read `stage_counts` and `agreements` at any time.
    """

    recipe: Recipe
    directory: Path
    prompts: PromptSet
    engines: Mapping[str, Engine]
    combinations: Iterator[Row]
    runner: Runner = field(default_factory=LocalRunner)
    before: Sequence[StageCounts] = ()
    """The books of steps that ended before the first row, such as `encode`."""
    asked: Mapping[str, StageCounts] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)

    def __post_init__(self) -> None:
        self.agreements = Agreements(tuple(judge.name for judge in self.recipe.judge))
        self._cut = Cut() if self.recipe.run.target else None
        self._under_way: deque[int] = deque()
        self._decided = -1
        self.outputs = {name: Output(self.directory / f"{name}.jsonl", name, self._cut) for name in self.stages}

    @property
    def stages(self) -> list[str]:
        """The names of the stages, in order; each has a file."""
        return ["sample", "generate", *(f"judge-{judge.name}" for judge in self.recipe.judge), "filter"]

    @property
    def stage_counts(self) -> dict[str, StageCounts]:
        return {name: output.counts for name, output in self.outputs.items()}

    async def run(self, manifest: dict[str, Any]) -> None:
        """Run to the end, or raise. Files appear when it ends; finished calls are kept in any case."""
        with ExitStack() as held:
            held.enter_context(locked(self.directory / "lock"))
            for output in self.outputs.values():
                held.enter_context(output)
            journals = {
                name: held.enter_context(Journal(self.directory / f"{name}.journal")) for name in self.stages[1:-1]
            }
            for name, journal in journals.items():
                open_books(journal, self.outputs[name].counts, model_of(self.recipe, name).priced, self.budget)
            await self._stream(journals)
            for name, counts in self.asked.items():
                self.outputs[name].counts.absorb(counts)
            for output in self.outputs.values():
                output.finish()
            for output in self.outputs.values():
                output.publish()
            write_json(self.directory / "recipe.json", manifest)
            write_json(self.directory / "summary.json", self.summary())

    def summary(self) -> dict[str, Any]:
        """What `summary.json` holds."""
        return {
            "stages": {counts.name: counts.summary() for counts in (*self.before, *self.stage_counts.values())},
            "agreement": self.agreements.summary(),
        }

    async def _stream(self, journals: Mapping[str, Journal]) -> None:
        generate, *judges = asking_stages(self.recipe, self.prompts)
        written = self._stage(generate, self._sampled(), self.engines["generate"], journals["generate"])
        async with Tee(items_of(self._noted(written)), len(self.recipe.judge)) as branches, AsyncExitStack() as stack:
            judged = [
                self._stage(stage, branch, self.engines[stage.name], journals[stage.name])
                for stage, branch in zip(judges, branches, strict=True)
            ]
            verdicts = await stack.enter_async_context(closing(side_by_side(judged)))
            async for outcomes in verdicts:
                self._filter(outcomes)
                if self._reached(outcomes[0].item.index):
                    return
                self._settle()

    async def _noted(self, outcomes: AsyncIterator[Outcome]) -> AsyncIterator[Outcome]:
        """Note which rows are on their way to the filter, so that the files may reach up to the first of them."""
        async with closing(outcomes) as stream:
            async for outcome in stream:
                if isinstance(outcome.result, (Drop, Failed)):
                    self._decided = outcome.item.index
                else:
                    self._under_way.append(outcome.item.index)
                self._settle()
                yield outcome

    def _settle(self) -> None:
        if self._cut is not None:
            self._cut.settled = self._under_way[0] - 1 if self._under_way else self._decided

    def _stage(
        self, stage: Stage, items: AsyncIterator[Item], engine: Engine, journal: Journal
    ) -> AsyncIterator[Outcome]:
        return _through(stage, items, engine, self.runner, self.outputs[stage.name], journal)

    async def _sampled(self) -> AsyncIterator[Item]:
        output = self.outputs["sample"]
        rows = enumerate(islice(self.combinations, self.recipe.run.candidates))
        while some := await asyncio.to_thread(list, islice(rows, _SAMPLED_AT_ONCE)):  # drawing may take long
            for index, row in some:
                output.counts.rows_in += 1
                item = Item(index, row)
                output.take(Outcome(item, [row]))
                yield item

    def _filter(self, outcomes: Sequence[Outcome]) -> None:
        """Join the judges' outcomes for one problem and decide."""
        item = outcomes[0].item
        output = self.outputs["filter"]
        output.counts.rows_in += 1
        verdicts = {
            judge.name: verdict
            for judge, outcome in zip(self.recipe.judge, outcomes, strict=True)
            if (verdict := _verdict(outcome)) is not None
        }
        self.agreements.add(verdicts)
        reason = decide([*verdicts.values()], self.recipe.filter.only_perfect, len(self.recipe.judge))
        row = {**item.row, "judgements": verdicts}
        output.take(Outcome(Item(item.index, row), Drop(reason) if reason else [row]))
        self._decided = max(self._decided, self._under_way.popleft())
        if self._cut is not None:
            self._cut.settled = max(self._cut.settled, item.index)
            output.settle()

    def _reached(self, index: int) -> bool:
        """Whether the row at this position was the last one needed; the files then end there."""
        target = self.recipe.run.target
        if target is None or self._cut is None or self.outputs["filter"].counts.rows_out < target:
            return False
        self._cut.last = index
        return True


def _verdict(outcome: Outcome) -> str | None:
    """A judge's verdict; None where the judge could not be asked."""
    if isinstance(outcome.result, (Drop, Failed)):
        return None
    return str(outcome.result[0]["judgement"])
