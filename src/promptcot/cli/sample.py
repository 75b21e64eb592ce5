"""`promptcot sample`: samples combinations of concepts that belong together, as rows for `generate`."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

import click

from promptcot import domains
from promptcot.cli import known
from promptcot.cli.help import verb
from promptcot.cli.known import completing
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
from promptcot.core.sampling.combinations import Exhausted
from promptcot.core.shards import AFTER_ALL, Part, Shard
from promptcot.pipeline.inputs import drawn_rows
from promptcot.pipeline.shards import refuse_another_shard
from promptcot.recipe.schema import Sample
from promptcot.records import Failed, Row
from promptcot.stages.defaults import domain_of_concepts, sampling_of
from promptcot.stages.sample import read_levels, read_table
from promptcot.storage.manifest import manifest
from promptcot.storage.outputs import Output


@verb(
    "sample",
    example="promptcot sample --data-path nano --output-path combinations.jsonl --data-size 100",
    groups={
        "What to sample": ("data_size", "embed_path", "size", "counts", "levels", "fit_levels", "temperature", "seed")
    },
)
@data_path("Concepts file: rows with a list `concepts`; `nano` stands for the catalogue that ships with the package.")
@output_path("Output: rows with `id`, `foundational_concepts`, `level` and `prompt`, for `generate`.")
@columns_option
@click.option("--data-size", type=COUNT, default=1000, show_default=True, help="Number of combinations to sample.")
@click.option(
    "--embed-path",
    type=SOURCE,
    help="Embeddings of the concepts, written by `encode`.  [default: none; co-occurrence alone]",
)
@click.option(
    "--size",
    type=COUNT,
    multiple=True,
    help="Number of concepts per combination; if several are given, one is drawn uniformly.  [default: the domain's]",
)
@click.option(
    "--temperature",
    type=ABOVE_ZERO,
    default=0.2,
    show_default=True,
    help="Temperature of the softmax over candidate concepts; lower values favour likely combinations.",
)
@click.option(
    "--counts",
    type=click.Choice(["raw", "log1p"]),
    default="raw",
    show_default=True,
    help="Weight of co-occurrence: raw counts, or log(1 + count).",
)
@click.option(
    "--levels",
    metavar="LEVEL,...",
    shell_complete=completing(known.levels),
    help="Levels to draw from, separated by commas.  [default: the domain's]",
)
@click.option(
    "--fit-levels",
    is_flag=True,
    help="Draw levels that fit the concepts, by the `level` of the rows that hold them.  [default: uniform levels]",
)
@click.option("--seed", type=WHOLE, default=8000, show_default=True, help="Random seed.")
@click.option(
    "--prompts",
    "domain",
    type=PROMPTS,
    help="Domain, a name or a folder.  [default: nano for nano's concepts, else math]",
)
@prompt_like
@shard_option
def command(shard: Shard | None, **options: Any) -> int:
    """Sample combinations of concepts that belong together, and write a prompt for each.

    The first concept is sampled by its frequency, each further concept by how often it occurs together with the
    concepts already chosen and by the similarity of their embeddings. No combination occurs twice. Levels are
    drawn uniformly, or with --fit-levels by how often the same concepts occur at each level.
    """
    columns, options = take_columns(options, say)
    concepts = str(options["data_path"])
    output_path, size, part = options["output_path"], options["data_size"], Part(shard)
    if shard is not None:
        refuse_another_shard(shard, output_path)
    domain = domains.load(options["domain"] or domain_of_concepts(concepts))
    settings = _settings(options, sampling_of(domain, concepts))
    ends: list[Exhausted] = []
    unfit: list[tuple[Row, str]] = []
    table = read_table(concepts, columns, lambda row, why: unfit.append((row, why)))
    fitting = read_levels(concepts, table, settings, columns)
    rows = drawn_rows(table, settings, options["seed"], options["embed_path"], domain, ends.append, fitting)
    with Output(output_path, "sample", placed=shard is not None) as output:
        with Progress({"sample": output.counts}, total=size // (shard.count if shard else 1)):
            for item in part.items(islice(rows, size)):
                output.add(item.index, item.row, item.row)
        for row, why in unfit if shard is None or shard.index == 1 else ():  # each shard reads all concepts
            output.add(AFTER_ALL, row, Failed("unfit", why))
        told = {name: value for name, value in options.items() if name != "fit_levels" or value}
        output.commit({**manifest(told, domain.hashes, {}), **part.told()})
        for end in ends:
            say(f"sample: {end}")
        return print_summary(output_path, [output.counts])


def _settings(options: dict[str, Any], defaults: Mapping[str, Any]) -> Sample:
    settings = dict(defaults)
    settings |= {name: options[name] for name in ("temperature", "counts", "fit_levels")}
    settings["prompt_like"] = str(options["prompt_like"]) if options["prompt_like"] else None
    if options["size"]:
        settings["size"] = list(options["size"])
    if options["levels"]:
        settings["levels"] = [level.strip() for level in options["levels"].split(",") if level.strip()]
        if not settings["levels"]:
            raise click.UsageError("--levels: name at least one level")
    return checked(Sample, **settings)
