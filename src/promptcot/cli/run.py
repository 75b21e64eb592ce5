"""`promptcot run`: the whole pipeline, or a chain of commands, from a recipe into a run directory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from promptcot.chains.recipe import is_chain
from promptcot.cli.console import say
from promptcot.cli.progress import Progress
from promptcot.cli.run_chain import run_chain
from promptcot.cli.scale import (
    ClusterTurns,
    Scale,
    crew_of,
    joined,
    left_calls,
    on_workers,
    remove_work,
    runner_on,
    scale_options,
    take_scale,
)
from promptcot.cli.story import plan, tell
from promptcot.engines.exclusive import Turn, turns
from promptcot.engines.opening import Engines
from promptcot.engines.protocol import Engine
from promptcot.errors import UsageError
from promptcot.pipeline.inputs import Preparation
from promptcot.pipeline.run import Run
from promptcot.pipeline.waves import Turns, first_wave, next_wave
from promptcot.recipe.loading import load
from promptcot.recipe.schema import Recipe
from promptcot.records import Row
from promptcot.runners.local import LocalRunner
from promptcot.runners.protocol import Runner
from promptcot.storage.budget import Budget
from promptcot.storage.counts import StageCounts
from promptcot.storage.journal import Journal


@click.command("run")
@click.argument("recipe", default="nano")
@click.option(
    "--output-dir", type=click.Path(path_type=Path), help="Where everything goes.  [default: out/NAME of the recipe]"
)
@click.option("--seed", type=click.IntRange(min=0), help="Of every draw; the recipe's by default.")
@click.option("--target", type=click.IntRange(min=1), help="Stop when this many problems are accepted.")
@click.option("--max-candidates", type=click.IntRange(min=1), help="Sample at most this many combinations.")
@click.option("--base-url", multiple=True, help="The server of all models for which the recipe names none.")
@click.option("--model", help="The model of all steps for which the recipe names none.")
@click.option("--max-cost", type=click.FloatRange(0, min_open=True), help="Stop before more is spent than this.")
@click.option("--concurrency", type=click.IntRange(min=1), help="The most calls at a time, for each step.")
@click.option("--set", "changes", multiple=True, metavar="A.B=V", help="Change one key of the recipe; may be repeated.")
@scale_options
@click.option("--dry-run", is_flag=True, help="Show the first prompt of each stage and the counts; call no model.")
def command(
    recipe: str,
    output_dir: Path | None,
    seed: int | None,
    target: int | None,
    max_candidates: int | None,
    base_url: tuple[str, ...],
    model: str | None,
    max_cost: float | None,
    concurrency: int | None,
    changes: tuple[str, ...],
    dry_run: bool,
    **scaling: Any,
) -> int:
    """Run the whole pipeline of RECIPE (a shipped name or a TOML file; nano by default).

    Run the same command again after an interruption: finished calls are not repeated. With a target
    and no bound on the candidates, at most 1,000 are sampled for each problem of the target.

    A recipe with the key `chain` (distill-nano, cold-start-nano) is a chain of commands: each is printed, runs
    in a process of its own, and is left out the next time if it is finished. It takes --output-dir, --seed,
    --target, --set and --dry-run.
    """
    overrides: dict[str, Any] = {
        "seed": seed,
        "run.target": target,
        "run.max_candidates": max_candidates,
        "run.max_cost": max_cost,
        "run.concurrency": concurrency,
        "server.base_url": list(base_url) or None,
        "server.model": model,
    }
    scale, _ = take_scale({**scaling, "max_cost": max_cost})
    if is_chain(recipe):
        if scale.is_ray:
            raise UsageError("--runner ray: a chain runs on this machine; each of its stages can be run on a cluster")
        return run_chain(recipe, changes, overrides, output_dir, dry_run)
    resolved = load(recipe, changes, overrides)
    directory = output_dir or Path("out") / resolved.name
    preparation = Preparation(resolved, directory)
    if dry_run:
        for line in plan(preparation):
            say(line)
        return 0
    return asyncio.run(_run(resolved, directory, preparation, scale))


async def _run(recipe: Recipe, directory: Path, preparation: Preparation, scale: Scale) -> int:
    preparation.check()
    engines = Engines(directory)
    say(f"promptcot run: recipe {recipe.name}, seed {recipe.seed}, into {directory}")
    try:
        say(f"concepts: {len(preparation.table):,} distinct ones in {preparation.recipe.concepts.path}")
        vectors = await preparation.vectors(engines)
        if scale.is_ray:
            run = await _run_on_cluster(preparation, engines, vectors, scale)
        else:
            _take_up(directory, list(preparation.asked))
            in_turn = _in_turn(recipe, engines, preparation)
            opened = await preparation.open_models(engines.open)
            run = await (_run_in_turn if in_turn else _run_together)(preparation, opened, vectors)
            remove_work(directory / "ray")
    finally:
        await engines.close()
    for line in tell(run, preparation.ended):
        say(line)
    return 3 if any(counts.failed for counts in run.stage_counts.values()) else 0


def _take_up(directory: Path, stages: Sequence[str]) -> None:
    """Take into the journals what a run on a cluster, killed before its end, left of these stages."""
    for name in stages:
        if left := list(left_calls(directory / "ray", [name])):
            with Journal(directory / f"{name}.journal") as journal:
                journal.recover(left)


def _in_turn(recipe: Recipe, engines: Engines, preparation: Preparation) -> bool:
    """Whether the models have to take turns on this machine."""
    if recipe.run.models == "in turn":
        return True
    fit = engines.place(list(preparation.asked.values()))
    if not fit and recipe.run.models == "auto":
        say("the models do not fit on this machine together: each has its turn with all rows (run.models)")
    return not fit and recipe.run.models == "auto"


async def _run_together(preparation: Preparation, engines: Mapping[str, Engine], vectors: Path | None) -> Run:
    run = _make_run(preparation, engines, vectors, preparation.recipe)
    await _go(run, preparation, engines)
    return run


async def _run_on_cluster(preparation: Preparation, engines: Engines, vectors: Path | None, scale: Scale) -> Run:
    recipe, directory = preparation.recipe, preparation.directory
    if recipe.run.max_cost is not None:
        raise UsageError("run.max_cost is kept by the local runner only: the workers of a cluster share no purse")
    with joined(scale) as cluster:
        assert cluster is not None
        opened = await preparation.open_models(lambda spec, role: engines.open(on_workers(spec, cluster), role))
        takers = turns(opened)
        settled = preparation.manifest(opened)
        settled["recipe"].pop("run")
        models = [model for model, _ in preparation.asked.values()]
        runner = runner_on(cluster, directory / "ray", settled, models)
        crews = {
            name: crew_of(scale, runner, model, role, opened[name], recipe.run.concurrency)
            for name, (model, role) in preparation.asked.items()
        }

        def combinations() -> Iterator[Row]:
            return preparation.sampled(vectors)

        table = ClusterTurns(recipe, directory, preparation.prompts, takers, combinations, runner, crews=crews)
        run = await _waves(preparation, takers, vectors, table, runner, lambda: runner.note)
        remove_work(directory / "ray")
    return run


async def _run_in_turn(preparation: Preparation, engines: Mapping[str, Engine], vectors: Path | None) -> Run:
    recipe = preparation.recipe
    takers = turns(engines)
    runner = _runner(recipe, Budget(recipe.run.max_cost))
    table = Turns(
        recipe,
        preparation.directory,
        preparation.prompts,
        takers,
        lambda: preparation.sampled(vectors),
        runner,
        runner.budget,
    )
    return await _waves(preparation, takers, vectors, table)


async def _waves(
    preparation: Preparation,
    takers: Mapping[str, Turn],
    vectors: Path | None,
    table: Turns,
    runner: Runner | None = None,
    note: Callable[[], str] = str,
) -> Run:
    """Turns, and the run that writes what was said in them, until the target is reached."""
    recipe = preparation.recipe
    wave: int | None = first_wave(recipe)
    while wave is not None:
        say(f"turns: each model is asked about {wave:,} combinations")
        with Progress(table.stage_counts, total=wave, note=note):
            await table.ask(wave)
        limits = recipe.run.model_copy(update={"max_candidates": wave})
        limited = recipe.model_copy(update={"run": limits})
        run = _make_run(preparation, takers, vectors, limited, table.stage_counts, runner)
        await _go(run, preparation, takers)
        wave = next_wave(recipe, wave, run.stage_counts["filter"].rows_out)
    return run


def _make_run(
    preparation: Preparation,
    engines: Mapping[str, Engine],
    vectors: Path | None,
    recipe: Recipe,
    asked: Mapping[str, StageCounts] | None = None,
    runner: Runner | None = None,
) -> Run:
    budget = Budget(recipe.run.max_cost)
    return Run(
        recipe,
        preparation.directory,
        preparation.prompts,
        engines,
        preparation.sampled(vectors),
        runner or _runner(recipe, budget),
        preparation.books,
        asked or {},
        budget,
    )


def _runner(recipe: Recipe, budget: Budget) -> LocalRunner:
    return LocalRunner(recipe.run.concurrency, budget=budget)


async def _go(run: Run, preparation: Preparation, engines: Mapping[str, Engine]) -> None:
    total = None if run.recipe.run.target else run.recipe.run.candidates
    with Progress(run.stage_counts, total=total, target=run.recipe.run.target):
        await run.run(preparation.manifest(engines))
