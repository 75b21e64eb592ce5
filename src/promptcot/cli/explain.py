"""`promptcot explain`: the rationales of problems, from their concepts and level."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from promptcot import domains
from promptcot.cli.annotator_options import annotator_options, domain_of, run_annotators
from promptcot.cli.options import data_path, output_path, prompt_like
from promptcot.cli.parameters import columns_option, take_columns
from promptcot.cli.report.console import say
from promptcot.pipeline.inputs import prompt_renderer
from promptcot.recipe.schema import Model
from promptcot.records import Row
from promptcot.stages.annotators import Annotator, for_its_own, level_giver, problem_rows
from promptcot.stages.explain import Explain


@click.command("explain")
@data_path("Rows with a problem, its concepts and its level, as `extract` writes them.")
@output_path("Rows as `generate` writes them, for `judge` and `filter`, with `annotator`.")
@columns_option
@prompt_like
@annotator_options
def command(prompt_like: Path | None, **options: Any) -> int:
    """Have annotators write the rationale that leads from concepts and level to each problem.

    A row that names its annotator goes to that one, any other to all of them. Run the same command again after
    an interruption: finished calls are not repeated.
    """
    columns, options = take_columns(options, say)
    loaded = domains.load(domain_of(options))
    source = Path(options["data_path"])
    give_level = level_giver(options["levels"], options["seed"])
    render = prompt_renderer(loaded, str(prompt_like) if prompt_like else None, options["levels"])

    def rows(names: Sequence[str]) -> Iterator[Row]:
        return for_its_own(map(give_level, problem_rows(source, columns)), names)

    def stage(annotator: Annotator, model: Model) -> Explain:
        return Explain(annotator.name, loaded, render, model.sampling, options["seed"], model.chat)

    return run_annotators("explain", stage, rows, source, {**options, "prompt_like": prompt_like}, loaded)
