"""`promptcot sample`: combinations of concepts that belong together, as rows for `generate`."""

from __future__ import annotations

from itertools import islice
from typing import Any

import click

from promptcot import prompts
from promptcot.cli.options import data_path, output_path, prompt_like
from promptcot.cli.parameters import ABOVE_ZERO, COUNT, PATH, WHOLE
from promptcot.cli.report.console import print_summary, refuse_own_output, say
from promptcot.cli.report.progress import Progress
from promptcot.core.parsing.prompt_like import LEVELS
from promptcot.core.sampling.combinations import Exhausted
from promptcot.pipeline.inputs import prompt_renderer
from promptcot.recipe.schema import Sample
from promptcot.stages.sample import concepts_file, make_sampler, read_table, sampled_rows
from promptcot.storage.manifest import manifest
from promptcot.storage.outputs import Output


@click.command("sample")
@data_path("A concepts file: rows with a list `concepts`; `nano` is the catalogue that ships.")
@output_path("Rows with `id`, `foundational_concepts`, `level` and `prompt`.")
@click.option("--data-size", type=COUNT, default=1000, show_default=True, help="How many combinations.")
@click.option("--embed-path", type=PATH, help="Vectors of the concepts, from `encode`.")
@click.option(
    "--size",
    type=COUNT,
    multiple=True,
    help="Concepts of one combination; given several times, drawn uniformly.  [default: 5; 2 and 3 for nano]",
)
@click.option("--temperature", type=ABOVE_ZERO, default=0.2, show_default=True)
@click.option(
    "--counts", type=click.Choice(["raw", "log1p"]), default="raw", show_default=True, help="How co-occurrence counts."
)
@click.option("--levels", help="Levels to draw from, parted by commas.  [default: " + ", ".join(LEVELS) + "]")
@click.option("--seed", type=WHOLE, default=8000, show_default=True)
@click.option("--prompts", "domain", help="The folder whose wording is used.  [default: math; nano for nano]")
@prompt_like
def command(**options: Any) -> int:
    """Draw combinations of concepts that belong together.

    The first concept is drawn by its frequency, each next one by how often it occurs with the chosen ones and by how
    near it is to them. No combination comes twice.
    """
    recipe = _recipe(options)
    refuse_own_output([options["data_path"]], options["output_path"])
    domain = prompts.load(options["domain"] or ("nano" if _is_nano(options) else "math"))
    table = read_table(str(concepts_file(str(options["data_path"]))))
    ends: list[Exhausted] = []
    rows = sampled_rows(
        make_sampler(table, options["embed_path"], recipe),
        recipe.levels,
        options["seed"],
        prompt_renderer(domain, recipe.prompt_like, recipe.levels),
        ends.append,
    )
    with Output(options["output_path"], "sample") as output:
        with Progress({"sample": output.counts}, total=options["data_size"]):
            for index, row in enumerate(islice(rows, options["data_size"])):
                output.add(index, row, row)
        output.commit(manifest(options, domain.hashes, {}))
        for end in ends:
            say(f"sample: {end}")
        return print_summary(options["output_path"], [output.counts])


def _recipe(options: dict[str, Any]) -> Sample:
    given: dict[str, Any] = {
        "size": list(options["size"] or ([2, 3] if _is_nano(options) else [5])),
        "temperature": options["temperature"],
        "counts": options["counts"],
        "prompt_like": str(options["prompt_like"]) if options["prompt_like"] else None,
    }
    if options["levels"]:
        given["levels"] = [level.strip() for level in options["levels"].split(",") if level.strip()]
        if not given["levels"]:
            raise click.UsageError("--levels: name at least one level")
    elif _is_nano(options):
        given["levels"] = ["AMC12", "AIME", "HMMT-Feb"]
    return Sample.model_validate(given)


def _is_nano(options: dict[str, Any]) -> bool:
    """Whether the embedded catalogue is sampled; its models know its prompts, sizes and levels only."""
    return str(options["data_path"]) == "nano"
