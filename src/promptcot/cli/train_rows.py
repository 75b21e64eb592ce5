"""`promptcot train-rows`: makes training rows for a generator, and the concepts file for `sample`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from promptcot import domains
from promptcot.cli.help import verb
from promptcot.cli.options import levels_option, output_path, prompt_like
from promptcot.cli.parameters import PROMPTS, SOURCE, TARGET, WHOLE
from promptcot.cli.report.console import print_summary
from promptcot.core.training_rows import generator_row
from promptcot.pipeline.inputs import prompt_renderer
from promptcot.records import Row
from promptcot.stages.annotators import level_giver
from promptcot.stages.train_rows import write_training_rows
from promptcot.storage.manifest import manifest


@verb(
    "train-rows",
    example="promptcot train-rows --data-path out/nano/filter.jsonl --output-path train.jsonl "
    "--concepts-path concepts.jsonl",
    groups={"Input and output": ("sources", "output_path", "concepts_path", "journal")},
)
@click.option(
    "--data-path",
    "sources",
    type=SOURCE,
    multiple=True,
    required=True,
    help="Rows written by `filter` or `explain`, or rows with `concepts`, `rationale` and `problem`.",
)
@output_path("Output: training rows with `prompt` and `completion`, and the concepts, level and annotator.")
@click.option(
    "--concepts-path",
    type=TARGET,
    help="Also write the concepts of each problem to this file, for `sample`.  [default: not written]",
)
@levels_option
@click.option(
    "--prompts",
    "domain",
    type=PROMPTS,
    default=domains.DEFAULT,
    show_default=True,
    help="Domain, a name or a folder: it defines the blocks of a completion and the wording of missing prompts.",
)
@prompt_like
@click.option("--seed", type=WHOLE, default=8000, show_default=True, help="Random seed for drawing levels.")
def command(output_path: Path, concepts_path: Path | None, **options: Any) -> int:
    """Make training rows for a problem generator from annotated problems.

    Rows written by `explain` or `filter` contain their prompt; for other rows it is made from their concepts and level.
    Incomplete and repeated rows are dropped, with the reason. Pass judged rows through `filter` first.
    """
    sources, targets = options["sources"], [path for path in (output_path, concepts_path) if path]
    loaded = domains.load(options["domain"])
    blocks = loaded.settings.written
    like = options["prompt_like"] and str(options["prompt_like"])
    give_level = level_giver(options["levels"], options["seed"])
    render = prompt_renderer(loaded, like, options["levels"])
    told = {**options, "output_path": output_path, "concepts_path": concepts_path, "sources": list(map(str, sources))}

    def learn(row: Row) -> Row | str:
        return generator_row(give_level(row), render, blocks)

    first, *others = write_training_rows(sources, learn, targets, manifest(told, loaded.hashes, {}), blocks)
    for target, counts in zip(targets[1:], others, strict=True):
        print_summary(target, [counts])
    return print_summary(output_path, [first])
