"""`promptcot sample`: combinations of concepts that belong together, as rows for `generate`."""

from __future__ import annotations

from itertools import islice
from typing import Any

import click

from promptcot import prompts
from promptcot.cli.options import checked, data_path, output_path, prompt_like
from promptcot.cli.parameters import (
    ABOVE_ZERO,
    COUNT,
    PROMPTS,
    SOURCE,
    WHOLE,
    columns_option,
    shard_option,
    take_columns,
)
from promptcot.cli.report.console import print_summary, say
from promptcot.cli.report.progress import Progress
from promptcot.core.parsing.prompt_like import LEVELS
from promptcot.core.sampling.combinations import Exhausted
from promptcot.core.shards import AFTER_ALL, Part, Shard
from promptcot.pipeline.inputs import drawn_rows
from promptcot.pipeline.shards import refuse_another_shard
from promptcot.recipe.schema import Sample
from promptcot.records import Failed, Row
from promptcot.stages.defaults import domain_of_concepts, sampling_of
from promptcot.stages.sample import read_table
from promptcot.storage.manifest import manifest
from promptcot.storage.outputs import Output


@click.command("sample")
@data_path("A concepts file: rows with a list `concepts`; `nano` is the catalogue that ships.")
@output_path("Rows with `id`, `foundational_concepts`, `level` and `prompt`.")
@columns_option
@click.option("--data-size", type=COUNT, default=1000, show_default=True, help="How many combinations.")
@click.option("--embed-path", type=SOURCE, help="Vectors of the concepts, from `encode`.")
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
@click.option(
    "--prompts", "domain", type=PROMPTS, help="The folder whose wording is used.  [default: math; nano for nano]"
)
@prompt_like
@shard_option
def command(shard: Shard | None, **options: Any) -> int:
    """Draw combinations of concepts that belong together.

    The first concept is drawn by its frequency, each next one by how often it occurs with the chosen ones and by how
    near it is to them. No combination comes twice.
    """
    columns, options = take_columns(options, say)
    settings, concepts = _settings(options), str(options["data_path"])
    output_path, size, part = options["output_path"], options["data_size"], Part(shard)
    if shard is not None:
        refuse_another_shard(shard, output_path)
    domain = prompts.load(options["domain"] or domain_of_concepts(concepts))
    ends: list[Exhausted] = []
    unfit: list[tuple[Row, str]] = []
    table = read_table(concepts, columns, lambda row, why: unfit.append((row, why)))
    rows = drawn_rows(table, settings, options["seed"], options["embed_path"], domain, ends.append)
    with Output(output_path, "sample", placed=shard is not None) as output:
        with Progress({"sample": output.counts}, total=size // (shard.count if shard else 1)):
            for item in part.items(islice(rows, size)):
                output.add(item.index, item.row, item.row)
        for row, why in unfit if shard is None or shard.index == 1 else ():  # each shard reads all concepts
            output.add(AFTER_ALL, row, Failed("unfit", why))
        output.commit({**manifest(options, domain.hashes, {}), **part.told()})
        for end in ends:
            say(f"sample: {end}")
        return print_summary(output_path, [output.counts])


def _settings(options: dict[str, Any]) -> Sample:
    settings = dict(sampling_of(str(options["data_path"])))
    settings |= {name: options[name] for name in ("temperature", "counts")}
    settings["prompt_like"] = str(options["prompt_like"]) if options["prompt_like"] else None
    if options["size"]:
        settings["size"] = list(options["size"])
    if options["levels"]:
        settings["levels"] = [level.strip() for level in options["levels"].split(",") if level.strip()]
        if not settings["levels"]:
            raise click.UsageError("--levels: name at least one level")
    return checked(Sample, **settings)
