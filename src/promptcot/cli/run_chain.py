"""`promptcot run` for a recipe that is a chain: checks the options and prints the steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from promptcot.chains.cold_start import cold_start_steps
from promptcot.chains.distill import distill_steps
from promptcot.chains.recipe import Distill, load_chain
from promptcot.chains.running import STATE, run_steps
from promptcot.chains.steps import Step
from promptcot.cli.addresses import touched
from promptcot.cli.report.console import say
from promptcot.cli.report.result import RESULT
from promptcot.cli.train import need_packages
from promptcot.core.units import counted
from promptcot.errors import UsageError
from promptcot.storage.json import loads
from promptcot.storage.overlap import Read, Written, check_paths

_TAKEN = {"seed", "run.target"}


def run_chain(
    recipe: str, changes: Sequence[str], overrides: Mapping[str, Any], output_dir: Path | None, dry_run: bool
) -> int:
    """Run the chain, or only print its commands; returns the exit code. Raises UsageError for options of other runs."""
    given = {key: value for key, value in overrides.items() if value is not None}
    if refused := [key.rpartition(".")[2].replace("_", "-") for key in given if key not in _TAKEN]:
        raise UsageError(
            f"--{refused[0]} is for runs of the pipeline, and {recipe} is a chain, whose steps have their own "
            "settings; change them with --set"
        )
    resolved = load_chain(recipe, changes, seed=given.get("seed"), target=given.get("run.target"))
    directory = output_dir or Path("out") / resolved.name
    chosen = resolved
    steps = distill_steps(chosen, directory) if isinstance(chosen, Distill) else cold_start_steps(chosen, directory)
    RESULT.add(recipe=resolved.name, seed=resolved.seed, directory=directory)
    if dry_run:
        RESULT.add(steps=[{"name": step.name, "command": ["promptcot", *step.arguments]} for step in steps])
        for number, step in enumerate(steps, 1):
            say(f"# {number}. {step.name}\n{step.shown}")
        return 0
    check_steps(steps)
    need_packages()  # training is one of the last steps
    say(f"promptcot run: chain {resolved.name}, {counted(len(steps), 'step')}, seed {resolved.seed}, into {directory}")
    code = run_steps(steps, directory, resolved.model_dump(mode="json"), say)
    if RESULT.wanted:
        RESULT.add(steps=loads((directory / STATE).read_bytes())["steps"])
    RESULT.wrote(directory / STATE)
    RESULT.wrote(*(step.product for step in steps if step.product.exists()))
    return code


def check_steps(steps: Iterable[Step]) -> None:
    """Raises UsageError if a step would overwrite an input of the chain or of an earlier step.

    A command checks only its own paths.
    """
    given: list[Read] = []
    made: list[Written] = []
    for step in steps:
        reads, outputs = _touched(step.arguments)
        given += [read for read in reads if not any(_is_made(read.path, output) for output in made)]
        made += outputs
    check_paths(given, made)


def _touched(arguments: Sequence[str]) -> tuple[list[Read], list[Written]]:
    """What a command line reads and writes."""
    from promptcot.cli.root import root  # root imports the verbs, and this module

    command: click.Command = root
    context, words = click.Context(root, info_name="promptcot", **root.context_settings), list(arguments)
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(context, words)
        assert found is not None
        command = found
        if not isinstance(command, click.Group):
            context = command.make_context(name, words, parent=context)
    return touched(command.params, context.params)


def _is_made(path: Path, output: Written) -> bool:
    """Whether `path` is made by an earlier step."""
    return path in (output.path, *output.files) or (output.is_folder and output.path in path.parents)
