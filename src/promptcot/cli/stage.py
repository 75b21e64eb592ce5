"""Runs stages from an input file to an output file, for all verbs that call a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from promptcot.cli.cluster_options import take_scale
from promptcot.cli.options import model_of, told
from promptcot.cli.report.console import Console, print_summary, say_all, warn
from promptcot.cli.report.prompts import preview
from promptcot.core.shards import Part
from promptcot.errors import PromptCoTError
from promptcot.nano.findings import of_world
from promptcot.pipeline import execute
from promptcot.pipeline.job import Ask, StageJob
from promptcot.pipeline.shards import part_of
from promptcot.pipeline.synchronous import wait_for
from promptcot.recipe.schema import Model
from promptcot.records import Row
from promptcot.stages.protocol import Stage
from promptcot.storage.rows import read_rows, with_ids


def run_file(
    make_stage: Callable[[Model, int], Stage],
    role: str,
    options: Mapping[str, Any],
    prompts: Mapping[str, str],
    rows: Callable[[Path], Iterator[Row]] = lambda source: with_ids(read_rows(source, may_be_empty=True)),
) -> int:
    """Run the stage from `data_path` to `output_path`; returns the exit code. `prompts` are hashes for the manifest.

    `rows` reads the input rows.
    """
    model, source = model_of(options), Path(options["data_path"])
    stage = make_stage(model, options["seed"])
    part = part_of(options["shard"], [source], Path(options["output_path"]))
    ask = Ask(stage, model, role, lambda: part.items(rows(source)))
    return run_job(stage.name, [ask], source, options, prompts, part)


def run_job(
    name: str, asks: Sequence[Ask], source: Path, options: Mapping[str, Any], prompts: Mapping[str, str], part: Part
) -> int:
    """Run stages at the same time, from one file into the `output_path`, under one name; returns the exit code.

    A dry run prints the first prompt of each and writes nothing. The rows of `asks` are a `part` of the file.
    """
    _warn_of_other_problems(asks)
    if options["dry_run"]:
        say_all(preview(list(asks)))
        return 0
    scale, settings = take_scale(options)
    del settings["dry_run"]
    keep_going = settings.pop("keep_going")
    del settings["shard"]  # no setting: all shards of an output have the same settings
    if settings.get("queue_timeout") is None:
        settings.pop("queue_timeout", None)  # as in a recipe: saved only if it is given
    output = Path(settings["output_path"])
    job = StageJob(
        name,
        asks,
        output,
        told(settings),
        prompts,
        settings["concurrency"],
        settings.get("max_retries", 0),
        settings["max_cost"],
        part,
        keep_going,
    )
    counts = wait_for(execute.run_stages(job, Console(), scale=scale))
    return print_summary(output, [counts], keep_going=keep_going)


def _warn_of_other_problems(asks: Sequence[Ask]) -> None:
    """A model that nobody named is an embedded one; its replies to other problems than those of nano mean nothing."""
    for ask in asks:
        is_default = "model" not in ask.model.model_fields_set and not ask.model.unnamed
        if is_default and _are_of_another_world(ask):
            warn(
                f"nano:{ask.role} knows only the nano world, and these problems are not of it; name a model with "
                "--model-path, or a server with --base-url"
            )


def _are_of_another_world(ask: Ask) -> bool:
    """Whether the first rows are. What cannot be read, the run itself reports, when it comes to it."""
    try:
        return of_world(item.row for item in ask.items()) is False
    except PromptCoTError:
        return False
