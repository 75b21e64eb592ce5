"""`promptcot run`: the whole pipeline, or a chain of commands, from a recipe into a run directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from promptcot.chains.recipe import is_chain
from promptcot.cli import known
from promptcot.cli.cluster_options import cluster_options, no_batches, take_scale
from promptcot.cli.help import verb
from promptcot.cli.known import completing
from promptcot.cli.parameters import (
    ABOVE_ZERO,
    COUNT,
    MODEL_OR_NAME,
    RECIPE,
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
    next_lines,
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


@verb(
    "run",
    example="promptcot run nano --target 100 --output-dir out/nano",
    groups={"Target and limits": ("target", "max_candidates", "until", "max_cost")},
)
@click.argument("recipe", default="nano", type=RECIPE)
@click.option("--output-dir", type=TARGET_FOLDER, help="Run directory.  [default: out/RECIPE]")
@click.option("--seed", type=WHOLE, help="Random seed.  [default: the recipe's]")
@click.option(
    "--target",
    type=COUNT,
    help="Stop once this many problems have passed the last step (the step before it, if the last one is select).  "
    "[default: the recipe's]",
)
@click.option(
    "--max-candidates", type=COUNT, help="Sample at most this many combinations of concepts.  [default: the recipe's]"
)
@click.option(
    "--until",
    metavar="STEP",
    shell_complete=completing(known.steps),
    help="Stop after this step.  [default: run all steps]",
)
@click.option(
    "--base-url",
    metavar="URL",
    multiple=True,
    help="Server for all models that have none in the recipe, http://HOST:PORT/v1.  [default: the recipe's]",
)
@click.option(
    "--model", type=MODEL_OR_NAME, help="Model for all steps that have none in the recipe.  [default: the recipe's]"
)
@click.option("--max-cost", type=ABOVE_ZERO, help="Stop before the total cost exceeds this.  [default: the recipe's]")
@click.option(
    "--concurrency", type=COUNT, help="Maximum number of concurrent requests per step.  [default: the recipe's]"
)
@changes_option()
@shard_option
@cluster_options
@no_batches
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print the first prompt of each step and the number of calls, and exit without calling a model.",
)
def command(recipe: str, output_dir: Path | None, **options: Any) -> int:
    """Run the whole pipeline, from concepts to a finished set of problems.

    RECIPE is the name of a shipped recipe or a TOML file (default: nano). Run the same command again after an
    interruption: finished calls are not repeated. With --target but without --max-candidates, at most 1,000
    combinations are sampled per problem of the target.

    A recipe with the key `chain` (distill-nano, cold-start-nano) runs several commands, one after the other. Each
    command is printed and runs in its own process. A command that has finished is skipped the next time. Such a recipe
    accepts only --output-dir, --seed, --target, --set and --dry-run.
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
    say_all(next_lines(finished, inputs))
    return code_of(finished)
