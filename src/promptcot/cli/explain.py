"""`promptcot explain`: has annotators write the rationale of each problem."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from promptcot import domains
from promptcot.cli.annotator_options import annotator_options, domain_of, run_annotators
from promptcot.cli.help import verb
from promptcot.cli.options import data_path, output_path, prompt_like
from promptcot.cli.parameters import columns_option, take_columns
from promptcot.cli.report.console import say
from promptcot.pipeline.inputs import prompt_renderer
from promptcot.recipe.schema import Model
from promptcot.records import Row
from promptcot.stages.annotators import Annotator, for_its_own, level_giver, problem_rows
from promptcot.stages.explain import Explain


@verb(
    "explain",
    example="promptcot explain --data-path extracted.jsonl --output-path explained.jsonl",
)
@data_path("Problems with their concepts and level, as written by `extract`.")
@output_path("Output: rows in the format of `generate`, for `judge` and `filter`, with `annotator`.")
@columns_option
@prompt_like
@annotator_options
def command(prompt_like: Path | None, **options: Any) -> int:
    """Have annotators write the rationale that leads from the concepts and the level to each problem.

    A row that names an annotator is sent to that annotator. All other rows are sent to every annotator. Run the same
    command again after an interruption: finished calls are not repeated.
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
