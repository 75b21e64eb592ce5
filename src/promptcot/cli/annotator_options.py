"""What `extract` and `explain` share: several annotators at the same time, one row for each problem and annotator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from promptcot import nano
from promptcot.cli.options import levels_option, model_of, model_options, prompts_option
from promptcot.cli.parameters import WHOLE, NameOr, together
from promptcot.cli.stage import run_job
from promptcot.core.prompts import PromptSet
from promptcot.errors import UsageError
from promptcot.pipeline.job import Ask
from promptcot.pipeline.shards import part_of
from promptcot.recipe.schema import Model
from promptcot.records import Item, Row
from promptcot.stages import defaults
from promptcot.stages.annotators import Annotator, annotators_of
from promptcot.stages.protocol import Stage
from promptcot.storage.overlap import MODEL, Read

Rows = Callable[[Sequence[str]], Iterator[Row]]
"""Takes names of annotators, and starts reading the rows for them from the beginning. Each row names its annotator."""


class NamedModel(NameOr):
    """A model with a name of its own, as `NAME=MODEL`."""

    def reads(self, value: Any, options: Mapping[str, Any]) -> Iterator[Read]:
        return super().reads(str(value).partition("=")[2], options)


annotator_options = together(
    click.option(
        "--annotator",
        "annotators",
        type=NamedModel(MODEL),
        multiple=True,
        metavar="NAME=MODEL",
        help="A model that annotates, and its name in the rows. Several annotators work in parallel and share the "
        "other options.  [default: --model-path, under its own name]",
    ),
    levels_option,
    prompts_option,
    click.option(
        "--max-retries",
        type=WHOLE,
        default=2,
        show_default=True,
        help="Number of retries for a reply that cannot be parsed. Truncated replies are not retried.",
    ),
    model_options(temperature=0.6),
)
"""The annotators, the wording of their prompts, and the number of retries for an unreadable reply."""


def annotators(options: Mapping[str, Any]) -> list[Annotator]:
    """The annotators that the options name. Raises UsageError."""
    if options["annotators"] and options["model_path"] != nano.NAME:
        raise UsageError("--model-path and --annotator cannot be combined: write --annotator NAME=MODEL for each model")
    if options["base_url"] and not options["annotators"] and options["model_path"] == nano.NAME:
        return [Annotator("annotator", nano.NAME)]  # the only model that the server has
    return annotators_of(options["annotators"], options["model_path"])


def domain_of(options: Mapping[str, Any]) -> str:
    """The domain that is named, or the one that the models know."""
    models = [_model(one, options) for one in annotators(options)]
    return options["domain"] or defaults.common_domain(models)


def _model(annotator: Annotator, options: Mapping[str, Any]) -> Model:
    return model_of({**options, "model_path": annotator.model})


def run_annotators(
    name: str,
    make_stage: Callable[[Annotator, Model], Stage],
    rows: Rows,
    source: Path,
    options: Mapping[str, Any],
    loaded: PromptSet,
) -> int:
    """Ask all annotators; returns the exit code."""
    asked = annotators(options)
    names = [one.name for one in asked]
    part = part_of(options["shard"], [source], Path(options["output_path"]))

    def ask(annotator: Annotator) -> Ask:
        model = _model(annotator, options)

        def items() -> Iterator[Item]:
            return (item for item in part.items(rows(names)) if item.row["annotator"] == annotator.name)

        return Ask(make_stage(annotator, model), model, "annotator", items)

    told = {**options, "annotators": {one.name: one.model for one in asked}, "prompts": loaded.domain}
    return run_job(name, list(map(ask, asked)), source, told, loaded.hashes, part)
