"""`promptcot run` for a recipe that is a chain: which options it takes, and what is told beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from promptcot.chains.cold_start import cold_start_steps
from promptcot.chains.distill import distill_steps
from promptcot.chains.recipe import Distill, load_chain
from promptcot.chains.running import run_steps
from promptcot.cli.report.console import say
from promptcot.cli.train import need_packages
from promptcot.errors import UsageError

_TAKEN = {"seed", "run.target"}


def run_chain(
    recipe: str, changes: Sequence[str], overrides: Mapping[str, Any], output_dir: Path | None, dry_run: bool
) -> int:
    """Run the chain, or only print its commands; returns the exit code. Raises UsageError for options of other runs."""
    given = {key: value for key, value in overrides.items() if value is not None}
    if refused := [key.rpartition(".")[2].replace("_", "-") for key in given if key not in _TAKEN]:
        raise UsageError(
            f"--{refused[0]} is for runs of the pipeline, and {recipe} is a chain, whose models have settings of "
            "their own: change one with --set"
        )
    resolved = load_chain(recipe, changes, seed=given.get("seed"), target=given.get("run.target"))
    directory = output_dir or Path("out") / resolved.name
    chosen = resolved
    steps = distill_steps(chosen, directory) if isinstance(chosen, Distill) else cold_start_steps(chosen, directory)
    if dry_run:
        for number, step in enumerate(steps, 1):
            say(f"# {number}. {step.name}\n{step.shown}")
        return 0
    need_packages()  # the training is one of the last steps
    say(f"promptcot run: chain {resolved.name}, {len(steps)} steps, seed {resolved.seed}, into {directory}")
    return run_steps(steps, directory, resolved.model_dump(mode="json"), say)
