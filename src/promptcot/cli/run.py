"""`promptcot run`: the whole pipeline, or a chain of commands, from a recipe into a run directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from promptcot.chains.recipe import is_chain
from promptcot.cli.cluster_options import cluster_options, no_batches, take_scale
from promptcot.cli.parameters import (
    ABOVE_ZERO,
    COUNT,
    FILE_OR_NAME,
    MODEL_OR_NAME,
    TARGET_FOLDER,
    WHOLE,
    changes_option,
    shard_option,
)
from promptcot.cli.report.console import Console, say_all, warn
from promptcot.cli.report.forecast import forecast_of
from promptcot.cli.report.result import RESULT
from promptcot.cli.report.run import (
    caution,
    code_of,
    files_of,
    numbers,
    preview,
    preview_numbers,
    report_lines,
    summary,
)
from promptcot.cli.run_chain import run_chain
from promptcot.engines.cluster.scale import Scale
from promptcot.errors import UsageError
from promptcot.pipeline import execute
from promptcot.pipeline.inputs import Inputs
from promptcot.pipeline.shards import default_directory
from promptcot.pipeline.synchronous import wait_for
from promptcot.recipe.loading import load
from promptcot.report.writing import report_at_end

_OVERRIDES = {
    "seed": "seed",
    "target": "run.target",
    "max_candidates": "run.max_candidates",
    "max_cost": "run.max_cost",
    "concurrency": "run.concurrency",
    "base_url": "server.base_url",
    "model": "server.model",
}


@click.command("run")
@click.argument("recipe", default="nano", type=FILE_OR_NAME)
@click.option("--output-dir", type=TARGET_FOLDER, help="Where everything goes.  [default: out/NAME of the recipe]")
@click.option("--seed", type=WHOLE, help="Of every draw; the recipe's by default.")
@click.option(
    "--target", type=COUNT, help="Stop when this many problems came through the last step, or the one before [select]."
)
@click.option("--max-candidates", type=COUNT, help="Sample at most this many combinations.")
@click.option("--until", metavar="STEP", help="End with this step: its rows are what the run gives.")
@click.option("--base-url", multiple=True, help="The server of all models for which the recipe names none.")
@click.option("--model", type=MODEL_OR_NAME, help="The model of all steps for which the recipe names none.")
@click.option("--max-cost", type=ABOVE_ZERO, help="Stop before more is spent than this.")
@click.option("--concurrency", type=COUNT, help="The most calls at a time, for each step.")
@changes_option()
@shard_option
@cluster_options
@no_batches
@click.option("--dry-run", is_flag=True, help="Show the first prompt of each stage and the counts; call no model.")
def command(recipe: str, output_dir: Path | None, **options: Any) -> int:
    """Run the whole pipeline of RECIPE (a shipped name or a TOML file; nano by default), from concepts to a set.

    Run the same command again after an interruption: finished calls are not repeated. With a target
    and no bound on the candidates, at most 1,000 are sampled for each problem of the target.

    A recipe with the key `chain` (distill-nano, cold-start-nano) is a chain of commands: each is printed, runs
    in a process of its own, and is left out the next time if it is finished. It takes --output-dir, --seed,
    --target, --set and --dry-run.
    """
    scale, options = take_scale(options)
    until, dry_run, changes = options.pop("until"), options.pop("dry_run"), options.pop("changes")
    shard = options.pop("shard")
    overrides = {_OVERRIDES[name]: value for name, value in options.items()}
    overrides["server.base_url"] = list(options["base_url"]) or None
    if is_chain(recipe):
        if scale is not None:
            raise UsageError("--ray-address: a chain runs on this machine; each of its steps can be run on a cluster")
        return run_chain(recipe, changes, {**overrides, "run.until": until, "run.shard": shard}, output_dir, dry_run)
    resolved = load(recipe, changes, overrides)
    inputs = Inputs(resolved, output_dir or default_directory(resolved.name, shard), until, shard)
    if recipe == "nano":  # the default; a recipe of one's own says itself which prompts it wants
        for line in caution(resolved):
            warn(line)
    if dry_run:
        RESULT.add(directory=inputs.directory, **preview_numbers(inputs))
        say_all(preview(inputs))
        return 0
    return _run(inputs, scale)


def _run(inputs: Inputs, scale: Scale | None) -> int:
    observer = Console()
    say_all(forecast_of(inputs.recipe, inputs.steps))
    finished = wait_for(execute.run(inputs, observer, scale=scale))
    RESULT.add(**numbers(finished, inputs))
    RESULT.read(finished.directory / "summary.json")
    RESULT.wrote(*files_of(finished))
    say_all(summary(finished, inputs))
    say_all(report_lines(report_at_end(finished.directory)))
    return code_of(finished)
