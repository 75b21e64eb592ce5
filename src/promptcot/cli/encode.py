"""`promptcot encode`: a vector for each concept."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from promptcot.cli.console import account, say
from promptcot.cli.options import DTYPES, data_path, output_path
from promptcot.cli.progress import Progress
from promptcot.concepts import concepts_file, read_table
from promptcot.embeddings import check_output
from promptcot.engines.opening import Engines
from promptcot.files import beside, write_json
from promptcot.manifest import manifest
from promptcot.recipe import Encode
from promptcot.stages.encode import BATCH_SIZE, encode
from promptcot.tally import Tally


@click.command("encode")
@data_path("A concepts file; `nano` is the catalogue that ships.")
@output_path("X.safetensors (names beside it in X.jsonl), or the public form X.jsonl.")
@click.option(
    "--model-path", default="nano", show_default=True, help="A folder with a causal language model, or `nano`."
)
@click.option("--tokenizer-path", help="A folder with the tokenizer, where it is not the model's.")
@click.option("--dtype", type=click.Choice(DTYPES), default="auto", show_default=True)
@click.option(
    "--n-gpus", type=click.IntRange(min=0), default=0, help="As published; the local engine uses one if there is one."
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=BATCH_SIZE,
    show_default=True,
    help="How many concepts are finished together; the model's own batches are sized by tokens.",
)
def command(
    data_path: Path,
    output_path: Path,
    model_path: str,
    tokenizer_path: str | None,
    dtype: str,
    n_gpus: int,
    batch_size: int,
) -> int:
    """Turn each distinct concept of a file into the hidden state of its last token."""
    table = read_table(str(concepts_file(str(data_path))))
    spec = Encode.model_validate({"model": model_path, "tokenizer": tokenizer_path, "dtype": dtype})
    check_output(output_path)
    tally = Tally("encode")
    model = asyncio.run(_encode(list(table.names), spec, output_path, batch_size, tally))
    named = output_path.with_suffix(".jsonl")
    write_json(
        beside(named, "recipe.json"),
        manifest({"data_path": data_path, **spec.model_dump()}, {}, {"encode": model}),
    )
    write_json(beside(named, "summary.json"), {"stages": {"encode": tally.summary()}})
    say(account(tally))
    say(f"written: {output_path}")
    return 0


async def _encode(names: list[str], spec: Encode, target: Path, batch_size: int, tally: Tally) -> str:
    engines = Engines()
    try:
        engine = engines.open(spec, "generator")
        with Progress({"encode": tally}, total=len(names)):
            await encode(names, engine, target, batch_size, tally)
        return engine.model
    finally:
        await engines.close()
