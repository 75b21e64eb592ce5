"""`promptcot train`: trains a model by a recipe; with --dry-run it estimates the cost of the training."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from typing import Any

import click

from promptcot.chains.options import arguments
from promptcot.cli.asking import on_terminal
from promptcot.cli.help import verb
from promptcot.cli.parameters import (
    COUNT,
    FILE_OR_NAME,
    MODEL_OR_NAME,
    TARGET_FOLDER,
    TRAIN_RECIPE,
    changes_option,
    columns_option,
)
from promptcot.cli.push_options import Push, take_push, to_push
from promptcot.cli.report.console import say, say_all
from promptcot.cli.report.result import RESULT
from promptcot.errors import InputError, UsageError
from promptcot.training.finished import MARK, finished
from promptcot.training.machine_recipe import Published
from promptcot.training.recipe import TrainRecipe, load_train

_NEEDED = ("torch", "transformers", "accelerate", "datasets", "trl", "peft")


@verb(
    "train",
    example="promptcot train nano-student --data-path sft.jsonl --dry-run",
    groups={"Model and data": ("model_path", "data_path", "columns", "output_dir", "journal")},
)
@click.argument("recipe", type=TRAIN_RECIPE)
@click.option(
    "--model-path",
    type=MODEL_OR_NAME,
    help="Model to start from: a folder, nano:ROLE, or a name on the Hub with --set model.revision=COMMIT.  "
    "[default: the recipe's]",
)
@click.option(
    "--data-path",
    type=FILE_OR_NAME,
    multiple=True,
    help="Training rows: a file, or a dataset on the Hub with --set data.revision=COMMIT.  [default: the recipe's]",
)
@columns_option
@click.option("--output-dir", type=TARGET_FOLDER, help="Output directory.  [default: out/train-RECIPE]")
@changes_option()
@click.option("--processes", type=COUNT, help="Number of training processes on this machine.  [default: one per GPU]")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print batch size, steps, tokens, memory and GPU-hours, and exit without loading a model. With --push, for a "
    "finished training run: list the files that would be uploaded.",
)
@to_push
def command(
    recipe: str, model_path: str | None, data_path: tuple[str, ...], columns: dict[str, str] | None, **options: Any
) -> int:
    """Train a generator or a solver. RECIPE is the name of a shipped recipe or a TOML file.

    Run the same command again after an interruption: training resumes from the last complete checkpoint. On several
    machines, start `promptcot.training` with deepspeed, torchrun or accelerate and the same arguments. With --push, the
    result is uploaded; a training run that has finished already is not repeated.
    """
    push = _push(options)
    output_dir, changes, processes = options["output_dir"], list(options["changes"]), options["processes"]
    given = {"--model-path": model_path, "--data-path": data_path, "--output-dir": output_dir, "--set": changes}
    if columns:
        given["--columns"] = ",".join(f"{ours}={theirs}" for ours, theirs in columns.items())
    overrides = {
        "model.path": model_path,
        "data.columns": columns,
        "data.path": list(data_path) or None,
        "data.mix": [] if data_path and not any(change.startswith("data.mix") for change in changes) else None,
        "output_dir": output_dir and str(output_dir),
    }
    loaded = load_train(recipe, changes, overrides)
    resolved = _without_old_facts(loaded, load_train(recipe), model_path, data_path)
    if push is not None and (folder := finished(resolved)) is not None:
        RESULT.add(recipe=resolved.name, directory=resolved.directory, model=folder)
        say(f"{resolved.name}: this training run has finished already")
        push.send(folder, "model", MARK)
        return 0
    if options["dry_run"]:
        return _show(_on(resolved, processes))
    code = _start(resolved, [recipe, *arguments(given)], processes)
    folder = finished(resolved) if code == 0 and (push is not None or RESULT.wanted) else None
    RESULT.add(recipe=resolved.name, directory=resolved.directory, model=folder)
    RESULT.wrote(*([folder] if folder is not None else []))
    if push is not None and folder is not None:
        push.send(folder, "model", MARK)
    return code


def _push(options: dict[str, Any]) -> Push | None:
    """The upload for the end of the training, made by the first process only. Raises before the training begins
    what stands against it: UsageError, InputError.
    """
    dry_run = options["dry_run"]
    push = take_push({**options, "dry_run": dry_run and options["push"] is not None})
    if push is None or os.environ.get("RANK", "0") != "0":
        return None
    push.check()
    if not (push.yes or dry_run or on_terminal()):
        raise UsageError("--push: there is no terminal for confirmation after the training; use --yes to confirm now")
    return push


def _without_old_facts(
    recipe: TrainRecipe, shipped: TrainRecipe, model: str | None, data: Sequence[str]
) -> TrainRecipe:
    """The recipe without keys that describe its own model and data, unless they were set on the command line."""
    update: dict[str, Any] = {}
    if model is not None and model != shipped.model.path:
        update["model"] = _unset(recipe.model, shipped.model, ("revision", "architecture"))
    if data and list(data) != shipped.data.path:
        update["data"] = _unset(recipe.data, shipped.data, ("revision", "rows", "tokens_per_row", "source"))
        update["published"] = _unset(recipe.published, shipped.published, ("steps", "gpu_hours", "source"))
    if "model" in update:
        update["published"] = Published()
    return recipe.model_copy(update=update)


def _on(recipe: TrainRecipe, processes: int | None) -> TrainRecipe:
    """The recipe for this number of devices, with the same batch. Raises InputError if they cannot divide it evenly."""
    if processes is None:
        return recipe
    at_once = recipe.groups_of(processes) * recipe.schedule.micro_batch
    if recipe.schedule.step_by == "rows" and recipe.sequences_per_step % at_once:
        raise InputError(
            f"{processes} processes can share a step of {recipe.sequences_per_step} rows, but a dry run needs a "
            f"number of processes whose micro-batches of {recipe.schedule.micro_batch} rows divide the step evenly"
        )
    parallelism = recipe.parallelism.model_copy(update={"devices": processes})
    schedule = recipe.schedule.model_copy(update={"accumulation": recipe.accumulation_on(processes)})
    return recipe.model_copy(update={"parallelism": parallelism, "schedule": schedule})


def _unset(now: Any, before: Any, names: Sequence[str]) -> Any:
    return now.model_copy(update={name: None for name in names if getattr(now, name) == getattr(before, name)})


def _show(recipe: TrainRecipe) -> int:
    from promptcot.cli.report.training import as_numbers, lines
    from promptcot.training.forecast.dry_run import dry_run

    run = dry_run(recipe)
    RESULT.add(**as_numbers(run))
    say_all(lines(run))
    return 0


def need_packages(*more: str) -> None:
    """Raises InputError if a package for training is not installed. Imports none of them."""
    missing = [name for name in (*_NEEDED, *more) if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"training needs {', '.join(missing)}; install with: pip install 'promptcot[train]'. "
            "--dry-run needs nothing more"
        )


def _start(recipe: TrainRecipe, words: Sequence[str], processes: int | None) -> int:
    """Train in this process, or in several with the same arguments. Raises InputError if packages are missing."""
    from promptcot.training.checks import check, check_files
    from promptcot.training.launch import needs_launcher, processes_for, set_environment, start

    check_files(recipe)
    need_packages(*(["deepspeed"] if recipe.parallelism.zero else []))
    check(recipe)
    count = processes_for(recipe, processes)
    if needs_launcher(recipe, count):
        return start(words, count, recipe.directory, say)
    set_environment()
    from promptcot.training.run import train

    train(recipe, say)
    return 0
