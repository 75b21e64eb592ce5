"""`promptcot run`: the whole pipeline from a recipe into a run directory."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from promptcot.cli.console import say
from promptcot.cli.progress import Progress
from promptcot.cli.story import plan, tell
from promptcot.engines.opening import Engines
from promptcot.pipeline import Run
from promptcot.preparation import Preparation
from promptcot.recipe import Recipe, load
from promptcot.runners.local import LocalRunner


@click.command("run")
@click.argument("recipe", default="nano")
@click.option(
    "--output-dir", type=click.Path(path_type=Path), help="Where everything goes.  [default: out/NAME of the recipe]"
)
@click.option("--seed", type=click.IntRange(min=0), help="Of every draw; the recipe's by default.")
@click.option("--target", type=click.IntRange(min=1), help="Stop when this many problems are accepted.")
@click.option("--max-candidates", type=click.IntRange(min=1), help="Sample at most this many combinations.")
@click.option("--set", "changes", multiple=True, metavar="A.B=V", help="Change one key of the recipe; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Show the first prompt of each stage and the counts; call no model.")
def command(
    recipe: str,
    output_dir: Path | None,
    seed: int | None,
    target: int | None,
    max_candidates: int | None,
    changes: tuple[str, ...],
    dry_run: bool,
) -> int:
    """Run the whole pipeline of RECIPE (a shipped name or a TOML file; nano by default).

    Run the same command again after an interruption: finished calls are not repeated. With a target
    and no bound on the candidates, at most 1,000 are sampled for each problem of the target.
    """
    overrides: dict[str, Any] = {"seed": seed, "run.target": target, "run.max_candidates": max_candidates}
    resolved = load(recipe, changes, overrides)
    directory = output_dir or Path("out") / resolved.name
    preparation = Preparation(resolved, directory)
    if dry_run:
        for line in plan(preparation):
            say(line)
        return 0
    return asyncio.run(_run(resolved, directory, preparation))


async def _run(recipe: Recipe, directory: Path, preparation: Preparation) -> int:
    preparation.check()
    engines = Engines()
    say(f"promptcot run: recipe {recipe.name}, seed {recipe.seed}, into {directory}")
    try:
        say("loading models …")
        opened = preparation.open_models(engines.open)
        say(f"concepts: {len(preparation.table):,} distinct ones in {preparation.recipe.concepts.path}")
        rows = await preparation.combinations(engines.open)
        runner = LocalRunner(recipe.run.concurrency)
        run = Run(recipe, directory, preparation.prompts, opened, rows, runner, preparation.books)
        total = None if recipe.run.target else recipe.run.candidates
        with Progress(run.tallies, total=total, target=recipe.run.target):
            await run.run(preparation.manifest(opened))
    finally:
        await engines.close()
    for line in tell(run, preparation.ended):
        say(line)
    return 3 if any(tally.failed for tally in run.tallies.values()) else 0
