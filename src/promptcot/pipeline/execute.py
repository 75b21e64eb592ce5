"""The single place that runs jobs: opens engines, passes rows through the steps, closes engines, reports to an
observer.

`run` runs a recipe in its run directory, `run_stages` one kind of stage into one output, `run_steps` several steps into
one output. The command line, the Python API, the doctor's trial and evaluations all go through these functions. Nothing
is printed here.
"""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from pathlib import Path

from promptcot.engines.cluster.scale import Scale
from promptcot.engines.exclusive import exclusive
from promptcot.engines.machine import memory_free
from promptcot.engines.opening import Engines
from promptcot.engines.protocol import Engine
from promptcot.errors import InputError, UsageError
from promptcot.pipeline.flow import Flow
from promptcot.pipeline.inputs import Inputs
from promptcot.pipeline.job import StageJob
from promptcot.pipeline.observer import Observer
from promptcot.pipeline.paid import gone
from promptcot.pipeline.plan import PlannedStep, asking, groups_of
from promptcot.pipeline.run import Run, load_spent
from promptcot.pipeline.standing import standing_of_job, standing_of_steps
from promptcot.pipeline.steps_job import StepsJob, StepsOutput
from promptcot.pipeline.waves import SequentialRun, first_wave, next_wave
from promptcot.records import Outcome, Row
from promptcot.runners.local import LocalRunner
from promptcot.runners.protocol import Runner
from promptcot.runners.streams import closing, in_order, merged, stream_of
from promptcot.stages import called
from promptcot.stages.protocol import Stage
from promptcot.storage.budget import Budget
from promptcot.storage.counts import StageCounts
from promptcot.storage.journal import Journal
from promptcot.storage.outputs import Output
from promptcot.storage.paths import beside

_LEAST_AHEAD, _MOST_AHEAD, _ROW_BYTES = 2048, 100_000, 1 << 15


async def run(
    inputs: Inputs,
    observer: Observer,
    runner: Runner | None = None,
    budget: Budget | None = None,
    scale: Scale | None = None,
) -> Run:
    """Run a recipe and return the finished run; with a `scale`, its models are served on a cluster. Raises
    PromptCoTError.

    A caller's own `runner` uses the given `budget`.
    """
    limits = inputs.recipe.run
    budget = budget or Budget(limits.max_cost)
    inputs.check_paths()
    async with open_engines(inputs.directory, observer, scale, limits.concurrency) as engines:
        inputs.check(engines.kind_of)
        vectors = await begin(inputs, engines, observer)
        if inputs.steps[-1].kind == "vectors":
            ended = Run(inputs.steps, limits, inputs.directory, {}, iter(()), before=inputs.counts)
            await ended.run(inputs.manifest({}))
            return ended
        alternate = _must_alternate(inputs, engines, observer)
        opened = await inputs.open_models(engines.open)
        engines.weigh(_work_of(inputs, opened))
        ahead = _rows_ahead(engines, first_wave(limits))
        runner = runner or LocalRunner(limits.concurrency, budget=budget, rows_ahead=ahead)
        if alternate:
            draw = partial(inputs.sampled, vectors)
            passes = SequentialRun(inputs.steps, inputs.directory, exclusive(opened), draw, runner, budget)
            finished = await in_waves(inputs, passes, observer)
        else:
            rows = inputs.sampled(vectors)
            together = Run(
                inputs.steps,
                limits,
                inputs.directory,
                opened,
                rows,
                runner,
                inputs.counts,
                budget=budget,
                part=inputs.part,
                least_ahead=ahead,
                known_concepts=len(inputs.table),
            )
            finished = await _finish(together, inputs, opened, observer, lambda: engines.note)
        return finished


def open_engines(directory: Path, observer: Observer, scale: Scale | None, concurrency: int) -> Engines:
    """Open the engines of a run or a job, on this machine or on a cluster. Raises ClusterUnusable, InputError."""
    if scale is None:
        return Engines(directory, observer.note)
    if importlib.util.find_spec("ray") is None:
        raise InputError("--ray-address needs Ray: pip install 'promptcot[ray]'")
    from promptcot.engines.cluster.opening import ClusterEngines

    return ClusterEngines(directory, scale, concurrency, observer.note)


def _work_of(inputs: Inputs, engines: Mapping[str, Engine]) -> dict[Engine, float]:
    """GPU-seconds that a combination costs each model, by the recipe's rates; empty where it states none."""
    work: dict[Engine, float] = {}
    for name, seconds in (inputs.recipe.plan.work_of([*engines], inputs.recipe.calls) or {}).items():
        work[engines[name]] = work.get(engines[name], 0.0) + seconds
    return work


def _rows_ahead(engines: Engines, most: int) -> int:
    """How many rows a model may handle before the next one starts, when models run one after another. More rows mean
    fewer switches; the limit is an eighth of the free memory, and a fixed maximum.
    """
    room = max(_LEAST_AHEAD, memory_free() // 8 // _ROW_BYTES)
    return min(room, _MOST_AHEAD, most) if engines.take_turns else 0


async def begin(inputs: Inputs, engines: Engines, observer: Observer) -> Path | None:
    """Report what is run, read the inputs of the steps, and encode the concepts if necessary."""
    recipe = inputs.recipe
    observer.note(f"promptcot run: recipe {recipe.name}, seed {recipe.seed}, into {inputs.directory}")
    observer.note(f"concepts: {len(inputs.table):,} distinct ones in {recipe.concepts.path}")
    for line in (*inputs.reviewed(), *inputs.gone()):
        observer.note(line)
    for step in inputs.steps:
        for line in step.begin():
            observer.note(f"{step.name}: {line}")
        if step.prepare is not None:
            await step.prepare(inputs.directory, observer)
    return await inputs.vectors(engines, observer)


def _must_alternate(inputs: Inputs, engines: Engines, observer: Observer) -> bool:
    """Whether the models have to run one after another on this machine."""
    wanted = inputs.recipe.run.models
    if wanted == "in turn":
        return True
    fit = engines.place(inputs.asked)
    if not fit and wanted == "auto":
        observer.note("the models do not fit on the machine together: they run one after another (run.models)")
    return not fit and wanted == "auto"


async def in_waves(inputs: Inputs, one_by_one: SequentialRun, observer: Observer) -> Run:
    """The passes of each wave, and the run over their replies, until the target is reached or none is left."""
    limits, one_by_one.part = inputs.recipe.run, inputs.part
    wave: int | None = first_wave(limits)
    while wave is not None:
        observer.note(f"turns: each model processes {wave:,} combinations")
        with observer.watch(one_by_one.counts, total=wave):
            await one_by_one.ask(wave)
        budget = Budget(limits.max_cost)
        made = Run(
            inputs.steps,
            limits.model_copy(update={"max_candidates": wave}),
            inputs.directory,
            one_by_one.engines,
            one_by_one.rows(),
            LocalRunner(limits.concurrency, budget=budget),
            inputs.counts,
            one_by_one.counts,
            budget,
            inputs.part,
            known_concepts=len(inputs.table),
        )
        finished = await _finish(made, inputs, one_by_one.engines, observer)
        wave = None if inputs.ended else next_wave(limits, wave, finished.came)
    return finished


async def _finish(
    made: Run, inputs: Inputs, engines: Mapping[str, Engine], observer: Observer, note: Callable[[], str] = str
) -> Run:
    target = made.limits.target
    total = None if target else made.part.share(made.limits.candidates)
    with observer.watch(made.counts, total=total, target=target, note=note, standing=made.standing):
        await made.run(inputs.manifest(engines))
    return made


async def run_stages(
    job: StageJob,
    observer: Observer,
    engines: Engines | None = None,
    shown_as: str | None = None,
    scale: Scale | None = None,
) -> StageCounts:
    """Take rows through the stages of a job, into its output, and return its counts. Raises PromptCoTError.

    With the caller's `engines`, models stay open for the next job; `shown_as` is their name in the progress display.
    With a `scale` they are served on a cluster.
    """
    total = job.count_items()
    folder = beside(job.output, "journal")
    with Output(job.output, job.name) as output, Journal(folder) as journal:
        budget = begin_job(job, output, journal, observer)
        async with AsyncExitStack() as stack:
            if engines is None:
                engines = await stack.enter_async_context(open_engines(folder, observer, scale, job.concurrency))
            opened = engines
            asked = await _open(job, opened)
            standing = partial(standing_of_job, output.counts, total)
            shown = {shown_as or job.name: output.counts}
            with observer.watch(shown, total=total, note=lambda: opened.note, standing=standing):
                ahead = _rows_ahead(opened, total)
                runner = LocalRunner(
                    job.concurrency,
                    max_retries=job.max_retries,
                    budget=budget,
                    rows_ahead=ahead,
                    keep_going=job.keep_going,
                )
                await take_through(job, asked, runner, output, journal)
            output.commit(job.manifest(asked))
            journal.sync()
        return output.counts


def begin_job(job: StageJob, output: Output, journal: Journal, observer: Observer) -> Budget:
    """Report which results exist already, and initialize counts and budget with earlier costs."""
    output.placed = job.part.shard is not None
    for line in gone(beside(job.output, "summary.json"), {job.name: journal.directory}):
        observer.note(line)
    if len(journal):
        observer.note(f"{job.name}: {len(journal):,} finished calls in {journal.directory}")
    budget = Budget(job.max_cost)
    load_spent(journal, output.counts, job.asks[0].model.priced, budget)
    return budget


async def run_steps(job: StepsJob, observer: Observer, scale: Scale | None = None) -> list[StageCounts]:
    """Take rows through the steps of a job, into its output, and return the counts of each step. Raises PromptCoTError.

    With a `scale`, models are served on a cluster.
    """
    total = job.count_items()
    with StepsOutput(job) as output, ExitStack() as held:
        budget, counts = Budget(job.max_cost), output.counts
        asked = {step.name: job.directory / f"{step.name}.journal" for step in asking(job.steps)}
        for line in gone(beside(job.output, "summary.json"), asked):
            observer.note(line)
        journals = {step.name: held.enter_context(_journal(job, step, counts, budget)) for step in asking(job.steps)}
        async with open_engines(job.directory, observer, scale, job.concurrency) as engines:
            opened = await _opened(job, engines)
            ahead = _rows_ahead(engines, total or 0)
            runner = LocalRunner(
                job.concurrency,
                max_retries=job.max_retries,
                budget=budget,
                rows_ahead=ahead,
                keep_going=job.keep_going,
            )
            flow = Flow(opened, journals, output.sinks, runner, job.directory)
            standing = partial(standing_of_steps, [*groups_of(job.steps)], counts, total)
            with observer.watch(counts, total=total, note=lambda: engines.note, standing=standing):
                async with closing(flow.through(job.steps, stream_of(job.items()))) as items:
                    async for item in items:
                        output.take(item)
        added = [called.summary(flow.steps[step.name]) for step in job.steps if step.name in flow.steps]
        output.commit(job.manifest(opened), {key: value for table in added for key, value in table.items()})
        return [*counts.values()]


def _journal(job: StepsJob, step: PlannedStep, counts: Mapping[str, StageCounts], budget: Budget) -> Journal:
    journal = Journal(job.directory / f"{step.name}.journal")
    load_spent(journal, counts[step.name], step.asked.priced, budget)
    return journal


async def _opened(job: StepsJob, engines: Engines) -> dict[str, Engine]:
    """The engine of each stage, by its name. Raises UsageError where the models do not fit on this machine together."""
    asked = [step for step in asking(job.steps) if step.name not in job.engines]
    if not engines.place([(step.asked, step.role) for step in asked]):
        raise UsageError("these models do not fit on this machine together: run each in a separate command")
    return {**job.engines, **{step.name: await engines.open(step.asked, step.role) for step in asked}}


async def run_stage(
    stage: Stage, rows: Iterable[Row], engine: Engine, runner: Runner, output: Output, journal: Journal
) -> None:
    """Take rows through one stage whose engine is open. The caller commits the output."""
    outcomes = runner.run(stage, stream_of(in_order(rows)), engine, journal, output.counts)
    await _take(outcomes, output)


async def take_through(
    job: StageJob, engines: Sequence[Engine], runner: Runner, output: Output, journal: Journal
) -> None:
    """Push the items of all stages through, in the order of their positions. The caller commits the output."""
    passes = [
        runner.run(ask.stage, stream_of(ask.items()), engine, journal, output.counts)
        for ask, engine in zip(job.asks, engines, strict=True)
    ]
    await _take(merged(passes), output)


async def _take(outcomes: AsyncIterator[Outcome], output: Output) -> None:
    async with closing(outcomes) as stream:
        async for outcome in stream:
            output.take(outcome)


async def _open(job: StageJob, engines: Engines) -> list[Engine]:
    """The engine of each stage. Raises UsageError where the models do not fit on this machine together."""
    if not engines.place([(ask.model, ask.role) for ask in job.asks if ask.engine is None]):
        raise UsageError("these models do not fit on this machine together: run each in a separate command")
    return [ask.engine or await engines.open(ask.model, ask.role) for ask in job.asks]
