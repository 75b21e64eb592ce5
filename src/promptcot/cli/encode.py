"""`promptcot encode`: computes the embedding of each concept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from promptcot.cli.cluster_options import cluster_options, take_scale
from promptcot.cli.help import verb
from promptcot.cli.options import checked, data_path, output_path, served_of, served_options
from promptcot.cli.parameters import COUNT
from promptcot.cli.report.console import Console, account, say
from promptcot.cli.report.progress import Progress
from promptcot.cli.report.result import RESULT
from promptcot.engines.cluster.scale import Scale
from promptcot.engines.opening import TEXTS_AT_ONCE, texts_at_once
from promptcot.pipeline.execute import open_engines
from promptcot.pipeline.synchronous import wait_for
from promptcot.recipe.schema import Encode
from promptcot.runners.retries import Patient
from promptcot.stages.encode import BATCH_SIZE, encode
from promptcot.stages.sample import concepts_file, read_table
from promptcot.storage.atomic import write_json
from promptcot.storage.counts import StageCounts
from promptcot.storage.embeddings import check_output
from promptcot.storage.manifest import FORMAT, manifest
from promptcot.storage.paths import beside


@verb(
    "encode",
    example="promptcot encode --data-path nano --output-path vectors.safetensors",
)
@data_path("Concepts file; `nano` stands for the catalogue that ships with the package.")
@output_path("Output: X.safetensors, with the names beside it in X.jsonl; or X.jsonl for the published format.")
@served_options
@cluster_options
@click.option(
    "--batch-size",
    type=COUNT,
    default=BATCH_SIZE,
    show_default=True,
    help="Number of concepts that are encoded and written together; the model's own batches are sized by tokens.",
)
def command(data_path: Path, output_path: Path, batch_size: int, **options: Any) -> int:
    """Compute an embedding of each distinct concept: the hidden state of its last token."""
    scale, options = take_scale(options)
    table = read_table(str(concepts_file(str(data_path))))
    spec = checked(Encode, **served_of(options))
    check_output(output_path)
    counts = StageCounts("encode")
    model = wait_for(_encode(list(table.names), spec, output_path, batch_size, counts, scale))
    named = output_path.with_suffix(".jsonl")
    write_json(
        beside(named, "recipe.json"), manifest({"data_path": data_path, **spec.model_dump()}, {}, {"encode": model})
    )
    write_json(beside(named, "summary.json"), {"format": FORMAT, "stages": {"encode": counts.summary()}})
    RESULT.wrote(output_path, named, beside(named, "recipe.json"))
    RESULT.read(beside(named, "summary.json"))
    say(account(counts))
    say(f"written: {output_path}")
    return 0


async def _encode(
    names: list[str], spec: Encode, target: Path, batch_size: int, counts: StageCounts, scale: Scale | None
) -> str:
    engines = open_engines(beside(target.with_suffix(".jsonl"), "journal"), Console(), scale, TEXTS_AT_ONCE)
    try:
        engine = Patient(await engines.open(spec, "generator"), texts_at_once(spec, engines.kind_of))
        with Progress({"encode": counts}, total=len(names)):
            await encode(names, engine, target, batch_size, counts)
        return engine.model
    finally:
        await engines.close()
