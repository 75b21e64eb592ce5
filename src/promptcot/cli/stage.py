"""One stage from file to file: what `generate`, `judge` and later stages share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from promptcot.cli.console import close_books, refuse_own_output, say
from promptcot.cli.progress import Progress
from promptcot.engines.opening import Engines
from promptcot.errors import RecipeError
from promptcot.files import beside, read_rows, with_ids
from promptcot.journal import Journal
from promptcot.manifest import manifest
from promptcot.outputs import Output
from promptcot.pipeline import run_stage
from promptcot.recipe import Model
from promptcot.runners.local import LocalRunner
from promptcot.stages.protocol import Stage


def model_of(options: Mapping[str, Any]) -> Model:
    """The model that the options of `model_options` describe. Raises RecipeError."""
    from pydantic import ValidationError

    try:
        return Model(
            model=options["model_path"],
            tokenizer=options["tokenizer_path"],
            dtype=options["dtype"],
            chat=options["use_chat_template"],
            temperature=options["temperature"],
            top_p=options["top_p"],
            repetition_penalty=options["repetition_penalty"],
            max_tokens=options["max_len"],
        )
    except ValidationError as error:
        raise RecipeError("options", [str(mistake["msg"]) for mistake in error.errors()]) from error


def run_file(
    make_stage: Callable[[Model, int], Stage], role: str, options: Mapping[str, Any], prompts: Mapping[str, str]
) -> int:
    """Run the stage from `data_path` to `output_path`; returns the exit code. `prompts` are hashes for the manifest."""
    model = model_of(options)
    return asyncio.run(_run_file(make_stage(model, options["seed"]), model, role, options, prompts))


async def _run_file(
    stage: Stage, model: Model, role: str, options: Mapping[str, Any], prompts: Mapping[str, str]
) -> int:
    source, target = Path(options["data_path"]), Path(options["output_path"])
    refuse_own_output([source], target)
    total = sum(1 for _ in read_rows(source))  # a wrong file is found before a model is loaded
    engines = Engines()
    try:
        with Output(target, stage.name) as output, Journal(beside(target, "journal")) as journal:
            if len(journal):
                say(f"{stage.name}: {len(journal):,} finished calls in {journal.directory}")
            engine = engines.open(model, role)
            recipe = manifest(options, prompts, {role: engine.model})
            with Progress({stage.name: output.tally}, total=total):
                await run_stage(
                    stage, with_ids(read_rows(source)), engine, LocalRunner(options["concurrency"]), output, journal
                )
            output.commit(recipe)
            return close_books(target, [output.tally])
    finally:
        await engines.close()
