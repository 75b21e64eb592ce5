"""`promptcot train-rows`: what a generator learns from, and the concepts to sample from afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from promptcot import prompts
from promptcot.cli.options import output_path, prompt_like
from promptcot.cli.parameters import PROMPTS, SOURCE, TARGET, WHOLE
from promptcot.cli.report.console import print_summary
from promptcot.core.training_rows import generator_row
from promptcot.pipeline.inputs import prompt_renderer
from promptcot.records import Row
from promptcot.stages.annotators import level_giver
from promptcot.stages.train_rows import write_training_rows
from promptcot.storage.manifest import manifest


@click.command("train-rows")
@click.option(
    "--data-path",
    "sources",
    type=SOURCE,
    multiple=True,
    required=True,
    help="Rows as `filter` or `explain` writes them, or with `concepts`, `rationale` and `problem`; may be repeated.",
)
@output_path("Training rows: `prompt` and `completion`, with concepts, level and annotator.")
@click.option("--concepts-path", type=TARGET, help="Write the concepts of each problem here, for `sample`.")
@click.option(
    "--level", "levels", multiple=True, help="Of rows without one; given several times, drawn for each problem."
)
@click.option(
    "--prompts",
    "domain",
    type=PROMPTS,
    default="math",
    show_default=True,
    help="The wording of prompts that rows do not bring.",
)
@prompt_like
@click.option("--seed", type=WHOLE, default=8000, show_default=True, help="Of drawn levels.")
def command(output_path: Path, concepts_path: Path | None, **options: Any) -> int:
    """Make the training rows of a generator from annotated problems.

    Rows that `explain` or `filter` wrote bring their prompt; others get one from their concepts and level. Rows
    that lack something, and repeated ones, are dropped with the reason. Give judged rows to `filter` first.
    """
    sources, targets = options["sources"], [path for path in (output_path, concepts_path) if path]
    loaded = prompts.load(options["domain"])
    like = options["prompt_like"] and str(options["prompt_like"])
    give_level = level_giver(options["levels"], options["seed"])
    render = prompt_renderer(loaded, like, options["levels"])
    told = {**options, "output_path": output_path, "concepts_path": concepts_path, "sources": list(map(str, sources))}

    def learn(row: Row) -> Row | str:
        return generator_row(give_level(row), render)

    first, *others = write_training_rows(sources, learn, targets, manifest(told, loaded.hashes, {}))
    for target, counts in zip(targets[1:], others, strict=True):
        print_summary(target, [counts])
    return print_summary(output_path, [first])
